//! What a title says about how things are: the marks before it, or its sentence.

use super::states::{Word, is_state, judge, negates, strong, words};

/// What the marks at the begin of a title say: `[RESOLVED] disk full`, `RESOLVED: disk full`, `✅ Recovered - disk`; else
/// what its sentence says in a form that leaves no doubt.
pub(super) fn of(title: &str) -> Option<Word> {
    const BRACKETS_MAX: usize = 3;
    let mut rest = title.trim_start_matches(is_ornament);
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
        let is_clear = |word: &Word| !matches!(word, Word::Success | Word::Notice | Word::Test);
        let first = || {
            let (first, rest) = mark.split_once([':', ' '])?;
            let goes_on = rest.starts_with("on ") || rest.bytes().all(|byte| byte.is_ascii_digit());
            judge(first).filter(|word| goes_on && is_clear(word))
        };
        if let Some(word) = judge(mark).filter(is_clear).or_else(first) {
            return Some(word);
        }
        rest = after.trim_start_matches(is_ornament);
    }
    let mark = rest
        .split_once([':', '|', '–', '—'])
        .map(|(mark, _)| mark)
        .or_else(|| rest.split_once(" - ").map(|(mark, _)| mark));
    // "Available: 3 GB on db-1" and "Host up: no answer" are names, "UP: web-1" is a state.
    let says_state = |mark: &str| {
        let is_weak = |word: &Word| matches!(word, Word::Fine);
        let words = words(mark);
        let only_state = words.iter().all(|word| is_state(word));
        let is_clear = words.iter().any(|word| matches!(&**word, "ok" | "okay" | "up"));
        judge(mark).filter(|word| only_state && (!is_weak(word) || is_clear))
    };
    if let Some(word) = mark.and_then(says_state) {
        return Some(word);
    }
    // "Closed connections on db-1" begins a sentence, "CLOSED connections" is marked.
    let first = rest.split_whitespace().next().unwrap_or("");
    let is_capital = first.chars().filter(|c| c.is_alphabetic()).all(char::is_uppercase);
    match judge(first) {
        Some(word @ (Word::Resolved | Word::Acknowledged)) if is_capital => Some(word),
        Some(word @ (Word::Firing | Word::Bad)) => Some(word),
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
    // "web-1 is up", but not "web-1 is up to date".
    let is_fine = |word: &String| matches!(&**word, "up" | "online" | "ok" | "okay" | "healthy");
    let last = words.iter().rposition(|word| !word.is_empty() && word != "again" && word != "now");
    // "Packet loss is up" is no good news; a load balancer is no load.
    let is_measure = |at: usize| {
        is_measured(&words[at]) && words.get(at + 1).is_none_or(|next| next != "balancer")
    };
    let rises = |last: usize| words[last] == "up" && (0..last).any(is_measure);
    if let Some(last) = last
        && is_fine(&words[last])
        && !rises(last)
        && words[..last].iter().rev().take(2).any(|word| word == "is")
    {
        return Some(Word::Resolved);
    }
    let after = GONE.iter().find_map(|gone| {
        let at = words.windows(gone.len()).position(|window| window == *gone)?;
        // After "from" stands what was.
        let after = if gone.ends_with(&["from"]) { words.len() } else { at + gone.len() };
        Some(&words[after..])
    })?;
    // "The name is resolved to a wrong address."
    let is_lookup = words[..words.len() - after.len()].last().is_some_and(|it| it == "resolved")
        && after.first().is_some_and(|word| {
            matches!(&**word, "to" | "as" | "into" | "incorrectly" | "wrongly" | "slowly")
        });
    if is_lookup {
        return None;
    }
    let goes_on = after.iter().any(|word| matches!(strong(word), Some(Word::Firing | Word::Bad)));
    (!goes_on).then_some(Word::Resolved)
}

/// What is bad if it is up.
fn is_measured(word: &str) -> bool {
    matches!(
        word,
        "loss"
            | "usage"
            | "use"
            | "utilization"
            | "utilisation"
            | "consumption"
            | "latency"
            | "lag"
            | "delay"
            | "jitter"
            | "rate"
            | "ratio"
            | "load"
            | "error"
            | "errors"
            | "failures"
            | "timeouts"
            | "retries"
            | "exceptions"
            | "temperature"
            | "pressure"
            | "memory"
            | "cpu"
            | "count"
            | "number"
            | "percentage"
            | "duration"
            | "cost"
            | "costs"
            | "traffic"
            | "backlog"
    ) || word.ends_with("time") && word != "uptime"
}

/// Emoji, blanks and other signs before the first letter, digit or bracket.
fn is_ornament(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '[' | '(' | '{' | '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_title() {
        let rows = [
            ("[RESOLVED] disk full", Some(Word::Resolved)),
            ("✅ [Recovered on {host:web-1}] cpu", Some(Word::Resolved)),
            ("[prod] [✅ Up] 200 - OK", Some(Word::Fine)),
            ("RESOLVED: disk full", Some(Word::Resolved)),
            ("OK - load average", Some(Word::Fine)),
            ("🔥 [FIRING:2] disk full", Some(Word::Firing)),
            ("web-1 has recovered", Some(Word::Resolved)),
            ("Latency is back to normal", Some(Word::Resolved)),
            ("Device 10.0.0.1 recovered from link down", Some(Word::Resolved)),
            ("✅ Your service api is up! ✅", Some(Word::Resolved)),
            ("web-1 is now OK", Some(Word::Resolved)),
            ("web-1 is up to date", None),
            ("Packet loss on edge-3 is up", None),
            ("The error rate of shop is up again", None),
            ("The load balancer lb-1 is up", Some(Word::Resolved)),
            ("Response time is now ok", Some(Word::Resolved)),
            ("api.example.com is resolved to a wrong address", None),
            ("The name was resolved incorrectly", None),
            ("The outage of api.example.com is resolved", Some(Word::Resolved)),
            ("Host up: no answer", None),
            ("Closed connections on db-1", None),
            ("[Closed beta] disk full", None),
            ("Available: 3 GB on db-1", None),
            ("Resolve the incident", None),
            ("Back up failed", None),
            ("web-1 has not recovered", None),
            ("web-1 has recovered but db-1 failed", None),
            ("✅ disk full", None),
            ("disk full", None),
        ];
        for (title, expected) in rows {
            assert_eq!(of(title), expected, "{title}");
        }
    }
}
