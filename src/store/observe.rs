//! What an alert says, cut down to what decides, and whether it says anything new.

use std::sync::Arc;
use std::time::Duration;

use super::draft::expiry_worn;
use super::index::Hot;
use crate::domain::{
    Alert, Fingerprint, Fingerprinter, Life, Observation, Policy, Reason, Status, Timestamp,
};

/// How long a notice stays open where the receiver closes what it opened.
const NOTICE_LASTS: Duration = Duration::from_hours(24);

/// Identities of an alert: made by the caller's thread, the committer's is the one everybody waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    pub key: Fingerprint,
    pub message: Option<u64>,
    pub body: u64,
}

impl Marks {
    pub(super) fn of(source: &str, alert: &Alert) -> Self {
        let message = alert.message_id.as_deref().map(|id| Fingerprint::of([id]).short());
        Self { key: alert.fingerprint(source), message, body: body_hash(alert) }
    }
}

/// Hash of what people see of an alert; times that change with every message are left out.
fn body_hash(alert: &Alert) -> u64 {
    let mut hash = Fingerprinter::default();
    let optional = [&alert.text, &alert.resource, &alert.service, &alert.env, &alert.alertname];
    hash.field(alert.title.as_bytes());
    for value in optional {
        hash.field(&[u8::from(value.is_some())]);
        hash.field(value.as_deref().unwrap_or("").as_bytes());
    }
    for labels in [&alert.labels, &alert.annotations] {
        hash.field(&labels.len().to_be_bytes());
        for (name, value) in labels {
            hash.field(name.as_bytes());
            hash.field(value.as_bytes());
        }
    }
    hash.field(&alert.links.len().to_be_bytes());
    for link in &alert.links {
        hash.field(link.name.as_bytes());
        hash.field(link.url.as_bytes());
    }
    for image in &alert.images {
        hash.field(image.as_bytes());
    }
    hash.finish().short()
}

/// What an alert says, under the policy of the route that took it.
pub(super) fn observation(
    alert: &Alert,
    marks: Marks,
    policy: Option<&Arc<Policy>>,
    now: Timestamp,
) -> Observation {
    Observation {
        severity: alert.severity,
        title: alert.title.clone(),
        observed_at: alert.observed_at,
        message: marks.message,
        body: marks.body,
        expiry: policy.and_then(|policy| expiry(alert, policy, now)),
        notice: alert.status == Status::Notice,
        by: None,
    }
    .clamped(now)
}

/// When an alert is over without news, and how long it may stay silent.
fn expiry(alert: &Alert, policy: &Policy, now: Timestamp) -> Option<(Timestamp, Duration)> {
    if alert.status == Status::Notice {
        return Some((now.plus(NOTICE_LASTS), NOTICE_LASTS));
    }
    if let Some(at) = alert.ends_at {
        return Some((at, at.since(now)));
    }
    let timeout = alert.expires_after.unwrap_or(policy.resolve_timeout);
    match alert.life {
        Life::Resolves => None,
        Life::Expires | Life::Event => Some((now.plus(timeout), timeout)),
    }
}

/// What hearing the same again does to a firing member, if it is the same and need not be written: when it was
/// said and by which message must survive a crash, how often need not. This is the part of
/// [`crate::domain::step`] that changes counters alone.
pub(super) fn repeat(hot: &Hot, seen: &Observation, now: Timestamp) -> Option<(Reason, Hot)> {
    let message = seen.message.unwrap_or(0);
    let same = hot.firing && hot.severity == seen.severity && hot.body == seen.body;
    if !same || (message != 0 && message != hot.message) {
        return None;
    }
    let redelivered = message != 0;
    let times = (hot.observed_at, seen.observed_at);
    let mut hot = hot.clone();
    match times {
        _ if redelivered => {}
        (Some(known), Some(told)) if told < known => return Some((Reason::Stale, hot)),
        (known, Some(told)) if known != Some(told) => return None,
        _ => {}
    }
    hot.unwritten = hot.unwritten.saturating_add(1);
    hot.last_at = now;
    if let Some((at, timeout)) = seen.expiry {
        hot.expires_at = at;
        hot.timeout_secs = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
        let stored = (hot.stored_expiry != Timestamp::MAX).then_some(hot.stored_expiry);
        if expiry_worn(stored, Some(at), hot.timeout_secs, now) {
            return None;
        }
    }
    let repeated = redelivered || times.1.is_some();
    Some((if repeated { Reason::Duplicate } else { Reason::Repeated }, hot))
}
