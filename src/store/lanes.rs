//! Work of receivers that is ready or taken: one unit per (incident, receiver), never more.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{Claim, LaneCounts};
use crate::domain::{Timestamp, Told, Wanted, Why};
use crate::limits::STARTED_LEASE_SECONDS;

/// Waiting this long moves work up one class, never into the first.
const PATIENCE: Duration = Duration::from_mins(5);
/// Classes of urgency run from 1 to this.
const CLASSES: u8 = 6;

/// What is known of a unit of work.
#[derive(Clone, Copy, Debug)]
struct Row {
    class: u8,
    why: Why,
    due: Timestamp,
    /// Set while somebody has it: which claim, and until when.
    taken: Option<(u64, Timestamp)>,
}

/// Whether a claim is still the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It is.
    Yes,
    /// Its lease lapsed and nobody else has the work.
    Lapsed,
    /// Somebody else has the work.
    Lost,
}

#[derive(Debug, Default)]
struct Lane {
    ready: BTreeSet<(u8, Timestamp, u64)>,
    taken: u64,
}

/// Rows that count as trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Failing,
    Dead,
}

/// All queues.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    names: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
    queues: Vec<Lane>,
    rows: HashMap<(u64, u32), Row>,
    leases: BTreeSet<(Timestamp, u64, u32)>,
    troubles: HashMap<(u64, u32), Trouble>,
    /// Lanes that got work since the last batch ended.
    rung: BTreeSet<u32>,
    epoch: u64,
}

impl Lanes {
    /// `epoch` must be higher than in any earlier life of the store.
    pub(super) fn new(epoch: u64) -> Self {
        Self { epoch, ..Self::default() }
    }

    fn id(&mut self, receiver: &str) -> u32 {
        if let Some(id) = self.ids.get(receiver) {
            return *id;
        }
        let id = u32::try_from(self.queues.len()).expect("receivers are few");
        let name: Arc<str> = receiver.into();
        self.names.push(name.clone());
        self.ids.insert(name, id);
        self.queues.push(Lane::default());
        id
    }

    /// There is something to tell now. Work that somebody has stays as it is: it is judged again when it comes back.
    pub(super) fn offer(
        &mut self,
        number: u64,
        receiver: &str,
        why: Why,
        class: u8,
        now: Timestamp,
    ) {
        let id = self.id(receiver);
        let row = self.rows.entry((number, id)).or_insert_with(|| {
            self.rung.insert(id);
            Row { class, why, due: now, taken: None }
        });
        if row.taken.is_none() {
            let ready = &mut self.queues[id as usize].ready;
            ready.remove(&(row.class, row.due, number));
            (row.class, row.why) = (class, why);
            ready.insert((row.class, row.due, number));
        }
    }

    /// There is nothing to tell now.
    pub(super) fn withdraw(&mut self, number: u64, receiver: &str) {
        let Some(id) = self.ids.get(receiver).copied() else { return };
        if let Some(row) = self.rows.get(&(number, id)).copied()
            && row.taken.is_none()
        {
            self.queues[id as usize].ready.remove(&(row.class, row.due, number));
            self.rows.remove(&(number, id));
        }
    }

    /// Whether a row has work that is ready or taken.
    pub(super) fn is_busy(&self, number: u64, receiver: &str) -> bool {
        self.ids.get(receiver).is_some_and(|id| self.rows.contains_key(&(number, *id)))
    }

    /// Notes whether a row is failing or given up. Failed attempts at news that is over are no trouble any more.
    pub(super) fn trouble(&mut self, number: u64, told: &Told, verdict: Wanted) {
        let trouble = match (told.dead, told.retry, verdict) {
            (Some(_), ..) => Some(Trouble::Dead),
            (None, Some(_), Wanted::Send(_) | Wanted::At(..)) => Some(Trouble::Failing),
            (None, Some(_), Wanted::Nothing(_)) | (None, None, _) => None,
        };
        if trouble.is_none() && self.troubles.is_empty() {
            return;
        }
        let id = self.id(&told.receiver);
        match trouble {
            Some(trouble) => self.troubles.insert((number, id), trouble),
            None => self.troubles.remove(&(number, id)),
        };
    }

    /// Forgets an incident's row.
    pub(super) fn forget(&mut self, number: u64, receiver: &str) {
        self.withdraw(number, receiver);
        if let Some(id) = self.ids.get(receiver) {
            self.troubles.remove(&(number, *id));
        }
    }

    /// Takes up to `limit` units, the most urgent first.
    pub(super) fn claim(
        &mut self,
        receiver: &Arc<str>,
        limit: usize,
        lease: Duration,
        now: Timestamp,
    ) -> Vec<Claim> {
        let id = self.id(receiver);
        let mut claims = Vec::new();
        while claims.len() < limit {
            let Some((class, due, number)) = self.queues[id as usize].most_urgent(now) else {
                break;
            };
            let lane = &mut self.queues[id as usize];
            lane.ready.remove(&(class, due, number));
            lane.taken += 1;
            self.epoch += 1;
            let until = now.plus(lease);
            self.leases.insert((until, number, id));
            let row = self.rows.get_mut(&(number, id)).expect("what is ready has a row");
            row.taken = Some((self.epoch, until));
            claims.push(Claim {
                number,
                receiver: receiver.clone(),
                why: row.why,
                class,
                due,
                epoch: self.epoch,
            });
        }
        claims
    }

    /// Whether `claim` still counts.
    pub(super) fn held(&self, claim: &Claim) -> Held {
        let row = self.ids.get(&claim.receiver).and_then(|id| self.rows.get(&(claim.number, *id)));
        match row.and_then(|row| row.taken) {
            Some((epoch, _)) if epoch == claim.epoch => Held::Yes,
            Some(_) => Held::Lost,
            None => Held::Lapsed,
        }
    }

    /// A started attempt does not lapse with its lease: it may be on its way. Only an attempt that never ends does.
    pub(super) fn started(&mut self, claim: &Claim, now: Timestamp) {
        let Some(id) = self.ids.get(&claim.receiver).copied() else { return };
        if let Some(Row { taken: Some((_, until)), .. }) = self.rows.get_mut(&(claim.number, id)) {
            self.leases.remove(&(*until, claim.number, id));
            *until = now.plus(Duration::from_secs(STARTED_LEASE_SECONDS)).max(*until);
            self.leases.insert((*until, claim.number, id));
        }
    }

    /// Ends a claim. The row is free to be judged again.
    pub(super) fn end(&mut self, claim: &Claim) {
        if self.held(claim) == Held::Yes
            && let Some(id) = self.ids.get(&claim.receiver).copied()
        {
            self.free(claim.number, id);
            self.rows.remove(&(claim.number, id));
        }
    }

    /// Gives a claim back as it was.
    pub(super) fn release(&mut self, claim: &Claim) {
        if self.held(claim) == Held::Yes
            && let Some(id) = self.ids.get(&claim.receiver).copied()
        {
            self.free(claim.number, id);
            self.ready_again(claim.number, id);
        }
    }

    /// Gives back what nobody started, settled or released in time.
    pub(super) fn lapse(&mut self, now: Timestamp) {
        while let Some((until, number, id)) = self.leases.first().copied() {
            if until > now {
                break;
            }
            self.free(number, id);
            self.ready_again(number, id);
            self.rung.insert(id);
        }
    }

    /// When the next lease lapses.
    pub(super) fn next(&self) -> Timestamp {
        self.leases.first().map_or(Timestamp::MAX, |(until, ..)| *until)
    }

    fn free(&mut self, number: u64, id: u32) {
        if let Some(row) = self.rows.get_mut(&(number, id))
            && let Some((_, until)) = row.taken.take()
        {
            self.leases.remove(&(until, number, id));
            self.queues[id as usize].taken -= 1;
        }
    }

    fn ready_again(&mut self, number: u64, id: u32) {
        if let Some(row) = self.rows.get(&(number, id)) {
            self.queues[id as usize].ready.insert((row.class, row.due, number));
        }
    }

    /// The receivers that got work since the last call.
    pub(super) fn take_rung(&mut self) -> Vec<Arc<str>> {
        let rung = std::mem::take(&mut self.rung);
        rung.into_iter()
            .filter(|id| !self.queues[*id as usize].ready.is_empty())
            .map(|id| self.names[id as usize].clone())
            .collect()
    }

    /// How much there is, by receiver.
    pub(super) fn counts(&self) -> Vec<LaneCounts> {
        let mut counts: Vec<LaneCounts> = self
            .queues
            .iter()
            .zip(&self.names)
            .map(|(lane, name)| LaneCounts {
                receiver: name.to_string(),
                depth: lane.ready.len() as u64 + lane.taken,
                oldest: lane.firsts().map(|(_, due, _)| due).min(),
                ..LaneCounts::default()
            })
            .collect();
        for (_, number, id) in &self.leases {
            let oldest = &mut counts[*id as usize].oldest;
            let due = self.rows.get(&(*number, *id)).map(|row| row.due);
            *oldest = oldest.iter().copied().chain(due).min();
        }
        for ((_, id), trouble) in &self.troubles {
            match trouble {
                Trouble::Failing => counts[*id as usize].failing += 1,
                Trouble::Dead => counts[*id as usize].dead += 1,
            }
        }
        counts
    }
}

impl Lane {
    /// The oldest of each class.
    fn firsts(&self) -> impl Iterator<Item = (u8, Timestamp, u64)> + '_ {
        (1..=CLASSES).filter_map(|class| {
            let begin = (class, Timestamp::from_micros(i64::MIN), 0);
            self.ready
                .range(begin..(class + 1, Timestamp::from_micros(i64::MIN), 0))
                .next()
                .copied()
        })
    }

    fn most_urgent(&self, now: Timestamp) -> Option<(u8, Timestamp, u64)> {
        self.firsts().min_by_key(|(class, due, number)| {
            let aged = *class > 2 && now.since(*due) > PATIENCE;
            (class - u8::from(aged), *due, *number)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn taken(lanes: &mut Lanes, now: i64) -> Vec<u64> {
        lanes.claim(&"r".into(), 99, LEASE, at(now)).iter().map(|claim| claim.number).collect()
    }

    #[test]
    fn urgency_orders_and_age_lifts() {
        let mut lanes = Lanes::new(0);
        lanes.offer(1, "r", Why::Repeat, 6, at(0));
        lanes.offer(2, "r", Why::Joined, 5, at(100));
        lanes.offer(3, "r", Why::Open, 1, at(200));
        lanes.offer(4, "r", Why::Open, 2, at(0));
        // After five minutes the old repeat ranks with updates and is older; the old error does not outrank a critical.
        assert_eq!(taken(&mut lanes, 320), [3, 4, 1, 2]);
        assert_eq!(lanes.take_rung(), [] as [Arc<str>; 0], "nothing is left to take");
    }

    #[test]
    fn taken_work_is_not_offered_twice() {
        let mut lanes = Lanes::new(0);
        lanes.offer(1, "r", Why::Open, 4, at(0));
        let claim = lanes.claim(&"r".into(), 1, LEASE, at(0)).remove(0);
        lanes.offer(1, "r", Why::Resolved, 3, at(1));
        assert!(taken(&mut lanes, 1).is_empty());
        lanes.lapse(at(29));
        assert_eq!(lanes.held(&claim), Held::Yes);
        lanes.lapse(at(30));
        assert_eq!(lanes.held(&claim), Held::Lapsed);
        assert_eq!(taken(&mut lanes, 30), [1]);
        assert_eq!(lanes.held(&claim), Held::Lost);
        assert_eq!(lanes.counts()[0].depth, 1);
    }

    #[test]
    fn a_started_attempt_outlives_its_lease() {
        let mut lanes = Lanes::new(0);
        lanes.offer(1, "r", Why::Open, 4, at(0));
        let claim = lanes.claim(&"r".into(), 1, LEASE, at(0)).remove(0);
        lanes.started(&claim, at(1));
        lanes.lapse(at(60));
        assert_eq!(lanes.held(&claim), Held::Yes);
        lanes.end(&claim);
        assert!(!lanes.is_busy(1, "r") && lanes.next() == Timestamp::MAX);
    }
}
