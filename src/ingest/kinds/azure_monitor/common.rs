//! The common alert schema: `data.essentials` says what every alert has, `data.alertContext` the rest.
//!
//! Facts: "Common alert schema" (Microsoft Learn), essentials and alert context fields. `alertId` names one alert
//! instance and is the same in Fired and Resolved; `originAlertId` is per rule for metric alerts.

use serde_json::Value;

use crate::domain::{Alert, Fingerprint, Life, Status, Timestamp};

use super::super::{Error, fields, times};
use super::{add_scope, context, key, severity, shape};

const LABELS: &[(&str, &str)] = &[
    ("signal_type", "/signalType"),
    ("monitoring_service", "/monitoringService"),
    ("target_resource_type", "/targetResourceType"),
    ("resource_group", "/targetResourceGroup"),
    ("resource_group", "/resourceGroupName"),
];

/// Reads one alert of the common schema.
pub(super) fn read(body: &Value, received_at: Timestamp) -> Result<Alert, Error> {
    let data = body.get("data").unwrap_or(&Value::Null);
    let essentials = data.get("essentials").unwrap_or(&Value::Null);
    let context = data.get("alertContext").unwrap_or(&Value::Null);
    if !(essentials.is_object() || (essentials.is_null() && context.is_object())) {
        return Err(shape("data.essentials is not an object"));
    }
    let named = fields::first(essentials, &["/alertId", "/alertRule", "/originAlertId"]);
    if named.is_none() && !context.is_object() {
        return Err(shape("data.essentials names neither an alert nor a rule"));
    }
    let mut alert = Alert::new(identity(essentials, context), title(essentials, context));
    alert.status = status(essentials);
    alert.severity = severity(fields::text(essentials, "/severity").as_deref());
    alert.life = life(essentials, context);
    alert.alertname = fields::text(essentials, "/alertRule");
    for place in ["/customProperties", "/data/customProperties"] {
        fields::add_all(&mut alert.labels, fields::object(body, place));
    }
    for (name, pointer) in LABELS {
        fields::add(&mut alert.labels, name, fields::text(essentials, pointer));
    }
    times_of(&mut alert, essentials, received_at);
    context::apply(&mut alert, context);
    alert.resource = resource(essentials, context);
    if let Some(target) = fields::texts(essentials, "/alertTargetIDs").first() {
        add_scope(&mut alert, target);
    }
    let id = fields::text(essentials, "/alertId").unwrap_or_default();
    add_scope(&mut alert, &id);
    let described = fields::text(essentials, "/description");
    alert.text = match (described, alert.text.take()) {
        (Some(description), Some(measured)) if description != measured => {
            Some(format!("{description}\n{measured}"))
        }
        (description, measured) => description.or(measured),
    };
    alert.links.extend(fields::link("source", fields::text(essentials, "/investigationLink")));
    context::name_places(&mut alert);
    Ok(alert)
}

/// `Resolved` resolves; everything else, null included (older budget alerts), is the alert firing.
fn status(essentials: &Value) -> Status {
    match fields::text(essentials, "/monitorCondition") {
        Some(word) if fields::is_one_of(&word, &["Resolved", "Deactivated"]) => Status::Resolved,
        _ => Status::Firing,
    }
}

/// Activity log, health, older log and budget alerts never send Resolved (Microsoft Learn, "Understand how the common
/// alert schema works": stateless alerts).
fn life(essentials: &Value, context: &Value) -> Life {
    let signal = fields::text(essentials, "/signalType").unwrap_or_default();
    let service = fields::text(essentials, "/monitoringService").unwrap_or_default();
    let service: String =
        service.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    let stateless = signal.eq_ignore_ascii_case("Activity Log")
        || service.starts_with("activitylog")
        || matches!(
            service.as_str(),
            "servicehealth"
                | "resourcehealth"
                | "loganalytics"
                | "applicationinsights"
                | "costalerts"
        )
        || context.get("AlertData").is_some();
    if stateless { Life::Expires } else { Life::Resolves }
}

fn identity(essentials: &Value, context: &Value) -> String {
    let id = fields::text(essentials, "/alertId").unwrap_or_default();
    let rule = fields::text(essentials, "/alertRule").unwrap_or_default();
    let budget = fields::text(context, "/AlertData/BudgetId").unwrap_or_default();
    if id.is_empty() {
        let origin = fields::text(essentials, "/originAlertId").unwrap_or_default();
        let targets = fields::texts(essentials, "/alertTargetIDs").join(",");
        let parts = [origin.as_str(), &rule, &targets, &budget];
        return if parts.iter().all(|part| part.is_empty()) {
            Fingerprint::of([context.to_string().as_str()]).to_string()
        } else {
            key(parts)
        };
    }
    // The test button sends these ids for every rule and budget: the rule or budget makes them different.
    let of_a_test = fields::last_segment(&id).eq_ignore_ascii_case("Test_Alert")
        || id.ends_with("12345678-1234-1234-1234-1234567890ab");
    match (of_a_test, budget.is_empty()) {
        (true, true) => key([id.as_str(), &rule]),
        (_, false) => key([id.as_str(), &budget]),
        (false, true) => key([id.as_str()]),
    }
}

fn title(essentials: &Value, context: &Value) -> String {
    let event = fields::first(context, &["/properties/title", "/properties/defaultLanguageTitle"])
        .filter(|_| context.get("eventSource").is_some() || context.get("operationName").is_some());
    match (fields::text(essentials, "/alertRule"), event) {
        (Some(rule), Some(event)) if rule != event => format!("{rule}: {event}"),
        (Some(rule), _) => rule,
        (None, event) => event
            .or_else(|| {
                fields::text(context, "/AlertData/BudgetName").map(|name| format!("Budget {name}"))
            })
            .or_else(|| fields::text(essentials, "/description"))
            .or_else(|| {
                fields::first(context, &["/Activity Log Event Description", "/operationName"])
            })
            .or_else(|| {
                fields::text(essentials, "/monitoringService").map(|it| format!("{it} alert"))
            })
            .unwrap_or_else(|| "Azure Monitor alert".to_owned()),
    }
}

/// The most telling name of what is affected. Both lists may be missing, null or empty, and may hold whole ids. A log
/// alert's target is the workspace, so the machines of its results come first.
fn resource(essentials: &Value, context: &Value) -> Option<String> {
    let configured = fields::texts(essentials, "/configurationItems");
    if context.get("AlertData").is_some() {
        return fields::first(context, &["/AlertData/BudgetName"])
            .or(configured.into_iter().next());
    }
    let affected = fields::texts(context, "/AffectedConfigurationItems");
    let targets = fields::texts(essentials, "/alertTargetIDs");
    let place = || fields::first(context, &["/properties/region", "/properties/service"]);
    // Service health names the whole subscription as its target; the region says more.
    let target = targets.first().filter(|id| id.contains("/providers/") || place().is_none());
    let named = configured.first().or(affected.first()).or(target);
    named
        .map(|id| fields::last_segment(id).to_owned())
        .filter(|name| !name.is_empty())
        .or_else(place)
}

/// `resolvedDateTime` comes with some alerts only. Without it the arrival stands in: an instance that is resolved does
/// not fire again, so a Fired that arrives later is late.
fn times_of(alert: &mut Alert, essentials: &Value, received_at: Timestamp) {
    let at = |pointer: &str| fields::text(essentials, pointer).as_deref().and_then(times::read);
    alert.started_at = at("/firedDateTime");
    alert.observed_at = match alert.status {
        Status::Resolved => at("/resolvedDateTime").or(Some(received_at)),
        Status::Firing | Status::Acknowledged | Status::Notice => alert.started_at,
    };
}
