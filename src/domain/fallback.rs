//! Who is told in place of a receiver that cannot be reached.

use std::sync::Arc;

use super::{Head, Reason, Rules, Timestamp, Told, ToldState, Wanted, Why, wanted};
use crate::limits::{FALLBACK_DEPTH_MAX, TOLD_ROWS_MAX};

/// A receiver that is to be told in place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackDue {
    /// When, unless the other was told by then; may lie in the past.
    pub at: Timestamp,
    pub receiver: Arc<str>,
}

/// Whether `why` is what nobody may miss: that it opened, reopened or rose. What is only told again, because nobody
/// knows whether an earlier attempt arrived, is not.
pub(super) fn is_page(told: &Told, why: Why) -> bool {
    matches!(why, Why::Rise | Why::Reopened) || (why == Why::Open && told.state == ToldState::Never)
}

/// Who is told in place of `told`'s receiver, and when: `after` its first failed attempt at a page. `None` where
/// nothing fails, nothing is open any more, or the fallback has a row already and hears of the incident anyway.
pub fn fallback(head: &Head, told: &Told, rules: &Rules, now: Timestamp) -> Option<FallbackDue> {
    let since = told.retry?.page_since?;
    let fallback = rules.fallbacks.get(&*told.receiver)?;
    let missing = rules.traits.contains_key(&fallback.receiver)
        && head.told(&fallback.receiver).is_none()
        && head.told.len() < TOLD_ROWS_MAX;
    if !missing || head.state.is_resolved() || depth(head, told) >= FALLBACK_DEPTH_MAX {
        return None;
    }
    let (policy, traits) = (rules.policy(&head.route), rules.traits(&told.receiver));
    match wanted(head, told, policy, traits, rules.loaded_at, now) {
        Wanted::Send(why) | Wanted::At(_, why) if is_page(told, why) => {}
        _ => return None,
    }
    // What failed in an earlier episode says nothing about this one.
    let at = since.max(head.opened_at).plus(fallback.after);
    Some(FallbackDue { at, receiver: Arc::clone(&fallback.receiver) })
}

/// Gives a row to each fallback that is due by `now`. Returns how many there were.
pub fn fall_back(head: &mut Head, rules: &Rules, now: Timestamp) -> usize {
    let before = head.told.len();
    for row in 0..before {
        let told = &head.told[row];
        let Some(due) = fallback(head, told, rules, now).filter(|due| due.at <= now) else {
            continue;
        };
        let via = Some(told.receiver.clone());
        head.told.push(Told { via, ..Told::new(due.receiver.to_string()) });
        head.note(now, Reason::FellBack);
    }
    head.told.len() - before
}

/// How many fallbacks led to `told`.
fn depth(head: &Head, told: &Told) -> usize {
    let via = |told: &&Told| told.via.as_deref().and_then(|via| head.told(via));
    std::iter::successors(via(&told), via).take(FALLBACK_DEPTH_MAX).count()
}

#[cfg(test)]
#[path = "fallback_tests.rs"]
mod tests;
