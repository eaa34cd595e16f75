//! The line that people read: what the sender made for it, else the name of the rule with what it says.

use super::super::read;
use super::leaves::{ASIDE_FROM, Leaf, Leaves};
use super::names::Role;
use super::states;
use crate::domain::Status;

/// What is said around a list, for titles of its alerts.
pub(super) struct Around {
    pub subject: Option<String>,
    sentence: Option<Titled>,
}

impl Around {
    pub(super) fn of(outer: &Leaves<'_>) -> Self {
        Self { subject: subject(outer), sentence: sentence(outer, false) }
    }
}

/// What people read, and of it what the sender wrote as a sentence, whose marks may say how things are.
#[derive(Clone)]
pub(super) struct Titled {
    pub line: String,
    pub written: Option<String>,
}

/// The title of an alert whose fields say `status`; nothing only if there is nothing to read.
pub(super) fn of(
    own: &Leaves<'_>,
    outer: Option<&Around>,
    status: Option<Status>,
) -> Option<Titled> {
    let made = |line: String| Titled { line, written: None };
    sentence(own, false)
        .or_else(|| named(own, outer, status).map(made))
        .or_else(|| outer?.sentence.clone())
        .or_else(|| event(own, status).map(made))
        // One of several objects speaks for itself, not for the alert.
        .or_else(|| sentence(own, true))
        .or_else(|| own.summary().map(made))
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
fn sentence(leaves: &Leaves<'_>, may_be_listed: bool) -> Option<Titled> {
    /// A short title that shares no word with the rule says less than the rule: "New alert".
    const SHORT_CHARS: usize = 30;
    let may_be = |leaf: &Leaf<'_>| may_be_listed || !leaf.is_in_list();
    let subject = subject(leaves);
    if let Some(title) = line(leaves, Role::Title, may_be) {
        let says_less = |subject: &&String| {
            title.chars().count() < SHORT_CHARS && !share_a_word(subject, &title)
        };
        let line = match subject.as_ref().filter(says_less) {
            Some(subject) => format!("{subject}: {title}"),
            None => title.clone(),
        };
        return Some(Titled { line, written: Some(title) });
    }
    // With a blank if there is one: a single word is more likely the name of an event.
    let is_sentence =
        |leaf: &Leaf<'_>| may_be(leaf) && leaf.text.contains(' ') && !is_form(&leaf.text);
    let is_word = |leaf: &Leaf<'_>| may_be(leaf) && !leaf.has(Role::Event) && !is_form(&leaf.text);
    let summary = line(leaves, Role::Summary, may_be);
    let is_text = summary.is_none();
    let text = summary
        .or_else(|| line(leaves, Role::Text, is_sentence))
        .or_else(|| line(leaves, Role::Text, is_word));
    let text = text?;
    let about = subject.or_else(|| place(leaves, &text).filter(|_| is_text));
    let line = match about {
        Some(about) if contains(&about, &text) => about,
        Some(about) if !contains(&text, &about) => format!("{about}: {text}"),
        _ => text.clone(),
    };
    Some(Titled { line, written: Some(text) })
}

/// Whether a text is a list of `name: value`, whose first line says nothing alone.
fn is_form(text: &str) -> bool {
    const NAME_WORDS_MAX: usize = 3;
    let is_pair = |line: &str| {
        let name = line.split_once(": ").map(|(name, _)| name);
        name.is_some_and(|name| name.split_whitespace().count() <= NAME_WORDS_MAX)
    };
    text.lines().nth(1).is_some() && text.lines().all(is_pair)
}

/// The service and the thing that is affected, if their names are short: "smtp on mail-1". Not what `text` says itself.
fn place(leaves: &Leaves<'_>, text: &str) -> Option<String> {
    const BYTES_MAX: usize = 60;
    let name = |role| {
        // "web-6" of "web-6.example.com" is enough.
        let short = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
        let is_said = |name: &str| contains(text, name) || contains(text, &short(name));
        let leaf = leaves.near(role, has_letters).filter(|leaf| !is_said(&leaf.text));
        leaf.map(|leaf| leaf.text.to_string())
    };
    let (resource, service) = (name(Role::Resource), name(Role::Service));
    let both = match (&resource, &service) {
        (Some(resource), Some(service)) if !contains(resource, service) => {
            Some(format!("{service} on {resource}"))
        }
        _ => None,
    };
    [both, resource, service].into_iter().flatten().find(|name| name.len() <= BYTES_MAX)
}

/// The name of the rule with what happened; of one of several, the name of the rule around them, too.
fn named(own: &Leaves<'_>, outer: Option<&Around>, status: Option<Status>) -> Option<String> {
    let around = outer.and_then(|outer| outer.subject.clone());
    let name = match (subject(own), around) {
        (Some(own), Some(around)) if !contains(&own, &around) => format!("{around}: {own}"),
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return None,
    };
    let what = happened(own, status).or_else(|| measured(own));
    let what = what.filter(|what| !contains(&name, what));
    Some(what.map_or_else(|| name.clone(), |what| format!("{name}: {what}")))
}

/// The event with what it is about.
fn event(own: &Leaves<'_>, status: Option<Status>) -> Option<String> {
    let what = happened(own, status)?;
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

/// The word of the event or the state, as people write it: `check.down` is "check down". A word that says something else
/// than `status` is about something else.
fn happened(leaves: &Leaves<'_>, status: Option<Status>) -> Option<String> {
    const BYTES_MAX: usize = 60;
    let is_word = |text: &str| has_letters(text) && text.len() <= BYTES_MAX;
    let fits = |text: &str| match states::judge(text) {
        Some(word) => status.is_none_or(|status| word.status() == status),
        None => true,
    };
    let is_said = |text: &str| is_word(text) && states::judge(text).is_some() && fits(text);
    let leaf = leaves
        .near(Role::Event, |text| is_said(text) && states::words(text).len() > 1)
        .or_else(|| leaves.near(Role::Status, is_said))
        .or_else(|| leaves.near(Role::Event, is_said))
        .or_else(|| leaves.near(Role::Status, |text| is_word(text) && fits(text)))
        .or_else(|| leaves.near(Role::Event, |text| is_word(text) && fits(text)))?;
    let text = &*leaf.text;
    // What nobody understands stays as it is: `com.example.backup`.
    let is_plain = text.contains(' ') || states::judge(text).is_none();
    Some(if is_plain { text.to_owned() } else { states::words(text).join(" ") })
}

/// The first numbers at the top, for senders that say nothing else.
fn measured(leaves: &Leaves<'_>) -> Option<String> {
    const SHOWN: usize = 3;
    let is_number = |leaf: &&Leaf<'_>| leaf.value.is_number() && leaf.parent().is_none();
    let is_measure = |leaf: &&Leaf<'_>| {
        let no_time = super::time(&leaf.value).is_none();
        no_time && leaf.name != "id" && !leaf.has(Role::Id) && !leaf.has(Role::Dedup)
    };
    let shown: Vec<String> = leaves
        .iter()
        .filter(is_number)
        .filter(is_measure)
        .take(SHOWN)
        .map(|leaf| format!("{} {}", leaf.last(), leaf.text))
        .collect();
    (!shown.is_empty()).then(|| shown.join(", "))
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
