//! What every store must do. Each test runs against each store; a new store joins by one line in [`stores`].

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::domain::{
    Fallback, Fingerprint, Life, Policy, Severity, State, Status, ToldState, Traits,
};

mod damage;
mod flow;
mod intake;
mod keep;

/// A bell that remembers who was rung for.
#[derive(Default)]
pub(super) struct Ear {
    rung: Mutex<Vec<String>>,
    timers: Mutex<u32>,
}

impl Ear {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.rung.lock().unwrap())
    }
}

impl Bell for Ear {
    fn ring(&self, receiver: &str) {
        self.rung.lock().unwrap().push(receiver.to_owned());
    }

    fn timer(&self) {
        *self.timers.lock().unwrap() += 1;
    }
}

/// Opens a store over the same place again and again.
type Open = Box<dyn Fn(Arc<Rules>, Arc<Ear>, Timestamp) -> Result<Arc<dyn Store>, Error>>;

/// A place in which a store keeps its data, and how to open it.
pub(super) struct Place {
    name: &'static str,
    open: Open,
    _directory: Option<tempfile::TempDir>,
}

/// One of each store.
fn stores() -> Vec<Place> {
    let kv = MemKv::default();
    let memory: Open = Box::new(move |rules, bell, now| {
        let store =
            Embedded::over(Box::new(kv.clone()), Box::new(|_| ()), rules, bell, now, "mem".into())?;
        Ok(store as Arc<dyn Store>)
    });
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().to_owned();
    let sled: Open = Box::new(move |rules, bell, now| {
        let options =
            SledOptions { cache_bytes: 4 << 20, free_bytes_min: 0, ..SledOptions::default() };
        let store = Embedded::open_sled(&path, options, rules, bell, now, "sled".into())?;
        Ok(store as Arc<dyn Store>)
    });
    vec![
        Place { name: "memory", open: memory, _directory: None },
        Place { name: "sled", open: sled, _directory: Some(directory) },
    ]
}

/// A store with a clock and the configuration of these tests.
pub(super) struct World {
    place: Place,
    rules: Arc<Rules>,
    ear: Arc<Ear>,
    store: Option<Arc<dyn Store>>,
    now: Timestamp,
    source: Arc<str>,
}

/// Runs `test` against every store, from 2026-01-01 on.
pub(super) fn check<F: Future<Output = ()>>(test: impl Fn(World) -> F) {
    check_with(rules(), test);
}

pub(super) fn check_with<F: Future<Output = ()>>(rules: Rules, test: impl Fn(World) -> F) {
    let rules = Arc::new(rules);
    for place in stores() {
        let now = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").expect("valid");
        let ear = Arc::new(Ear::default());
        let store = (place.open)(rules.clone(), ear.clone(), now).expect(place.name);
        let world = World {
            place,
            rules: rules.clone(),
            ear,
            store: Some(store),
            now,
            source: "azure".into(),
        };
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("runtime")
            .block_on(test(world));
    }
}

/// Routes `own` (each alert its own incident), `team` (one incident), `other`; receivers `chat` and `pager`.
pub(super) fn rules() -> Rules {
    let mut policies = HashMap::new();
    for name in ["own", "team", "other"] {
        let receivers = vec!["chat".into(), "pager".into()];
        policies.insert(Arc::from(name), Arc::new(Policy::new(name, receivers)));
    }
    let traits = [(Arc::from("chat"), Traits::CHAT), (Arc::from("pager"), Traits::PAGER)];
    Rules {
        policies,
        fallback: Arc::new(Policy::new("fallback", Vec::new())),
        traits: traits.into_iter().collect(),
        fallbacks: HashMap::new(),
        loaded_at: Timestamp::default(),
    }
}

impl World {
    fn store(&self) -> &dyn Store {
        self.store.as_deref().expect("open")
    }

    fn later(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    /// Ends the store and opens it again over what it left.
    fn reopen(&mut self) {
        self.store = None;
        let opened = (self.place.open)(self.rules.clone(), self.ear.clone(), self.now);
        self.store = Some(opened.expect(self.place.name));
    }

    fn join(&self, route: &str, group: &str) -> Join {
        Join {
            policy: self.rules.policy(route).clone(),
            group: Fingerprint::of([route, group]),
            was: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Routes an alert: `own` groups by key, every other route is one group.
    fn routed(&self, alert: Alert, routes: &[&str]) -> Routed {
        let fires = matches!(alert.status, Status::Firing | Status::Notice);
        let joins = routes
            .iter()
            .filter(|_| fires)
            .map(|route| self.join(route, if *route == "own" { &alert.key } else { "" }));
        Routed { joins: joins.collect(), dropped: false, alert }
    }

    async fn commit(&self, alerts: Vec<Routed>) -> Vec<AlertOutcome> {
        let mut alerts = alerts;
        for (index, routed) in alerts.iter_mut().enumerate() {
            routed.alert.index = u32::try_from(index).expect("few");
        }
        let intake = Intake { source: self.source.clone(), alerts, now: self.now };
        let outcomes = self.store().commit(intake).await.expect(self.place.name);
        self.sound().await;
        outcomes
    }

    /// One alert through the given routes; what became of it.
    async fn send(&self, alert: Alert, routes: &[&str]) -> AlertOutcome {
        let routed = self.routed(alert, routes);
        self.commit(vec![routed]).await.remove(0)
    }

    /// After whatever happened, records and relations must be in order.
    async fn sound(&self) {
        let problems = self.store().verify().await.expect("verify");
        assert_eq!(problems, [] as [String; 0], "{}", self.place.name);
    }

    async fn head(&self, number: u64) -> Head {
        self.record(number).await.head
    }

    async fn record(&self, number: u64) -> IncidentRecord {
        self.store().incident(number).await.expect("read").expect("it is kept")
    }

    async fn wake(&self) -> Option<Timestamp> {
        self.store().wake(self.now).await.expect("wake")
    }

    async fn claim(&self, receiver: &str) -> Vec<Claim> {
        let lease = Duration::from_secs(30);
        self.store().claim(receiver.into(), 100, lease, self.now).await.expect("claim")
    }

    fn settlement(&self, started: &Started, settled: Settled) -> Settlement {
        Settlement {
            claim: started.claim.clone(),
            telling: started.telling,
            settled,
            credential: 7,
            attempt: Attempt {
                number: started.claim.number,
                receiver: started.claim.receiver.to_string(),
                seq: started.telling.seq,
                why: started.telling.why,
                at: self.now,
                took: Duration::from_millis(5),
                reason: Reason::Delivered,
                status: Some(200),
                error: None,
                body_hash: 1,
                body: vec![1, 2, 3],
            },
            keep: None,
            backoff: Backoff::default(),
            seed: 0,
            now: self.now,
        }
    }

    /// Tells the receiver all that is ready now. Returns what was said, in the order of claims.
    async fn deliver(&self, receiver: &str) -> Vec<(u64, Why)> {
        let mut said = Vec::new();
        for claim in self.claim(receiver).await {
            let Some(started) = self.store().start(claim, self.now).await.expect("start") else {
                continue;
            };
            said.push((started.claim.number, started.telling.why));
            let done = self.settlement(&started, Settled::Delivered { remember: None });
            self.store().settle(done).await.expect("settle");
        }
        said
    }
}

fn firing(key: &str, severity: Severity) -> Alert {
    Alert { severity, ..Alert::new(key, format!("{key} is broken")) }
}

fn resolved(key: &str) -> Alert {
    Alert { status: Status::Resolved, ..Alert::new(key, format!("{key} is well")) }
}

impl World {
    /// `alert` as its sender observed it `seconds` after the present.
    fn observed(&self, alert: Alert, seconds: i64) -> Alert {
        let at = Timestamp::from_micros(self.now.as_micros() + seconds * 1_000_000);
        Alert { observed_at: Some(at), ..alert }
    }
}
