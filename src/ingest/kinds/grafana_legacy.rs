//! Dashboard alerts of Grafana up to 8 ("Alert notifications", webhook): one rule is one alert, whatever the number of
//! `evalMatches`. A resolve has none of them, so neither identity nor labels are made of them. There is no time in it.

use serde_json::{Map, Value};

use super::{read, words};
use crate::domain::{Alert, Life, Status};

const RESOURCE_TAGS: [&str; 8] =
    ["instance", "host", "hostname", "server", "pod", "node", "device", "name"];
/// Values of a rule that are shown; the rest is in Grafana.
const MATCHES_SHOWN_MAX: usize = 10;

/// Whether this looks like a dashboard alert.
pub(super) fn recognizes(root: &Map<String, Value>) -> bool {
    ["ruleId", "ruleName", "ruleUrl", "evalMatches"].iter().any(|name| root.contains_key(*name))
}

/// The alert; nothing if the rule has neither id nor name.
pub(super) fn read(root: &Map<String, Value>) -> Option<Alert> {
    let rule_name = read::get(root, "ruleName");
    let rule = read::get(root, "ruleId").or_else(|| rule_name.clone())?;
    let url = read::get(root, "ruleUrl").unwrap_or_default();
    let state = read::get(root, "state").unwrap_or_default().to_ascii_lowercase();
    let title = rule_name
        .clone()
        .or_else(|| read::get(root, "title"))
        .unwrap_or_else(|| format!("rule {rule}"));
    let mut alert = Alert::new(key(root, &rule, &url), title);
    alert.status = match state.as_str() {
        "ok" | "resolved" => Status::Resolved,
        "paused" | "pending" | "unknown" => Status::Notice,
        _ => Status::Firing,
    };
    if alert.status == Status::Notice {
        alert.life = Life::Event;
    }
    if matches!(state.as_str(), "no_data" | "nodata") {
        alert.title.push_str(" (no data)");
    }
    alert.alertname = rule_name;
    alert.text = read::get(root, "message");
    alert.labels = read::labels(root.get("tags"));
    alert.severity = ["severity", "priority", "level"]
        .iter()
        .find_map(|name| alert.labels.get(*name).and_then(|word| words::priority(word)))
        .unwrap_or_default();
    for (label, field) in [
        ("rule_id", "ruleId"),
        ("dashboard_id", "dashboardId"),
        ("panel_id", "panelId"),
        ("org_id", "orgId"),
    ] {
        if let Some(value) = read::get(root, field) {
            alert.labels.entry(label.to_owned()).or_insert(value);
        }
    }
    add_matches(root.get("evalMatches"), &mut alert);
    read::add_link(&mut alert.links, "source", Some(&url));
    let image = read::get(root, "imageUrl");
    read::add_link(
        &mut alert.links,
        "image",
        image.as_deref().filter(|it| it.starts_with("http:")),
    );
    alert.images.extend(image);
    Some(alert)
}

/// Rule, organization (sometimes only in the URL) and the Grafana it is from.
fn key(root: &Map<String, Value>, rule: &str, url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let org = read::get(root, "orgId").or_else(|| {
        let pair = parsed.as_ref()?.query_pairs().find(|(name, _)| name == "orgId")?;
        Some(pair.1.into_owned())
    });
    let host = parsed.as_ref().and_then(url::Url::host_str).unwrap_or("-");
    format!("{host}/{}/{rule}", org.as_deref().unwrap_or("1"))
}

fn add_matches(matches: Option<&Value>, alert: &mut Alert) {
    let Some(Value::Array(matches)) = matches else { return };
    let tag = |item: &Value| {
        let tags = item.get("tags")?.as_object()?;
        read::first(tags, &RESOURCE_TAGS)
    };
    let metric =
        |item: &Value| item.get("metric").and_then(read::scalar).filter(|metric| metric != "{}");
    alert.resource = matches.iter().find_map(tag).or_else(|| matches.iter().find_map(metric));
    let shown: Vec<String> = matches
        .iter()
        .take(MATCHES_SHOWN_MAX)
        .map(|item| {
            let name = metric(item).unwrap_or_else(|| "value".to_owned());
            format!("{name} = {}", read::text(item.get("value").unwrap_or(&Value::Null)))
        })
        .collect();
    if !shown.is_empty() {
        alert.annotations.insert("values".to_owned(), shown.join(", "));
    }
}
