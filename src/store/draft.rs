//! One incident while an operation works on it: nothing is staged until the whole operation is known to succeed.

use std::collections::HashMap;
use std::sync::Arc;

use super::core::Core;
use super::index::{Hot, chain_key};
use super::record;
use super::{AlertOutcome, Error, Routed};
use crate::domain::{
    Fingerprint, Head, Member, Policy, Reason, Signal, Slot, Timestamp, Touch, step,
};

/// What a member was before the operation, and what the operation needs to write it.
#[derive(Debug, Default)]
struct Origin {
    /// Its place in the index; `None` for a new member.
    slot: Option<u32>,
    /// As it is on disk.
    durable_count: u32,
    stored_expiry: Option<Timestamp>,
    body: u64,
    messages: Vec<u64>,
    observed_at: Option<Timestamp>,
    dirty: bool,
    touched: bool,
    /// Hashes of bodies and the alerts that have them.
    bodies: Vec<(u64, usize)>,
}

/// An incident, its touched members and what is about to happen to them.
#[derive(Debug)]
pub(super) struct Draft {
    pub head: Head,
    policy: Arc<Policy>,
    fresh: bool,
    changed: bool,
    slots: Vec<Slot>,
    origins: Vec<Origin>,
    by_key: HashMap<Fingerprint, usize>,
    touches: Vec<Touch>,
    /// The alert behind each touch.
    causes: Vec<Option<usize>>,
    reasons: Vec<Reason>,
}

impl Draft {
    /// An incident that is stored, or, if `fresh`, about to open.
    pub(super) fn new(head: Head, policy: Arc<Policy>, fresh: bool) -> Self {
        Self {
            head,
            policy,
            fresh,
            changed: false,
            slots: Vec::new(),
            origins: Vec::new(),
            by_key: HashMap::new(),
            touches: Vec::new(),
            causes: Vec::new(),
            reasons: Vec::new(),
        }
    }

    /// The member of `key`, if it was touched before. Pending touches are not in it yet: see [`Self::run`].
    pub(super) fn member(&self, key: Fingerprint) -> Option<&Member> {
        self.by_key.get(&key).and_then(|at| self.slots[*at].member.as_ref())
    }

    pub(super) fn has(&self, key: Fingerprint) -> bool {
        self.by_key.contains_key(&key)
    }

    /// A firing alert's route decides by which policy the incident goes on.
    pub(super) fn follow(&mut self, policy: &Arc<Policy>) {
        self.policy = Arc::clone(policy);
    }

    /// Brings a member in: one that is stored, with its place in the index and facts, or a new one.
    pub(super) fn bring(&mut self, key: Fingerprint, stored: Option<(u32, &Hot, Member)>) {
        let origin = match &stored {
            None => Origin::default(),
            Some((slot, hot, member)) => Origin {
                slot: Some(*slot),
                durable_count: member.count.saturating_sub(hot.unwritten),
                stored_expiry: (hot.stored_expiry != Timestamp::MAX).then_some(hot.stored_expiry),
                body: member.body,
                messages: member.messages.clone(),
                observed_at: member.observed_at,
                ..Origin::default()
            },
        };
        self.by_key.insert(key, self.slots.len());
        self.slots.push(Slot::new(key, stored.map(|(_, _, member)| member)));
        self.origins.push(origin);
    }

    /// Adds what happens to a member that was brought in. `cause` is the alert's position in the intake.
    pub(super) fn touch(&mut self, key: Fingerprint, signal: Signal, cause: Option<usize>) {
        let slot = self.by_key[&key];
        let origin = &mut self.origins[slot];
        origin.touched = true;
        if let (Signal::Fire(seen), Some(at)) = (&signal, cause)
            && origin.bodies.last().is_none_or(|(hash, _)| *hash != seen.body)
        {
            origin.bodies.push((seen.body, at));
        }
        self.touches.push(Touch { slot, signal });
        self.causes.push(cause);
    }

    /// Carries out the pending touches.
    pub(super) fn run(&mut self, core: &Core, now: Timestamp, outcomes: &mut [AlertOutcome]) {
        if self.touches.is_empty() {
            return;
        }
        let touches = std::mem::take(&mut self.touches);
        let slots = std::mem::take(&mut self.slots);
        let head = self.head.clone();
        let done = step(head, slots, &touches, &self.policy, core.rules.loaded_at, now);
        self.head = done.head;
        self.changed |= done.changed;
        self.slots = done.slots;
        for (slot, origin) in self.slots.iter_mut().zip(&mut self.origins) {
            origin.dirty |= std::mem::take(&mut slot.changed);
        }
        for (reason, cause) in done.reasons.iter().zip(self.causes.drain(..)) {
            if let Some(outcome) = cause.and_then(|at| outcomes.get_mut(at)) {
                weigh(outcome, *reason, self.head.number);
            }
        }
        self.reasons.extend(done.reasons);
    }

    /// Stages what changed, brings the indexes up to date and judges the told rows. Cannot fail.
    pub(super) fn publish(
        mut self,
        core: &mut Core,
        source: &str,
        alerts: &[Routed],
        now: Timestamp,
    ) {
        if self.reasons.is_empty() {
            return;
        }
        let slots = std::mem::take(&mut self.slots);
        let origins = std::mem::take(&mut self.origins);
        for (slot, origin) in slots.into_iter().zip(origins) {
            if let Some(member) = slot.member.filter(|_| origin.touched) {
                self.publish_member(core, slot.key, &member, &origin, now);
                let written = origin.slot.is_some() && origin.body == member.body;
                let body = origin.bodies.iter().find(|(hash, _)| *hash == member.body);
                if let Some((_, at)) = body.filter(|_| !written) {
                    let bytes = record::encode_body(source, &alerts[*at].alert);
                    core.staged
                        .put_bytes(record::body_key(self.head.number, member.ordinal), bytes);
                }
            }
        }
        if self.changed {
            core.put_head(&self.head);
        }
        if self.fresh {
            core.index.incidents += 1;
            if !self.head.notice {
                core.index.groups.insert(self.head.group, self.head.number);
            }
        }
        for reason in &self.reasons {
            core.happened(self.head.number, now, *reason);
        }
        if self.changed {
            core.evaluate(&self.head, now, None);
        }
    }

    fn publish_member(
        &self,
        core: &mut Core,
        key: Fingerprint,
        member: &Member,
        origin: &Origin,
        now: Timestamp,
    ) {
        let number = self.head.number;
        // When it was said and by which message tells late news and redeliveries: that must survive a crash.
        let news = member.messages != origin.messages || member.observed_at != origin.observed_at;
        let write = origin.dirty
            || news
            || expiry_worn(origin.stored_expiry, member.expires_at, member.timeout_secs, now);
        let mut hot = Hot::of(number, member);
        if write {
            core.staged.put(record::member_key(number, member.ordinal), member);
        } else {
            hot.stored_expiry = origin.stored_expiry.unwrap_or(Timestamp::MAX);
            hot.unwritten = member.count.saturating_sub(origin.durable_count);
        }
        match origin.slot {
            Some(slot) => core.index.update(slot, hot),
            None => {
                core.index.insert(chain_key(key, self.head.notice), hot, self.head.notice);
            }
        }
    }
}

/// Whether less than half of the stored time to expiry remains while a later expiry is known.
pub(super) fn expiry_worn(
    stored: Option<Timestamp>,
    known: Option<Timestamp>,
    timeout_secs: u32,
    now: Timestamp,
) -> bool {
    match (stored, known) {
        (Some(stored), Some(known)) if known > stored => {
            stored.since(now).as_secs() < u64::from(timeout_secs / 2)
        }
        (None, Some(_)) => true,
        _ => false,
    }
}

/// Adds what an alert did to one incident; the weightiest reason is its outcome.
pub(super) fn weigh(outcome: &mut AlertOutcome, reason: Reason, number: u64) {
    if weight(reason) > weight(outcome.reason) {
        outcome.reason = reason;
    }
    if !outcome.incidents.contains(&number) {
        outcome.incidents.push(number);
    }
}

const fn weight(reason: Reason) -> u8 {
    match reason {
        Reason::Dropped => 15,
        Reason::Opened | Reason::Notice => 14,
        Reason::Reopened => 13,
        Reason::SeverityRose => 12,
        Reason::Joined => 11,
        Reason::Resolved | Reason::Expired => 10,
        Reason::PartlyResolved => 9,
        Reason::Acknowledged => 8,
        Reason::PartlyAcknowledged => 7,
        Reason::SeverityFell => 6,
        Reason::Rerouted => 5,
        Reason::Updated => 4,
        Reason::Repeated => 3,
        Reason::Duplicate => 2,
        Reason::Stale => 1,
        _ => 0,
    }
}

/// Loads a stored member into a draft.
pub(super) fn bring_stored(
    core: &Core,
    draft: &mut Draft,
    key: Fingerprint,
    slot: u32,
    hot: &Hot,
) -> Result<(), Error> {
    let member = core.member(hot)?;
    draft.bring(key, Some((slot, hot, member)));
    Ok(())
}
