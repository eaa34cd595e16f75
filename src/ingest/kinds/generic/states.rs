//! What words say about a problem: `incident.triggered`, `ALERT_RECOVERY`, `Down ended (now: Up)`, `200 - OK`.
//!
//! Resolved needs a clear word. A word that means other things too (`up`, `clear`, `available`) counts only among words
//! that say what is up; any negation makes a phrase say nothing, and what says nothing fires.

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
    let position = |wanted: &str| words.iter().position(|word| word == wanted);
    let words = match (position("from"), position("to")) {
        (Some(from), Some(to)) if from < to => &words[to + 1..],
        (Some(from), _) => &words[..from],
        _ => words,
    };
    let strong = words.iter().rev().find_map(|word| strong(word));
    match strong {
        Some(word) => Some(word),
        None if words.iter().all(|word| is_neighbour(word) || weak(word).is_some()) => {
            words.iter().rev().find_map(|word| weak(word))
        }
        None => None,
    }
}

/// Whole phrases whose words alone mislead.
fn phrase(joined: &str) -> Option<Word> {
    Some(match joined {
        "not responding" | "no data" | "nodata" | "no response" | "not ok" | "not healthy"
        | "out of service" | "timed out" | "not running" | "not available" | "not reachable"
        | "in alarm" | "still firing" | "not resolved" | "unresolved" => Word::Firing,
        "back to normal" | "returned to normal" | "back online" | "back up" | "up again"
        | "all clear" => Word::Resolved,
        "down ended now up" | "down ended" => Word::Resolved,
        "alert" | "alarm" | "problem" | "incident" | "new" | "created" | "started" => Word::Firing,
        "stop" | "stopped" | "end" | "ended" => return None,
        _ => return None,
    })
}

fn negates(word: &str) -> bool {
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
            | "auto"
            | "disable"
            | "disabled"
            | "config"
            | "comment"
            | "commented"
            | "pull"
            | "mr"
    )
}

fn strong(word: &str) -> Option<Word> {
    Some(match word {
        "resolved" | "recovered" | "recovery" | "recover" | "recovers" | "closed" | "cleared"
        | "restored" | "resolve" | "unfailed" => Word::Resolved,
        "acknowledged" | "acked" | "acknowledge" | "ack" | "acknowledgement" | "acknowledgment" => {
            Word::Acknowledged
        }
        "firing" | "fired" | "alerting" | "triggered" | "triggers" | "trigger" | "open"
        | "opened" | "reopened" | "reopen" | "active" | "activated" | "raised" | "occurred"
        | "breached" | "unresolved" | "investigating" | "identified" | "escalated"
        | "reescalated" | "renotified" | "unacknowledged" | "flapping" => Word::Firing,
        "down" | "critical" | "crit" | "warning" | "warn" | "error" | "errors" | "errored"
        | "failed" | "failing" | "fail" | "fails" | "failure" | "fatal" | "unhealthy"
        | "degraded" | "outage" | "unreachable" | "unavailable" | "offline" | "bad" | "red"
        | "emergency" | "broken" | "timeout" | "missed" | "late" | "lost" | "exceeded"
        | "unknown" | "stale" | "crashed" | "unstable" | "blocked" | "aborted" | "disconnected"
        | "overdue" | "nok" => Word::Bad,
        _ => return None,
    })
}

fn weak(word: &str) -> Option<Word> {
    Some(match word {
        "ok" | "okay" | "up" | "online" | "normal" | "healthy" | "clear" | "good" | "green"
        | "operational" | "close" | "deactivated" | "available" | "inactive" | "reachable"
        | "connected" | "fixed" | "passing" => Word::Fine,
        "success" | "succeeded" | "successful" | "passed" | "pass" => Word::Success,
        "paused" | "queued" | "enqueued" | "building" | "push" | "pushed" | "merged"
        | "maintenance" | "scheduled" | "informational" | "info" => Word::Notice,
        "test" | "testing" => Word::Test,
        _ => return None,
    })
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
        "alert"
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

/// Whether the name of an event says of what it speaks (`check.up`), which makes a weak word clear.
pub(super) fn names_its_thing(text: &str) -> bool {
    words(text).iter().any(|word| is_thing(word))
}

/// What the marks at the begin of a title say: `[RESOLVED] disk full`, `RESOLVED: disk full`, `✅ Recovered - disk`; else
/// what its sentence says in a form that leaves no doubt.
pub(super) fn of_title(title: &str) -> Option<Word> {
    let mut rest = title.trim_start_matches(is_ornament);
    const BRACKETS_MAX: usize = 3;
    for _ in 0..BRACKETS_MAX {
        let Some(open) = rest.chars().next().filter(|c| matches!(c, '[' | '(' | '{' | '*')) else {
            break;
        };
        let close = match open {
            '[' => ']',
            '(' => ')',
            '{' => '}',
            _ => '*',
        };
        let Some((mark, after)) = rest[1..].split_once(close) else { break };
        // "[FIRING:2]" counts, "[Recovered on {host:web-1}]" goes on.
        let is_state = |word: &Word| !matches!(word, Word::Success | Word::Notice | Word::Test);
        let first = || mark.split([':', ' ']).next().and_then(judge).filter(is_state);
        if let Some(word) = judge(mark).filter(is_state).or_else(first) {
            return Some(word);
        }
        rest = after.trim_start_matches(is_ornament);
    }
    let mark = rest
        .split_once([':', '|', '–', '—'])
        .map(|(mark, _)| mark)
        .or_else(|| rest.split_once(" - ").map(|(mark, _)| mark));
    // "Available: 3 GB on db-1" is no state.
    let says_state = |mark: &str| match judge(mark)? {
        Word::Fine
            if !mark.split(' ').any(|it| matches!(&*it.to_lowercase(), "ok" | "okay" | "up")) =>
        {
            None
        }
        word => Some(word),
    };
    if let Some(word) = mark.and_then(says_state) {
        return Some(word);
    }
    let first = rest.split_whitespace().next().unwrap_or("");
    match judge(first) {
        // "Resolve the incident", "Open ports", "Fixed disk full", "Test" begin sentences.
        Some(word @ (Word::Resolved | Word::Acknowledged))
            if first
                .to_lowercase()
                .trim_end_matches(|c: char| !c.is_alphanumeric())
                .ends_with("ed")
                || first.chars().filter(|c| c.is_alphabetic()).all(char::is_uppercase) =>
        {
            Some(word)
        }
        Some(Word::Firing | Word::Bad) => judge(first),
        _ => sentence(rest),
    }
}

/// What a sentence says that ends a problem, in a form that means nothing else.
fn sentence(text: &str) -> Option<Word> {
    const WORDS_MAX: usize = 40;
    const GONE: [&[&str]; 13] = [
        &["has", "recovered"],
        &["have", "recovered"],
        &["has", "been", "resolved"],
        &["is", "resolved"],
        &["was", "resolved"],
        &["has", "resolved"],
        &["has", "cleared"],
        &["has", "been", "cleared"],
        &["back", "to", "normal"],
        &["returned", "to", "normal"],
        &["back", "online"],
        &["is", "back", "up"],
        &["recovered", "from"],
    ];
    let words: Vec<String> = text
        .split_whitespace()
        .take(WORDS_MAX)
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .collect();
    if words.iter().any(|word| negates(word)) {
        return None;
    }
    let after = GONE.iter().find_map(|gone| {
        let at = words.windows(gone.len()).position(|window| window == *gone)?;
        Some(&words[at + gone.len()..])
    })?;
    let goes_on = after.iter().any(|word| matches!(strong(word), Some(Word::Firing | Word::Bad)));
    (!goes_on).then_some(Word::Resolved)
}

/// Emoji, blanks and other signs before the first letter, digit or bracket.
fn is_ornament(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '[' | '(' | '{' | '*')
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
