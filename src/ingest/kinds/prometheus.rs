//! What Prometheus, vmalert, the rulers of Mimir, Loki and Thanos, and tools like them post to Alertmanager's API
//! (`/api/v2/alerts` and `/api/v1/alerts`; prometheus/alertmanager, `api/v2/openapi.yaml`, `docs/alerts_api.md`).
//!
//! A body is an array. An alert is its label set, and nothing else: labels without a value do not count. It has no status:
//! it fires until `endsAt` has passed, and whoever sends it pushes that on while it fires, so silence resolves. Where
//! there is no `endsAt`, the `resolve_timeout` of the route stands for it, as in Alertmanager. A key `status` means nothing.

use serde_json::{Map, Value};

use super::alertmanager::{each, hash, read_alert, read_time, shape};
use super::{Error, Normalized, Payload, Seen, Sign, SourceKind, read, tree};
use crate::domain::{Alert, Life, Status, Timestamp};

/// The kind `prometheus`.
#[derive(Debug)]
pub struct Prometheus;

impl SourceKind for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn auth(&self) -> Vec<&str> {
        vec!["mtls", "basic", "bearer"]
    }

    /// Nobody else sends a bare array of label sets.
    fn recognizes(&self, seen: &Seen<'_>) -> Option<Sign> {
        let first = seen.tree.as_array()?.first()?.as_object()?;
        let facts = ["annotations", "startsAt", "endsAt", "generatorURL"];
        let posted =
            first.get("labels")?.is_object() && facts.iter().any(|fact| first.contains_key(*fact));
        posted.then_some(Sign::Shape)
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        let tree = tree::parse(payload)?;
        let Value::Array(alerts) = &tree else {
            let found = read::type_name(&tree);
            return Err(shape(self.name(), &format!("{found} instead of an array of alerts")));
        };
        let mut normalized = each(alerts, &Map::new(), read_posted)?;
        for alert in &mut normalized.alerts {
            let ends_at = alerts.get(alert.index as usize).and_then(|item| item.get("endsAt"));
            end(alert, ends_at.and_then(read_time), payload.received_at);
        }
        if alerts.is_empty() {
            normalized.ignored = Some("the list holds no alerts".to_owned());
        }
        Ok(normalized)
    }
}

fn read_posted(root: &Map<String, Value>, item: &Map<String, Value>) -> Result<Alert, String> {
    let mut alert = read_alert(root, item)?;
    alert.labels.retain(|_, value| !value.is_empty());
    if alert.labels.is_empty() {
        return Err("it has no labels".to_owned());
    }
    alert.key = hash(&alert.labels);
    // ElastAlert names the log that it searched, and nothing else.
    alert.resource = alert.resource.or_else(|| alert.labels.get("log").cloned());
    Ok(alert)
}

fn end(alert: &mut Alert, ends_at: Option<Timestamp>, now: Timestamp) {
    alert.status = Status::Firing;
    alert.observed_at = alert.started_at;
    match ends_at {
        Some(at) if at <= now => {
            alert.status = Status::Resolved;
            alert.observed_at = Some(at);
        }
        Some(at) => alert.ends_at = Some(at),
        None => alert.life = Life::Expires,
    }
}
