//! What a receiver should be told now: the only place that decides a send.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fallback::is_page;
use super::schedule::grid;
use super::{
    Head, Policy, Reason, Retry, Severity, State, Tell, Timestamp, Timing, Told, ToldState, Traits,
};

/// What news a send carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Why {
    Open,
    Rise,
    Joined,
    PartialResolve,
    Resolved,
    Acknowledged,
    Reopened,
    Repeat,
}

impl Why {
    /// The word used in templates, metrics and attempts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Rise => "rise",
            Self::Joined => "joined",
            Self::PartialResolve => "partial_resolve",
            Self::Resolved => "resolved",
            Self::Acknowledged => "acknowledged",
            Self::Reopened => "reopened",
            Self::Repeat => "repeat",
        }
    }

    /// The order in which a lane takes work: 1 first. Waiting moves up one class, never into 1.
    pub const fn class(self, severity: Severity) -> u8 {
        match (self, severity) {
            (Self::Open | Self::Rise | Self::Reopened, Severity::Critical) => 1,
            (Self::Open | Self::Rise | Self::Reopened, Severity::Error) => 2,
            (Self::Resolved, _) => 3,
            (Self::Open | Self::Rise | Self::Reopened, _) => 4,
            (Self::Joined | Self::PartialResolve | Self::Acknowledged, _) => 5,
            (Self::Repeat, _) => 6,
        }
    }
}

/// The verdict on one (incident, receiver).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Send now.
    Send(Why),
    /// Send then, if nothing changes.
    At(Timestamp, Why),
    /// Nothing to tell.
    Nothing(Reason),
}

/// Decides what `told`'s receiver should hear of `head` at `now`.
pub fn wanted(
    head: &Head,
    told: &Told,
    policy: &Policy,
    traits: Traits,
    loaded_at: Timestamp,
    now: Timestamp,
) -> Wanted {
    if told.dead.is_some_and(|seq| seq >= head.seq) {
        return Wanted::Nothing(Reason::GaveUp);
    }
    let verdict = news(head, told, policy, traits, loaded_at);
    let (due, why) = match verdict {
        Wanted::Send(why) => (now, why),
        Wanted::At(due, why) => (due, why),
        Wanted::Nothing(reason) => return Wanted::Nothing(reason),
    };
    let due = told.retry.map_or(due, |retry| due.max(retry.at));
    if due <= now { Wanted::Send(why) } else { Wanted::At(due, why) }
}

/// The verdict without regard to failed attempts; `At` may lie in the past.
fn news(head: &Head, told: &Told, policy: &Policy, traits: Traits, loaded_at: Timestamp) -> Wanted {
    if head.notice && !traits.notices {
        return Wanted::Nothing(Reason::NoticeNotWanted);
    }
    if head.state.is_resolved() {
        return closing(head, told, traits);
    }
    if traits.draining {
        return Wanted::Nothing(Reason::Draining);
    }
    let wants = |tell, why| if traits.tells.contains(tell) { Some(why) } else { None };
    let opening = if told.state == ToldState::Never {
        Some((head.marks.opened, wants(Tell::Open, Why::Open)))
    } else if told.episode < head.episode || told.state == ToldState::Resolved {
        // A fallback stands in for a receiver that cannot be reached: it hears what nobody may miss.
        let why = wants(Tell::Reopened, Why::Reopened);
        Some((head.marks.opened, why.or(told.via.is_some().then_some(Why::Reopened))))
    } else {
        None
    };
    if let Some((mark, why)) = opening {
        // Who hears no reopens still hears when this episode is worse than all it was told before.
        let worse = told.state != ToldState::Never && head.peak > told.max_severity;
        let why = why.or_else(|| if worse { wants(Tell::Rise, Why::Rise) } else { None });
        return why.map_or(Wanted::Nothing(Reason::NotWanted), |why| gated(head, mark, why));
    }
    // The severity compare keeps a rise from being told twice: first as part of another change, then as itself.
    let marks = head.marks;
    let rose = head.peak > told.max_severity;
    let acknowledged =
        matches!(head.state, State::Acknowledged { .. }) && told.state != ToldState::Acknowledged;
    let candidates = [
        (rose, marks.rise, Tell::Rise, Why::Rise),
        (acknowledged, marks.acknowledged, Tell::Acknowledged, Why::Acknowledged),
        (true, marks.joined, Tell::Joined, Why::Joined),
        (true, marks.partial, Tell::PartialResolve, Why::PartialResolve),
    ];
    let fresh = candidates
        .into_iter()
        .filter(|(is, mark, tell, _)| *is && *mark > told.seq && traits.tells.contains(*tell));
    if let Some(verdict) = fresh.map(|(_, mark, _, why)| gated(head, mark, why)).min_by_key(urgency)
    {
        return verdict;
    }
    if told.maybe.is_some() {
        // The outcome of an earlier attempt is not known: told again rather than not at all.
        return Wanted::Send(Why::Open);
    }
    repeat(head, told, policy, traits, loaded_at)
}

/// Sooner first; among equals the order of the candidates stays.
fn urgency(verdict: &Wanted) -> Timestamp {
    match verdict {
        Wanted::Send(_) => Timestamp::from_micros(i64::MIN),
        Wanted::At(at, _) => *at,
        Wanted::Nothing(_) => Timestamp::MAX,
    }
}

/// News at `mark` goes with the flush that contains it.
fn gated(head: &Head, mark: u32, why: Why) -> Wanted {
    if mark <= head.flushed_seq {
        return Wanted::Send(why);
    }
    head.next_flush.map_or(Wanted::Send(why), |at| Wanted::At(at, why))
}

/// What was opened, or may have been opened, gets closed: whatever routes and silences say by now.
fn closing(head: &Head, told: &Told, traits: Traits) -> Wanted {
    if head.notice && !traits.closes {
        return Wanted::Nothing(Reason::UpToDate);
    }
    if !told.may_be_open() {
        let reason =
            if told.state == ToldState::Resolved { Reason::UpToDate } else { Reason::NeverTold };
        return Wanted::Nothing(reason);
    }
    if !traits.tells.contains(Tell::Resolved) {
        return Wanted::Nothing(Reason::NotWanted);
    }
    gated(head, head.marks.resolved, Why::Resolved)
}

fn repeat(
    head: &Head,
    told: &Told,
    policy: &Policy,
    traits: Traits,
    loaded_at: Timestamp,
) -> Wanted {
    let open = matches!(head.state, State::Open);
    if head.notice
        || !open
        || !traits.tells.contains(Tell::Repeat)
        || policy.repeat_interval.is_zero()
    {
        return Wanted::Nothing(Reason::UpToDate);
    }
    let due = told.at.plus(policy.repeat_interval);
    match policy.timing {
        Timing::Prompt => Wanted::At(due, Why::Repeat),
        Timing::Grid => Wanted::At(grid(head, policy, loaded_at, due), Why::Repeat),
    }
}

/// What an attempt was about to say: kept from `start` to `settle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    pub seq: u32,
    pub why: Why,
    pub state: ToldState,
    pub episode: u32,
    pub severity: Severity,
    pub firing: u32,
    /// What [`Told::maybe`] was before this attempt.
    pub maybe_before: Option<u32>,
}

/// Marks a told row as started: until it is settled, it may have been told. Returns what will be said.
pub fn start(head: &mut Head, row: usize, why: Why) -> Telling {
    let state = match head.state {
        State::Open => ToldState::Open,
        State::Acknowledged { .. } => ToldState::Acknowledged,
        State::Resolved { .. } => ToldState::Resolved,
    };
    // News that is not flushed yet is not told: the snapshot says all, so the row knows all of it.
    let (seq, episode, severity, firing) = (head.seq, head.episode, head.peak, head.firing_count());
    let told = &mut head.told[row];
    let maybe_before = told.maybe;
    told.maybe = Some(seq);
    Telling { seq, why, state, episode, severity, firing, maybe_before }
}

/// How an attempt ended, as far as the told row is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The receiver took it.
    Delivered { remember: Option<String> },
    /// It failed for now. `maybe`: the receiver may have taken it all the same.
    Failed { after: Option<Duration>, maybe: bool },
    /// The receiver refused it; the same again would be refused again. `mendable`: unless a person mends something
    /// over there or in the configuration, such as a revoked credential.
    Refused { mendable: bool },
    /// It never left: the lane is asked to wait. No attempt.
    Held,
}

/// Limits of the retry schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first delay; it doubles with each attempt.
    pub base: Duration,
    /// Upper bound of every delay.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_mins(5) }
    }
}

impl Backoff {
    /// The delay before attempt `attempts + 1`: full jitter from `seed`, at least a tenth of the bound.
    pub fn delay(self, attempts: u32, seed: u64) -> Duration {
        let factor = 1_u32.checked_shl(attempts.saturating_sub(1).min(20)).unwrap_or(u32::MAX);
        let bound = self.base.saturating_mul(factor).min(self.cap);
        let share = 100 + u32::try_from(seed % 901).unwrap_or(0);
        bound.saturating_mul(share) / 1000
    }
}

/// How long a delivery is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub backoff: Backoff,
    /// News about a resolved incident is given up when it is older than this.
    pub max_age: Duration,
    /// Fresh randomness for the jitter.
    pub seed: u64,
}

/// Writes the end of an attempt into the told row. `credential`: a hash of the one that was used.
pub fn settle(
    head: &mut Head,
    row: usize,
    telling: Telling,
    settled: &Settled,
    credential: u64,
    patience: Patience,
    now: Timestamp,
) -> Reason {
    let resolved_for = match head.state {
        State::Resolved { at } => Some(now.since(at)),
        State::Open | State::Acknowledged { .. } => None,
    };
    let over = resolved_for.is_some_and(|age| age >= patience.max_age);
    let newest = head.seq;
    let told = &mut head.told[row];
    match settled {
        Settled::Delivered { remember } => {
            let same_episode = told.episode == telling.episode && told.state != ToldState::Never;
            told.max_severity = if same_episode {
                told.max_severity.max(telling.severity)
            } else {
                telling.severity
            };
            told.seq = telling.seq;
            told.at = now;
            told.state = telling.state;
            told.episode = telling.episode;
            told.firing = telling.firing;
            told.credential = Some(credential);
            told.maybe = None;
            told.retry = None;
            told.dead = None;
            if remember.is_some() {
                told.external.clone_from(remember);
            }
            Reason::Delivered
        }
        Settled::Held => {
            told.maybe = telling.maybe_before;
            Reason::Waiting
        }
        Settled::Failed { after, maybe } => {
            told.maybe = if *maybe { Some(telling.seq) } else { telling.maybe_before };
            if over {
                return give_up(told, newest);
            }
            let attempts = told.retry.map_or(1, |retry| retry.attempts.saturating_add(1));
            let delay =
                after.unwrap_or_default().max(patience.backoff.delay(attempts, patience.seed));
            told.retry = Some(again(told, telling.why, delay, now));
            Reason::Retrying
        }
        Settled::Refused { mendable } => {
            told.maybe = telling.maybe_before;
            if over || (resolved_for.is_some() && !mendable) {
                return give_up(told, newest);
            }
            told.retry = Some(again(told, telling.why, patience.backoff.cap, now));
            Reason::Refused
        }
    }
}

fn give_up(told: &mut Told, newest: u32) -> Reason {
    told.dead = Some(newest);
    told.retry = None;
    Reason::GaveUp
}

/// One more attempt after `delay`, when one at `why` failed.
fn again(told: &Told, why: Why, delay: Duration, now: Timestamp) -> Retry {
    let before = told.retry;
    let page_since = before.and_then(|retry| retry.page_since);
    Retry {
        page_since: page_since.or_else(|| is_page(told, why).then_some(now)),
        attempts: before.map_or(1, |retry| retry.attempts.saturating_add(1)),
        at: now.plus(delay),
        since: before.map_or(now, |retry| retry.since),
    }
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
