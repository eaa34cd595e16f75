//! What people respond to: the alerts of one (route, group values), and what each receiver was told of it.

use serde::{Deserialize, Serialize};

use super::{Alert, Fingerprint, Reason, Severity, Timestamp};
use crate::limits::REASONS_KEPT_MAX;

/// Where an incident stands. What only one state knows lives in that state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Open,
    Acknowledged {
        /// Who took it, as the vendor or the API names them.
        by: String,
        at: Timestamp,
        /// The severity it was taken at: a rise above clears the acknowledge.
        severity: Severity,
    },
    Resolved {
        at: Timestamp,
    },
}

impl State {
    /// The word used in metrics, templates and the API.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Resolved { .. } => "resolved",
        }
    }

    /// Whether it is resolved.
    pub const fn is_resolved(&self) -> bool {
        matches!(self, Self::Resolved { .. })
    }
}

/// The `seq` of the latest change of each kind; 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Opened or reopened.
    pub opened: u32,
    /// The highest severity of the episode rose.
    pub rise: u32,
    pub joined: u32,
    pub partial: u32,
    pub acknowledged: u32,
    pub resolved: u32,
}

/// The incident itself: one small record, whatever the number of members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// People call it by this: `#1042`.
    pub number: u64,
    pub route: String,
    pub group: Fingerprint,
    /// Names and values of `group_by`, frozen at the first join.
    pub values: Vec<(String, String)>,
    pub state: State,
    /// A one-off message: never grouped, repeated or reopened.
    pub notice: bool,
    /// The n-th time this incident opened, from 1.
    pub episode: u32,
    /// Rises with every change that can be news.
    pub seq: u32,
    pub marks: Marks,
    /// The title of the alert that opened it or changed it last.
    pub title: String,
    /// The highest severity of the members that fire now (while resolved: of those that fired last).
    pub severity: Severity,
    /// The highest severity of this episode.
    pub peak: Severity,
    /// Firing members by severity.
    pub firing: [u32; 5],
    /// How many of the firing members a person took at the vendor.
    pub acknowledged: u32,
    /// Ordinal of the next member.
    pub next_ordinal: u32,
    /// When this episode began.
    pub opened_at: Timestamp,
    /// When it opened for the first time.
    pub first_opened_at: Timestamp,
    /// When `seq` last rose.
    pub changed_at: Timestamp,
    /// Changes up to this `seq` may be told.
    pub flushed_seq: u32,
    pub last_flush: Option<Timestamp>,
    pub next_flush: Option<Timestamp>,
    /// The earlier incident of the same group.
    pub previous: Option<u64>,
    pub told: Vec<Told>,
    /// The latest reasons, oldest first; at most [`REASONS_KEPT_MAX`].
    pub reasons: Vec<(Timestamp, Reason)>,
}

impl Head {
    /// Members that fire now.
    pub fn firing_count(&self) -> u32 {
        self.firing.iter().sum()
    }

    /// The highest severity among the members that fire.
    pub fn firing_severity(&self) -> Severity {
        let worst = self.firing.iter().rposition(|count| *count > 0).unwrap_or(0);
        Severity::ALL[worst]
    }

    /// The row of the receiver called `receiver`.
    pub fn told(&self, receiver: &str) -> Option<&Told> {
        self.told.iter().find(|told| told.receiver == receiver)
    }

    /// Keeps a reason; the oldest makes room.
    pub fn note(&mut self, at: Timestamp, reason: Reason) {
        if self.reasons.len() >= REASONS_KEPT_MAX {
            self.reasons.remove(0);
        }
        self.reasons.push((at, reason));
    }
}

/// What a receiver believes the incident's state to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToldState {
    /// It knows nothing.
    #[default]
    Never,
    Open,
    Acknowledged,
    Resolved,
}

/// The row of one (incident, receiver): what it was last told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub receiver: String,
    /// It knows all changes up to this `seq`.
    pub seq: u32,
    /// When it was told last.
    pub at: Timestamp,
    pub state: ToldState,
    /// The episode it was told of.
    pub episode: u32,
    /// The highest severity it was told in that episode.
    pub max_severity: Severity,
    /// How many firing members it was told of.
    pub firing: u32,
    /// How many firing members were muted when it was told.
    pub withheld: u32,
    /// An attempt with news up to this `seq` started and its outcome is not known: it may have been told.
    pub maybe: Option<u32>,
    /// The receiver whose fallback this row is.
    pub via: Option<String>,
    /// What the receiver's API gave us to find it again (a message id, a key), as JSON.
    pub external: Option<String>,
    /// Which credential it was told with; a change means it lives in another account.
    pub credential: Option<u64>,
    pub retry: Option<Retry>,
    /// Delivery of the news up to this `seq` was given up.
    pub dead: Option<u32>,
}

impl Told {
    /// The row of a receiver that knows nothing yet.
    pub fn new(receiver: impl Into<String>) -> Self {
        Self { receiver: receiver.into(), ..Self::default() }
    }

    /// Whether it was told, or may have been told, that something is open.
    pub fn may_be_open(&self) -> bool {
        self.maybe.is_some() || matches!(self.state, ToldState::Open | ToldState::Acknowledged)
    }
}

/// A delivery that failed and waits for its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Failed attempts so far.
    pub attempts: u32,
    /// When the next may start.
    pub at: Timestamp,
    /// When the first of them failed.
    pub since: Timestamp,
    /// When the first failed that had to say that it opened, reopened or rose: fallbacks count from here.
    pub page_since: Option<Timestamp>,
}

/// One alert's part in one incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Unique within the incident.
    pub ordinal: u32,
    /// Fingerprint of (source, alert key).
    pub key: Fingerprint,
    pub firing: bool,
    /// A person took it at the vendor.
    pub acknowledged: bool,
    pub severity: Severity,
    /// `seq` at which it last began to fire.
    pub fired_seq: u32,
    /// `seq` of its latest change.
    pub changed_seq: u32,
    /// The sender's time of its latest state.
    pub observed_at: Option<Timestamp>,
    /// When it first fired here.
    pub first_at: Timestamp,
    /// When it was last heard of.
    pub last_at: Timestamp,
    /// How often it was heard of.
    pub count: u32,
    /// When it is taken as over without news.
    pub expires_at: Option<Timestamp>,
    /// How long it may stay without news, in seconds; 0 where the sender resolves.
    pub timeout_secs: u32,
    /// Short hashes of the latest message ids, newest last.
    pub messages: Vec<u64>,
    /// Hash of the stored body: it is rewritten only when this changes.
    pub body: u64,
    /// Resolved by hand: firing is ignored until then.
    pub dismissed_until: Option<Timestamp>,
    /// Held back by a silence or an inhibition.
    pub muted: bool,
}

/// What is stored of a member's alert: rewritten only when it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    pub source: String,
    pub alert: Alert,
}

/// An incident at one instant, for rendering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub head: Head,
    /// The worst and newest members first; at most `MEMBERS_SHOWN_MAX`, the head has the true counts.
    pub members: Vec<(Member, Body)>,
}
