//! Anybody's payload without a table: reads title, status, severity and the rest by the names such fields usually have,
//! so that `{"title": "...", "severity": "..."}` and an unknown vendor's payload both page with readable text.
//!
//! Each scalar gets the roles that its name may have (`names`) and a distance from the problem by the objects around it
//! (`leaves`); the nearest of the best name wins. It fails towards telling people: an unknown word fires, `resolved`
//! needs a clear word, and what is not understood is kept as labels. A table says it better; `docs/sources.md` has the
//! format.

mod chatter;
mod details;
mod expand;
mod identity;
mod leaves;
mod lists;
mod marks;
mod names;
mod places;
mod severity;
mod spelling;
mod states;
mod title;
mod verdict;

use std::collections::HashSet;

use serde_json::{Map, Value};

use self::leaves::{Leaf, Leaves};
use self::names::Role;
use super::{
    Error, Normalized, Payload, Rejected, SourceKind, bound, check_count, read, tree, when,
};
use crate::domain::{Alert, Life, Severity, Status, Timestamp};

/// Times before this are durations or zero values, not times: 2000-01-01.
const EARLIEST_SECONDS: i64 = 946_684_800;
/// How far a line `name: value` of a text is from the problem: any member is nearer.
const LINE_COST: u32 = 20;

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
        let mut tree = tree::parse(payload)?;
        add_request(&mut tree, payload);
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

/// What senders say beside the body: parameters of the address (`/hooks/shop?env=prod`), and the name of the event in a
/// header (`X-Acme-Event: alert.resolved`). What the body says wins.
fn add_request(tree: &mut Value, payload: &Payload<'_>) {
    const EVENT_BYTES_MAX: usize = 80;
    let Value::Object(members) = tree else { return };
    if let Ok(Value::Object(parameters)) = tree::query(payload.query) {
        for (name, value) in parameters {
            members.entry(name).or_insert(value);
        }
    }
    let is_event = |name: &str| {
        name.starts_with("x-")
            && ["-event", "-event-type", "-topic"].iter().any(|end| name.ends_with(end))
    };
    let event = payload
        .headers
        .iter()
        .find(|(name, value)| is_event(name) && value.len() <= EVENT_BYTES_MAX);
    if let Some((_, event)) = event {
        members.entry("header_event").or_insert_with(|| Value::String(event.clone()));
    }
}

/// Whether an object names itself at its top level: enough to guess the rest.
pub(super) fn has_title(root: &Map<String, Value>) -> bool {
    let leaves = Leaves::of_top(root);
    [Role::Title, Role::Summary, Role::Subject, Role::Text]
        .into_iter()
        .any(|role| leaves.near(role, title::has_letters).is_some())
}

/// The alerts of any tree: an array of objects (also inside `alerts` and the like) is several, text is one.
pub(super) fn guess(tree: &Value) -> Result<Normalized, Error> {
    let tree = &*expand::expand(tree);
    // Questions come alone, also in a list.
    let alone = match tree {
        Value::Array(items) if items.len() == 1 => &items[0],
        tree => tree,
    };
    if let Value::Object(root) = alone
        && let Some(chatter) = chatter::of(root)
    {
        return Ok(chatter);
    }
    let lists::Found { items, around } = lists::find(tree);
    if items.is_empty() {
        let ignored = Some("the list holds no alerts".to_owned());
        return Ok(Normalized { ignored, ..Normalized::default() });
    }
    check_count(items.len())?;
    let outer = around.map(|root| Outer::of(root, items));
    let mut normalized = Normalized::default();
    let mut keys = HashSet::new();
    for (index, item) in (0_u32..).zip(items) {
        let read = match item {
            Value::Object(item) => from_object(item, outer.as_ref()),
            Value::String(text) => from_text(text),
            _ => None,
        };
        match read {
            Some(alert) => {
                let is_of_problem = identity::is_of_problem(&alert.key);
                // Before the next one is read: what is around them is in each of thousands.
                let mut alert = bound::alert(Alert { index, ..alert });
                if !is_of_problem && !keys.insert(alert.key.clone()) {
                    alert.key = bound::key(&identity::apart(&alert));
                }
                normalized.alerts.push(alert);
            }
            None => normalized.rejected.push(Rejected {
                index,
                reason: format!("{} without anything to read", read::type_name(item)),
            }),
        }
    }
    Ok(normalized)
}

/// A text for people: its first line is the title, lines of `name: value` are fields.
fn from_text(text: &str) -> Option<Alert> {
    let text = spelling::ahead(text);
    let title = read::first_line(text);
    if title.is_empty() {
        return None;
    }
    let mut alert = Alert::new(identity::of_text(title), title);
    let mut leaves = Leaves::default();
    leaves.add_lines(text, LINE_COST);
    alert.status = verdict::by_title(title).unwrap_or(Status::Firing);
    alert.severity =
        severity::of_title(title).or_else(|| severity::of(&leaves, None, None)).unwrap_or_default();
    alert.life = Life::Expires;
    alert.text = (text.trim() != title).then(|| text.trim().to_owned());
    fill(&leaves, None, &mut alert);
    Some(alert)
}

/// What the object around a list says of each of its alerts, found once.
struct Outer<'a> {
    leaves: Leaves<'a>,
    status: Option<Status>,
    titles: title::Around,
}

impl<'a> Outer<'a> {
    fn of(root: &'a Map<String, Value>, items: &'a [Value]) -> Self {
        let leaves = Leaves::around(root, items);
        let (status, titles) = (verdict::around(&leaves), title::Around::of(&leaves));
        Self { leaves, status, titles }
    }
}

fn from_object(item: &Map<String, Value>, outer: Option<&Outer<'_>>) -> Option<Alert> {
    let mut leaves = Leaves::of(item);
    let fields = verdict::by_fields(&leaves, outer.and_then(|outer| outer.status));
    let titles = outer.map(|outer| &outer.titles);
    let title = title::of(&leaves, titles, fields)?;
    let outer = outer.map(|outer| &outer.leaves);
    let verdict = verdict::of(&leaves, fields, title.written.as_deref());
    let mut alert = Alert::new("", title.line);
    alert.status = verdict.status;
    alert.life = match verdict.status {
        Status::Notice => Life::Event,
        _ if verdict.is_said => Life::Resolves,
        _ => Life::Expires,
    };
    let is_text = |text: &str| read::first_line(text) != alert.title && text.contains(' ');
    alert.text = leaves
        .near(Role::Text, is_text)
        .or_else(|| leaves.near(Role::Text, |text| text.lines().nth(1).is_some()))
        .map(|leaf| leaf.text.to_string());
    if let Some(text) = &alert.text {
        leaves.add_lines(text, LINE_COST);
    }
    // The marks of a message that it is over speak of the past: "DOWN -> UP".
    let marked = title.written.as_deref().filter(|_| alert.status != Status::Resolved);
    let is_news = alert.status == Status::Notice || verdict.is_success;
    let least = if is_news { Severity::Info } else { Severity::Unknown };
    alert.severity = severity::of(&leaves, outer, marked).unwrap_or(least);
    fill(&leaves, outer, &mut alert);
    let subject = title::subject(&leaves).or_else(|| titles?.subject.clone());
    alert.alertname.clone_from(&subject);
    alert.key = identity::of(
        &leaves,
        &alert,
        subject.as_deref(),
        title.written.as_deref(),
        verdict.is_said,
    );
    details::keep(&leaves, &mut alert);
    Some(alert)
}

/// The fields that are looked up alike: where, and when.
fn fill(leaves: &Leaves<'_>, outer: Option<&Leaves<'_>>, alert: &mut Alert) {
    const FIELD_BYTES_MAX: usize = 200;
    let is_name = |text: &str| text.len() <= FIELD_BYTES_MAX && !matches!(text, "true" | "false");
    let text = |role| {
        let near = |leaves: &Leaves<'_>| {
            leaves.near(role, is_name).map(|leaf| read::first_line(&leaf.text).to_owned())
        };
        near(leaves).or_else(|| near(outer?))
    };
    alert.resource = text(Role::Resource);
    alert.service = text(Role::Service);
    alert.env = text(Role::Env);
    let at = |role| {
        // What tells of the end was created at the end.
        let is_end = |name: &str| alert.status == Status::Resolved && name.starts_with("created");
        let find = |leaves: &Leaves<'_>| {
            let read = |leaf: &Leaf<'_>| (!is_end(&leaf.name)).then(|| time(&leaf.value))?;
            leaves.best(role, read).map(|(at, _)| at)
        };
        find(leaves).or_else(|| find(outer?))
    };
    let observed_at = match alert.status {
        Status::Resolved => at(Role::Ended).or_else(|| at(Role::Observed)),
        _ => at(Role::Observed),
    };
    let started_at = at(Role::Started);
    (alert.observed_at, alert.started_at) = (observed_at, started_at);
}

fn time(value: &Value) -> Option<Timestamp> {
    when::Format::Auto.read(value).filter(|at| at.as_secs() >= EARLIEST_SECONDS)
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
            (json!({"title": "x", "status": "unresolved"}), Status::Firing, Life::Resolves),
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
    fn weak_words_and_flags_end_nothing_that_is_bad() {
        let rows = [
            json!({"title": "Temperature high on pump 4", "severity": "critical", "online": true}),
            json!({"status": "critical", "check": "disk", "host": "db-7", "reachable": true}),
            json!({"title": "Disk full", "severity": "critical", "host": {"name": "db-7", "online": true}}),
            json!({"title": "CPU high", "status": "warning", "service": {"name": "db", "healthy": true}}),
            json!({"title": "Disk full", "host": {"name": "db-7", "online": true}}),
            json!({"title": "Disk full", "host": {"name": "db-7", "offline": false}}),
            json!({"ok": true, "message": "Disk full on db-7", "host": "db-7"}),
            json!({"message": "Backup failed on db-7", "online": true}),
            json!({"status": "ok", "message": "Disk full on db-7", "severity": "critical"}),
            json!({"status": "ok", "incidents": [{"title": "Disk full", "severity": "critical"}]}),
            json!({"ok": true, "alerts": [{"title": "Disk full on db-7"}]}),
            json!({"resolved": true, "alerts": [{"title": "Disk full on db-7"}]}),
            json!({"hostname": "pg-2", "state": "recovery", "message": "replica fell behind"}),
            json!({"event": "failed_recovery", "title": "Raid of db-7"}),
            json!({"type": "ping", "host": "10.0.0.7", "message": "Host unreachable, 100% loss"}),
            json!({"type": "validation", "message": "Backup of db-7 cannot be restored"}),
            json!({"challenge": "abc", "host": "db-7", "message": "Disk full on db-7"}),
            json!({"type": "ping", "data": {"summary": "Loss"}}),
        ];
        for tree in rows {
            assert_eq!(one(&tree).status, Status::Firing, "{tree}");
        }
        let rows = [
            json!({"name": "web-1", "online": true}),
            json!({"name": "web-1", "down": false}),
            json!({"title": "Disk full", "firing": false, "severity": "critical"}),
            json!({"title": "Disk full", "status": "critical", "resolved": true}),
            json!({"title": "Disk full", "status": "ok", "severity": "warning"}),
            json!({"title": "Disk full", "event": "recovery"}),
            json!({"title": "Disk full", "alert_state": "recovery"}),
            json!({"status": "resolved", "alerts": [{"title": "Disk full on db-7"}]}),
        ];
        for tree in rows {
            assert_eq!(one(&tree).status, Status::Resolved, "{tree}");
        }
    }

    #[test]
    fn alerts_of_a_list_do_not_hold_all_that_is_around_them() {
        let long = "Disk full ".repeat(50_000);
        let items: Vec<Value> = (0..100).map(|n| json!({"id": n, "state": "open"})).collect();
        let guessed = guess(&json!({"title": long, "message": long, "alerts": items}));
        let alerts = guessed.expect("few").alerts;
        assert_eq!(alerts.len(), 100);
        for alert in alerts {
            assert_eq!(bound::alert(alert.clone()), alert);
        }
    }

    #[test]
    fn pairs_and_tags_count_as_members() {
        let pairs: Vec<Value> =
            (0..20_000).map(|n| json!({"name": format!("n{n}"), "value": "success"})).collect();
        let tags: Map<String, Value> =
            (0..200).map(|n| (format!("t{n}"), json!(vec!["a:b"; 50]))).collect();
        for tree in [json!({"fields": pairs}), Value::Object(tags)] {
            let Value::Object(root) = &tree else { panic!("an object") };
            assert!(Leaves::of(root).iter().count() <= 2_000);
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
            (
                json!({"entity_id": "db-7", "alert_name": "Disk full", "status": "firing"}),
                json!({"entity_id": "db-7", "alert_name": "Disk full", "status": "resolved"}),
            ),
        ];
        for (firing, resolved) in rows {
            assert_eq!(one(&firing).key, one(&resolved).key, "{firing}");
            assert_ne!(one(&firing).status, one(&resolved).status, "{firing}");
        }
        for id in ["entity_id", "alias", "item_id", "external_id"] {
            let key = |rule: &str| one(&json!({id: "db-7", "alert_name": rule})).key;
            assert_ne!(key("Disk full"), key("CPU high"), "{id}");
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
            "routing_key": "geheim", "credentials": {"user": "geheim"}, "session": {"Cookie": "geheim"},
        }));
        assert_eq!(alert.title, "checkout: Payment latency high");
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
