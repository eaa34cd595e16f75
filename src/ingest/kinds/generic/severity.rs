//! How bad it is: a field of severity, a priority, a state that says it, the marks of the title.

use super::super::words;
use super::leaves::{ASIDE_FROM, Leaf, Leaves};
use super::names::Role;
use super::states;
use crate::domain::Severity;

/// The severity of an alert; `title` if its marks speak of a problem that is there.
pub(super) fn of(
    own: &Leaves<'_>,
    outer: Option<&Leaves<'_>>,
    title: Option<&str>,
) -> Option<Severity> {
    by_fields(own).or_else(|| outer.and_then(by_fields)).or_else(|| of_title(title?))
}

fn by_fields(leaves: &Leaves<'_>) -> Option<Severity> {
    let by_word = |leaf: &Leaf<'_>| near(leaf).then(|| word(&leaf.text))?;
    let by_priority = |leaf: &Leaf<'_>| {
        near(leaf).then(|| words::priority(&leaf.text).or_else(|| word(&leaf.text)))?
    };
    // A state tells severity only where it is one: `critical`, not `alert` or `ok`.
    let by_state = |leaf: &Leaf<'_>| {
        let severity = near(leaf).then(|| words::severity(&leaf.text))??;
        (severity >= Severity::Warning && !leaf.text.eq_ignore_ascii_case("alert"))
            .then_some(severity)
    };
    leaves
        .best(Role::Severity, by_word)
        .or_else(|| leaves.best(Role::Priority, by_priority))
        .or_else(|| leaves.best(Role::Status, by_state))
        .or_else(|| leaves.best(Role::Event, by_state))
        .map(|(severity, _)| severity)
}

fn near(leaf: &Leaf<'_>) -> bool {
    leaf.cost < ASIDE_FROM
}

/// A word of severity, alone or among others: `SEVERITY_HIGH`, `2 - Critical`.
fn word(text: &str) -> Option<Severity> {
    const WORDS_MAX: usize = 4;
    // That it is over is said here, too; that is no severity.
    if ["ok", "okay", "none"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return (text.eq_ignore_ascii_case("none")).then_some(Severity::Info);
    }
    words::severity(text).or_else(|| {
        let words = states::words(text);
        (words.len() <= WORDS_MAX).then(|| words.iter().find_map(|word| marked(word)))?
    })
}

/// The severity that a title is marked with: `[HIGH] x`, `Critical: x`, or in capitals near its begin (`SMTP CRITICAL -
/// no answer`). "High load" and "Alert on db-1" are no severity.
pub(super) fn of_title(title: &str) -> Option<Severity> {
    const WORDS_LOOKED_AT: usize = 4;
    let capitals = |word: &&str| word.len() > 1 && !word.chars().any(char::is_lowercase);
    let title = title.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mark = title.split([']', ')', ':', '|']).next().filter(|mark| mark.len() < title.len());
    // "High memory usage: 93 %" is no mark.
    let is_mark = |words: &[String]| {
        words.iter().all(|word| {
            let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
            is_number || states::is_state(word) || words::severity(word).is_some()
        })
    };
    let by_mark = mark.map(states::words).filter(|words| is_mark(words));
    by_mark.and_then(|words| words.iter().find_map(|word| marked(word))).or_else(|| {
        let near = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        near.take(WORDS_LOOKED_AT).filter(capitals).find_map(marked)
    })
}

/// A word of severity that is no usual part of a name: "alert" and "page" are.
fn marked(word: &str) -> Option<Severity> {
    let is_name = ["alert", "page", "notice", "none", "ok", "info"]
        .iter()
        .any(|it| word.eq_ignore_ascii_case(it));
    words::severity(word).filter(|_| !is_name || word == "info")
}
