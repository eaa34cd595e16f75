//! What happens to members: alerts cut down to what decides.

use std::time::Duration;

use super::{Fingerprint, Member, Severity, Timestamp};
use crate::limits::FUTURE_SKEW_SECONDS_MAX;

/// What an alert says, cut down to what decides. Built once per alert by the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub severity: Severity,
    pub title: String,
    /// The sender's time of this state.
    pub observed_at: Option<Timestamp>,
    /// Short hash of the sender's message id.
    pub message: Option<u64>,
    /// Hash of the alert's content.
    pub body: u64,
    /// Set where the sender never resolves: when it is over without news, and the time it may stay silent.
    pub expiry: Option<(Timestamp, Duration)>,
    /// A one-off message.
    pub notice: bool,
    /// Who acknowledged, where the sender says.
    pub by: Option<String>,
}

impl Observation {
    /// Clamps a time from the sender that lies too far in the future.
    #[must_use]
    pub fn clamped(mut self, now: Timestamp) -> Self {
        let latest = now.plus(Duration::from_secs(FUTURE_SKEW_SECONDS_MAX));
        self.observed_at = self.observed_at.map(|at| if at > latest { now } else { at });
        self
    }
}

/// One thing that happens to one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    Fire(Observation),
    Acknowledge(Observation),
    Resolve(Observation),
    /// Its alert is routed elsewhere now.
    Leave,
    /// No news for too long.
    Expire,
}

/// A signal and the member it is for: `slot` is the position in the members given to [`super::step()`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    pub slot: usize,
    pub signal: Signal,
}

/// A member before and after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub key: Fingerprint,
    /// `None` is an alert that never was a member.
    pub member: Option<Member>,
    /// Whether the step changed it so that it must be written. Counters alone do not.
    pub changed: bool,
}

impl Slot {
    /// A slot for the alert with fingerprint `key`.
    pub fn new(key: Fingerprint, member: Option<Member>) -> Self {
        Self { key, member, changed: false }
    }
}

/// How long after a resolve an older firing alert is taken for one that the resolve overtook. Senders that deliver out
/// of order do so within their retries: Azure 75 s, SNS 60 s.
const OVERTAKEN_MAX: Duration = Duration::from_secs(90);

/// Whether a firing alert says less than what is known: it speaks of an earlier time than `known`.
///
/// Some senders name when the state began, not when they saw it: after a false resolve they fire again with the old
/// time. So only for a moment after the resolve came in (`heard`) is such an alert taken for one that was overtaken.
pub fn is_late(
    known: Option<Timestamp>,
    firing: bool,
    heard: Timestamp,
    told: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let older = matches!((known, told), (Some(known), Some(told)) if told < known);
    older && (firing || now.since(heard) < OVERTAKEN_MAX)
}
