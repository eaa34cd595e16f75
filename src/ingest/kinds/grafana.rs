//! Grafana webhooks: unified alerting (Grafana 9 and later, its webhook contact point), the dashboard alerts of Grafana up
//! to 8, and Grafana `OnCall` (its formatted inbound body and its outgoing webhook).
//!
//! Unified alerting is Alertmanager's envelope with `title`, `state` and `message` for old receivers; `state` may
//! contradict `status` and is not read. No data and errors arrive as synthetic alerts named `DatasourceNoData` and
//! `DatasourceError`: the rule is then in the label `rulename`.

use serde_json::{Map, Value};

use super::{
    Error, Normalized, Payload, Seen, Sign, SourceKind, alertmanager, generic, grafana_legacy,
    read, tree, when,
};
use crate::domain::{Alert, Status};

const RESOURCE_LABELS: [&str; 17] = [
    "instance",
    "pod",
    "node",
    "host",
    "hostname",
    "server",
    "resource_id",
    "resource",
    "device",
    "name",
    "target",
    "service",
    "service_name",
    "deployment",
    "container",
    "namespace",
    "unit",
];

/// The kind `grafana`.
#[derive(Debug)]
pub struct Grafana;

impl SourceKind for Grafana {
    fn name(&self) -> &'static str {
        "grafana"
    }

    fn auth(&self) -> Vec<&str> {
        vec!["grafana", "bearer", "basic"]
    }

    fn over(&self) -> Vec<&str> {
        vec!["alertmanager"]
    }

    /// What Grafana adds to Alertmanager's envelope; a rule of a dashboard; a group of `OnCall`.
    fn recognizes(&self, seen: &Seen<'_>) -> Option<Sign> {
        let root = seen.tree.as_object()?;
        let has = |names: &[&str]| names.iter().all(|name| root.contains_key(*name));
        let first = || root.get("alerts")?.as_array()?.first();
        let adds = || {
            let names = ["valueString", "silenceURL", "dashboardURL", "panelURL", "values"];
            has(&["orgId"])
                || first().is_some_and(|it| names.iter().any(|name| it.get(*name).is_some()))
        };
        let is_group =
            has(&["alerts"]) && (has(&["groupLabels"]) || has(&["commonLabels"])) && adds();
        let is_rule = has(&["ruleId", "state"])
            && ["ruleUrl", "ruleName", "evalMatches"].iter().any(|name| root.contains_key(*name));
        let is_on_call = has(&["alert_uid", "title"])
            || (has(&["event"]) && seen.tree.pointer("/alert_group/id").is_some());
        let is_mine = is_group || is_rule || is_on_call;
        is_mine.then(|| {
            let agent = seen.payload.header("user-agent").unwrap_or_default();
            if agent.starts_with("Grafana") { Sign::Header } else { Sign::Shape }
        })
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        let tree = tree::parse(payload)?;
        let shape = |detail: &str| {
            Err(Error::Shape { kind: self.name().to_owned(), detail: detail.to_owned() })
        };
        let Value::Object(root) = &tree else {
            return shape(&format!("body is {}, not an object", read::type_name(&tree)));
        };
        let one = |alert| Ok(Normalized { alerts: vec![alert], ..Normalized::default() });
        if root.contains_key("alerts") {
            alertmanager::group(self.name(), root, read_alert)
        } else if root.contains_key("alert_uid") {
            formatted(root).map_or_else(|| shape("alert_uid without text"), one)
        } else if let Some(Value::Object(alert_group)) = root.get("alert_group") {
            on_call(root, alert_group).map_or_else(|| shape("alert_group without id"), one)
        } else if grafana_legacy::recognizes(root) {
            grafana_legacy::read(root).map_or_else(|| shape("neither ruleId nor ruleName"), one)
        } else if generic::has_title(root) {
            // A payload template of the user's own (Grafana 12) makes any JSON possible.
            generic::guess(&tree)
        } else {
            shape("none of alerts, ruleId, alert_uid, alert_group")
        }
    }
}

/// One alert of unified alerting.
fn read_alert(root: &Map<String, Value>, item: &Map<String, Value>) -> Result<Alert, String> {
    let mut alert = alertmanager::base(root, item)?;
    let synthetic = read::first_label(&alert.labels, &["alertname"])
        .filter(|name| matches!(*name, "DatasourceNoData" | "DatasourceError"));
    let rule = match synthetic {
        Some(_) => read::first_label(&alert.labels, &["rulename", "alertname"]),
        None => read::first_label(&alert.labels, &["alertname", "rulename"]),
    };
    let summary = read::first_label(&alert.annotations, &["summary", "title", "message"])
        .map(read::first_line);
    let value_string = read::get(item, "valueString").unwrap_or_default();
    let resource = read::first_label(&alert.labels, &RESOURCE_LABELS)
        .map(str::to_owned)
        .or_else(|| from_value_string(&value_string))
        .or_else(|| read::first_label(&alert.labels, &["datasource_uid"]).map(str::to_owned));
    let group_title = || read::get(root, "title").filter(|_| rule.is_none() && summary.is_none());
    let thing = resource.clone().filter(|_| synthetic.is_none());
    let mut title = alertmanager::title(rule, summary, thing.as_deref());
    if let Some(group_title) = group_title() {
        title = group_title;
    }
    if let Some(synthetic) = synthetic {
        title = format!("{title} ({synthetic})");
    }
    let rule = rule.map(str::to_owned);
    if let Some(link) = alert.links.iter_mut().find(|link| link.name == "alertmanager") {
        "grafana".clone_into(&mut link.name);
    }
    alert.title = title;
    alert.alertname = rule;
    alert.resource = resource;
    if !value_string.is_empty() {
        alert.annotations.entry("value_string".to_owned()).or_insert(value_string);
    }
    if let Some(Value::Object(values)) = item.get("values") {
        let shown: Vec<String> =
            values.iter().map(|(name, value)| format!("{name}={}", read::text(value))).collect();
        alert.annotations.entry("values".to_owned()).or_insert(shown.join(", "));
    }
    Ok(alert)
}

/// The host inside `[ var='B0' metric='web-1' labels={instance=web-1:9100, job=node} value=86.8 ]`: by its label,
/// else by the metric's name.
fn from_value_string(text: &str) -> Option<String> {
    let inside = |open: &str, close: char| {
        let (_, rest) = text.split_once(open)?;
        rest.split_once(close).map(|(inside, _)| inside.trim())
    };
    let labels: Vec<(&str, &str)> = inside("labels={", '}')
        .unwrap_or("")
        .split(", ")
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    RESOURCE_LABELS
        .iter()
        .find_map(|wanted| labels.iter().find(|(name, value)| name == wanted && !value.is_empty()))
        .map(|(_, value)| *value)
        .or_else(|| inside("metric='", '\''))
        .filter(|found| !found.is_empty() && *found != "{}")
        .map(str::to_owned)
}

/// The body that `OnCall`'s formatted webhook takes: `alert_uid`, `title`, `state` alerting or ok, `message`.
fn formatted(root: &Map<String, Value>) -> Option<Alert> {
    let key = read::get(root, "alert_uid")?;
    let title = read::first(root, &["title", "message"]).unwrap_or_default();
    let mut alert = Alert::new(key, read::first_line(&title));
    if read::get(root, "state").is_some_and(|state| state.eq_ignore_ascii_case("ok")) {
        alert.status = Status::Resolved;
    }
    alert.text = read::get(root, "message");
    let link = read::get(root, "link_to_upstream_details");
    read::add_link(&mut alert.links, "source", link.as_deref());
    alert.images.extend(read::get(root, "image_url"));
    Some(alert)
}

/// `OnCall`'s outgoing webhook: `event.type` and the state of the alert group. The inner `alert_payload` keeps the state
/// of its first alert for ever and is not read.
fn on_call(root: &Map<String, Value>, group: &Map<String, Value>) -> Option<Alert> {
    let key = read::get(group, "id")?;
    let title = read::get(group, "title").unwrap_or_else(|| format!("alert group {key}"));
    let mut alert = Alert::new(key, title);
    let state = read::get(group, "state").unwrap_or_default().to_ascii_lowercase();
    alert.status = match state.as_str() {
        "resolved" => Status::Resolved,
        "acknowledged" | "silenced" => Status::Acknowledged,
        _ => Status::Firing,
    };
    let event = root.get("event").and_then(Value::as_object);
    let time = |map: &Map<String, Value>, name: &str| {
        map.get(name).and_then(|value| when::Format::Auto.read(value))
    };
    alert.observed_at = event.and_then(|event| time(event, "time"));
    alert.started_at = time(group, "created_at");
    if let Some(kind) = event.and_then(|event| read::get(event, "type")) {
        alert.labels.insert("event_type".to_owned(), kind);
    }
    for (label, object) in [("integration", "integration"), ("user", "user")] {
        let name = root.get(object).and_then(|it| it.get("name").or_else(|| it.get("username")));
        if let Some(name) = name.and_then(read::scalar) {
            alert.labels.insert(label.to_owned(), name);
        }
    }
    let link = group.get("permalinks").and_then(|links| links.get("web")).and_then(Value::as_str);
    read::add_link(&mut alert.links, "source", link);
    Some(alert)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_host_in_a_value_string() {
        let rows = [
            (
                "[ var='B0' metric='m' labels={device=/dev/sda, instance=a:9100} value=8 ]",
                Some("a:9100"),
            ),
            ("[ metric='web-1' labels={} value=8 ]", Some("web-1")),
            ("[ var='B' value=22 ]", None),
            ("[ metric='' labels={} value=1 ]", None),
            ("labels={", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(from_value_string(text).as_deref(), expected, "{text}");
        }
    }
}
