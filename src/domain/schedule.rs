//! When changes of an incident may be told.

use super::{Head, Policy, Timestamp, Timing};

/// What kinds of news a step made: they differ in how long they may wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    pub(super) rise: bool,
    pub(super) resolved: bool,
    pub(super) other: bool,
}

/// Changes up to now may be told: called when [`Head::next_flush`] is due.
pub fn flush(head: &mut Head, now: Timestamp) {
    head.flushed_seq = head.seq;
    head.last_flush = Some(now);
    head.next_flush = None;
}

/// Decides when the new changes may be told, and lets them be told now if that is now.
pub(super) fn schedule(
    head: &mut Head,
    news: News,
    policy: &Policy,
    loaded_at: Timestamp,
    now: Timestamp,
) {
    let due = match policy.timing {
        Timing::Grid => grid(head, policy, loaded_at, now),
        Timing::Prompt => prompt(head, news, policy, now),
    };
    let due = head.next_flush.map_or(due, |planned| planned.min(due));
    if due <= now { flush(head, now) } else { head.next_flush = Some(due) }
}

fn prompt(head: &Head, news: News, policy: &Policy, now: Timestamp) -> Timestamp {
    let Some(last) = head.last_flush else {
        return head.opened_at.plus(policy.group_wait);
    };
    let paced = now.max(last.plus(policy.group_interval));
    if news.rise {
        return now;
    }
    if news.resolved && head.episode <= 1 {
        return now.plus(policy.resolve_wait);
    }
    if news.resolved || news.other { paced } else { Timestamp::MAX }
}

/// The next point of the grid that starts `group_wait` after the incident or the configuration began.
pub(super) fn grid(head: &Head, policy: &Policy, loaded_at: Timestamp, at: Timestamp) -> Timestamp {
    let origin = head.opened_at.max(loaded_at).plus(policy.group_wait);
    if at <= origin {
        return origin;
    }
    let interval = i64::try_from(policy.group_interval.as_micros()).unwrap_or(i64::MAX).max(1);
    let behind = at.as_micros() - origin.as_micros();
    let points = behind / interval + i64::from(behind % interval != 0);
    Timestamp::from_micros(origin.as_micros().saturating_add(points.saturating_mul(interval)))
}
