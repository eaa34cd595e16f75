//! Metric alerts before the common schema (`data.version` 2.0), classic metric and web test alerts, and autoscale
//! notifications: all have `status` and `context`.
//!
//! Facts: Microsoft Learn "Non-common alert schema definitions", "Webhooks for classic metric alerts",
//! "Use autoscale actions to send webhook alert notifications".

use serde_json::Value;

use crate::domain::{Alert, Life, Severity, Status};

use super::super::{Error, fields, times};
use super::{add_scope, context as signal, key, severity, shape};

/// Reads the object that holds `status` and `context`.
pub(super) fn read(data: &Value) -> Result<Alert, Error> {
    let Some(context) = data.get("context").filter(|context| context.is_object()) else {
        return Err(shape("context is not an object"));
    };
    let id = fields::text(context, "/id").unwrap_or_default();
    let resource_id = fields::text(context, "/resourceId").unwrap_or_default();
    let name = fields::text(context, "/name");
    if id.is_empty() && name.is_none() {
        return Err(shape("context has neither an id nor a name"));
    }
    let rule = if id.is_empty() { name.clone().unwrap_or_default() } else { id };
    let title = name.clone().unwrap_or_else(|| fields::last_segment(&rule).to_owned());
    let mut alert = Alert::new(key([rule.as_str(), &resource_id]), title);
    alert.alertname = name;
    alert.severity = severity(fields::text(context, "/severity").as_deref());
    alert.status = match fields::text(data, "/status") {
        Some(word) if fields::is_one_of(&word, &["Deactivated", "Resolved"]) => Status::Resolved,
        _ => Status::Firing,
    };
    fields::add_all(&mut alert.labels, fields::object(data, "/properties"));
    for (label, pointer) in [
        ("resource_type", "/resourceType"),
        ("resource_group", "/resourceGroupName"),
        ("subscription_id", "/subscriptionId"),
        ("region", "/resourceRegion"),
        ("condition_type", "/conditionType"),
        ("web_test_name", "/condition/webTestName"),
        ("metric_name", "/condition/metricName"),
    ] {
        fields::add(&mut alert.labels, label, fields::text(context, pointer));
    }
    signal::conditions(&mut alert, context);
    add_scope(&mut alert, &resource_id);
    alert.resource = fields::text(context, "/resourceName").or_else(|| {
        Some(fields::last_segment(&resource_id).to_owned()).filter(|name| !name.is_empty())
    });
    alert.observed_at = fields::text(context, "/timestamp").as_deref().and_then(times::read);
    let measured = alert.text.take().or_else(|| classic_measurement(context));
    let described = fields::first(context, &["/description", "/condition/failureDetails"]);
    alert.text = match (described, measured) {
        (Some(description), Some(measured)) => Some(format!("{description}\n{measured}")),
        (description, measured) => description.or(measured),
    };
    alert.links.extend(fields::link("source", fields::text(context, "/portalLink")));
    if data.get("operation").is_some() {
        autoscale(&mut alert, data, context);
    }
    signal::name_places(&mut alert);
    Ok(alert)
}

/// Classic alerts have one condition, with its numbers as strings.
fn classic_measurement(context: &Value) -> Option<String> {
    let condition = context.get("condition")?;
    let name = fields::first(condition, &["/metricName", "/webTestName"])?;
    let value = fields::text(condition, "/metricValue")?;
    let operator = fields::text(condition, "/operator").unwrap_or_default();
    let threshold = fields::text(condition, "/threshold").unwrap_or_default();
    Some(format!("{name} is {value} ({operator} {threshold})"))
}

/// A scale action that happened; nothing resolves it.
fn autoscale(alert: &mut Alert, data: &Value, context: &Value) {
    let operation = fields::text(data, "/operation").unwrap_or_else(|| "Scale".to_owned());
    let capacity = |pointer| fields::text(context, pointer);
    alert.status = Status::Notice;
    alert.life = Life::Event;
    alert.severity = Severity::Info;
    if let (Some(old), Some(new)) = (capacity("/oldCapacity"), capacity("/newCapacity")) {
        alert.title = format!("{}: {operation} from {old} to {new}", alert.title);
    } else {
        alert.title = format!("{}: {operation}", alert.title);
    }
    alert.text = fields::first(context, &["/details"]).or(alert.text.take());
}
