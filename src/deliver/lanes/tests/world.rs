//! A small world around the lanes: a ledger over the real rules, scripted receivers, and the runtime's clock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::sleep;

use super::super::*;
use crate::deliver::Dispatcher;
use crate::deliver::client::{Failure, Sending};
use crate::deliver::senders::{Action, News, Outcome, Rejection, RenderError, Request, Response};
use crate::domain::{
    Fingerprint, Fresh, Head, Join, Patience, Policy, Rules, Severity, Snapshot, State, Timestamp,
    Told, Traits, Wanted, flush, open, settle, start, wanted,
};
use crate::store::{AlertOutcome, Answer, Attempt, Bell, Claim, Intake, Settlement, Started};

pub const SECOND: Duration = Duration::from_secs(1);

/// Shows the runtime's time, which the tests pause.
pub struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_000_000).plus(self.0.elapsed())
    }
}

/// The rules of the domain over a map, without durability.
pub struct Fake {
    bells: Arc<Bells>,
    policy: Policy,
    pub state: Mutex<Book>,
    /// How long starts and settles take: the flush they share.
    pub flush: Duration,
}

#[derive(Default)]
pub struct Book {
    pub heads: BTreeMap<u64, Head>,
    pub claimed: HashSet<(u64, String)>,
    pub attempts: Vec<(Attempt, Option<String>)>,
    /// The next calls that answer busy.
    pub busy: usize,
    /// Every call fails for good.
    pub broken: bool,
    pub claims: usize,
    /// The incident whose record is damaged.
    pub damaged: Option<u64>,
}

impl Fake {
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.state.lock().unwrap()
    }

    /// An incident that opens now for `receivers`.
    pub fn open(&self, number: u64, severity: Severity, receivers: &[&str], now: Timestamp) {
        let policy = Arc::new(self.policy.clone());
        let group = Fingerprint::of([number.to_string().as_str()]);
        let join = Join { policy, group, was: Vec::new(), values: Vec::new() };
        let mut head = open(Fresh { number, previous: None }, &join, false, now);
        head.state = State::Open;
        (head.seq, head.episode, head.severity, head.peak) = (1, 1, severity, severity);
        (head.marks.opened, head.marks.rise) = (1, 1);
        head.firing[severity as usize] = 1;
        head.told = receivers.iter().map(|name| Told::new(*name)).collect();
        flush(&mut head, now);
        self.book().heads.insert(number, head);
        self.ring(receivers);
    }

    pub fn resolve(&self, number: u64, now: Timestamp) {
        let mut book = self.book();
        let head = book.heads.get_mut(&number).unwrap();
        head.seq += 1;
        head.marks.resolved = head.seq;
        head.state = State::Resolved { at: now };
        head.firing = [0; 5];
        head.changed_at = now;
        flush(head, now);
        for told in &head.told {
            self.bells.ring(&told.receiver);
        }
    }

    fn ring(&self, receivers: &[&str]) {
        for name in receivers {
            self.bells.ring(name);
        }
    }

    pub fn told(&self, number: u64, receiver: &str) -> Told {
        self.book().heads[&number].told(receiver).unwrap().clone()
    }

    fn wanted(&self, head: &Head, told: &Told, now: Timestamp) -> Wanted {
        wanted(head, told, &self.policy, Traits::CHAT, Timestamp::default(), now)
    }

    fn check(&self) -> Result<(), store::Error> {
        let mut book = self.book();
        if book.broken {
            return Err(store::Error::Closed);
        }
        if book.busy > 0 {
            book.busy -= 1;
            return Err(store::Error::Busy { queued: 1 });
        }
        Ok(())
    }

    fn claims(&self, receiver: &str, limit: usize, now: Timestamp) -> Vec<Claim> {
        let mut book = self.book();
        book.claims += 1;
        let mut found: Vec<Claim> = Vec::new();
        for head in book.heads.values() {
            let key = (head.number, receiver.to_owned());
            let Some(told) = head.told(receiver).filter(|_| !book.claimed.contains(&key)) else {
                continue;
            };
            if let Wanted::Send(why) = self.wanted(head, told, now) {
                let class = why.class(head.severity);
                let number = head.number;
                found.push(Claim {
                    number,
                    receiver: receiver.into(),
                    why,
                    class,
                    due: now,
                    epoch: 0,
                });
            }
        }
        found.sort_by_key(|claim| claim.class);
        found.truncate(limit);
        for claim in &found {
            assert!(book.claimed.insert((claim.number, receiver.to_owned())));
        }
        found
    }

    fn started(&self, claim: Claim, now: Timestamp) -> Option<Started> {
        let mut book = self.book();
        let Book { heads, claimed, .. } = &mut *book;
        let key = (claim.number, claim.receiver.to_string());
        assert!(claimed.contains(&key), "{key:?} is started without a claim");
        let head = heads.get_mut(&claim.number)?;
        let row = head.told.iter().position(|told| *told.receiver == *claim.receiver)?;
        let told = head.told[row].clone();
        let Wanted::Send(why) = self.wanted(head, &told, now) else {
            claimed.remove(&key);
            return None;
        };
        let telling = start(head, row, why);
        let snapshot = Snapshot { head: head.clone(), members: Vec::new() };
        Some(Started { claim, telling, snapshot, told })
    }

    fn settled(&self, settlement: Settlement) -> Reason {
        let mut book = self.book();
        let Settlement {
            claim,
            telling,
            settled,
            credential,
            mut attempt,
            keep,
            backoff,
            seed,
            now,
        } = settlement;
        let key = (claim.number, claim.receiver.to_string());
        assert!(book.claimed.remove(&key), "{key:?} is settled without a claim");
        let head = book.heads.get_mut(&claim.number).unwrap();
        let row = head.told.iter().position(|told| *told.receiver == *claim.receiver).unwrap();
        let patience = Patience { backoff, max_age: Duration::from_hours(1), seed };
        let reason = settle(head, row, telling, &settled, credential, patience, now);
        attempt.reason = reason;
        book.attempts.push((attempt, keep));
        reason
    }
}

impl Ledger for Fake {
    fn commit(&self, _: Intake) -> Answer<'_, Vec<AlertOutcome>> {
        Box::pin(async { Err(store::Error::Closed) })
    }

    fn wake(&self, now: Timestamp) -> Answer<'_, Option<Timestamp>> {
        Box::pin(async move {
            self.check()?;
            let book = self.book();
            let mut next = None::<Timestamp>;
            for head in book.heads.values() {
                for told in &head.told {
                    match self.wanted(head, told, now) {
                        Wanted::Send(_) => self.bells.ring(&told.receiver),
                        Wanted::At(at, _) => next = Some(next.map_or(at, |next| next.min(at))),
                        Wanted::Nothing(_) => {}
                    }
                }
            }
            Ok(next)
        })
    }

    fn claim(
        &self,
        receiver: Arc<str>,
        limit: usize,
        _: Duration,
        now: Timestamp,
    ) -> Answer<'_, Vec<Claim>> {
        Box::pin(async move {
            self.check()?;
            Ok(self.claims(&receiver, limit, now))
        })
    }

    fn release(&self, claims: Vec<Claim>) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check()?;
            for claim in claims {
                assert!(self.book().claimed.remove(&(claim.number, claim.receiver.to_string())));
                self.bells.ring(&claim.receiver);
            }
            Ok(())
        })
    }

    fn start(&self, claim: Claim, now: Timestamp) -> Answer<'_, Option<Started>> {
        Box::pin(async move {
            self.check()?;
            if self.book().damaged == Some(claim.number) {
                let key = claim.number.to_string();
                return Err(store::Error::Damaged { key, detail: "cut off".into() });
            }
            let started = self.started(claim, now);
            sleep(self.flush).await;
            Ok(started)
        })
    }

    fn settle(&self, settlement: Settlement) -> Answer<'_, Reason> {
        Box::pin(async move {
            self.check()?;
            sleep(self.flush).await;
            let receiver = Arc::clone(&settlement.claim.receiver);
            let reason = self.settled(settlement);
            self.bells.ring(&receiver);
            self.bells.timer();
            Ok(reason)
        })
    }

    fn adopt(&self, _: Arc<Rules>, _: Timestamp) -> Answer<'_, Vec<(String, u64)>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Writes what it is told as one line, so that tests read what a receiver heard.
pub struct Lines {
    pub credential: u64,
    /// Fails to render unless plain.
    pub broken_template: bool,
    pub keeps: bool,
    pub panics: bool,
}

impl Lines {
    pub const WORKING: Self =
        Self { credential: 1, broken_template: false, keeps: false, panics: false };
}

impl Sender for Lines {
    fn action(&self, news: &News<'_>) -> Result<Action, RenderError> {
        let number = news.snapshot.head.number;
        assert!(!self.panics || number != 1, "number 1 is too much");
        if self.broken_template && news.plain.is_none() {
            return Err(RenderError {
                template: "lines".into(),
                receiver: news.receiver.into(),
                detail: "line 1: no field foo".into(),
            });
        }
        let plain = news.plain.map(|error| format!(" plain: {error}")).unwrap_or_default();
        let text = format!("{} {number} {}{plain}", news.receiver, news.why.as_str());
        if self.keeps {
            return Ok(Action::Keep(text));
        }
        let url = Secret::new(format!("http://{}/{number}", news.receiver));
        Ok(Action::Http(Request { method: "POST", url, headers: Vec::new(), body: text.into() }))
    }

    fn judge(&self, response: &Response, _: Timestamp) -> Outcome {
        let error = format!("answered {}", response.status);
        let after = response.header("retry-after").map(|text| text.parse().unwrap());
        let after = after.map(Duration::from_secs);
        match response.status {
            200 => Outcome::Delivered { remember: Some("ts-1".into()) },
            429 => Outcome::Wait { after, error },
            400 => Outcome::Reject { why: Rejection::Rendering, error },
            401 => Outcome::Reject { why: Rejection::Credential, error },
            404 => Outcome::Reject { why: Rejection::Gone, error },
            409 => Outcome::Reject { why: Rejection::Other, error },
            _ => Outcome::Retry { after, maybe: false, error },
        }
    }

    fn credential(&self) -> u64 {
        self.credential
    }
}

/// After how long what comes back.
pub type Reply = (Duration, Result<Response, Failure>);
/// What a receiver does with its n-th request (from 0), which says this.
pub type Behaviour = Box<dyn Fn(usize, &str) -> Reply + Send + Sync>;

pub fn answer(status: u16) -> Reply {
    slow_answer(Duration::ZERO, status)
}

pub fn slow_answer(delay: Duration, status: u16) -> Reply {
    (delay, Ok(Response { status, headers: Vec::new(), body: Vec::new() }))
}

/// An answer that names its Retry-After in seconds.
pub fn answer_later(status: u16, retry_after: u64) -> Reply {
    let headers = vec![("retry-after".to_owned(), retry_after.to_string())];
    (Duration::ZERO, Ok(Response { status, headers, body: Vec::new() }))
}

/// Scripted receivers by name. Receivers without a script take everything at once.
pub struct Net {
    began: Instant,
    pub scripts: Mutex<HashMap<String, Behaviour>>,
    /// When a request came, in milliseconds since the start, and what it said.
    pub log: Mutex<Vec<(u128, String)>>,
    counts: Mutex<HashMap<String, usize>>,
    on_their_way: AtomicUsize,
    pub most: AtomicUsize,
    /// (receiver, incident) with a request on its way.
    busy: Mutex<HashSet<String>>,
}

impl Net {
    async fn exchange(&self, request: &Request) -> Result<Response, Failure> {
        let place = request.url.expose().to_owned();
        let host = place.split('/').nth(2).unwrap().to_owned();
        let text = String::from_utf8(request.body.clone()).unwrap();
        assert!(self.busy.lock().unwrap().insert(place.clone()), "two at once: {place}");
        let now = self.on_their_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.log.lock().unwrap().push((self.began.elapsed().as_millis(), text.clone()));
        let (delay, response) = {
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(host.clone()).or_default();
            *count += 1;
            match self.scripts.lock().unwrap().get(&host) {
                Some(script) => script(*count - 1, &text),
                None => answer(200),
            }
        };
        sleep(delay).await;
        self.on_their_way.fetch_sub(1, Ordering::SeqCst);
        self.busy.lock().unwrap().remove(&place);
        response
    }
}

impl Transport for Net {
    fn send<'a>(&'a self, request: &'a Request, _: Duration) -> Sending<'a> {
        Box::pin(self.exchange(request))
    }
}

pub struct World {
    pub began: Instant,
    pub clock: Arc<RuntimeClock>,
    pub fake: Arc<Fake>,
    pub net: Arc<Net>,
    pub lanes: Lanes,
    pub failed: mpsc::Receiver<Error>,
    pub events: Arc<Mutex<Vec<String>>>,
    pub printed: Arc<Mutex<Vec<String>>>,
    heard: Arc<Notify>,
    _stop: watch::Sender<bool>,
}

impl World {
    pub fn new() -> Self {
        Self::with_flush(Duration::ZERO)
    }

    pub fn with_flush(flush: Duration) -> Self {
        let began = Instant::now();
        let clock = Arc::new(RuntimeClock(began));
        let bells = Arc::new(Bells::default());
        let policy = Policy::new("route", Vec::new());
        let fake =
            Arc::new(Fake { bells: Arc::clone(&bells), policy, state: Mutex::default(), flush });
        let net = Arc::new(Net {
            began,
            scripts: Mutex::default(),
            log: Mutex::default(),
            counts: Mutex::default(),
            on_their_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            busy: Mutex::default(),
        });
        let events = Arc::new(Mutex::new(Vec::new()));
        let printed = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::new(Notify::new());
        let (to_events, to_printed) = (Arc::clone(&events), Arc::clone(&printed));
        let bell = Arc::clone(&heard);
        let parts = Parts {
            ledger: Arc::clone(&fake) as Arc<dyn Ledger>,
            transport: Arc::clone(&net) as Arc<dyn Transport>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            bells: Arc::clone(&bells),
            instance: "lab".into(),
            base_url: None,
            observer: Arc::new(move |event| {
                to_events.lock().unwrap().push(describe(event));
                bell.notify_one();
            }),
            printer: Arc::new(move |receiver, text| {
                to_printed.lock().unwrap().push(format!("{receiver}: {text}"));
            }),
        };
        let (lanes, failed) = Lanes::new(parts);
        let (stop, stopped) = watch::channel(false);
        let dispatcher =
            Dispatcher::new(Arc::clone(&fake) as _, bells, Arc::clone(&clock) as Arc<dyn Clock>);
        tokio::spawn(async move { dispatcher.run(stopped).await });
        Self { began, clock, fake, net, lanes, failed, events, printed, heard, _stop: stop }
    }

    pub fn script<F>(&self, receiver: &str, behaviour: F)
    where
        F: Fn(usize, &str) -> Reply + Send + Sync + 'static,
    {
        self.net.scripts.lock().unwrap().insert(receiver.to_owned(), Box::new(behaviour));
    }

    pub fn open(&self, number: u64, receivers: &[&str]) {
        self.fake.open(number, Severity::Warning, receivers, self.clock.now());
    }

    pub fn resolve(&self, number: u64) {
        self.fake.resolve(number, self.clock.now());
    }

    /// Waits until `condition` holds; it is asked after each event.
    pub async fn until(&self, condition: impl Fn(&Book) -> bool) {
        while !condition(&self.fake.book()) {
            self.heard.notified().await;
        }
    }

    /// Waits until `count` attempts ended with `reason`.
    pub async fn ended(&self, reason: Reason, count: usize) {
        let is = |(attempt, _): &&(Attempt, _)| attempt.reason == reason;
        self.until(|book| book.attempts.iter().filter(is).count() >= count).await;
    }

    /// Requests so far: whole seconds since the start, and what they said.
    pub fn log(&self) -> Vec<(u128, String)> {
        let log = self.net.log.lock().unwrap();
        log.iter().map(|(at, text)| (at / 1000, text.clone())).collect()
    }

    pub fn texts(&self) -> Vec<String> {
        self.log().into_iter().map(|(_, text)| text).collect()
    }

    pub fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }
}

/// An event in a line.
fn describe(event: &DeliveryEvent<'_>) -> String {
    match event {
        DeliveryEvent::Settled { receiver, number, why, reason, .. } => {
            format!("{receiver} {number} {} {reason}", why.as_str())
        }
        DeliveryEvent::Limited { receiver, wait } => format!("{receiver} limited {wait:?}"),
        DeliveryEvent::Paused { receiver, wait } => format!("{receiver} paused {wait:?}"),
        DeliveryEvent::Plain { receiver, number, error } => {
            format!("{receiver} {number} plain {error}")
        }
        DeliveryEvent::Failing { receiver, failing, .. } => format!("{receiver} failing {failing}"),
    }
}

pub fn lane(receiver: &str) -> LaneConfig {
    LaneConfig::new(receiver, Arc::new(Lines::WORKING))
}

pub fn lane_of(receiver: &str, sender: Lines) -> LaneConfig {
    LaneConfig::new(receiver, Arc::new(sender))
}
