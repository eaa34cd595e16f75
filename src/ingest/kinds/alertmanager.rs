//! Prometheus Alertmanager webhooks (payload version 4, `webhook_config` of its configuration), version 3 and
//! senders that imitate them. One payload is one group: alerts that fire and alerts that are resolved, mixed.
//!
//! Each alert is judged by its own `status`; the outer one only stands in. `groupKey` routes, it names no alert.
//! `endsAt` of a firing alert means nothing here: Alertmanager leaves the zero time, imitators write what they like.
//! An array without the envelope is what Prometheus posts to `/api/v2/alerts`: there an alert has no status and fires
//! until its `endsAt`.

use serde_json::{Map, Value};

use super::{
    Error, Normalized, Payload, Rejected, Seen, Sign, SourceKind, check_count, generic, read, tree,
    when, words,
};
use crate::domain::{Alert, Fingerprinter, Labels, Severity, Status, Timestamp};

/// Labels that name the affected thing, most telling first.
const RESOURCE_LABELS: [&str; 14] = [
    "instance",
    "pod",
    "node",
    "host",
    "hostname",
    "server",
    "device",
    "name",
    "target",
    "service",
    "deployment",
    "statefulset",
    "daemonset",
    "namespace",
];
/// Labels whose value the title shows unless it already has it: a pod says more than its scrape address.
const TITLE_LABELS: [&str; 10] = [
    "pod",
    "deployment",
    "statefulset",
    "daemonset",
    "node",
    "host",
    "hostname",
    "instance",
    "name",
    "service",
];
const SERVICE_LABELS: [&str; 5] = ["service", "app", "app_kubernetes_io_name", "component", "job"];
const ENV_LABELS: [&str; 3] = ["env", "environment", "stage"];

/// The kind `alertmanager`.
#[derive(Debug)]
pub struct Alertmanager;

impl SourceKind for Alertmanager {
    fn name(&self) -> &'static str {
        "alertmanager"
    }

    fn auth(&self) -> Vec<&str> {
        vec!["bearer", "basic"]
    }

    /// The envelope of a group, whoever imitates it; Alertmanager itself says so in `User-Agent`.
    fn recognizes(&self, seen: &Seen<'_>) -> Option<Sign> {
        let root = seen.tree.as_object()?;
        let first = root.get("alerts")?.as_array()?.first();
        let has = |name: &&str| root.contains_key(*name);
        let is_group = ["groupLabels", "commonLabels", "groupKey"].iter().any(has)
            || (has(&"receiver")
                && first.is_some_and(|it| it.pointer("/labels/alertname").is_some()));
        let agent = seen.payload.header("user-agent").unwrap_or_default();
        is_group
            .then(|| if agent.starts_with("Alertmanager/") { Sign::Header } else { Sign::Shape })
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        let tree = tree::parse(payload)?;
        match &tree {
            Value::Array(alerts) => from_api(alerts, payload.received_at),
            Value::Object(root) if root.contains_key("alerts") => {
                group(self.name(), root, read_alert)
            }
            Value::Object(root) if root.contains_key("labels") => {
                each(std::slice::from_ref(&tree), root, read_alert)
            }
            // A `payload` of the user's own in webhook_config makes any JSON possible.
            Value::Object(root) if generic::has_title(root) => generic::guess(&tree),
            other => Err(shape(self.name(), &format!("{} without alerts", read::type_name(other)))),
        }
    }
}

/// Reads one alert of an envelope, or says what it lacks.
pub(super) type ReadAlert =
    fn(root: &Map<String, Value>, item: &Map<String, Value>) -> Result<Alert, String>;

/// Reads the envelope that Alertmanager and Grafana share with `read_alert(root, alert)`.
pub(super) fn group(
    kind: &str,
    root: &Map<String, Value>,
    read_alert: ReadAlert,
) -> Result<Normalized, Error> {
    let alerts = match root.get("alerts") {
        Some(Value::Array(alerts)) => alerts,
        other => {
            let found = read::type_name(other.unwrap_or(&Value::Null));
            return Err(shape(kind, &format!("alerts is {found}, not an array")));
        }
    };
    if alerts.is_empty() {
        let ignored = Some("the group holds no alerts".to_owned());
        return Ok(Normalized { ignored, ..Normalized::default() });
    }
    let mut normalized = each(alerts, root, read_alert)?;
    note_truncated(root, &mut normalized.alerts);
    Ok(normalized)
}

pub(super) fn each(
    alerts: &[Value],
    root: &Map<String, Value>,
    read_alert: ReadAlert,
) -> Result<Normalized, Error> {
    check_count(alerts.len())?;
    let mut normalized = Normalized::default();
    for (index, item) in (0_u32..).zip(alerts) {
        let read = match item {
            Value::Object(item) => read_alert(root, item),
            other => Err(format!("alert is {}, not an object", read::type_name(other))),
        };
        match read {
            Ok(alert) => normalized.alerts.push(Alert { index, ..alert }),
            Err(reason) => normalized.rejected.push(Rejected { index, reason }),
        }
    }
    Ok(normalized)
}

/// `max_alerts` cuts the group; the reader of the first alert should know.
fn note_truncated(root: &Map<String, Value>, alerts: &mut [Alert]) {
    let truncated = root.get("truncatedAlerts").and_then(Value::as_f64).unwrap_or(0.0);
    if truncated >= 1.0
        && let Some(first) = alerts.first_mut()
    {
        first.annotations.insert("truncated_alerts".to_owned(), format!("{truncated:.0}"));
        let note = format!("{truncated:.0} more alerts of this group were not sent (max_alerts).");
        first.text = Some(match first.text.take() {
            Some(text) => format!("{text}\n{note}"),
            None => note,
        });
    }
}

/// The array of `POST /api/v2/alerts`.
fn from_api(alerts: &[Value], now: Timestamp) -> Result<Normalized, Error> {
    let mut normalized = each(alerts, &Map::new(), read_alert)?;
    for alert in &mut normalized.alerts {
        let item = alerts.get(alert.index as usize);
        let says_status = item.is_some_and(|item| item.get("status").is_some_and(Value::is_string));
        let ends_at = item.and_then(|item| item.get("endsAt")).and_then(read_time);
        if says_status {
            continue;
        }
        match ends_at {
            Some(at) if at <= now => {
                alert.status = Status::Resolved;
                alert.observed_at = Some(at);
            }
            ends_at => alert.ends_at = ends_at,
        }
    }
    Ok(normalized)
}

/// One alert of the envelope.
pub(super) fn read_alert(
    root: &Map<String, Value>,
    item: &Map<String, Value>,
) -> Result<Alert, String> {
    let mut alert = base(root, item)?;
    let labels = &alert.labels;
    let name = read::first_label(labels, &["alertname"]).map(str::to_owned);
    let own = |names: &[&str]| read::first_label(&alert.annotations, names);
    let summary = own(&["summary", "title", "message", "subject"])
        .or_else(|| read::first_label(labels, &["summary"]))
        .or_else(|| own(&["description"]))
        .map(|text| read::first_line(text).to_owned());
    let shown = read::first_label(labels, &TITLE_LABELS);
    let title = title(name.as_deref(), summary.as_deref(), shown);
    let resource = read::first_label(labels, &RESOURCE_LABELS)
        .map(str::to_owned)
        // Rules over sums lose every label of the target; then the server that evaluated it is all there is.
        .or_else(|| read::get(item, "generatorURL").and_then(|url| read::host(&url)));
    alert.title = title;
    alert.resource = resource;
    alert.alertname = name;
    Ok(alert)
}

/// What Alertmanager and Grafana alerts have in common: all but title, resource and rule name.
pub(super) fn base(root: &Map<String, Value>, item: &Map<String, Value>) -> Result<Alert, String> {
    let labels = match item.get("labels") {
        None | Some(Value::Null) => Labels::new(),
        Some(labels @ Value::Object(_)) => read::labels(Some(labels)),
        Some(other) => return Err(format!("labels is {}, not an object", read::type_name(other))),
    };
    let annotations = read::labels(item.get("annotations"));
    let key = match read::get(item, "fingerprint") {
        Some(fingerprint) => fingerprint,
        None if labels.is_empty() => return Err("neither fingerprint nor labels".to_owned()),
        None => hash(&labels),
    };
    let mut alert = Alert::new(key, "");
    alert.status =
        status(item.get("status")).or_else(|| status(root.get("status"))).unwrap_or(Status::Firing);
    alert.severity = severity(&labels, &annotations);
    alert.started_at = item.get("startsAt").and_then(read_time);
    alert.observed_at = match alert.status {
        Status::Resolved => item.get("endsAt").and_then(read_time),
        _ => alert.started_at,
    };
    alert.text =
        read::first_label(&annotations, &["description", "message", "summary"]).map(str::to_owned);
    alert.service = read::first_label(&labels, &SERVICE_LABELS).map(str::to_owned);
    alert.env = read::first_label(&labels, &ENV_LABELS).map(str::to_owned);
    add_links(root, item, &annotations, &mut alert);
    alert.labels = labels;
    alert.annotations = annotations;
    Ok(alert)
}

/// `name: summary (thing)`, each part only if it says something new.
pub(super) fn title(name: Option<&str>, summary: Option<&str>, thing: Option<&str>) -> String {
    let mut title = match (name, summary) {
        (Some(name), Some(summary)) if !summary.contains(name) => format!("{name}: {summary}"),
        (_, Some(summary)) => summary.to_owned(),
        (Some(name), None) => name.to_owned(),
        (None, None) => String::new(),
    };
    match thing {
        Some(thing) if title.is_empty() => title.push_str(thing),
        Some(thing) if !mentions(&title, thing) => {
            title.push_str(" (");
            title.push_str(thing);
            title.push(')');
        }
        _ => {}
    }
    title
}

/// Whether `title` has `thing` as words of its own: `Probe` does not mention `b`.
fn mentions(title: &str, thing: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    title.match_indices(thing).any(|(at, _)| {
        ends(title[..at].chars().next_back()) && ends(title[at + thing.len()..].chars().next())
    })
}

pub(super) fn shape(kind: &str, detail: &str) -> Error {
    Error::Shape { kind: kind.to_owned(), detail: detail.to_owned() }
}

/// The complete label set in order: what Alertmanager's own fingerprint is made of.
pub(super) fn hash(labels: &Labels) -> String {
    let mut hasher = Fingerprinter::default();
    for (name, value) in labels {
        hasher.field(name.as_bytes());
        hasher.field(value.as_bytes());
    }
    format!("labels:{}", hasher.finish())
}

/// Only the word `resolved` resolves; any other word fires.
fn status(value: Option<&Value>) -> Option<Status> {
    let word = value.and_then(Value::as_str)?.trim();
    Some(if word.eq_ignore_ascii_case("resolved") { Status::Resolved } else { Status::Firing })
}

/// By custom the label `severity`; else the label or annotation that others use for it. A word that is no severity
/// (a team to page) is passed over.
fn severity(labels: &Labels, annotations: &Labels) -> Severity {
    let word = |map: &Labels, name: &str| map.get(name).and_then(|word| words::severity(word));
    let priority = |map: &Labels, name: &str| map.get(name).and_then(|word| words::priority(word));
    priority(labels, "severity")
        .or_else(|| word(labels, "Severity"))
        .or_else(|| word(labels, "level"))
        .or_else(|| priority(labels, "priority"))
        .or_else(|| word(annotations, "severity"))
        .or_else(|| priority(annotations, "priority"))
        .or_else(|| priority(annotations, "Priority"))
        .unwrap_or_default()
}

pub(super) fn read_time(value: &Value) -> Option<Timestamp> {
    when::Format::Auto.read(value)
}

fn add_links(
    root: &Map<String, Value>,
    item: &Map<String, Value>,
    annotations: &Labels,
    alert: &mut Alert,
) {
    const ANNOTATIONS: [(&str, &str); 7] = [
        ("runbook", "runbook_url"),
        ("runbook", "runbook"),
        ("runbook", "runbookURL"),
        ("dashboard", "dashboard_url"),
        ("dashboard", "dashboard"),
        ("dashboard", "dashboardURL"),
        ("logs", "logs_url"),
    ];
    const FIELDS: [(&str, &str); 4] = [
        ("dashboard", "dashboardURL"),
        ("panel", "panelURL"),
        ("source", "generatorURL"),
        ("silence", "silenceURL"),
    ];
    let links = &mut alert.links;
    for (name, annotation) in ANNOTATIONS {
        read::add_link(links, name, annotations.get(annotation).map(String::as_str));
    }
    for (name, field) in FIELDS {
        read::add_link(links, name, item.get(field).and_then(Value::as_str));
    }
    read::add_link(links, "alertmanager", root.get("externalURL").and_then(Value::as_str));
    alert.images.extend(item.get("imageURL").and_then(read::scalar));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_say_each_thing_once() {
        let rows = [
            (Some("Down"), Some("web-1 is gone"), Some("web-1"), "Down: web-1 is gone"),
            (Some("Down"), Some("Down since noon"), Some("web-1"), "Down since noon (web-1)"),
            (Some("Probe"), None, Some("b"), "Probe (b)"),
            (None, Some("x"), None, "x"),
            (None, None, Some("web-1"), "web-1"),
            (None, None, None, ""),
        ];
        for (name, summary, thing, expected) in rows {
            assert_eq!(title(name, summary, thing), expected);
        }
    }
}
