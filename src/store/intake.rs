//! Takes a payload in: memberships first, then one step per touched incident, then everything is staged at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::core::Core;
use super::draft::{self, Draft};
use super::index::{Hot, chain_key};
use super::observe::{Marks, observation, repeat};
use super::record::{self, Tombstone};
use super::{AlertOutcome, Error, Intake};
use crate::domain::{
    Fingerprint, Fresh, Join, Observation, Policy, Reason, Signal, State, Status, Timestamp,
    is_late, open,
};
use crate::limits::{ALERTS_PER_COMMIT_MAX, MEMBERSHIPS_MAX, TOMBSTONES_MAX};

/// Commits one payload.
pub(super) fn commit(
    core: &mut Core,
    intake: &Intake,
    marks: &[Marks],
) -> Result<Vec<AlertOutcome>, Error> {
    debug_assert!(intake.alerts.len() <= ALERTS_PER_COMMIT_MAX, "larger payloads are split");
    core.check_disk(intake.now)?;
    let mut work = Work::new(core, intake, marks);
    for at in 0..intake.alerts.len() {
        work.alert(at)?;
    }
    let Work { mut drafts, mut outcomes, heard, tombstones, next_number, .. } = work;
    for draft in drafts.values_mut() {
        draft.run(core, intake.now, &mut outcomes);
    }
    core.next_number = next_number;
    for (slot, hot) in heard {
        // A draft of the same member knows all of this too and comes after.
        core.index.update(slot, hot);
    }
    for (key, tombstone) in tombstones {
        if let Some(tombstone) = tombstone {
            core.staged.put(record::tombstone_key(key), &tombstone);
            core.index.tombstones.insert(key, tombstone);
        } else {
            core.staged.delete(record::tombstone_key(key));
            core.index.tombstones.remove(&key);
        }
    }
    for draft in drafts.into_values() {
        draft.publish(core, &intake.source, &intake.alerts, intake.now);
    }
    Ok(outcomes)
}

/// A membership as the alerts before this one left it.
#[derive(Clone, Copy, Debug)]
struct View {
    number: u64,
    /// Its place in the index, if it has one.
    slot: Option<u32>,
    firing: bool,
    observed_at: Option<Timestamp>,
    last_at: Timestamp,
}

struct Work<'a> {
    core: &'a Core,
    intake: &'a Intake,
    marks: &'a [Marks],
    drafts: BTreeMap<u64, Draft>,
    /// Groups of incidents that this payload opens.
    groups: HashMap<Fingerprint, u64>,
    /// Incidents in which this payload touched a key. Keys are chain keys.
    touched: HashMap<Fingerprint, Vec<u64>>,
    /// Facts of members that were only heard of.
    heard: HashMap<u32, Hot>,
    tombstones: HashMap<Fingerprint, Option<Tombstone>>,
    outcomes: Vec<AlertOutcome>,
    next_number: u64,
}

impl<'a> Work<'a> {
    fn new(core: &'a Core, intake: &'a Intake, marks: &'a [Marks]) -> Self {
        let outcome =
            |index| AlertOutcome { index, reason: Reason::NothingOpen, incidents: vec![] };
        Self {
            core,
            intake,
            marks,
            drafts: BTreeMap::new(),
            groups: HashMap::new(),
            touched: HashMap::new(),
            heard: HashMap::new(),
            tombstones: HashMap::new(),
            outcomes: intake.alerts.iter().map(|routed| outcome(routed.alert.index)).collect(),
            next_number: core.next_number,
        }
    }

    fn alert(&mut self, at: usize) -> Result<(), Error> {
        let routed = &self.intake.alerts[at];
        match routed.alert.status {
            Status::Notice => self.notice(at),
            Status::Firing if self.hear(at) => Ok(()),
            Status::Firing => self.fire(at),
            Status::Acknowledged | Status::Resolved => self.close(at),
        }
    }

    /// A repetition of what is known: answered from memory. `false`: it needs a closer look.
    fn hear(&mut self, at: usize) -> bool {
        let (routed, marks, now) = (&self.intake.alerts[at], self.marks[at], self.intake.now);
        if routed.joins.is_empty() || self.touched.contains_key(&marks.key) {
            return false;
        }
        let mut slots = Vec::with_capacity(routed.joins.len());
        for join in &routed.joins {
            let slot = self.core.index.groups.get(&join.group).and_then(|number| {
                let mut slots = self.core.index.memberships(marks.key);
                slots.find(|slot| self.hot(*slot).number == *number)
            });
            let Some(slot) = slot.filter(|slot| !slots.contains(slot)) else { return false };
            slots.push(slot);
        }
        let firing = |slot: &u32| self.hot(*slot).firing;
        if self.core.index.memberships(marks.key).filter(firing).count() != slots.len() {
            return false;
        }
        let mut heard = Vec::with_capacity(slots.len());
        for (slot, join) in slots.iter().zip(&routed.joins) {
            let seen = self.observation(at, Some(&join.policy));
            match repeat(self.hot(*slot), &seen, now) {
                Some((reason, hot)) => heard.push((*slot, reason, hot)),
                None => return false,
            }
        }
        for (slot, reason, hot) in heard {
            draft::weigh(&mut self.outcomes[at], reason, hot.number);
            self.heard.insert(slot, hot);
        }
        true
    }

    fn hot(&self, slot: u32) -> &Hot {
        self.heard.get(&slot).unwrap_or_else(|| self.core.index.hot(slot))
    }

    fn fire(&mut self, at: usize) -> Result<(), Error> {
        let (intake, marks) = (self.intake, self.marks[at]);
        let routed = &intake.alerts[at];
        let views = self.views(marks.key);
        if let Some(reason) = self.is_old(at, &views)? {
            self.outcomes[at].reason = reason;
            self.outcomes[at].incidents = views.iter().map(|view| view.number).collect();
            return Ok(());
        }
        if self.tombstone(marks.key).is_some() {
            self.tombstones.insert(marks.key, None);
        }
        let mut targets = Vec::with_capacity(routed.joins.len());
        for join in &routed.joins {
            let number = self.find(join)?;
            if targets.contains(&number) {
                continue;
            }
            targets.push(number);
            let view = views.iter().find(|view| view.number == number).copied();
            self.bring(marks.key, marks.key, number, view)?;
            let seen = self.observation(at, Some(&join.policy));
            if let Some(draft) = self.drafts.get_mut(&number) {
                draft.follow(&join.policy);
                draft.touch(marks.key, Signal::Fire(seen), Some(at));
            }
        }
        if targets.is_empty() {
            self.outcomes[at].reason =
                if routed.dropped { Reason::Dropped } else { Reason::NoReceiver };
        }
        // Joins come before leaves: at no time is the alert in no incident.
        for view in views.iter().filter(|view| view.firing && !targets.contains(&view.number)) {
            self.bring(marks.key, marks.key, view.number, Some(*view))?;
            if let Some(draft) = self.drafts.get_mut(&view.number) {
                draft.touch(marks.key, Signal::Leave, Some(at));
            }
        }
        Ok(())
    }

    /// Whether a firing alert says less than what is known already.
    fn is_old(&self, at: usize, views: &[View]) -> Result<Option<Reason>, Error> {
        let seen = self.observation(at, None);
        let (told, now) = (seen.observed_at, self.intake.now);
        let tombstone = self.tombstone(self.marks[at].key);
        let late = views
            .iter()
            .any(|view| is_late(view.observed_at, view.firing, view.last_at, told, now))
            || tombstone
                .is_some_and(|one| is_late(Some(one.observed_at), false, one.at, told, now));
        if let Some(message) = seen.message {
            let ended = views.iter().filter(|view| late || !view.firing);
            for slot in ended.filter_map(|view| view.slot) {
                if self.core.member(self.hot(slot))?.messages.contains(&message) {
                    return Ok(Some(Reason::Duplicate));
                }
            }
        }
        Ok(late.then_some(Reason::Stale))
    }

    /// A resolve or acknowledge goes to every open membership, whatever the routes say.
    fn close(&mut self, at: usize) -> Result<(), Error> {
        let (key, now) = (self.marks[at].key, self.intake.now);
        let views = self.views(key);
        let seen = self.observation(at, None);
        let resolves = self.intake.alerts[at].alert.status == Status::Resolved;
        let mut open: Vec<View> = views.iter().filter(|view| view.firing).copied().collect();
        if open.is_empty() && resolves {
            // What ended already remembers when it was last heard to have ended.
            open.extend(views.iter().max_by_key(|view| view.number));
        }
        if views.is_empty()
            && resolves
            && let Some(observed_at) = seen.observed_at
            && self.tombstone(key).is_none_or(|known| known.observed_at < observed_at)
            && self.core.index.tombstones.len() + self.tombstones.len() < TOMBSTONES_MAX
        {
            self.tombstones.insert(key, Some(Tombstone { observed_at, at: now }));
        }
        for view in open {
            self.bring(key, key, view.number, Some(view))?;
            let signal = if resolves {
                Signal::Resolve(seen.clone())
            } else {
                Signal::Acknowledge(seen.clone())
            };
            if let Some(draft) = self.drafts.get_mut(&view.number) {
                draft.touch(key, signal, Some(at));
            }
        }
        Ok(())
    }

    /// A notice is an incident of its own, unless it is the same message again.
    fn notice(&mut self, at: usize) -> Result<(), Error> {
        let (intake, marks) = (self.intake, self.marks[at]);
        let routed = &intake.alerts[at];
        let chain = chain_key(marks.key, true);
        let views = self.views(chain);
        let seen = self.observation(at, None);
        let again = views.iter().find(|view| {
            let message = view.slot.map_or_else(
                || {
                    self.drafts[&view.number]
                        .member(marks.key)
                        .and_then(|m| m.messages.last().copied())
                },
                |slot| Some(self.hot(slot).message).filter(|message| *message != 0),
            );
            (seen.message.is_some() && seen.message == message)
                || (seen.observed_at.is_some() && seen.observed_at == view.observed_at)
        });
        if let Some(view) = again {
            draft::weigh(&mut self.outcomes[at], Reason::Duplicate, view.number);
            return Ok(());
        }
        for join in &routed.joins {
            let number = self.make(join, None, true);
            self.bring(marks.key, chain, number, None)?;
            let seen = self.observation(at, Some(&join.policy));
            if let Some(draft) = self.drafts.get_mut(&number) {
                draft.touch(marks.key, Signal::Fire(seen), Some(at));
            }
        }
        if routed.joins.is_empty() {
            self.outcomes[at].reason =
                if routed.dropped { Reason::Dropped } else { Reason::NoReceiver };
        }
        Ok(())
    }

    /// The memberships of a key as the alerts before this one left them, newest first.
    fn views(&mut self, chain: Fingerprint) -> Vec<View> {
        let mut views = Vec::new();
        let touched = self.touched.get(&chain).cloned().unwrap_or_default();
        for number in touched.iter().rev() {
            let Some(draft) = self.drafts.get_mut(number) else { continue };
            draft.run(self.core, self.intake.now, &mut self.outcomes);
            // A notice's chain key differs from the key of its member.
            let member = draft.member(chain).or_else(|| draft.member(chain_key(chain, true)));
            views.extend(member.map(|member| View {
                number: *number,
                slot: None,
                firing: member.firing,
                observed_at: member.observed_at,
                last_at: member.last_at,
            }));
        }
        for slot in self.core.index.memberships(chain) {
            let hot = self.hot(slot);
            if !touched.contains(&hot.number) {
                views.push(View {
                    number: hot.number,
                    slot: Some(slot),
                    firing: hot.firing,
                    observed_at: hot.observed_at,
                    last_at: hot.last_at,
                });
            }
        }
        views
    }

    /// Makes sure that the draft of incident `number` holds the member of `key`.
    fn bring(
        &mut self,
        key: Fingerprint,
        chain: Fingerprint,
        number: u64,
        view: Option<View>,
    ) -> Result<(), Error> {
        self.load(number)?;
        let Some(draft) = self.drafts.get_mut(&number) else { return Ok(()) };
        if !draft.has(key) {
            match view.and_then(|view| view.slot) {
                Some(slot) => {
                    let hot = self.heard.get(&slot).unwrap_or_else(|| self.core.index.hot(slot));
                    draft::bring_stored(self.core, draft, key, slot, hot)?;
                }
                None if self.core.index.len() >= MEMBERSHIPS_MAX => {
                    return Err(Error::Full { memberships: MEMBERSHIPS_MAX });
                }
                None => draft.bring(key, None),
            }
        }
        let touched = self.touched.entry(chain).or_default();
        if !touched.contains(&number) {
            touched.push(number);
        }
        Ok(())
    }

    fn load(&mut self, number: u64) -> Result<(), Error> {
        if !self.drafts.contains_key(&number) {
            let head = self.core.head(number)?;
            let policy = Arc::clone(self.core.rules.policy(&head.route));
            self.drafts.insert(number, Draft::new(head, policy, false));
        }
        Ok(())
    }

    /// The incident that a firing alert joins: one of its group that is open or may be reopened, or a new one.
    fn find(&mut self, join: &Join) -> Result<u64, Error> {
        let mut previous = None;
        for group in std::iter::once(&join.group).chain(&join.was) {
            let known = self.groups.get(group).or_else(|| self.core.index.groups.get(group));
            let Some(number) = known.copied() else { continue };
            self.load(number)?;
            let head = &self.drafts[&number].head;
            let joinable = match head.state {
                State::Open | State::Acknowledged { .. } => true,
                // An incident that opens with this payload looks resolved until its step.
                State::Resolved { at } => {
                    head.episode == 0 || self.intake.now.since(at) < join.policy.reopen_window
                }
            };
            if joinable {
                return Ok(number);
            }
            previous = previous.or(Some(number));
        }
        Ok(self.make(join, previous, false))
    }

    fn make(&mut self, join: &Join, previous: Option<u64>, notice: bool) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let head = open(Fresh { number, previous }, join, notice, self.intake.now);
        self.drafts.insert(number, Draft::new(head, Arc::clone(&join.policy), true));
        if !notice {
            self.groups.insert(join.group, number);
        }
        number
    }

    fn tombstone(&self, key: Fingerprint) -> Option<Tombstone> {
        let stored = || self.core.index.tombstones.get(&key).copied();
        self.tombstones.get(&key).copied().unwrap_or_else(stored)
    }

    /// What an alert says, under the policy of the route that took it.
    fn observation(&self, at: usize, policy: Option<&Arc<Policy>>) -> Observation {
        observation(&self.intake.alerts[at].alert, self.marks[at], policy, self.intake.now)
    }
}
