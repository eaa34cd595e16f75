//! The state of the committer: what is staged, the indexes, the queues. One thread owns it; no clock, no rules.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::index::{Hot, Index, Live, Standing};
use super::kv::{Kv, KvError};
use super::lanes::Lanes;
use super::record::{self, History};
use super::staged::Staged;
use super::{Bell, Error};
use crate::domain::{Head, Member, Reason, Rules, Timestamp, Wanted, fallback, wanted};
use crate::limits::HISTORY_ENTRIES_MAX;

/// How often the free disk space is looked at.
const DISK_LOOK_EVERY: Duration = Duration::from_secs(1);

/// Everything the committer thread owns.
pub(super) struct Core {
    pub staged: Staged,
    pub index: Index,
    pub lanes: Lanes,
    pub rules: Arc<Rules>,
    pub instance: String,
    pub next_number: u64,
    pub next_history: u64,
    pub next_kept: u64,
    /// Where the next call of `prune` goes on.
    pub prune_from: u64,
    /// What happened in this batch.
    pub happened: Vec<(u64, Timestamp, Reason)>,
    pub opened_at: Timestamp,
    bell: Arc<dyn Bell>,
    /// The time that the caller of `wake` knows of.
    announced: Timestamp,
    free_bytes_min: u64,
    disk_looked_at: Option<Timestamp>,
    disk_free_bytes: Option<u64>,
}

impl Core {
    pub(super) fn new(
        kv: Box<dyn Kv>,
        place: PathBuf,
        rules: Arc<Rules>,
        bell: Arc<dyn Bell>,
        free_bytes_min: u64,
        now: Timestamp,
    ) -> Self {
        Self {
            staged: Staged::new(kv, place),
            index: Index::default(),
            lanes: Lanes::new(u64::try_from(now.as_micros()).unwrap_or(0)),
            rules,
            instance: String::new(),
            next_number: 1,
            next_history: 0,
            next_kept: 0,
            prune_from: 0,
            happened: Vec::new(),
            opened_at: now,
            bell,
            announced: Timestamp::MAX,
            free_bytes_min,
            disk_looked_at: None,
            disk_free_bytes: None,
        }
    }

    /// The head of incident `number`.
    pub(super) fn head(&self, number: u64) -> Result<Head, Error> {
        self.staged.need(&record::head_key(number))
    }

    /// The member whose facts are in `hot`, as it is now.
    pub(super) fn member(&self, hot: &Hot) -> Result<Member, Error> {
        let mut member: Member = self.staged.need(&record::member_key(hot.number, hot.ordinal))?;
        hot.complete(&mut member);
        Ok(member)
    }

    pub(super) fn put_head(&mut self, head: &Head) {
        self.staged.put_bytes(record::head_key(head.number), record::encode_head(head));
    }

    /// Judges every told row of an incident anew and notes when it must be looked at next. `spread`: overdue repeats
    /// wait until then.
    pub(super) fn evaluate(&mut self, head: &Head, now: Timestamp, spread: Option<Timestamp>) {
        let rules = Arc::clone(&self.rules);
        let policy = rules.policy(&head.route);
        let mut due = head.next_flush.unwrap_or(Timestamp::MAX);
        let mut owes = false;
        for told in &head.told {
            let traits = rules.traits(&told.receiver);
            let verdict = wanted(head, told, policy, traits, rules.loaded_at, now);
            self.lanes.trouble(head.number, told, verdict);
            owes |= told.may_be_open();
            due = fallback(head, told, &rules, now).map_or(due, |fallback| due.min(fallback.at));
            match verdict {
                Wanted::Send(crate::domain::Why::Repeat) if spread.is_some() => {
                    due = due.min(spread.unwrap_or(now));
                }
                Wanted::Send(why) => {
                    owes = true;
                    let class = why.class(head.severity);
                    self.lanes.offer(head.number, &told.receiver, why, class, now);
                }
                Wanted::At(at, _) => {
                    due = due.min(at);
                    self.lanes.withdraw(head.number, &told.receiver);
                }
                Wanted::Nothing(_) => self.lanes.withdraw(head.number, &told.receiver),
            }
        }
        let standing = Standing::of(&head.state);
        let live = standing != Standing::Resolved || owes || due != Timestamp::MAX;
        self.index.stand(head.number, live.then_some(Live { due, standing }));
    }

    /// Notes a reason for the history, unless it says that nothing happened.
    pub(super) fn happened(&mut self, number: u64, at: Timestamp, reason: Reason) {
        let silent = matches!(
            reason,
            Reason::Repeated
                | Reason::Duplicate
                | Reason::Stale
                | Reason::Updated
                | Reason::NothingOpen
                | Reason::Waiting
        );
        if !silent {
            self.happened.push((number, at, reason));
        }
    }

    /// Refuses new alerts while the disk is nearly full: sled does not survive a full one.
    pub(super) fn check_disk(&mut self, now: Timestamp) -> Result<(), Error> {
        let fresh = self.disk_looked_at.is_some_and(|at| now.since(at) < DISK_LOOK_EVERY);
        if !fresh {
            self.disk_free_bytes = self.staged.size()?.free_bytes;
            self.disk_looked_at = Some(now);
        }
        match self.disk_free_bytes {
            Some(free) if free < self.free_bytes_min => {
                Err(Error::DiskLow { free, least: self.free_bytes_min })
            }
            _ => Ok(()),
        }
    }

    /// Makes the batch durable.
    pub(super) fn apply(&mut self) -> Result<(), KvError> {
        for entries in std::mem::take(&mut self.happened).chunks(HISTORY_ENTRIES_MAX) {
            let at = entries[0].1;
            let entry = |(number, time, reason): &(u64, Timestamp, Reason)| {
                (*number, time.as_micros() - at.as_micros(), *reason)
            };
            let history = History { at, entries: entries.iter().map(entry).collect() };
            self.staged.put(record::history_key(self.next_history), &history);
            self.next_history += 1;
        }
        self.staged.apply()
    }

    /// When `wake` must be called next.
    pub(super) fn next_wake(&mut self) -> Option<Timestamp> {
        self.announced = self.index.next().min(self.lanes.next());
        (self.announced != Timestamp::MAX).then_some(self.announced)
    }

    /// Says what the batch made ready.
    pub(super) fn ring(&mut self) {
        for receiver in self.lanes.take_rung() {
            self.bell.ring(&receiver);
        }
        let next = self.index.next().min(self.lanes.next());
        if next < self.announced {
            self.announced = next;
            self.bell.timer();
        }
    }
}
