//! Activity log alerts before the common schema: administrative events, service and resource health, security,
//! recommendations.
//!
//! Facts: Microsoft Learn "Webhook actions for Azure activity log alerts". `status` is always Activated, so what
//! happened follows from the event. `level` is a poor guide: outages arrive as Informational.

use serde_json::Value;

use crate::domain::{Alert, Life, Severity, Status};

use super::super::{Error, fields, times};
use super::{add_scope, context, key, severity, shape};

/// Reads the object that holds `context.activityLog`.
pub(super) fn read(data: &Value) -> Result<Alert, Error> {
    let Some(event) = data.pointer("/context/activityLog").filter(|event| event.is_object()) else {
        return Err(shape("context.activityLog is not an object"));
    };
    let source = fields::text(event, "/eventSource").unwrap_or_default();
    let mut alert = Alert::new(identity(event, &source), title(event));
    (alert.status, alert.severity) = verdict(event, &source);
    alert.life = match alert.status {
        Status::Notice => Life::Event,
        Status::Firing | Status::Acknowledged | Status::Resolved => Life::Expires,
    };
    for properties in ["/properties", "/context/properties"] {
        fields::add_all(&mut alert.labels, fields::object(data, properties));
    }
    for (name, pointer) in [
        ("resource_type", "/resourceType"),
        ("resource_group", "/resourceGroupName"),
        ("subscription_id", "/subscriptionId"),
    ] {
        fields::add(&mut alert.labels, name, fields::text(event, pointer));
    }
    context::event(&mut alert, event);
    let resource_id = fields::text(event, "/resourceId").unwrap_or_default();
    add_scope(&mut alert, &resource_id);
    alert.resource = fields::text(event, "/properties/compromisedEntity")
        .or_else(|| Some(resource_id).filter(|id| !id.is_empty()))
        .or_else(|| fields::first(event, &["/properties/region", "/authorization/scope"]))
        .map(|id| fields::last_segment(&id).to_owned());
    let times = ["/eventTimestamp", "/submissionTimestamp"];
    alert.observed_at = fields::first(event, &times).as_deref().and_then(times::read);
    context::name_places(&mut alert);
    Ok(alert)
}

/// Service health updates share a tracking id, resource health the resource; other events stand alone.
fn identity(event: &Value, source: &str) -> String {
    let resource = fields::text(event, "/resourceId").unwrap_or_default();
    if let Some(tracking) = fields::text(event, "/properties/trackingId") {
        return key(["servicehealth", &tracking]);
    }
    if source.eq_ignore_ascii_case("ResourceHealth") && !resource.is_empty() {
        return key(["resourcehealth", &resource]);
    }
    let id = fields::first(event, &["/eventDataId", "/operationId", "/correlationId"]);
    let operation = fields::text(event, "/operationName").unwrap_or_default();
    id.unwrap_or_else(|| key([operation.as_str(), &resource]))
}

fn title(event: &Value) -> String {
    let named = fields::first(
        event,
        &[
            "/properties/title",
            "/properties/defaultLanguageTitle",
            "/properties/recommendationName",
            "/properties/alertDisplayName",
            "/description",
            "/Activity Log Event Description",
        ],
    );
    named.unwrap_or_else(|| {
        let operation = fields::first(event, &["/operationName", "/eventName"]);
        let operation = operation.unwrap_or_else(|| "Azure activity log event".to_owned());
        match fields::text(event, "/status") {
            Some(status) => format!("{operation} {status}"),
            None => operation,
        }
    })
}

/// What the event means for people on call.
fn verdict(event: &Value, source: &str) -> (Status, Severity) {
    let level = severity(fields::text(event, "/level").as_deref());
    let at_least = |floor: Severity| level.max(floor);
    match source.to_ascii_lowercase().as_str() {
        "servicehealth" => service_health(event, level),
        "resourcehealth" => resource_health(event, level),
        "security" => {
            let own = severity(fields::text(event, "/properties/severity").as_deref());
            (Status::Firing, if own == Severity::Unknown { level } else { own })
        }
        "recommendation" | "autoscale" => (Status::Notice, at_least(Severity::Info)),
        _ => {
            let failed = fields::text(event, "/status")
                .is_some_and(|status| fields::is_one_of(&status, &["Failed", "Failure"]));
            match level {
                Severity::Critical | Severity::Error => (Status::Firing, level),
                _ if failed => (Status::Firing, at_least(Severity::Warning)),
                _ => (Status::Notice, level),
            }
        }
    }
}

fn service_health(event: &Value, level: Severity) -> (Status, Severity) {
    let stage = fields::text(event, "/properties/stage").unwrap_or_default();
    let incident = fields::text(event, "/properties/incidentType").unwrap_or_default();
    if fields::is_one_of(&incident, &["Maintenance", "Informational", "RCA"]) {
        return (Status::Notice, Severity::Info);
    }
    if fields::is_one_of(&stage, &["Resolved", "Complete", "Completed", "Canceled", "RCA"]) {
        return (Status::Resolved, level.max(Severity::Warning));
    }
    (Status::Firing, level.max(Severity::Warning))
}

fn resource_health(event: &Value, level: Severity) -> (Status, Severity) {
    let health = fields::text(event, "/properties/currentHealthStatus").unwrap_or_default();
    let cause = fields::text(event, "/properties/cause").unwrap_or_default();
    match health.to_ascii_lowercase().as_str() {
        "available" => (Status::Resolved, level.max(Severity::Info)),
        "unavailable" if !cause.eq_ignore_ascii_case("UserInitiated") => {
            (Status::Firing, level.max(Severity::Error))
        }
        _ => (Status::Firing, level.max(Severity::Warning)),
    }
}
