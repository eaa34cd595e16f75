//! What is known, durably: incidents, members, bodies, attempts. `commit` answers only when it is on disk.
//!
//! The traits speak use cases, so that a store with rows and transactions can implement them as well as the embedded
//! one. No rule lives here: stores call `domain::{step, flush, wanted, start, settle}` and write what comes back.

mod core;
mod disk;
mod draft;
mod embedded;
mod error;
mod flow;
mod index;
mod intake;
mod kv;
mod lanes;
mod observe;
mod open;
mod reads;
mod record;
mod staged;
mod transfer;
mod upkeep;
mod verify;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use disk::SledKv;
pub use embedded::{Embedded, Fatal, SledOptions};
pub use error::Error;
pub use kv::{Kv, KvError, MemKv, Pair, Size, Span, Writes};
use serde::{Deserialize, Serialize};
pub use transfer::export;
pub use verify::verify;

use crate::domain::{
    Alert, Backoff, Body, Head, Join, Member, Reason, Rules, Settled, Snapshot, Telling, Timestamp,
    Told, Why,
};

/// The answer of a store method.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// An alert and where it goes. `joins` is empty unless it fires and a route takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Routed {
    pub alert: Alert,
    pub joins: Vec<Join>,
    /// A route with `drop` took it: nothing joins, open memberships are left.
    pub dropped: bool,
}

/// One payload after routing (or a part of it, at most `ALERTS_PER_COMMIT_MAX` alerts): one unit of commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Intake {
    pub source: Arc<str>,
    pub alerts: Vec<Routed>,
    pub now: Timestamp,
}

/// What became of one alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertOutcome {
    /// [`Alert::index`].
    pub index: u32,
    /// The reason of the weightiest change it made.
    pub reason: Reason,
    /// The incidents it touched.
    pub incidents: Vec<u64>,
}

/// A unit of work a lane has taken: a lease, in memory or in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub number: u64,
    pub receiver: Arc<str>,
    pub why: Why,
    /// See [`Why::class`].
    pub class: u8,
    /// Since when it is due.
    pub due: Timestamp,
    /// Distinguishes this claim from an earlier one whose lease lapsed.
    pub epoch: u64,
}

/// An attempt that is durably started: it may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    pub claim: Claim,
    pub telling: Telling,
    /// What to render.
    pub snapshot: Snapshot,
    /// The told row as it was before this attempt.
    pub told: Told,
}

/// How an attempt went, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub number: u64,
    pub receiver: String,
    pub seq: u32,
    pub why: Why,
    pub at: Timestamp,
    pub took: Duration,
    /// What became of it.
    pub reason: Reason,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// In words, without secrets.
    pub error: Option<String>,
    /// Hash of the sent body.
    pub body_hash: u64,
    /// The sent body, deflated, at most `ATTEMPT_BODY_BYTES_MAX`; empty where it was larger.
    pub body: Vec<u8>,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub claim: Claim,
    pub telling: Telling,
    pub settled: Settled,
    /// Hash of the credential that the attempt used.
    pub credential: u64,
    /// `reason` in it is overwritten by what [`crate::domain::settle`] says.
    pub attempt: Attempt,
    /// Text for the inbox, kept in the same commit.
    pub keep: Option<String>,
    pub backoff: Backoff,
    /// Fresh randomness for the jitter.
    pub seed: u64,
    pub now: Timestamp,
}

/// Called when work for a receiver became due; must not block. The lanes register here.
pub trait Bell: Send + Sync {
    /// Work for this receiver is ready.
    fn ring(&self, receiver: &str);
    /// The time of the next due work changed: ask [`Ledger::wake`] again.
    fn timer(&self);
}

/// The flow's own calls.
pub trait Ledger: Send + Sync {
    /// Takes a payload in. The answer comes when it is durable; one outcome per alert, in order.
    fn commit(&self, intake: Intake) -> Answer<'_, Vec<AlertOutcome>>;

    /// Flushes, expires and makes due what is due by `now`. Returns when to call again.
    fn wake(&self, now: Timestamp) -> Answer<'_, Option<Timestamp>>;

    /// Takes up to `limit` units of work of a receiver, most urgent first. A lease that is neither started, settled nor
    /// released within `lease` lapses.
    fn claim(
        &self,
        receiver: Arc<str>,
        limit: usize,
        lease: Duration,
        now: Timestamp,
    ) -> Answer<'_, Vec<Claim>>;

    /// Gives claims back untouched (the limiter said no, shutdown).
    fn release(&self, claims: Vec<Claim>) -> Answer<'_, ()>;

    /// Writes ahead that an attempt begins. `None`: nothing is wanted any more, or the lease lapsed.
    fn start(&self, claim: Claim, now: Timestamp) -> Answer<'_, Option<Started>>;

    /// Writes how the attempt ended.
    fn settle(&self, settlement: Settlement) -> Answer<'_, Reason>;

    /// Takes over a new configuration and judges every open incident by it. Returns how many told rows of each
    /// receiver that is gone are still open there.
    fn adopt(&self, rules: Arc<Rules>, now: Timestamp) -> Answer<'_, Vec<(String, u64)>>;
}

/// One incident with all that is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRecord {
    pub head: Head,
    pub members: Vec<(Member, Body)>,
    /// The latest attempt per receiver.
    pub attempts: Vec<Attempt>,
}

/// A notification kept by an `inbox` receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub sequence: u64,
    pub receiver: String,
    pub number: u64,
    pub at: Timestamp,
    pub why: Why,
    pub text: String,
}

/// How much there is, for metrics and `/-/ready`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub open: u64,
    pub acknowledged: u64,
    pub resolved: u64,
    pub members: u64,
    /// Per receiver: work ready or claimed, the due time of the oldest, dead letters.
    pub lanes: Vec<LaneCounts>,
    pub disk_bytes: u64,
    pub disk_free_bytes: u64,
}

/// The state of one receiver's queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneCounts {
    pub receiver: String,
    pub depth: u64,
    pub oldest: Option<Timestamp>,
    pub dead: u64,
    pub failing: u64,
}

/// Which incidents a listing shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only incidents that are not resolved.
    pub open: bool,
    /// Only numbers below this one (listings go from new to old).
    pub before: Option<u64>,
    pub limit: usize,
}

/// Reads for people. Never on the flow's path.
pub trait Records: Send + Sync {
    /// One incident, if it is still kept.
    fn incident(&self, number: u64) -> Answer<'_, Option<IncidentRecord>>;

    /// Heads, newest first.
    fn incidents(&self, filter: Filter) -> Answer<'_, Vec<Head>>;

    /// The latest kept notifications of `inbox` receivers, newest first.
    fn inbox(&self, limit: usize) -> Answer<'_, Vec<Kept>>;

    /// Reasons with their times of one incident, oldest first, as far as history is kept.
    fn history(&self, number: u64) -> Answer<'_, Vec<(Timestamp, Reason)>>;

    fn counts(&self) -> Answer<'_, Counts>;
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Resolved incidents with members, bodies and attempts.
    pub resolved: Duration,
    /// Timelines.
    pub history: Duration,
    /// Kept inbox notifications, by number.
    pub inbox: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            resolved: Duration::from_hours(14 * 24),
            history: Duration::from_hours(30 * 24),
            inbox: 10_000,
        }
    }
}

/// Housekeeping.
pub trait Upkeep: Send + Sync {
    /// Drops what is older than the retention, at most `limit` records a call. Returns how many went.
    fn prune(&self, retention: Retention, limit: usize, now: Timestamp) -> Answer<'_, u64>;

    /// Reads every record and checks it and its relations. Returns the problems found, in words.
    fn verify(&self) -> Answer<'_, Vec<String>>;

    /// Every record as a line of JSON with a checksum, through `sink`.
    fn export<'a>(&'a self, sink: &'a mut (dyn FnMut(String) + Send)) -> Answer<'a, u64>;

    /// Reads an export into an empty store. Returns the number of records.
    fn import<'a>(&'a self, lines: &'a mut (dyn Iterator<Item = String> + Send))
    -> Answer<'a, u64>;
}

/// A store with everything.
pub trait Store: Ledger + Records + Upkeep {
    /// The instance id in external dedup keys: made once, kept with the data.
    fn instance(&self) -> &str;
}

#[cfg(test)]
mod conformance;
