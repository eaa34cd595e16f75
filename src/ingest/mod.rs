//! Bytes in: authenticate, normalize, decide, commit.
//!
//! [`accept`] is called with a whole, inflated body by whoever received it. It answers only after the commit, so that what
//! was accepted is durable. It does not speak HTTP: which status a failure has is decided in `http`.

pub mod auth;
mod endpoint;
pub mod kinds;

use std::sync::Arc;

use governor::DefaultDirectRateLimiter;
use serde::Serialize;

use crate::clock::Clock;
use crate::domain::{Alert, Decision, Reason, RouteTable, Status, Timestamp};
use crate::limits::{ALERTS_PER_COMMIT_MAX, ANSWER_LIST_MAX};
use crate::store::{self, AlertOutcome, Intake, Ledger, Routed};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::SourceMeter;
pub use endpoint::Endpoint;
use kinds::auto::Auto;
use kinds::table::TableKind;
use kinds::{Answers, Handshake, Normalized, Payload, Rejected, SourceKind};

/// What reads the payloads of a source.
#[derive(Clone)]
pub enum Kind {
    /// One that is compiled in.
    BuiltIn(&'static dyn SourceKind),
    /// The user's own table.
    Table(Arc<TableKind>),
    /// The one that chooses among all, the user's own tables included.
    Auto(Arc<Auto>),
}

impl std::ops::Deref for Kind {
    type Target = dyn SourceKind;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::BuiltIn(kind) => *kind,
            Self::Table(table) => table.as_ref(),
            Self::Auto(auto) => auto.as_ref(),
        }
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A configured sender of alerts, ready to take payloads.
pub struct Source {
    pub name: Arc<str>,
    pub kind: Kind,
    /// How its sender proves who it is.
    pub profile: auth::Profile,
    /// The vendor's API whose clients it serves besides its hook.
    pub endpoint: Option<Endpoint>,
    /// Answers only to this machine: built in, not configured.
    pub loopback_only: bool,
    /// Payloads per second and burst; `None` is without a limit.
    pub limit: Option<(f64, u32)>,
    /// What holds the source to it.
    pub limiter: Option<Arc<DefaultDirectRateLimiter>>,
    /// Largest body as received.
    pub body_bytes_max: usize,
    /// Topics whose SNS subscriptions are confirmed.
    pub topics: auth::sns::Topics,
    pub meter: SourceMeter,
}

/// What [`accept`] works with.
pub struct Context<'a> {
    pub ledger: &'a dyn Ledger,
    pub routes: &'a RouteTable,
    pub clock: &'a dyn Clock,
    pub metrics: &'a Metrics,
}

/// Why a payload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The payload as a whole cannot be read.
    #[error("read payload of source {from}")]
    Normalize { from: Arc<str>, source: kinds::Error },
    /// It can be read, but none of its alerts can.
    #[error("none of the {} alerts can be read", rejected.len())]
    NothingReadable { rejected: Vec<Rejected> },
    /// The store did not take it; what was committed before stays.
    #[error("commit payload of source {from}")]
    Commit { from: Arc<str>, source: store::Error },
}

/// What became of a payload: the body of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Alerts that are durable now.
    pub accepted: u64,
    /// The alerts that were not taken, with the reason; at most `ANSWER_LIST_MAX`.
    pub rejected: Vec<Refusal>,
    /// How many were not taken.
    pub rejected_count: u64,
    /// Accepted alerts that a route dropped or that no receiver wants: under other routes they may have an effect.
    #[serde(skip)]
    pub unwanted: u64,
    /// Numbers of the incidents they touched; at most `ANSWER_LIST_MAX`.
    pub incidents: Vec<u64>,
    /// Why a payload without alerts is fine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// The kind that read it, where the source is of the kind `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the sender asked besides.
    #[serde(skip)]
    pub handshake: Option<Handshake>,
    /// What a sender of that kind is answered.
    #[serde(skip)]
    pub answers: Option<Answers>,
}

/// One refused alert of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Position in the payload, from 0.
    pub index: u32,
    pub reason: String,
}

/// Takes an authenticated payload: normalizes it, decides where its alerts go, commits them.
pub async fn accept(
    context: &Context<'_>,
    source: &Source,
    payload: &Payload<'_>,
) -> Result<Receipt, Error> {
    source.meter.payloads.inc();
    let normalized = kinds::normalize(&*source.kind, payload)
        .map_err(|error| Error::Normalize { from: Arc::clone(&source.name), source: error })?;
    let Normalized { alerts, rejected, handshake, ignored, taken } = normalized;
    if alerts.is_empty() && !rejected.is_empty() {
        return Err(Error::NothingReadable { rejected });
    }
    let (kind, answers) = taken.map(|taken| (taken.kind, taken.answers)).unzip();
    let mut receipt = Receipt { ignored, kind, handshake, answers, ..Receipt::default() };
    receipt.refuse(rejected);
    let mut alerts = alerts.into_iter().map(|alert| route(context.routes, &source.name, alert));
    loop {
        let part: Vec<Routed> = alerts.by_ref().take(ALERTS_PER_COMMIT_MAX).collect();
        if part.is_empty() {
            return Ok(receipt);
        }
        let intake =
            Intake { source: Arc::clone(&source.name), alerts: part, now: payload.received_at };
        let outcomes = commit(context, source, intake).await?;
        receipt.count(source, &outcomes);
    }
}

async fn commit(
    context: &Context<'_>,
    source: &Source,
    intake: Intake,
) -> Result<Vec<AlertOutcome>, Error> {
    let begun: Timestamp = context.clock.now();
    let outcomes = context
        .ledger
        .commit(intake)
        .await
        .map_err(|error| Error::Commit { from: Arc::clone(&source.name), source: error })?;
    context.metrics.committed(context.clock.now().since(begun));
    Ok(outcomes)
}

/// Only what fires is routed: the end of an alert goes to the incidents it is in, whatever the routes say by now.
fn route(routes: &RouteTable, source: &str, alert: Alert) -> Routed {
    let decision = match alert.status {
        Status::Firing | Status::Notice => routes.decide(source, &alert),
        Status::Acknowledged | Status::Resolved => Decision::default(),
    };
    Routed { alert, joins: decision.joins, dropped: decision.dropped.is_some() }
}

impl Receipt {
    fn refuse(&mut self, rejected: Vec<Rejected>) {
        self.rejected_count += rejected.len() as u64;
        let room = ANSWER_LIST_MAX.saturating_sub(self.rejected.len());
        self.rejected.extend(
            rejected
                .into_iter()
                .take(room)
                .map(|one| Refusal { index: one.index, reason: one.reason }),
        );
    }

    /// Whether the same payload once more could have no effect that this one had not: all was read, and not all of it was
    /// for nobody.
    pub const fn is_final(&self) -> bool {
        self.rejected_count == 0 && self.accepted > self.unwanted
    }

    fn count(&mut self, source: &Source, outcomes: &[AlertOutcome]) {
        let mut unchanged = 0;
        let unwanted =
            |one: &&AlertOutcome| matches!(one.reason, Reason::Dropped | Reason::NoReceiver);
        self.unwanted += outcomes.iter().filter(unwanted).count() as u64;
        for outcome in outcomes {
            if matches!(outcome.reason, Reason::Repeated | Reason::Duplicate | Reason::Stale) {
                unchanged += 1;
            }
            for number in &outcome.incidents {
                if self.incidents.len() < ANSWER_LIST_MAX && !self.incidents.contains(number) {
                    self.incidents.push(*number);
                }
            }
        }
        self.accepted += outcomes.len() as u64;
        source.meter.received.inc_by(outcomes.len() as u64);
        if unchanged > 0 {
            source.meter.deduplicated.inc_by(unchanged);
        }
    }
}
