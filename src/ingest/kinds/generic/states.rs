//! What words say about a problem: `incident.triggered`, `ALERT_RECOVERY`, `Down ended (now: Up)`, `200 - OK`.
//!
//! Resolved needs a clear word. A word that means other things too (`up`, `clear`, `available`) counts only among words
//! that say what is up; any negation makes a phrase say nothing, and what says nothing fires.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::domain::Status;

/// What a word or phrase says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The problem is gone: `resolved`, `recovered`, `closed`.
    Resolved,
    Acknowledged,
    /// The problem is there: `triggered`, `open`, `firing`.
    Firing,
    /// Something is bad; also said of a problem that is gone: `critical`, `down`, `failed`.
    Bad,
    /// Things are well, where a status stands: `ok`, `up`, `healthy`.
    Fine,
    /// A run ended well: `success`, `passed`.
    Success,
    /// Nothing that somebody must act on: `paused`, `scheduled`.
    Notice,
    /// Somebody tries the connection.
    Test,
}

impl Word {
    /// What it makes of an alert.
    pub(super) fn status(self) -> Status {
        match self {
            Self::Resolved | Self::Fine | Self::Success => Status::Resolved,
            Self::Acknowledged => Status::Acknowledged,
            Self::Firing | Self::Bad => Status::Firing,
            Self::Notice | Self::Test => Status::Notice,
        }
    }
}

/// The words of a name or phrase in lower case: `AlertResolved`, `alert.resolved` and `ALERT_RESOLVED` are two.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before_lower = false;
    for letter in text.chars() {
        let starts = letter.is_uppercase() && before_lower;
        if (starts || !letter.is_alphanumeric()) && letter != '\'' && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
        before_lower = letter.is_lowercase();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// What a status or the name of an event says; nothing for sentences.
pub(super) fn judge(text: &str) -> Option<Word> {
    /// Longer ones are sentences, and say what they are about, too.
    const WORDS_MAX: usize = 6;
    const BYTES_MAX: usize = 80;
    if text.len() > BYTES_MAX {
        return None;
    }
    // Of a change, what it became.
    let text = ["->", "→", "=>"]
        .iter()
        .find_map(|arrow| text.rsplit_once(arrow))
        .map_or(text, |(_, new)| new);
    let words = words(text);
    if words.is_empty() || words.len() > WORDS_MAX {
        return None;
    }
    judge_words(&words)
}

fn judge_words(words: &[String]) -> Option<Word> {
    let joined = words.join(" ");
    if let Some(word) = phrase(&joined) {
        return Some(word);
    }
    if words.iter().any(|word| negates(word)) {
        return None;
    }
    // "recovered from critical" speaks of the past after "from"; "from critical to ok" of the present after "to".
    // "failed to resolve" is no end.
    let is_try = |pair: &[String]| pair[0] == "to" && strong(&pair[1]) == Some(Word::Resolved);
    if !words.iter().any(|word| word == "from") && words.windows(2).any(is_try) {
        return None;
    }
    let position = |wanted: &str| words.iter().position(|word| word == wanted);
    let words = match (position("from"), position("to")) {
        (Some(from), Some(to)) if from < to => &words[to + 1..],
        (Some(from), _) => &words[..from],
        _ => words,
    };
    // "ResolvedCritical": what was, after what it became.
    if let [first, level] = words
        && strong(first) == Some(Word::Resolved)
        && matches!(&**level, "critical" | "warning" | "error")
    {
        return Some(Word::Resolved);
    }
    // "port closed" and "backup restored" end no problem; "alert closed" does.
    let ends_things = |word: &String| matches!(&**word, "closed" | "cleared" | "restored");
    let is_known = |word: &String| is_neighbour(word) || is_state(word);
    if words.iter().any(ends_things) && !words.iter().all(is_known) {
        return None;
    }
    // "failed_recovery" is no recovery.
    let is_plan =
        |word: &String| matches!(&**word, "recovery" | "recover" | "recovers" | "resolve");
    let is_bad = |word: &String| strong(word) == Some(Word::Bad);
    if words.iter().any(is_plan) && words.iter().any(is_bad) {
        return Some(Word::Bad);
    }
    match words.iter().rev().find_map(|word| strong(word)) {
        Some(word) => Some(word),
        None if words.iter().all(|word| is_neighbour(word) || weak(word).is_some()) => {
            words.iter().rev().find_map(|word| weak(word))
        }
        None => None,
    }
}

/// Whole phrases whose words alone mislead.
fn phrase(joined: &str) -> Option<Word> {
    const FIRING: [&str; 21] = [
        "not responding",
        "no data",
        "nodata",
        "no response",
        "not ok",
        "not healthy",
        "out of service",
        "timed out",
        "not running",
        "not available",
        "not reachable",
        "in alarm",
        "still firing",
        "not resolved",
        "alert",
        "alarm",
        "problem",
        "incident",
        "new",
        "created",
        "started",
    ];
    const RESOLVED: [&str; 8] = [
        "back to normal",
        "returned to normal",
        "back online",
        "back up",
        "up again",
        "all clear",
        "down ended now up",
        "down ended",
    ];
    let says = |phrases: &[&str], word| phrases.contains(&joined).then_some(word);
    says(&FIRING, Word::Firing).or_else(|| says(&RESOLVED, Word::Resolved))
}

/// Words that make a phrase say nothing.
pub(super) fn negates(word: &str) -> bool {
    matches!(
        word,
        "not"
            | "no"
            | "non"
            | "un"
            | "never"
            | "without"
            | "cannot"
            | "cant"
            | "isnt"
            | "partially"
            | "partly"
            | "almost"
            | "pending"
            | "awaiting"
            | "unable"
            | "if"
            | "when"
            | "until"
            | "will"
            | "should"
            | "be"
            | "disable"
            | "disabled"
            | "config"
            | "comment"
            | "commented"
            | "pull"
            | "mr"
    )
}

/// Words that mean how things are wherever they stand.
const STRONG: &[(Word, &str)] = &[
    (
        Word::Resolved,
        "resolved recovered recovery recover recovers closed cleared restored resolve unfailed",
    ),
    (Word::Acknowledged, "acknowledged acked acknowledge ack acknowledgement acknowledgment"),
    (
        Word::Firing,
        "firing fired alerting triggered triggers trigger open opened reopened reopen active activated raised \
     occurred breached unresolved investigating identified escalated reescalated renotified unacknowledged \
     flapping",
    ),
    (
        Word::Bad,
        "down critical crit warning warn error errors errored failed failing fail fails failure fatal unhealthy \
     degraded outage unreachable unavailable offline bad red emergency broken timeout missed late lost \
     exceeded unknown stale crashed unstable blocked aborted disconnected overdue nok",
    ),
];
/// Words that mean other things, too.
const WEAK: &[(Word, &str)] = &[
    (
        Word::Fine,
        "ok okay up online normal healthy clear good green operational close deactivated available inactive \
     reachable connected fixed passing",
    ),
    (Word::Success, "success succeeded successful passed pass"),
    (
        Word::Notice,
        "paused queued enqueued building push pushed merged maintenance scheduled informational info",
    ),
    (Word::Test, "test testing"),
];

type Words = HashMap<&'static str, Word>;

fn table(lists: &'static [(Word, &'static str)]) -> Words {
    let words = lists.iter().flat_map(|(word, list)| list.split_whitespace().map(|it| (it, *word)));
    words.collect()
}

/// A word that means how things are wherever it stands.
pub(super) fn strong(word: &str) -> Option<Word> {
    static TABLE: LazyLock<Words> = LazyLock::new(|| table(STRONG));
    TABLE.get(word).copied()
}

fn weak(word: &str) -> Option<Word> {
    static TABLE: LazyLock<Words> = LazyLock::new(|| table(WEAK));
    TABLE.get(word).copied()
}

/// Words beside which `up` and the like still mean what they mean alone: `host_up`, `200 OK`, `status is now ok`.
fn is_neighbour(word: &str) -> bool {
    is_thing(word)
        || matches!(
            word,
            "is" | "now"
                | "back"
                | "all"
                | "again"
                | "state"
                | "status"
                | "to"
                | "item"
                | "systems"
                | "webhook"
                | "notification"
                | "type"
                | "and"
                | "everything"
                | "was"
                | "has"
                | "been"
                | "send"
        )
        || word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_thing(word: &str) -> bool {
    matches!(
        word,
        "ticket"
            | "case"
            | "violation"
            | "anomaly"
            | "condition"
            | "signal"
            | "threshold"
            | "alert"
            | "alarm"
            | "incident"
            | "problem"
            | "issue"
            | "event"
            | "check"
            | "monitor"
            | "host"
            | "device"
            | "service"
            | "site"
            | "website"
            | "node"
            | "server"
            | "target"
            | "endpoint"
            | "probe"
            | "heartbeat"
            | "interface"
            | "sensor"
            | "agent"
            | "instance"
            | "system"
            | "trigger"
            | "application"
            | "app"
            | "rule"
            | "uptime"
            | "domain"
            | "build"
            | "job"
            | "pipeline"
            | "workflow"
            | "run"
            | "deployment"
            | "deploy"
            | "backup"
            | "health"
    )
}

/// What a state is called that a replica or a disk array is in for hours, and some monitors' end of a problem.
pub(super) fn is_unclear_state(text: &str) -> bool {
    text.eq_ignore_ascii_case("recovery")
}

/// Whether the name of an event says of what it speaks (`check.up`), which makes a weak word clear.
pub(super) fn names_its_thing(text: &str) -> bool {
    words(text).iter().any(|word| is_thing(word))
}

/// What is watched, if the name of an event says so: the "check" of `check.down`. Alerts and incidents are not watched.
pub(super) fn watched(text: &str) -> Option<String> {
    const WATCHED: [&str; 13] = [
        "check",
        "monitor",
        "host",
        "device",
        "service",
        "site",
        "website",
        "node",
        "server",
        "endpoint",
        "heartbeat",
        "sensor",
        "uptime",
    ];
    judge(text)?;
    let words = words(text);
    words.into_iter().find(|word| WATCHED.contains(&&**word))
}

/// Whether a word only says how things are: no part of what a problem is.
pub(super) fn is_state(word: &str) -> bool {
    strong(word).is_some()
        || matches!(weak(word), Some(Word::Fine | Word::Success))
        || matches!(
            word,
            "is" | "was"
                | "has"
                | "been"
                | "now"
                | "back"
                | "again"
                | "problem"
                | "alert"
                | "started"
                | "ended"
                | "new"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(read: fn(&str) -> Option<Word>, rows: &[(&str, Option<Word>)]) {
        for (text, expected) in rows {
            assert_eq!(read(text), *expected, "{text}");
        }
    }

    #[test]
    fn words_of_a_status_or_an_event() {
        check(
            judge,
            &[
                ("resolved", Some(Word::Resolved)),
                ("incident.resolved", Some(Word::Resolved)),
                ("AlertRecovered", Some(Word::Resolved)),
                ("ALERT_RECOVERY", Some(Word::Resolved)),
                ("Down ended (now: Up)", Some(Word::Resolved)),
                ("recovered from critical", Some(Word::Resolved)),
                ("not resolved", Some(Word::Firing)),
                ("unresolved", Some(Word::Firing)),
                ("partially resolved", None),
                ("failed to resolve", None),
                ("failed_recovery", Some(Word::Bad)),
                ("recovery_failed", Some(Word::Bad)),
                ("recovery from critical", Some(Word::Resolved)),
                ("error.resolved", Some(Word::Resolved)),
                ("auto_resolved", Some(Word::Resolved)),
                ("ResolvedCritical", Some(Word::Resolved)),
                ("resolve_failed", Some(Word::Bad)),
                ("ALERT_CLOSED", Some(Word::Resolved)),
                ("port.closed", None),
                ("backup restored to test", None),
                ("incident.acknowledged", Some(Word::Acknowledged)),
                ("check.down", Some(Word::Bad)),
                ("DOWN -> UP", Some(Word::Fine)),
                ("OK → CRITICAL", Some(Word::Bad)),
                ("changed from ok to critical", Some(Word::Bad)),
                ("No data", Some(Word::Firing)),
                ("200 - OK", Some(Word::Fine)),
                ("host_up", Some(Word::Fine)),
                ("scale_up", None),
                ("update.available", None),
                ("All systems operational", Some(Word::Fine)),
                ("build succeeded", Some(Word::Success)),
                ("webhook.test", Some(Word::Test)),
                ("completed", None),
                ("The disk of the third server is up to date and resolved", None),
                ("", None),
                ("🔥", None),
            ],
        );
    }
}
