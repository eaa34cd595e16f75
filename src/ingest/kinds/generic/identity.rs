//! What names the problem when nobody said: a field made for that, else the words that stay the same.

use super::leaves::{Leaf, Leaves};
use super::names::Role;
use super::places::Place;
use super::states;
use crate::domain::Alert;
use crate::ingest::kinds::words;

/// The key of an alert: a field made for that; an id of the problem or of what watches it; else rule (or title without
/// what changes), resource and service. Ids of events, deliveries and messages are none of these. What may be the id of
/// the affected thing counts with the rule alone: a host has many problems.
pub(super) fn of(
    leaves: &Leaves<'_>,
    alert: &Alert,
    subject: Option<&str>,
    written: Option<&str>,
    has_status: bool,
) -> String {
    let made = leaves.near(Role::Dedup, |_| true).or_else(|| leaves.near(Role::Id, |_| true));
    if let Some(leaf) = made {
        let rule = subject.filter(|_| is_of_thing(leaf)).map(|it| without(it, says_state));
        return rule.map_or_else(|| named(leaf), |rule| format!("{}|{rule}", named(leaf)));
    }
    if let Some(leaf) = leaves.iter().find(|leaf| is_id(leaves, leaf, has_status)) {
        return format!("id:{}", leaf.text);
    }
    let watched = || {
        // What is watched and where: the text of `check.down` is not that of `check.up`.
        let event = leaves.near(Role::Event, |text| states::watched(text).is_some())?;
        alert.resource.is_some().then(|| states::watched(&event.text))?
    };
    let stable = match subject {
        // A rule keeps its name: "Pump 4 pressure" is not "Pump 5 pressure".
        Some(subject) => without(subject, says_state),
        None => watched().unwrap_or_else(|| stable(written.unwrap_or(&alert.title))),
    };
    let parts = [Some(stable.as_str()), alert.resource.as_deref(), alert.service.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("|")
}

/// Whether an id may be that of what is affected: `entity_id: db-7`.
fn is_of_thing(leaf: &Leaf<'_>) -> bool {
    matches!(&*leaf.name, "entityid" | "alias" | "itemid" | "externalid")
}

/// Whether a bare id is that of the problem: in an envelope, or at the top where no envelope is and messages about one
/// problem follow each other. An id beside an envelope is that of the delivery.
fn is_id(leaves: &Leaves<'_>, leaf: &Leaf<'_>, has_status: bool) -> bool {
    const SHORT_BYTES_MAX: usize = 20;
    if leaf.name != "id" {
        return false;
    }
    let wraps = |leaf: &Leaf<'_>| {
        let first = leaf.path.split_once('.').map(|(first, _)| first);
        first.is_some_and(|it| Place::of(it).is_wrapper())
    };
    match leaf.parent() {
        None => {
            (has_status
                || leaf.text.len() <= SHORT_BYTES_MAX
                    && leaves.near(Role::Severity, |_| true).is_some())
                && !leaves.iter().any(wraps)
        }
        Some(parent) => {
            leaf.path.matches('.').count() <= 2
                && matches!(
                    parent,
                    "data" | "object" | "payload" | "item" | "attributes" | "object_attributes"
                )
        }
    }
}

fn named(leaf: &Leaf<'_>) -> String {
    let name = match leaf.parent() {
        Some(parent) if matches!(&*leaf.name, "id" | "uid" | "uuid" | "key" | "slug") => {
            format!("{parent}{}", leaf.name)
        }
        _ => leaf.name.clone(),
    };
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    format!("{name}:{}", leaf.text)
}

/// Whether the sender named the problem itself: two alerts of one payload with such a key are one problem.
pub(super) fn is_of_problem(key: &str) -> bool {
    const NAMES: [&str; 8] = [
        "incidentid",
        "problemid",
        "alertid",
        "issueid",
        "incidentkey",
        "dedupkey",
        "fingerprint",
        "alertkey",
    ];
    key.split_once(':').is_some_and(|(name, _)| NAMES.contains(&name))
}

/// What tells two alerts of one payload apart that share their key.
pub(super) fn apart(alert: &Alert) -> String {
    let parts = [Some(stable(&alert.title)), alert.resource.clone()];
    format!("{}|{}", alert.key, parts.into_iter().flatten().collect::<Vec<_>>().join("|"))
}

/// The key of a plain text: its first line without what changes.
pub(super) fn of_text(title: &str) -> String {
    stable(title)
}

/// The words of `title` in lower case without numbers, percentages, times and the words of state and severity; all of
/// it if nothing else is left.
fn stable(title: &str) -> String {
    without(title, |word| says_state(word) || is_measure(&bare(word)))
}

fn without(title: &str, changes: impl Fn(&str) -> bool) -> String {
    let kept: Vec<String> = title
        .split_whitespace()
        .filter(|word| !changes(word))
        .map(|word| {
            word.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '/' | '-' | '_'))
                .to_lowercase()
        })
        .filter(|word| word.chars().any(char::is_alphanumeric) || word == "/")
        .collect();
    if kept.is_empty() { title.to_lowercase() } else { kept.join(" ") }
}

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// `[FIRING:2]` is a state with a count.
fn says_state(word: &str) -> bool {
    let bare = bare(word);
    let state = bare.split(':').next().unwrap_or(&bare);
    states::is_state(state) || words::severity(state).is_some()
}

/// A number with at most a short unit: `93`, `93%`, `0.25ms`, `12:30:05`, `2024-05-06T07:08:09Z`.
fn is_measure(word: &str) -> bool {
    const UNIT_CHARS_MAX: usize = 3;
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().filter(|c| c.is_alphabetic()).count() <= UNIT_CHARS_MAX
        // Addresses and host names stay: 10.0.0.1, 7-zip.
        && word.matches('.').count() < 2
}
