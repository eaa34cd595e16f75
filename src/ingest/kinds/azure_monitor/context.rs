//! What `alertContext` adds: labels, measurements and links of the signal that fired.

use serde_json::Value;

use crate::domain::{Alert, Labels};

use super::super::fields;

/// Annotations of Prometheus rules that become links.
const PROMETHEUS_LINKS: &[(&str, &str)] =
    &[("runbook", "/annotations/runbook_url"), ("dashboard", "/annotations/dashboard_url")];

/// Facts of an activity log event worth matching on. Claims and the HTTP request hold personal data and are left out.
const EVENT_LABELS: &[(&str, &str)] = &[
    ("event_source", "/eventSource"),
    ("level", "/level"),
    ("operation_name", "/operationName"),
    ("incident_type", "/properties/incidentType"),
    ("tracking_id", "/properties/trackingId"),
    ("stage", "/properties/stage"),
    ("region", "/properties/region"),
    ("current_health_status", "/properties/currentHealthStatus"),
    ("cause", "/properties/cause"),
];

/// Applies the alert context of the common schema.
pub(super) fn apply(alert: &mut Alert, context: &Value) {
    if context.get("labels").is_some() || context.get("ruleGroup").is_some() {
        prometheus(alert, context);
    } else if context.get("AlertData").is_some() {
        budget(alert, context);
    } else if context.get("operationName").is_some()
        || context.pointer("/properties/incidentType").is_some()
    {
        event(alert, context);
    } else {
        // Metric and log rules put the user's custom properties here.
        fields::add_all(&mut alert.labels, fields::object(context, "/properties"));
    }
    conditions(alert, context);
    search(alert, context);
}

/// The conditions of a metric or log rule: dimensions become labels, the measurement becomes text.
pub(super) fn conditions(alert: &mut Alert, context: &Value) {
    let dynamic = fields::text(context, "/conditionType").unwrap_or_default().contains("Dynamic");
    let mut measured = Vec::new();
    for criterion in fields::list(context, "/condition/allOf") {
        fields::add_pairs(&mut alert.labels, fields::list(criterion, "/dimensions"));
        for (name, pointer) in [
            ("metric_name", "/metricName"),
            ("metric_namespace", "/metricNamespace"),
            ("web_test_name", "/webTestName"),
        ] {
            fields::add(&mut alert.labels, name, fields::text(criterion, pointer));
        }
        measured
            .extend(measurement(criterion, dynamic || criterion.get("alertSensitivity").is_some()));
        let links = ["/linkToFilteredSearchResultsUI", "/linkToSearchResultsUI"];
        alert.links.extend(fields::link("query", fields::first(criterion, &links)));
    }
    if !measured.is_empty() {
        alert.text = Some(measured.join("\n"));
    }
}

/// "Percentage CPU is 97.5 (`GreaterThan` 90)". The number of a dynamic threshold is an artefact and is not shown.
fn measurement(criterion: &Value, dynamic: bool) -> Option<String> {
    let name =
        fields::first(criterion, &["/metricName", "/metricMeasureColumn", "/timeAggregation"])
            .unwrap_or_else(|| "value".to_owned());
    let value = fields::text(criterion, "/metricValue")?;
    let operator = fields::text(criterion, "/operator").unwrap_or_default();
    match fields::text(criterion, "/threshold").filter(|_| !dynamic) {
        Some(threshold) => Some(format!("{name} is {value} ({operator} {threshold})")),
        None => Some(format!("{name} is {value}")),
    }
}

/// The search of an older log alert.
pub(super) fn search(alert: &mut Alert, context: &Value) {
    let links = ["/LinkToFilteredSearchResultsUI", "/LinkToSearchResults"];
    alert.links.extend(fields::link("query", fields::first(context, &links)));
    fields::add_pairs(&mut alert.labels, fields::list(context, "/Dimensions"));
    fields::add(&mut alert.annotations, "search_query", fields::text(context, "/SearchQuery"));
    if let Some(count) = fields::text(context, "/ResultCount") {
        let operator = fields::first(context, &["/AlertThresholdOperator", "/Operator"]);
        let threshold = fields::first(context, &["/AlertThresholdValue", "/Threshold"]);
        let limit = match (operator, threshold) {
            (Some(operator), Some(threshold)) => format!(" ({operator} {threshold})"),
            _ => String::new(),
        };
        alert.text = Some(format!("The search found {count} results{limit}"));
    }
}

fn prometheus(alert: &mut Alert, context: &Value) {
    fields::add_all(&mut alert.labels, fields::object(context, "/labels"));
    fields::add_all(&mut alert.annotations, fields::object(context, "/annotations"));
    fields::add(&mut alert.annotations, "expression", fields::text(context, "/expression"));
    fields::add(
        &mut alert.annotations,
        "expression_value",
        fields::text(context, "/expressionValue"),
    );
    for (name, pointer) in PROMETHEUS_LINKS {
        alert.links.extend(fields::link(name, fields::text(context, pointer)));
    }
    alert.text = fields::first(context, &["/annotations/description", "/annotations/summary"]);
}

fn budget(alert: &mut Alert, context: &Value) {
    for (name, pointer) in [
        ("budget_name", "/AlertData/BudgetName"),
        ("budget_type", "/AlertData/BudgetType"),
        ("threshold_type", "/AlertData/ThresholdType"),
        ("alert_category", "/AlertCategory"),
    ] {
        fields::add(&mut alert.labels, name, fields::text(context, pointer));
    }
    let forecast = fields::text(context, "/AlertData/ThresholdType")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("forecast"));
    let (word, spent) = if forecast {
        ("Forecast", fields::text(context, "/AlertData/ForecastedTotalForPeriod"))
    } else {
        ("Spent", fields::text(context, "/AlertData/SpentAmount"))
    };
    let limit = fields::first(
        context,
        &["/AlertData/NotificationThresholdAmount", "/AlertData/BudgetThreshold"],
    );
    if let (Some(spent), Some(limit)) = (spent, limit) {
        alert.text = Some(format!("{word} {spent}, threshold {limit}"));
    }
}

/// An activity log event.
pub(super) fn event(alert: &mut Alert, event: &Value) {
    for (name, pointer) in EVENT_LABELS {
        fields::add(&mut alert.labels, name, fields::text(event, pointer));
    }
    for (name, pointer) in
        [("caller", "/caller"), ("correlation_id", "/correlationId"), ("event_status", "/status")]
    {
        fields::add(&mut alert.annotations, name, fields::text(event, pointer));
    }
    if alert.service.is_none() {
        alert.service = fields::text(event, "/properties/service");
    }
    let links = ["/properties/recommendationResourceLink", "/properties/link"];
    alert.links.extend(fields::link("details", fields::first(event, &links)));
    alert.text = fields::first(
        event,
        &[
            "/properties/communication",
            "/properties/defaultLanguageContent",
            "/properties/details",
            "/properties/remediationSteps",
            "/description",
            "/Activity Log Event Description",
            "/properties/statusMessage",
        ],
    );
}

/// Service, environment and runbook are found by the names that people give to custom properties.
pub(super) fn name_places(alert: &mut Alert) {
    let find = |labels: &Labels, names: &[&str]| {
        labels
            .iter()
            .find(|(name, _)| fields::is_one_of(name, names))
            .map(|(_, value)| value.clone())
    };
    if alert.service.is_none() {
        alert.service = find(&alert.labels, &["service", "service_name"]);
    }
    if alert.env.is_none() {
        alert.env = find(&alert.labels, &["env", "environment"]);
    }
    let runbook = find(&alert.labels, &["runbook", "runbook_url", "runbookurl"]);
    let link = fields::link("runbook", runbook);
    alert.links.extend(link);
    let mut seen = std::collections::BTreeSet::new();
    alert.links.retain(|link| seen.insert(link.url.clone()));
}
