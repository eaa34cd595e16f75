//! The line that people read: what the sender made for it, else the name of the rule with what it says.

use super::super::read;
use super::leaves::{ASIDE_FROM, Leaf, Leaves};
use super::names::Role;
use super::states::{self, Word};

/// The title of an alert; nothing only if there is nothing to read.
pub(super) fn of(own: &Leaves<'_>, outer: Option<&Leaves<'_>>) -> Option<String> {
    sentence(own, false)
        .or_else(|| named(own, outer))
        .or_else(|| outer.and_then(|outer| sentence(outer, false)))
        .or_else(|| event(own))
        // One of several objects speaks for itself, not for the alert.
        .or_else(|| sentence(own, true))
        .or_else(|| own.summary())
}

fn line(leaves: &Leaves<'_>, role: Role, accept: impl Fn(&Leaf<'_>) -> bool) -> Option<String> {
    let accept = |leaf: &Leaf<'_>| {
        (leaf.cost < ASIDE_FROM && has_letters(&leaf.text) && accept(leaf)).then_some(())
    };
    leaves.best(role, accept).map(|((), leaf)| read::first_line(&leaf.text).to_owned())
}

/// The name of the rule, monitor or job.
pub(super) fn subject(leaves: &Leaves<'_>) -> Option<String> {
    let is_name = |text: &str| {
        has_letters(text) && text.len() <= SUBJECT_BYTES_MAX && !text.starts_with("http")
    };
    leaves.near(Role::Subject, is_name).map(|leaf| leaf.text.to_string())
}

/// Longest name; longer ones are texts.
const SUBJECT_BYTES_MAX: usize = 120;

/// A title, or a text with the name of what it is about.
fn sentence(leaves: &Leaves<'_>, may_be_listed: bool) -> Option<String> {
    /// A short title that shares no word with the rule says less than the rule: "New alert".
    const SHORT_CHARS: usize = 30;
    let may_be = |leaf: &Leaf<'_>| may_be_listed || !leaf.is_in_list();
    let subject = subject(leaves);
    if let Some(title) = line(leaves, Role::Title, may_be) {
        return Some(match &subject {
            Some(subject)
                if title.chars().count() < SHORT_CHARS && !share_a_word(subject, &title) =>
            {
                format!("{subject}: {title}")
            }
            _ => title,
        });
    }
    // With a blank if there is one: a single word is more likely the name of an event.
    let is_sentence = |leaf: &Leaf<'_>| may_be(leaf) && leaf.text.contains(' ');
    let is_word = |leaf: &Leaf<'_>| may_be(leaf) && !leaf.has(Role::Event);
    let summary = line(leaves, Role::Summary, may_be);
    let is_text = summary.is_none();
    let text = summary
        .or_else(|| line(leaves, Role::Text, is_sentence))
        .or_else(|| line(leaves, Role::Text, is_word));
    let text = text?;
    let about = subject.or_else(|| place(leaves).filter(|_| is_text));
    Some(match about {
        Some(about) if contains(&about, &text) => about,
        Some(about) if !contains(&text, &about) => format!("{about}: {text}"),
        _ => text,
    })
}

/// The service or the thing that is affected, if its name is short.
fn place(leaves: &Leaves<'_>) -> Option<String> {
    const BYTES_MAX: usize = 60;
    let is_short = |text: &str| has_letters(text) && text.len() <= BYTES_MAX;
    let leaf =
        leaves.near(Role::Resource, is_short).or_else(|| leaves.near(Role::Service, is_short));
    leaf.map(|leaf| leaf.text.to_string())
}

/// The name of the rule with what happened; of one of several, the name of the rule around them, too.
fn named(own: &Leaves<'_>, outer: Option<&Leaves<'_>>) -> Option<String> {
    let around = outer.and_then(subject);
    let name = match (subject(own), around) {
        (Some(own), Some(around)) if !contains(&own, &around) => format!("{around}: {own}"),
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return None,
    };
    let what = happened(own).filter(|what| !contains(&name, what));
    Some(what.map_or_else(|| name.clone(), |what| format!("{name}: {what}")))
}

/// The event with what it is about.
fn event(own: &Leaves<'_>) -> Option<String> {
    let what = happened(own)?;
    let thing =
        own.near(Role::Resource, has_letters).or_else(|| own.near(Role::Service, has_letters));
    let thing = thing.or_else(|| own.iter().find(|leaf| leaf.path == "url"));
    let thing = thing.map(|leaf| leaf.text.to_string());
    Some(
        thing
            .filter(|thing| !contains(&what, thing))
            .map_or_else(|| what.clone(), |thing| format!("{thing}: {what}")),
    )
}

/// The word of the event or the state, as people write it: `check.down` is "check down".
fn happened(leaves: &Leaves<'_>) -> Option<String> {
    const BYTES_MAX: usize = 60;
    let is_word = |text: &str| has_letters(text) && text.len() <= BYTES_MAX;
    let is_said =
        |text: &str| is_word(text) && states::judge(text).is_some_and(|it| it != Word::Success);
    let leaf = leaves
        .near(Role::Event, is_said)
        .or_else(|| leaves.near(Role::Status, is_said))
        .or_else(|| leaves.near(Role::Status, is_word))
        .or_else(|| leaves.near(Role::Event, is_word))?;
    let text = &*leaf.text;
    // What nobody understands stays as it is: `com.example.backup`.
    let is_plain = text.contains(' ') || states::judge(text).is_none();
    Some(if is_plain { text.to_owned() } else { states::words(text).join(" ") })
}

fn share_a_word(one: &str, other: &str) -> bool {
    const LETTERS_MIN: usize = 3;
    let others = states::words(other);
    states::words(one).iter().any(|word| word.len() >= LETTERS_MIN && others.contains(word))
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

pub(super) fn has_letters(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}
