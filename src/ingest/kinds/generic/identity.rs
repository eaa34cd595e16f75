//! What names the problem when nobody said: a field made for that, else the words that stay the same.

use super::leaves::Leaves;
use super::names;
use crate::domain::Alert;

/// The key of an alert: an id-like field, else rule (or title without what changes), resource and service. A bare `id`
/// counts only where a status word shows that messages about one problem follow each other.
pub(super) fn of(leaves: &Leaves<'_>, alert: &Alert, has_status: bool) -> String {
    if let Some(leaf) = leaves.text(names::IDENTITY) {
        return format!("{}:{}", leaf.name, leaf.text);
    }
    let of_the_problem = |parent: &str| {
        matches!(parent, "alert" | "incident" | "problem" | "issue" | "monitor" | "check" | "data")
    };
    let id = leaves.find(&["id"], |leaf| leaf.parent().is_none_or(of_the_problem).then_some(()));
    if has_status && let Some(((), leaf)) = id {
        return format!("id:{}", leaf.text);
    }
    let rule = alert.alertname.as_deref().unwrap_or(&alert.title);
    let stable = stable(rule);
    let parts = [Some(stable.as_str()), alert.resource.as_deref(), alert.service.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("|")
}

/// The key of a plain text: its first line without what changes.
pub(super) fn of_text(title: &str) -> String {
    stable(title)
}

/// The words of `title` in lower case without numbers, percentages, times and the words of state and severity; all of
/// it if nothing else is left.
fn stable(title: &str) -> String {
    let kept: Vec<String> = title
        .split_whitespace()
        .filter(|word| !changes(word))
        .map(|word| word.trim_matches(|c: char| "[](){}:,;.!".contains(c)).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    if kept.is_empty() { title.to_lowercase() } else { kept.join(" ") }
}

fn changes(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    // `[FIRING:2]` is a state with a count.
    let state = bare.split(':').next().unwrap_or(bare);
    names::strong_status(state).is_some()
        || names::weak_resolved(state)
        || crate::ingest::kinds::words::severity(state).is_some()
        || is_measure(bare)
}

/// A number with at most a short unit: `93`, `93%`, `0.25ms`, `12:30:05`, `2024-05-06T07:08:09Z`.
fn is_measure(word: &str) -> bool {
    const UNIT_CHARS_MAX: usize = 3;
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().filter(|c| c.is_alphabetic()).count() <= UNIT_CHARS_MAX
        // Addresses and host names stay: 10.0.0.1, 7-zip.
        && word.matches('.').count() < 2
}
