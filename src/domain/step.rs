//! The life of one incident: folds what alerts say into it. No clock, no I/O; a store may rerun it.

use super::schedule::{News, schedule};
use super::signal::is_late;
use super::{
    Head, Join, Marks, Member, Observation, Policy, Reason, Severity, Signal, Slot, State,
    Timestamp, Told, Touch,
};
use crate::limits::{MESSAGE_IDS_MAX, RECEIVERS_PER_INCIDENT_MAX};

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub head: Head,
    /// Whether the head must be written.
    pub changed: bool,
    pub slots: Vec<Slot>,
    /// One reason per touch, in order.
    pub reasons: Vec<Reason>,
}

/// What a step of a new incident needs to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    pub number: u64,
    /// The resolved incident of the same group, if there was one.
    pub previous: Option<u64>,
}

/// A head for an incident that is about to open.
pub fn open(fresh: Fresh, join: &Join, notice: bool, now: Timestamp) -> Head {
    Head {
        number: fresh.number,
        route: join.policy.route.to_string(),
        group: join.group,
        values: join.values.clone(),
        state: State::Resolved { at: now },
        notice,
        episode: 0,
        seq: 0,
        marks: Marks::default(),
        title: String::new(),
        severity: Severity::Unknown,
        peak: Severity::Unknown,
        firing: [0; 5],
        acknowledged: 0,
        next_ordinal: 0,
        opened_at: now,
        first_opened_at: now,
        changed_at: now,
        flushed_seq: 0,
        last_flush: None,
        next_flush: None,
        previous: fresh.previous,
        told: Vec::new(),
        reasons: Vec::new(),
    }
}

/// Folds `touches` into an incident, in order. `head` is the stored one or a new one from [`open`].
///
/// `loaded_at` is when the configuration was loaded: the earliest origin of the grid timers.
pub fn step(
    head: Head,
    slots: Vec<Slot>,
    touches: &[Touch],
    policy: &Policy,
    loaded_at: Timestamp,
    now: Timestamp,
) -> Step {
    let seq_before = head.seq;
    let mut work = Work { head, slots, now, news: News::default() };
    let mut reasons = Vec::with_capacity(touches.len());
    for touch in touches {
        let reason = work.apply(touch);
        reasons.push(reason);
        if reason_matters(reason) {
            work.head.note(now, reason);
        }
    }
    let Work { mut head, slots, news, .. } = work;
    let mut changed = head.seq != seq_before || slots.iter().any(|slot| slot.changed);
    if head.seq != seq_before {
        head.changed_at = now;
        changed |= enlist(&mut head, policy);
        schedule(&mut head, news, policy, loaded_at, now);
    }
    Step { head, changed, slots, reasons }
}

/// Adds rows for receivers of the policy that have none. Rows are never taken away: what was opened gets closed.
pub fn enlist(head: &mut Head, policy: &Policy) -> bool {
    let before = head.told.len();
    for receiver in &policy.receivers {
        if head.told.len() < RECEIVERS_PER_INCIDENT_MAX && head.told(receiver).is_none() {
            head.told.push(Told::new(receiver.to_string()));
        }
    }
    head.told.len() != before
}

/// Repeats and the like would push what matters out of the ring.
const fn reason_matters(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::Repeated
            | Reason::Duplicate
            | Reason::Stale
            | Reason::Updated
            | Reason::NothingOpen
    )
}

struct Work {
    head: Head,
    slots: Vec<Slot>,
    now: Timestamp,
    news: News,
}

impl Work {
    fn apply(&mut self, touch: &Touch) -> Reason {
        match &touch.signal {
            Signal::Fire(seen) => self.fire(touch.slot, seen),
            Signal::Acknowledge(seen) => self.acknowledge(touch.slot, seen),
            Signal::Resolve(seen) => self.resolve(touch.slot, seen),
            Signal::Leave => self.end(touch.slot, Reason::Rerouted),
            Signal::Expire => self.end(touch.slot, Reason::Expired),
        }
    }

    fn fire(&mut self, at: usize, seen: &Observation) -> Reason {
        let now = self.now;
        let Some(member) = &mut self.slots[at].member else {
            return self.join(at, seen);
        };
        if is_redelivered(member, seen) {
            heard(member, seen, now);
            return Reason::Duplicate;
        }
        if is_late(member.observed_at, member.firing, member.last_at, seen.observed_at, now) {
            return Reason::Stale;
        }
        if !member.firing {
            return self.fire_again(at, seen);
        }
        let repeated = member.observed_at == seen.observed_at && seen.observed_at.is_some();
        let (before, text_changed) = (member.severity, member.body != seen.body);
        observe(member, seen, now);
        member.severity = seen.severity;
        member.body = seen.body;
        if before != seen.severity {
            return self.change_severity(at, before, seen.severity);
        }
        if text_changed {
            self.slots[at].changed = true;
            self.head.title.clone_from(&seen.title);
            return Reason::Updated;
        }
        if repeated { Reason::Duplicate } else { Reason::Repeated }
    }

    fn join(&mut self, at: usize, seen: &Observation) -> Reason {
        let first = self.head.state.is_resolved();
        let seq = self.rise_seq();
        let ordinal = self.head.next_ordinal;
        self.head.next_ordinal += 1;
        let mut member = Member {
            ordinal,
            key: self.slots[at].key,
            firing: true,
            acknowledged: false,
            severity: seen.severity,
            fired_seq: seq,
            changed_seq: seq,
            observed_at: None,
            first_at: self.now,
            last_at: self.now,
            count: 0,
            expires_at: None,
            timeout_secs: 0,
            messages: Vec::new(),
            body: seen.body,
            dismissed_until: None,
            muted: false,
        };
        observe(&mut member, seen, self.now);
        self.slots[at].member = Some(member);
        self.slots[at].changed = true;
        self.head.firing[seen.severity as usize] += 1;
        if first { self.open_episode(seen) } else { self.add(seen.severity) }
    }

    fn fire_again(&mut self, at: usize, seen: &Observation) -> Reason {
        let first = self.head.state.is_resolved();
        let seq = self.rise_seq();
        let now = self.now;
        if let Some(member) = &mut self.slots[at].member {
            member.firing = true;
            member.acknowledged = false;
            member.fired_seq = seq;
            member.changed_seq = seq;
            member.severity = seen.severity;
            member.body = seen.body;
            observe(member, seen, now);
        }
        self.slots[at].changed = true;
        self.head.firing[seen.severity as usize] += 1;
        if first { self.open_episode(seen) } else { self.add(seen.severity) }
    }

    /// The first firing member opens the incident, for the first time or again.
    fn open_episode(&mut self, seen: &Observation) -> Reason {
        let head = &mut self.head;
        head.episode += 1;
        head.opened_at = self.now;
        head.state = State::Open;
        head.marks.opened = head.seq;
        head.severity = seen.severity;
        head.peak = seen.severity;
        head.title.clone_from(&seen.title);
        self.news.other = true;
        if head.episode > 1 {
            return Reason::Reopened;
        }
        head.first_opened_at = self.now;
        if head.notice { Reason::Notice } else { Reason::Opened }
    }

    /// One more member fires in an open incident.
    fn add(&mut self, severity: Severity) -> Reason {
        self.head.marks.joined = self.head.seq;
        self.news.other = true;
        self.reckon_severity(severity);
        Reason::Joined
    }

    fn change_severity(&mut self, at: usize, before: Severity, after: Severity) -> Reason {
        let seq = self.rise_seq();
        self.slots[at].changed = true;
        if let Some(member) = &mut self.slots[at].member {
            member.changed_seq = seq;
        }
        self.head.firing[before as usize] -= 1;
        self.head.firing[after as usize] += 1;
        self.reckon_severity(after);
        self.news.other = true;
        if after > before { Reason::SeverityRose } else { Reason::SeverityFell }
    }

    /// Takes in a member's new severity: a new peak is a rise, and clears an acknowledge given for less.
    fn reckon_severity(&mut self, severity: Severity) {
        self.head.severity = self.head.firing_severity();
        if severity > self.head.peak {
            self.head.peak = severity;
            self.head.marks.rise = self.head.seq;
            self.news.rise = true;
        }
        if let State::Acknowledged { severity: taken_at, .. } = &self.head.state
            && self.head.severity > *taken_at
        {
            self.head.state = State::Open;
            self.head.note(self.now, Reason::AckOutgrown);
        }
    }

    fn acknowledge(&mut self, at: usize, seen: &Observation) -> Reason {
        let now = self.now;
        let Some(member) = self.slots[at].member.as_mut().filter(|member| member.firing) else {
            return Reason::NothingOpen;
        };
        let taken = matches!(self.head.state, State::Acknowledged { .. });
        if is_redelivered(member, seen) || (member.acknowledged && taken) {
            return Reason::Duplicate;
        }
        if is_stale(member, seen) {
            return Reason::Stale;
        }
        observe(member, seen, now);
        self.head.acknowledged += u32::from(!member.acknowledged);
        member.acknowledged = true;
        self.slots[at].changed = true;
        if self.head.acknowledged < self.head.firing_count() {
            return Reason::PartlyAcknowledged;
        }
        let seq = self.rise_seq();
        self.head.marks.acknowledged = seq;
        self.head.state = State::Acknowledged {
            by: seen.by.clone().unwrap_or_else(|| "the sender".to_owned()),
            at: now,
            severity: self.head.severity,
        };
        self.news.other = true;
        Reason::Acknowledged
    }

    fn resolve(&mut self, at: usize, seen: &Observation) -> Reason {
        let now = self.now;
        let Some(member) = &mut self.slots[at].member else {
            return Reason::NothingOpen;
        };
        if is_redelivered(member, seen) {
            return Reason::Duplicate;
        }
        if is_stale(member, seen) {
            return Reason::Stale;
        }
        if !member.firing {
            let same = member.observed_at == seen.observed_at;
            observe(member, seen, now);
            self.slots[at].changed |= !same;
            return if same { Reason::Duplicate } else { Reason::NothingOpen };
        }
        observe(member, seen, now);
        self.end(at, Reason::Resolved)
    }

    /// A member stops firing, for whatever reason.
    fn end(&mut self, at: usize, reason: Reason) -> Reason {
        let Some(member) = self.slots[at].member.as_mut().filter(|member| member.firing) else {
            return Reason::NothingOpen;
        };
        member.firing = false;
        member.expires_at = None;
        member.dismissed_until = None;
        let (severity, taken) = (member.severity, std::mem::take(&mut member.acknowledged));
        let seq = self.rise_seq();
        if let Some(member) = &mut self.slots[at].member {
            member.changed_seq = seq;
        }
        self.slots[at].changed = true;
        self.head.firing[severity as usize] -= 1;
        self.head.acknowledged -= u32::from(taken);
        if self.head.firing_count() == 0 {
            self.head.state = State::Resolved { at: self.now };
            self.head.marks.resolved = seq;
            self.news.resolved = true;
            return reason;
        }
        self.head.severity = self.head.firing_severity();
        self.head.marks.partial = seq;
        self.news.other = true;
        if reason == Reason::Resolved { Reason::PartlyResolved } else { reason }
    }

    fn rise_seq(&mut self) -> u32 {
        self.head.seq += 1;
        self.head.seq
    }
}

/// Whether this very message was taken before.
fn is_redelivered(member: &Member, seen: &Observation) -> bool {
    seen.message.is_some_and(|message| member.messages.contains(&message))
}

/// Whether the member already knows something newer.
fn is_stale(member: &Member, seen: &Observation) -> bool {
    matches!((member.observed_at, seen.observed_at), (Some(known), Some(told)) if told < known)
}

/// Takes over when the sender said it. Severity and body stay: a resolve often says less than the alert did.
fn observe(member: &mut Member, seen: &Observation, now: Timestamp) {
    heard(member, seen, now);
    if seen.observed_at.is_some() {
        member.observed_at = seen.observed_at;
    }
    if let Some(message) = seen.message {
        if member.messages.len() >= MESSAGE_IDS_MAX {
            member.messages.remove(0);
        }
        member.messages.push(message);
    }
}

/// Counts a message and puts off the expiry.
fn heard(member: &mut Member, seen: &Observation, now: Timestamp) {
    member.count = member.count.saturating_add(1);
    member.last_at = now;
    if let Some((at, timeout)) = seen.expiry {
        member.expires_at = Some(at);
        member.timeout_secs = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
    }
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
