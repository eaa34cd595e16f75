//! Whether the problem is there, taken, or gone, from all that a payload says about it.

use std::cell::LazyCell;

use super::leaves::{ASIDE_FROM, Leaf, Leaves};
use super::marks;
use super::names::Role;
use super::severity;
use super::states::{self, Word};
use crate::domain::{Severity, Status};

/// How far from the problem a weak word may stand: `status: ok` of a component says nothing about the incident.
const WEAK_COST_MAX: u32 = 8;

/// How far from the problem a word of its end may stand.
const STRONG_COST_MAX: u32 = 12;

/// How far the success of a run may stand: in the details it may be that of a step.
const RUN_COST_MAX: u32 = 4;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub status: Status,
    /// The sender says such things at all.
    pub is_said: bool,
    /// A run ended well: news that is not bad.
    pub is_success: bool,
}

#[derive(Clone, Copy)]
struct Said {
    word: Word,
    /// It stands in one of several objects.
    is_listed: bool,
    score: u32,
    cost: u32,
    /// It is the name of an event that names what it is about: `check.up`.
    is_compound: bool,
}

/// What the fields of an alert say: its own, else what was found [`around`] it.
pub(super) fn by_fields(own: &Leaves<'_>, around: Option<Status>) -> Option<Status> {
    by_words(own).or(around)
}

/// What the object around a list says of each of its alerts. Its weak words and flags (`status: ok`, `ok: true`) speak
/// of the delivery.
pub(super) fn around(outer: &Leaves<'_>) -> Option<Status> {
    let (state, event) = strong_words(outer);
    match (state, event) {
        (Some(state), Some(event)) => Some(both(state, event)),
        (state, event) => state.or(event).map(|said| said.word.status()),
    }
}

fn strong_words(leaves: &Leaves<'_>) -> (Option<Said>, Option<Said>) {
    (said(leaves, Role::Status, is_strong), said(leaves, Role::Event, is_strong))
}

/// The status of an alert: what its fields say, else what `written` is marked with, else quiet words.
pub(super) fn of(own: &Leaves<'_>, fields: Option<Status>, written: Option<&str>) -> Verdict {
    let said = fields.or_else(|| written.and_then(by_title)).or_else(|| by_quiet_words(own));
    let status = said.unwrap_or(Status::Firing);
    Verdict {
        status,
        is_said: said.is_some_and(|status| status != Status::Notice),
        is_success: status == Status::Resolved
            && weak(own).is_some_and(|said| said.word == Word::Success),
    }
}

/// What a line of text says: only its marks count.
pub(super) fn by_title(title: &str) -> Option<Status> {
    Some(match marks::of(title)? {
        Word::Resolved | Word::Fine => Status::Resolved,
        Word::Acknowledged => Status::Acknowledged,
        Word::Firing | Word::Bad => Status::Firing,
        Word::Success | Word::Notice | Word::Test => return None,
    })
}

fn by_words(leaves: &Leaves<'_>) -> Option<Status> {
    let (state, event) = strong_words(leaves);
    if let (Some(state), Some(event)) = (state, event) {
        return Some(both(state, event));
    }
    let weak = weak(leaves);
    let flag = by_flags(leaves);
    let is_ended = || flag == Some(Flag::Resolved);
    match (state.or(event), weak) {
        // `check.up` of something whose last result was bad.
        (Some(bad), Some(fine))
            if bad.word == Word::Bad && fine.is_compound && fine.cost <= bad.cost =>
        {
            Some(Status::Resolved)
        }
        // A run that ended well has steps that did not.
        (Some(bad), Some(fine)) if bad.is_listed && fine.word == Word::Success => {
            Some(Status::Resolved)
        }
        // `resolved: true` beside the level it had.
        (Some(bad), _) if bad.word == Word::Bad && is_ended() => Some(Status::Resolved),
        (Some(firing), _) if firing.word == Word::Firing && flag == Some(Flag::Acknowledged) => {
            Some(Status::Acknowledged)
        }
        (Some(said), _) => Some(said.word.status()),
        (None, Some(fine)) if fine.is_compound || flag != Some(Flag::Bad) => Some(Status::Resolved),
        (None, _) => match flag? {
            Flag::Good if is_bad_otherwise(leaves) => None,
            flag => Some(flag.status()),
        },
    }
}

/// A state and the name of an event.
fn both(state: Said, event: Said) -> Status {
    match (state.word, event.word) {
        // The state may be the level that the problem had.
        (Word::Bad, Word::Resolved) if event.cost <= state.cost => Status::Resolved,
        (Word::Resolved, Word::Firing | Word::Bad)
            if !event.is_compound && event.cost >= state.cost =>
        {
            Status::Resolved
        }
        (Word::Resolved, Word::Firing | Word::Bad) => Status::Firing,
        (Word::Firing | Word::Bad, Word::Acknowledged) => Status::Acknowledged,
        (state, _) => state.status(),
    }
}

/// A word that means how things are. That they are well again is said of the alert itself, not of one of its parts.
fn is_strong(leaf: &Leaf<'_>, word: Word) -> bool {
    match word {
        Word::Firing | Word::Bad => true,
        Word::Resolved | Word::Acknowledged => !leaf.is_in_list() && leaf.cost <= STRONG_COST_MAX,
        Word::Fine | Word::Success | Word::Notice | Word::Test => false,
    }
}

/// The best word of `role` that passes `accept`.
fn said(leaves: &Leaves<'_>, role: Role, accept: impl Fn(&Leaf<'_>, Word) -> bool) -> Option<Said> {
    let (word, leaf) = leaves.best(role, |leaf| {
        if leaf.cost >= ASIDE_FROM || leaf.is_line {
            return None;
        }
        // `alert_state: recovery` speaks of an alert, `state: recovery` of a replica, too.
        let is_unclear = role == Role::Status
            && matches!(&*leaf.name, "state" | "status")
            && states::is_unclear_state(&leaf.text);
        if is_unclear {
            return None;
        }
        states::judge(&leaf.text).filter(|word| accept(leaf, *word))
    })?;
    let is_compound = role == Role::Event && states::names_its_thing(&leaf.text);
    Some(Said {
        word,
        is_listed: leaf.is_in_list(),
        score: leaf.score(role).unwrap_or(leaf.cost),
        cost: leaf.cost,
        is_compound,
    })
}

/// A weak word near the problem: of a state, or of an event that says of what it speaks; a severity may say it, too.
fn weak(leaves: &Leaves<'_>) -> Option<Said> {
    let near = |leaf: &Leaf<'_>| leaf.cost <= WEAK_COST_MAX && !leaf.is_in_list();
    let is_run = LazyCell::new(|| is_run(leaves));
    let is_run_near = |leaf: &Leaf<'_>| leaf.cost <= RUN_COST_MAX && *is_run;
    // `status: ok` beside `severity: critical` is that of the delivery.
    let is_severe = LazyCell::new(|| severity::of(leaves, None, None) >= Some(Severity::Error));
    let is_fine =
        |leaf: &Leaf<'_>, word: Word| word == Word::Fine && !(says_ok(&leaf.text) && *is_severe);
    let state = said(leaves, Role::Status, |leaf, word| {
        near(leaf) && (is_fine(leaf, word) || (word == Word::Success && is_run_near(leaf)))
    });
    let event = said(leaves, Role::Event, |leaf, word| {
        let is_clear = states::names_its_thing(&leaf.text) || leaf.name != "type";
        near(leaf)
            && is_clear
            && (is_fine(leaf, word) || (word == Word::Success && is_run_near(leaf)))
    });
    let severity = || {
        said(leaves, Role::Severity, |leaf, word| {
            near(leaf) && (word == Word::Resolved || (word == Word::Fine && says_ok(&leaf.text)))
        })
    };
    match (state, event) {
        (Some(state), Some(event)) => Some(if event.score < state.score { event } else { state }),
        (state, event) => state.or(event).or_else(severity),
    }
}

/// A level of "normal" or "good" may be a level; a level of OK is none.
fn says_ok(text: &str) -> bool {
    ["ok", "okay", "clear"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether it is about a run of something, whose success ends what its failure began. Elsewhere success may be that
/// of the delivery.
fn is_run(leaves: &Leaves<'_>) -> bool {
    const RUNS: [&str; 9] =
        ["build", "pipeline", "workflow", "job", "run", "test", "check", "deployment", "backup"];
    leaves
        .iter()
        .filter(|leaf| leaf.cost < ASIDE_FROM)
        .any(|leaf| leaf.path.split(['.', '_']).any(|word| RUNS.contains(&word)))
}

/// What booleans and times say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    /// `is_up: 0`, `firing: true`.
    Bad,
    /// `resolved: true`, `resolved_at: "2026-..."`, `firing: false`.
    Resolved,
    /// `online: true`: it is well, or only answers.
    Good,
    Acknowledged,
}

impl Flag {
    fn status(self) -> Status {
        match self {
            Self::Bad => Status::Firing,
            Self::Resolved | Self::Good => Status::Resolved,
            Self::Acknowledged => Status::Acknowledged,
        }
    }
}

fn by_flags(leaves: &Leaves<'_>) -> Option<Flag> {
    let near = |leaf: &Leaf<'_>| leaf.cost <= WEAK_COST_MAX && !leaf.is_line;
    let is_set = |leaf: &Leaf<'_>| {
        truth(leaf).unwrap_or_else(|| {
            let is_word = matches!(states::judge(&leaf.text), Some(Word::Resolved | Word::Fine));
            is_word || super::time(&leaf.value).is_some()
        })
    };
    let flag = |role, flag| {
        leaves.best(role, |leaf| (near(leaf) && is_set(leaf)).then_some(flag)).map(|(it, _)| it)
    };
    let of_state = |role, good| {
        let read = |leaf: &Leaf<'_>| truth(leaf).filter(|_| near(leaf)).map(|it| it == good);
        leaves.best(role, read)
    };
    let states = [of_state(Role::Good, true), of_state(Role::Bad, false)];
    if states.iter().flatten().any(|(is_good, _)| !is_good) {
        return Some(Flag::Bad);
    }
    let well = states.into_iter().flatten().map(|(_, leaf)| leaf);
    flag(Role::Resolved, Flag::Resolved)
        .or_else(|| well.filter_map(well_flag).min_by_key(|flag| *flag == Flag::Good))
        .or_else(|| flag(Role::Acknowledged, Flag::Acknowledged))
}

/// What a flag of things that are well says: that the alert itself is off ends it; that a host is online does so only
/// at the top, and `ok: true` may be that of the delivery.
fn well_flag(leaf: &Leaf<'_>) -> Option<Flag> {
    const OF_ALERT_COST_MAX: u32 = 1;
    let is_of_alert = leaf.has(Role::Bad)
        && !["down", "offline", "failing", "unhealthy"].iter().any(|it| leaf.name.ends_with(it));
    if is_of_alert && leaf.cost <= OF_ALERT_COST_MAX {
        return Some(Flag::Resolved);
    }
    (leaf.cost == 0 && leaf.name != "ok").then_some(Flag::Good)
}

fn truth(leaf: &Leaf<'_>) -> Option<bool> {
    match &*leaf.text.to_ascii_lowercase() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Whether a severity or a line for people tells of trouble: then a flag that something answers ends nothing.
fn is_bad_otherwise(leaves: &Leaves<'_>) -> bool {
    let tells =
        |text: &str| states::words(text).iter().any(|word| states::strong(word) == Some(Word::Bad));
    severity::of(leaves, None, None) >= Some(Severity::Warning)
        || [Role::Title, Role::Summary, Role::Text]
            .into_iter()
            .any(|role| leaves.near(role, tells).is_some())
}

/// Words that say that nobody must act, if nothing says more: of the alert's own state, or of an event that is named so.
fn by_quiet_words(leaves: &Leaves<'_>) -> Option<Status> {
    const EVENTS: [&str; 8] = [
        "event",
        "eventtype",
        "eventname",
        "action",
        "alerttype",
        "notificationtype",
        "messagetype",
        "headerevent",
    ];
    let near = |leaf: &Leaf<'_>| leaf.cost <= WEAK_COST_MAX && !leaf.is_in_list();
    let of_state =
        |leaf: &Leaf<'_>, word: Word| near(leaf) && (word == Word::Notice || word == Word::Test);
    // A type or a category of "info" is a level, and a "scheduled" job may fail.
    let of_event = |leaf: &Leaf<'_>, word: Word| {
        let is_level = leaf.text.to_ascii_lowercase().starts_with("info");
        of_state(leaf, word) && EVENTS.contains(&&*leaf.name) && !is_level
    };
    let said =
        said(leaves, Role::Status, of_state).or_else(|| said(leaves, Role::Event, of_event))?;
    Some(said.word.status())
}
