//! What the committer keeps in memory: who is a member of what, which incident a group is in, and what is due when.
//!
//! Everything here is rebuilt from heads and members when the store opens.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::record::Tombstone;
use crate::domain::{Fingerprint, Member, Severity, State, Timestamp};
use crate::limits::NOTICES_REMEMBERED_MAX;

/// No slot.
const NONE: u32 = u32::MAX;

/// What must be known of a membership to tell a duplicate without reading the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hot {
    pub number: u64,
    pub body: u64,
    pub observed_at: Option<Timestamp>,
    pub last_at: Timestamp,
    /// [`Timestamp::MAX`] is never.
    pub expires_at: Timestamp,
    /// The expiry on disk.
    pub stored_expiry: Timestamp,
    /// The latest message id's hash, 0 without one.
    pub message: u64,
    pub ordinal: u32,
    /// How often it was heard of since the member was written.
    pub unwritten: u32,
    pub timeout_secs: u32,
    next: u32,
    pub severity: Severity,
    pub firing: bool,
    linked: bool,
}

impl Hot {
    /// The facts of a member as it is on disk.
    pub(super) fn of(number: u64, member: &Member) -> Self {
        let expiry = member.expires_at.filter(|_| member.firing).unwrap_or(Timestamp::MAX);
        Self {
            number,
            body: member.body,
            observed_at: member.observed_at,
            last_at: member.last_at,
            expires_at: expiry,
            stored_expiry: expiry,
            message: member.messages.last().copied().unwrap_or(0),
            ordinal: member.ordinal,
            unwritten: 0,
            timeout_secs: member.timeout_secs,
            next: NONE,
            severity: member.severity,
            firing: member.firing,
            linked: true,
        }
    }

    /// Adds what is known here and not on disk to a member that was read.
    pub(super) fn complete(&self, member: &mut Member) {
        member.count = member.count.saturating_add(self.unwritten);
        member.last_at = self.last_at;
        member.timeout_secs = self.timeout_secs;
        if self.firing {
            member.expires_at = (self.expires_at != Timestamp::MAX).then_some(self.expires_at);
        }
    }
}

/// Where an incident stands, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Open,
    Acknowledged,
    Resolved,
}

impl Standing {
    pub(super) const fn of(state: &State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Acknowledged { .. } => Self::Acknowledged,
            State::Resolved { .. } => Self::Resolved,
        }
    }
}

/// An incident that is open or still owes somebody something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    /// When it must be looked at next; [`Timestamp::MAX`] is never.
    pub due: Timestamp,
    pub standing: Standing,
}

/// The in-memory indexes.
#[derive(Debug, Default)]
pub(super) struct Index {
    keys: HashMap<Fingerprint, u32>,
    slots: Slab,
    pub groups: HashMap<Fingerprint, u64>,
    pub live: BTreeMap<u64, Live>,
    due: BTreeSet<(Timestamp, u64)>,
    expiries: BTreeSet<(Timestamp, u32)>,
    pub tombstones: HashMap<Fingerprint, Tombstone>,
    pub firing: u64,
    pub open: u64,
    pub acknowledged: u64,
    /// All kept incidents.
    pub incidents: u64,
}

/// Notices have a chain of their own: nothing resolves them, and there may be many of one key.
pub(super) fn chain_key(key: Fingerprint, notice: bool) -> Fingerprint {
    let mut key = key;
    key.0[15] ^= u8::from(notice) << 7;
    key
}

impl Index {
    /// The slots of the memberships of `key`, newest first.
    pub(super) fn memberships(&self, key: Fingerprint) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.keys.get(&key).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let at = next;
            (at != NONE).then(|| {
                next = self.slots.get(at).next;
                at
            })
        })
    }

    pub(super) fn hot(&self, slot: u32) -> &Hot {
        self.slots.get(slot)
    }

    /// The slot of one member.
    pub(super) fn slot(&self, key: Fingerprint, number: u64, ordinal: u32) -> Option<u32> {
        self.memberships(key).find(|slot| {
            let hot = self.hot(*slot);
            hot.number == number && hot.ordinal == ordinal
        })
    }

    /// How many memberships there are in memory.
    pub(super) fn len(&self) -> usize {
        self.slots.used
    }

    /// Adds a membership. `key` is a [`chain_key`].
    pub(super) fn insert(&mut self, key: Fingerprint, mut hot: Hot, notice: bool) -> u32 {
        hot.next = self.keys.get(&key).copied().unwrap_or(NONE);
        self.firing += u64::from(hot.firing);
        let (expires_at, slot) = (hot.expires_at, self.slots.insert(hot));
        if expires_at != Timestamp::MAX {
            self.expiries.insert((expires_at, slot));
        }
        self.keys.insert(key, slot);
        if notice {
            self.cut(slot);
        }
        slot
    }

    /// Old notices of one key keep their expiry but are no longer looked at for redelivery.
    fn cut(&mut self, newest: u32) {
        let mut at = newest;
        for _ in 1..NOTICES_REMEMBERED_MAX {
            match self.slots.get(at).next {
                NONE => return,
                next => at = next,
            }
        }
        let mut rest = std::mem::replace(&mut self.slots.get_mut(at).next, NONE);
        while rest != NONE {
            let hot = self.slots.get_mut(rest);
            hot.linked = false;
            rest = std::mem::replace(&mut hot.next, NONE);
        }
    }

    /// Replaces the facts of a membership.
    pub(super) fn update(&mut self, slot: u32, mut hot: Hot) {
        let before = self.slots.get_mut(slot);
        hot.next = before.next;
        hot.linked = before.linked;
        let (was, is) = (before.expires_at, hot.expires_at);
        let (fired, fires) = (before.firing, hot.firing);
        *before = hot;
        self.firing = self.firing + u64::from(fires) - u64::from(fired);
        if was != is {
            self.expiries.remove(&(was, slot));
            if is != Timestamp::MAX {
                self.expiries.insert((is, slot));
            }
        }
    }

    /// Changes the facts of a membership where they stand; returns them as they are then.
    pub(super) fn touch(&mut self, slot: u32, change: impl FnOnce(&mut Hot)) -> &Hot {
        let mut hot = self.slots.get(slot).clone();
        change(&mut hot);
        self.update(slot, hot);
        self.slots.get(slot)
    }

    /// Forgets a membership.
    pub(super) fn remove(&mut self, key: Fingerprint, slot: u32) {
        let hot = self.slots.get(slot).clone();
        self.firing -= u64::from(hot.firing);
        self.expiries.remove(&(hot.expires_at, slot));
        if hot.linked {
            let before = self.memberships(key).find(|at| self.hot(*at).next == slot);
            match before {
                Some(before) => self.slots.get_mut(before).next = hot.next,
                None if hot.next == NONE => {
                    self.keys.remove(&key);
                }
                None => {
                    self.keys.insert(key, hot.next);
                }
            }
        }
        self.slots.free(slot);
    }

    /// The memberships that expire by `now`, at most `limit`.
    pub(super) fn expired(&self, now: Timestamp, limit: usize) -> Vec<u32> {
        self.expiries.range(..=(now, u32::MAX)).take(limit).map(|(_, slot)| *slot).collect()
    }

    /// The incidents that are due by `now`, at most `limit`.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Vec<u64> {
        self.due.range(..=(now, u64::MAX)).take(limit).map(|(_, number)| *number).collect()
    }

    /// When something is due or expires next.
    pub(super) fn next(&self) -> Timestamp {
        let due = self.due.first().map_or(Timestamp::MAX, |(at, _)| *at);
        let expiry = self.expiries.first().map_or(Timestamp::MAX, |(at, _)| *at);
        due.min(expiry)
    }

    /// Sets where incident `number` stands; `None`: it is over and owes nothing.
    pub(super) fn stand(&mut self, number: u64, live: Option<Live>) {
        let before = match live {
            Some(live) => self.live.insert(number, live),
            None => self.live.remove(&number),
        };
        if let Some(before) = before {
            self.due.remove(&(before.due, number));
            self.count(before.standing, false);
        }
        if let Some(live) = live {
            if live.due != Timestamp::MAX {
                self.due.insert((live.due, number));
            }
            self.count(live.standing, true);
        }
    }

    fn count(&mut self, standing: Standing, up: bool) {
        let counter = match standing {
            Standing::Open => &mut self.open,
            Standing::Acknowledged => &mut self.acknowledged,
            Standing::Resolved => return,
        };
        *counter = if up { *counter + 1 } else { *counter - 1 };
    }
}

/// Slots in pieces of one size: growing never copies and never doubles what is held.
#[derive(Debug, Default)]
struct Slab {
    pieces: Vec<Vec<Hot>>,
    free: Vec<u32>,
    used: usize,
}

const PIECE: usize = 1024;

impl Slab {
    fn get(&self, at: u32) -> &Hot {
        &self.pieces[at as usize / PIECE][at as usize % PIECE]
    }

    fn get_mut(&mut self, at: u32) -> &mut Hot {
        &mut self.pieces[at as usize / PIECE][at as usize % PIECE]
    }

    fn insert(&mut self, hot: Hot) -> u32 {
        self.used += 1;
        if let Some(at) = self.free.pop() {
            *self.get_mut(at) = hot;
            return at;
        }
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let before = (self.pieces.len() - 1) * PIECE;
        let piece = self.pieces.last_mut().expect("one was just made");
        piece.push(hot);
        u32::try_from(before + piece.len() - 1).expect("MEMBERSHIPS_MAX is below 2^32")
    }

    fn free(&mut self, at: u32) {
        self.used -= 1;
        self.free.push(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hot(number: u64) -> Hot {
        Hot {
            number,
            body: 0,
            observed_at: None,
            last_at: Timestamp::default(),
            expires_at: Timestamp::from_secs(i64::try_from(number).expect("small")),
            stored_expiry: Timestamp::MAX,
            message: 0,
            ordinal: 0,
            unwritten: 0,
            timeout_secs: 0,
            next: NONE,
            severity: Severity::Unknown,
            firing: true,
            linked: true,
        }
    }

    #[test]
    fn chains_lose_any_link() {
        let key = Fingerprint([1; 16]);
        for gone in 0..3 {
            let mut index = Index::default();
            let slots: Vec<u32> = (0..3).map(|n| index.insert(key, hot(n), false)).collect();
            index.remove(key, slots[gone]);
            let left: Vec<u64> =
                index.memberships(key).map(|slot| index.hot(slot).number).collect();
            let expected: Vec<u64> = (0..3).rev().filter(|n| *n != gone as u64).collect();
            assert_eq!(left, expected);
            assert_eq!((index.len(), index.firing), (2, 2));
            assert_eq!(index.expired(Timestamp::MAX, 9).len(), 2);
        }
    }

    #[test]
    fn chains_of_notices_are_bounded() {
        let (mut index, key) = (Index::default(), Fingerprint([1; 16]));
        let slots: Vec<u32> = (0..100).map(|n| index.insert(key, hot(n), true)).collect();
        assert_eq!(index.memberships(key).count(), NOTICES_REMEMBERED_MAX);
        for slot in slots {
            index.remove(key, slot);
        }
        assert_eq!(
            (index.len(), index.memberships(key).count(), index.expired(Timestamp::MAX, 9).len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_membership_is_small() {
        assert!(size_of::<Hot>() <= 96, "{}", size_of::<Hot>());
    }
}
