//! Anybody's payload without a table: reads title, status, severity and the rest by the names such fields usually have,
//! so that `{"title": "...", "severity": "..."}` and an unknown vendor's payload both page with readable text.
//!
//! It fails towards telling people: an unknown word fires, `resolved` needs a clear word, and what is not understood
//! is kept as labels. A table says it better; `docs/sources.md` has the format.

mod identity;
mod leaves;
mod names;

use serde_json::{Map, Value};

use self::leaves::{Leaf, Leaves};
use super::{
    Error, Normalized, Payload, Rejected, SourceKind, check_count, read, tree, when, words,
};
use crate::domain::{Alert, Life, Severity, Status, Timestamp};

/// Longest text that becomes a label; longer ones become annotations.
const LABEL_CHARS_MAX: usize = 256;
/// Times before this are durations or zero values, not times: 2000-01-01.
const EARLIEST_SECONDS: i64 = 946_684_800;

/// The kind `generic`.
#[derive(Debug)]
pub struct Generic;

impl SourceKind for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn methods(&self) -> &[&'static str] {
        &["POST", "PUT", "GET"]
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        let tree = tree::parse(payload)?;
        if matches!(tree, Value::Null | Value::Bool(_) | Value::Number(_)) {
            let detail = format!("body is {}", read::type_name(&tree));
            return Err(Error::Shape { kind: self.name().to_owned(), detail });
        }
        let guessed = guess(&tree)?;
        match guessed.rejected.first() {
            Some(rejected) if guessed.alerts.is_empty() => {
                let detail = rejected.reason.clone();
                Err(Error::Shape { kind: self.name().to_owned(), detail })
            }
            _ => Ok(guessed),
        }
    }
}

/// Whether an object names itself at its top level: enough to guess the rest.
pub(super) fn has_title(root: &Map<String, Value>) -> bool {
    let leaves = Leaves::of_top(root);
    leaves.first(names::TITLE, has_letters).is_some()
        || leaves.first(names::TEXT, has_letters).is_some()
}

/// The alerts of any tree: an array of objects (also inside `alerts` and the like) is several, text is one.
pub(super) fn guess(tree: &Value) -> Result<Normalized, Error> {
    let (items, outer) = match tree {
        Value::Array(items) => (items.as_slice(), None),
        Value::Object(root) => match names::LISTS.iter().find_map(|name| list(root.get(*name))) {
            Some(items) => (items, Some(root)),
            None => (std::slice::from_ref(tree), None),
        },
        _ => (std::slice::from_ref(tree), None),
    };
    if items.is_empty() {
        let ignored = Some("the list holds no alerts".to_owned());
        return Ok(Normalized { ignored, ..Normalized::default() });
    }
    check_count(items.len())?;
    let mut normalized = Normalized::default();
    for (index, item) in (0_u32..).zip(items) {
        let read = match item {
            Value::Object(item) => from_object(item, outer),
            Value::String(text) => from_text(text),
            _ => None,
        };
        match read {
            Some(alert) => normalized.alerts.push(Alert { index, ..alert }),
            None => normalized.rejected.push(Rejected {
                index,
                reason: format!("{} without anything to read", read::type_name(item)),
            }),
        }
    }
    Ok(normalized)
}

fn list(value: Option<&Value>) -> Option<&[Value]> {
    match value {
        Some(Value::Array(items)) if items.iter().any(Value::is_object) => Some(items),
        _ => None,
    }
}

fn from_text(text: &str) -> Option<Alert> {
    let title = read::first_line(text);
    if title.is_empty() {
        return None;
    }
    let mut alert = Alert::new(identity::of_text(title), title);
    let leading = leading_word(title);
    alert.status = names::strong_status(&leading).unwrap_or(Status::Firing);
    alert.severity = title_severity(title).unwrap_or_default();
    alert.life = Life::Expires;
    alert.text = (text.trim() != title).then(|| text.trim().to_owned());
    Some(alert)
}

fn from_object(item: &Map<String, Value>, outer: Option<&Map<String, Value>>) -> Option<Alert> {
    let mut leaves = Leaves::of(item);
    if let Some(outer) = outer {
        leaves.add_outer(outer);
    }
    let named = leaves
        .text(names::TITLE)
        // A single word is more likely the name of an event than a sentence for people.
        .or_else(|| leaves.first(names::TEXT, |text| has_letters(text) && text.contains(' ')))
        .or_else(|| leaves.first(names::TEXT, has_letters));
    let title = match named {
        Some(leaf) => read::first_line(&leaf.text).to_owned(),
        None => leaves.summary()?,
    };
    let leading = leading_word(&title);
    let mut alert = Alert::new("", title);
    let word = status(&leaves).or_else(|| names::strong_status(&leading));
    alert.status = word.unwrap_or(Status::Firing);
    alert.life = if word.is_some() { Life::Resolves } else { Life::Expires };
    alert.severity = severity(&leaves).or_else(|| title_severity(&alert.title)).unwrap_or_default();
    let text = |names| leaves.text(names).map(|leaf| leaf.text.to_string());
    alert.resource = text(names::RESOURCE);
    alert.service = text(names::SERVICE);
    alert.env = text(names::ENV);
    alert.alertname = text(names::ALERTNAME);
    alert.text = leaves
        .first(names::TEXT, |text| text.contains(' ') && read::first_line(text) != alert.title)
        .or_else(|| leaves.first(names::TEXT, |text| text.lines().nth(1).is_some()))
        .map(|leaf| leaf.text.to_string());
    let time = |names| leaves.find(names, |leaf| time(leaf.value)).map(|(at, _)| at);
    alert.observed_at = match alert.status {
        Status::Resolved => time(names::ENDED).or_else(|| time(names::OBSERVED)),
        _ => time(names::OBSERVED),
    };
    alert.started_at = time(names::STARTED);
    alert.key = identity::of(&leaves, &alert, word.is_some());
    keep_details(&leaves, &mut alert);
    Some(alert)
}

/// The first known word of a status field, shallow first. A weak word such as `ok` loses against any word of trouble.
fn status(leaves: &Leaves<'_>) -> Option<Status> {
    let strong = leaves.find(names::STATUS, |leaf| names::strong_status(&leaf.text));
    if let Some((status, _)) = strong {
        return Some(status);
    }
    let weak = |leaf: &Leaf<'_>| names::weak_resolved(&leaf.text).then_some(Status::Resolved);
    if let Some((status, _)) = leaves.find(names::STATUS, weak) {
        return Some(status);
    }
    let flag = |names, status| {
        leaves.find(names, |leaf| match &*leaf.text.to_ascii_lowercase() {
            "true" | "yes" | "1" => Some(status),
            _ => time(leaf.value).map(|_| status),
        })
    };
    flag(names::RESOLVED_FLAGS, Status::Resolved)
        .or_else(|| flag(names::ACKNOWLEDGED_FLAGS, Status::Acknowledged))
        .map(|(status, _)| status)
}

fn severity(leaves: &Leaves<'_>) -> Option<Severity> {
    let by_word = |leaf: &Leaf<'_>| {
        words::severity(&leaf.text).or_else(|| words::severity(&leading_word(&leaf.text)))
    };
    let by_priority = |leaf: &Leaf<'_>| words::priority(&leaf.text);
    // A status tells severity only where it is one: `critical`, not `alert` or `ok`.
    let by_status = |leaf: &Leaf<'_>| {
        words::severity(&leaf.text).filter(|severity| {
            *severity >= Severity::Warning && !leaf.text.eq_ignore_ascii_case("alert")
        })
    };
    leaves
        .find(names::SEVERITY, by_word)
        .or_else(|| leaves.find(names::PRIORITY, by_priority))
        .or_else(|| leaves.find(names::STATUS, by_status))
        .map(|(severity, _)| severity)
}

/// Everything that was sent stays readable: URLs as links, short values as labels, long ones as annotations.
fn keep_details(leaves: &Leaves<'_>, alert: &mut Alert) {
    for leaf in leaves.own() {
        if names::is_secret(&leaf.name) {
            continue;
        }
        if super::bound::is_link(&leaf.text) {
            read::add_link(&mut alert.links, &leaf.link_name(), Some(&leaf.text));
            continue;
        }
        if *leaf.text == *alert.title || alert.text.as_deref() == Some(&*leaf.text) {
            continue;
        }
        let label = leaf.label();
        let map = if leaf.text.len() <= LABEL_CHARS_MAX {
            &mut alert.labels
        } else {
            &mut alert.annotations
        };
        map.entry(label).or_insert_with(|| leaf.text.to_string());
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    when::Format::Auto.read(value).filter(|at| at.as_secs() >= EARLIEST_SECONDS)
}

fn has_letters(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

/// The first word without its brackets and colon: `[Recovered on web]` and `RESOLVED: disk full` begin with it.
fn leading_word(text: &str) -> String {
    text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')
        .find(|word| !word.is_empty())
        .unwrap_or("")
        .to_owned()
}

/// The severity that a title begins with, or that stands in capitals near its begin (`SMTP CRITICAL - no answer`).
fn title_severity(title: &str) -> Option<Severity> {
    const WORDS_LOOKED_AT: usize = 3;
    let capitals = |word: &&str| word.len() > 1 && !word.chars().any(char::is_lowercase);
    words::severity(&leading_word(title)).or_else(|| {
        let near = title.split(|c: char| !c.is_alphanumeric()).take(WORDS_LOOKED_AT);
        near.filter(capitals).find_map(words::severity)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(tree: &Value) -> Alert {
        let mut guessed = guess(tree).expect("few");
        assert_eq!(guessed.rejected, []);
        assert_eq!(guessed.alerts.len(), 1, "{tree}");
        guessed.alerts.remove(0)
    }

    #[test]
    fn resolved_needs_a_clear_word() {
        let rows = [
            (json!({"title": "x"}), Status::Firing, Life::Expires),
            (json!({"title": "x", "status": "success"}), Status::Firing, Life::Expires),
            (json!({"title": "x", "status": 0}), Status::Firing, Life::Expires),
            (json!({"title": "x", "status": "unresolved"}), Status::Firing, Life::Expires),
            (json!({"title": "x", "state": "OK"}), Status::Resolved, Life::Resolves),
            (
                json!({"title": "x", "status": "ok", "a": {"state": "down"}}),
                Status::Firing,
                Life::Resolves,
            ),
            (
                json!({"title": "x", "status": "resolved", "a": {"state": "down"}}),
                Status::Resolved,
                Life::Resolves,
            ),
            (
                json!({"title": "x", "previous": {"state": "resolved"}}),
                Status::Firing,
                Life::Expires,
            ),
            (json!({"title": "x", "event": "check.up"}), Status::Resolved, Life::Resolves),
            (json!({"title": "x", "event": "check.not_ok"}), Status::Firing, Life::Expires),
            (json!({"title": "x", "resolved": false}), Status::Firing, Life::Expires),
            (json!({"title": "x", "resolved": true}), Status::Resolved, Life::Resolves),
            (json!({"title": "x", "resolved_at": null}), Status::Firing, Life::Expires),
            (
                json!({"title": "x", "resolvedAt": "2024-01-01T00:00:00Z"}),
                Status::Resolved,
                Life::Resolves,
            ),
            (
                json!({"title": "x", "event_type": "acknowledged"}),
                Status::Acknowledged,
                Life::Resolves,
            ),
            (json!({"title": "[Recovered] x"}), Status::Resolved, Life::Resolves),
            (json!("RESOLVED: disk full"), Status::Resolved, Life::Expires),
            (json!("resolve the incident"), Status::Firing, Life::Expires),
        ];
        for (tree, status, life) in rows {
            let alert = one(&tree);
            assert_eq!((alert.status, alert.life), (status, life), "{tree}");
        }
    }

    #[test]
    fn firing_and_resolved_share_a_key() {
        let rows = [
            (json!("CRITICAL: disk 93% full on web-1"), json!("RESOLVED: disk 41% full on web-1")),
            (
                json!({"title": "Load 9.5 on db", "host": "db", "state": "alerting"}),
                json!({"title": "Load 0.2 on db", "host": "db", "state": "ok"}),
            ),
            (
                json!({"message": "a", "alert_id": 5, "status": "open"}),
                json!({"message": "b", "alertId": 5.0, "status": "closed"}),
            ),
        ];
        for (firing, resolved) in rows {
            assert_eq!(one(&firing).key, one(&resolved).key, "{firing}");
            assert_ne!(one(&firing).status, one(&resolved).status, "{firing}");
        }
        assert_ne!(one(&json!("disk full on web-1")).key, one(&json!("disk full on web-2")).key);
    }

    #[test]
    fn reads_an_unknown_vendor() {
        let alert = one(&json!({
            "incident": {"summary": "Payment latency high", "priority": "P2", "reference": "INC-9"},
            "monitor": {"name": "checkout", "url": "https://mon.example.com/9"},
            "host": {"name": "pay-1"}, "service": "payments", "Environment": "prod",
            "apiToken": "geheim", "thresholdMs": 250,
        }));
        assert_eq!(alert.title, "Payment latency high");
        assert_eq!(alert.severity, Severity::Error);
        assert_eq!(alert.resource.as_deref(), Some("pay-1"));
        assert_eq!(alert.service.as_deref(), Some("payments"));
        assert_eq!(alert.env.as_deref(), Some("prod"));
        assert_eq!(alert.labels["threshold_ms"], "250");
        assert_eq!(alert.labels["incident.reference"], "INC-9");
        assert_eq!(alert.links[0].url, "https://mon.example.com/9");
        assert!(!format!("{alert:?}").contains("geheim"));
    }

    #[test]
    fn lists_are_several_and_nothing_is_refused() {
        let guessed = guess(&json!([{"title": "a"}, 5, {"title": "b"}, {}])).expect("few");
        assert_eq!(guessed.alerts.len(), 2);
        assert_eq!(guessed.alerts[1].index, 2);
        assert_eq!(guessed.rejected.iter().map(|it| it.index).collect::<Vec<_>>(), [1, 3]);
        let guessed = guess(&json!({"env": "prod", "alerts": [{"title": "a"}, {"title": "b"}]}))
            .expect("few");
        assert_eq!(guessed.alerts[1].env.as_deref(), Some("prod"));
        let untitled = one(&json!({"cpu": 93, "hostname": "web-1"}));
        assert_eq!(untitled.title, "cpu=93 hostname=web-1");
    }
}
