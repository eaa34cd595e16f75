//! Random alerts, receivers that fail, and crashes between any two calls of the store's bytes. From one seed everything
//! follows, so a failure can be run again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alertbridge::domain::{
    Alert, Backoff, Fallback, Fingerprint, Join, Policy, Reason, Rules, Settled, Severity, Status,
    Timestamp, ToldState, Traits,
};
use alertbridge::store::{
    AlertOutcome, Attempt, Bell, Embedded, Error, Filter, Intake, Kv, KvError, Ledger, MemKv, Pair,
    Records, Routed, Settlement, Size, Span, Started, Upkeep, Writes,
};

const KEYS: u64 = 12;
const ROUTES: [&str; 3] = ["own", "team", "other"];
/// Whom every route tells.
const TOLD: [&str; 2] = ["chat", "pager"];
/// The last one is told where `chat` cannot be reached.
const RECEIVERS: [&str; 3] = ["chat", "pager", "phone"];

/// `SplitMix64`: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }
}

/// When the process dies: after so many calls, and whether a write that it dies in is on disk.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    calls_left: Option<u64>,
    kept: bool,
}

/// Bytes of a process that may die at any call. What was not applied is gone.
#[derive(Clone, Default)]
struct Mortal {
    disk: MemKv,
    fate: Arc<Mutex<Fate>>,
}

impl Mortal {
    fn live(&self) -> Result<(), KvError> {
        let mut fate = self.fate.lock().expect("one thread at a time");
        match &mut fate.calls_left {
            None => Ok(()),
            Some(0) => Err(Arc::new(std::io::Error::other("the process is dead"))),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

impl Kv for Mortal {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.live()?;
        self.disk.get(key)
    }

    fn scan(&self, span: &Span, limit: usize) -> Result<Vec<Pair>, KvError> {
        self.live()?;
        self.disk.scan(span, limit)
    }

    fn apply_durably(&mut self, writes: Writes) -> Result<(), KvError> {
        if let Err(error) = self.live() {
            // It died in this very call: the writes may have reached the disk although nobody was told.
            let kept = std::mem::take(&mut self.fate.lock().expect("one thread at a time").kept);
            if kept {
                self.disk.apply_durably(writes)?;
            }
            return Err(error);
        }
        self.disk.apply_durably(writes)
    }

    fn size(&self) -> Result<Size, KvError> {
        self.disk.size()
    }
}

struct Silent;

impl Bell for Silent {
    fn ring(&self, _receiver: &str) {}

    fn timer(&self) {}
}

fn rules() -> Arc<Rules> {
    let policy = |name: &str| Policy {
        repeat_interval: Duration::ZERO,
        ..Policy::new(name, TOLD.map(Into::into).to_vec())
    };
    Arc::new(Rules {
        policies: ROUTES.map(|name| (name.into(), Arc::new(policy(name)))).into_iter().collect(),
        fallback: Arc::new(policy("fallback")),
        traits: HashMap::from([
            ("chat".into(), Traits::CHAT),
            ("pager".into(), Traits::PAGER),
            ("phone".into(), Traits::PAGER),
        ]),
        fallbacks: HashMap::from([(
            "chat".into(),
            Fallback { receiver: "phone".into(), after: Duration::from_secs(20) },
        )]),
        loaded_at: Timestamp::default(),
    })
}

/// What a sender last got a good answer for.
#[derive(Clone, Debug, Default)]
struct Truth {
    firing: bool,
    routes: BTreeSet<&'static str>,
    changed_at: Timestamp,
}

/// What a receiver got to see.
#[derive(Default)]
struct Seen {
    state: BTreeMap<(u64, &'static str), ToldState>,
    sequences: BTreeSet<(u64, &'static str, u32)>,
    /// Taken by the receiver, but the store was never told so.
    unsettled: BTreeSet<(u64, &'static str)>,
}

struct World {
    random: Random,
    bytes: Mortal,
    store: Arc<Embedded>,
    rules: Arc<Rules>,
    now: Timestamp,
    truth: BTreeMap<u64, Truth>,
    seen: Seen,
    messages: u64,
    crashes: u64,
    again: u64,
    log: Vec<String>,
    /// While set, the process may die.
    wild: bool,
}

fn open(bytes: &Mortal, rules: &Arc<Rules>, now: Timestamp) -> Result<Arc<Embedded>, Error> {
    let bytes = Box::new(bytes.clone());
    Embedded::over(bytes, Box::new(|_| ()), rules.clone(), Arc::new(Silent), now, "sim".into())
}

impl World {
    fn new(seed: u64) -> Self {
        let (bytes, rules, now) = (Mortal::default(), rules(), Timestamp::from_secs(1_800_000_000));
        let store = open(&bytes, &rules, now).expect("an empty map");
        Self {
            random: Random(seed),
            bytes,
            store,
            rules,
            now,
            truth: BTreeMap::new(),
            seen: Seen::default(),
            messages: 0,
            crashes: 0,
            again: 0,
            log: Vec::new(),
            wild: true,
        }
    }

    fn note(&mut self, line: &str) {
        self.log.push(format!("{} {line}", self.now));
    }

    /// Decides when the process dies next.
    fn arm(&mut self) {
        let calls_left = self.wild.then(|| self.random.below(120));
        let kept = self.random.below(2) == 0;
        *self.bytes.fate.lock().expect("one thread at a time") = Fate { calls_left, kept };
    }

    /// `None`: the process died and was started again.
    fn lives<T>(&mut self, answer: Result<T, Error>) -> Option<T> {
        match answer {
            Ok(answer) => return Some(answer),
            Err(Error::Backend { .. } | Error::Closed) => {}
            Err(error) => panic!("{error}: {:?}", self.log.last()),
        }
        self.crashes += 1;
        self.note("crash");
        loop {
            self.arm();
            // The dying thread must be gone before the next process begins.
            match open(&self.bytes, &self.rules, self.now) {
                Ok(store) => {
                    self.store = store;
                    return None;
                }
                Err(Error::Backend { .. }) => self.crashes += 1,
                Err(error) => panic!("after a crash: {error}"),
            }
        }
    }

    fn routed(&mut self, key: u64, status: Status) -> Routed {
        self.messages += 1;
        let severity = Severity::ALL[usize::try_from(self.random.below(5)).expect("small")];
        let alert = Alert {
            status,
            severity,
            observed_at: Some(self.now),
            message_id: Some(format!("m{}", self.messages)),
            ..Alert::new(format!("k{key}"), format!("key {key}"))
        };
        let choice = self.random.below(8);
        // Mostly the same route for a key, sometimes another or two.
        let routes: &[&str] = match choice {
            0 => &["own", "team"],
            1 => &["other"],
            _ if key.is_multiple_of(2) => &["own"],
            _ => &["team"],
        };
        let join = |route: &&str| Join {
            policy: self.rules.policy(route).clone(),
            group: Fingerprint::of([*route, if *route == "own" { &alert.key } else { "" }]),
            was: vec![],
            values: vec![],
        };
        let fires = status == Status::Firing;
        let joins = routes.iter().filter(|_| fires).map(join).collect();
        Routed { alert, joins, dropped: false }
    }

    /// A sender posts and, as long as it gets no answer, posts the same again.
    async fn post(&mut self) {
        let count = 1 + self.random.below(3);
        let mut alerts = Vec::new();
        for _ in 0..count {
            let key = self.random.below(KEYS);
            let fires = self.random.below(5) < 3;
            let mut routed =
                self.routed(key, if fires { Status::Firing } else { Status::Resolved });
            let known = self.truth.get(&key).map(|truth| (truth.changed_at, truth.firing));
            // Long after a resolve an old time is news: senders that name the start of a state fire again with it.
            let overtaken = |at: Timestamp| self.now.since(at) < Duration::from_mins(1);
            let late = known.filter(|(at, firing)| !fires || *firing || overtaken(*at));
            let late = late.filter(|_| self.random.below(6) == 0);
            if let Some((changed_at, _)) = late {
                // A late message: older than the latest change, so it says nothing.
                routed.alert.observed_at = Some(changed_at.minus(Duration::from_millis(500)));
                alerts.push((key, None, routed));
            } else {
                let routes = routed.joins.iter().map(|join| {
                    *ROUTES.iter().find(|name| ***name == *join.policy.route).expect("ours")
                });
                let routes = routes.collect();
                alerts.push((
                    key,
                    Some(Truth { firing: fires, routes, changed_at: self.now }),
                    routed,
                ));
            }
        }
        loop {
            let intake = Intake {
                source: "sim".into(),
                alerts: alerts.iter().map(|(_, _, routed)| routed.clone()).collect(),
                now: self.now,
            };
            let answer = self.store.commit(intake).await;
            if let Some(outcomes) = self.lives(answer) {
                for ((key, truth, routed), outcome) in alerts.iter().zip(outcomes) {
                    let (status, late) = (routed.alert.status, truth.is_none());
                    let AlertOutcome { reason, incidents, .. } = outcome;
                    self.note(&format!("key {key} {status}, late {late}: {reason} {incidents:?}"));
                }
                break;
            }
        }
        for (key, truth, _) in alerts {
            if let Some(truth) = truth {
                self.truth.insert(key, truth);
            }
        }
    }

    async fn wake(&mut self) -> Option<Timestamp> {
        let answer = self.store.wake(self.now).await;
        self.lives(answer).flatten()
    }

    /// One receiver takes what is ready for it. Returns how much that was.
    async fn deliver(&mut self, receiver: &'static str) -> usize {
        let lease = Duration::from_secs(30);
        let answer = self.store.claim(receiver.into(), 4, lease, self.now).await;
        let Some(claims) = self.lives(answer) else { return 1 };
        let count = claims.len();
        for claim in claims {
            let answer = self.store.start(claim, self.now).await;
            let Some(started) = self.lives(answer) else { return count };
            if let Some(started) = started {
                let settled = self.receive(receiver, &started);
                let taken = matches!(settled, Settled::Delivered { .. });
                let answer = self.store.settle(self.settlement(&started, settled)).await;
                let Some(reason) = self.lives(answer) else { return count };
                self.note(&format!("settled {} {receiver}: {reason}", started.claim.number));
                if taken {
                    self.seen.unsettled.remove(&(started.claim.number, receiver));
                }
            }
        }
        count
    }

    /// The receiver's side of an attempt.
    fn receive(&mut self, receiver: &'static str, started: &Started) -> Settled {
        let (number, telling) = (started.claim.number, started.telling);
        let luck = if self.wild { self.random.below(8) } else { 7 };
        match luck {
            0 => return Settled::Failed { after: None, maybe: false },
            // A close that nobody can mend is given up, and then the receiver never hears of it.
            1 => {
                let closing = telling.state == ToldState::Resolved;
                return Settled::Refused { mendable: closing || self.random.below(2) == 0 };
            }
            2 => return Settled::Held,
            _ => {}
        }
        let row = (number, receiver);
        if !self.seen.sequences.insert((number, receiver, telling.seq)) {
            let excused = self.seen.unsettled.contains(&row);
            assert!(excused, "#{number} told {receiver} twice of {}", telling.seq);
            self.again += 1;
        }
        self.note(&format!("told {receiver} #{number} {:?} {}", telling.why, telling.seq));
        self.seen.state.insert(row, telling.state);
        self.seen.unsettled.insert(row);
        if luck == 3 {
            return Settled::Failed { after: None, maybe: true };
        }
        Settled::Delivered { remember: None }
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
                took: Duration::ZERO,
                reason: Reason::Delivered,
                status: None,
                error: None,
                body_hash: 0,
                body: vec![],
            },
            keep: None,
            backoff: Backoff::default(),
            seed: 7,
            now: self.now,
        }
    }

    /// Everything calms down: no more crashes or failures, until nothing is left to tell.
    async fn settle_down(&mut self) {
        self.wild = false;
        self.arm();
        for _ in 0..200 {
            let mut told = 0;
            self.now = self.now.plus(Duration::from_mins(2));
            let next = self.wake().await;
            for receiver in RECEIVERS {
                told += self.deliver(receiver).await;
            }
            if told == 0 && next.is_none() {
                return;
            }
        }
        panic!("there is always more to tell");
    }

    async fn judge(&self) {
        assert_eq!(self.store.verify().await.expect("alive"), [] as [String; 0]);
        let filter = Filter { limit: 1000, ..Filter::default() };
        let heads = self.store.incidents(filter).await.expect("alive");
        let mut firing: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        for head in &heads {
            let record = self.store.incident(head.number).await.expect("alive").expect("kept");
            for (member, body) in &record.members {
                if member.firing {
                    let key = body.alert.key[1..].parse().expect("ours");
                    let route = ROUTES.iter().find(|name| **name == head.route).expect("ours");
                    firing.entry(key).or_default().insert(route);
                }
            }
            assert!(TOLD.iter().all(|receiver| head.told(receiver).is_some()));
            for receiver in RECEIVERS {
                let told = self.seen.state.get(&(head.number, receiver)).copied();
                if head.state.is_resolved() {
                    let closed = matches!(told, None | Some(ToldState::Resolved));
                    assert!(closed, "#{} is over, {receiver} was not told", head.number);
                } else if head.told(receiver).is_some() {
                    assert_eq!(told, Some(ToldState::Open), "#{} for {receiver}", head.number);
                }
            }
        }
        let truth: BTreeMap<u64, BTreeSet<&str>> = self
            .truth
            .iter()
            .filter(|(_, truth)| truth.firing)
            .map(|(key, truth)| (*key, truth.routes.clone()))
            .collect();
        let log = self.log.join("\n");
        assert_eq!(firing, truth, "what fires is what was accepted:\n{log}");
    }
}

async fn live(seed: u64, steps: u32) -> World {
    let mut world = World::new(seed);
    world.arm();
    for _ in 0..steps {
        let pause = 1 + world.random.below(40);
        world.now = world.now.plus(Duration::from_secs(pause));
        match world.random.below(5) {
            0 => drop(world.wake().await),
            1 => drop(world.deliver("chat").await),
            2 => drop(world.deliver("pager").await),
            3 => drop(world.deliver("phone").await),
            _ => world.post().await,
        }
    }
    world.settle_down().await;
    world.judge().await;
    world
}

fn run(seed: u64, steps: u32) -> World {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    runtime.block_on(live(seed, steps))
}

#[test]
fn nothing_is_lost_and_nothing_is_told_twice() {
    let (mut crashes, mut again, mut fallbacks) = (0, 0, 0);
    for seed in 0..40 {
        let world = run(seed, 400);
        crashes += world.crashes;
        again += world.again;
        fallbacks += world.seen.state.keys().filter(|(_, receiver)| *receiver == "phone").count();
    }
    assert!(fallbacks > 50, "{fallbacks} fallbacks test little");
    assert!(crashes > 300, "{crashes} crashes test little");
    assert!(again > 0 && again < crashes * 2, "{again} told again around {crashes} crashes");
}

#[test]
fn the_same_seed_lives_the_same_life() {
    assert_eq!(run(42, 300).log, run(42, 300).log);
}
