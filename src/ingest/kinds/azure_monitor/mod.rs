//! Azure Monitor action groups: the common alert schema and the older schemas, told apart by content.
//!
//! | body | schema | module |
//! |---|---|---|
//! | `schemaId` azureMonitorCommonAlertSchema | common | [`common`] |
//! | `schemaId` `AzureMonitorMetricAlert`, or `context` without `schemaId` | metric, classic metric and web test | [`metric`] |
//! | `schemaId` Microsoft.Insights/LogAlert, or `AlertRuleName` without `schemaId` | log | [`log`] |
//! | `schemaId` Microsoft.Insights/activityLogs | activity log, service and resource health | [`activity`] |
//! | `schemaId` "AIP Budget Notification" | budget | [`budget`] |
//! | none of these, but with a title or text | custom JSON payload of a log rule | [`generic`] |
//! | a list of Event Grid events | the handshake, or any of the above in `data` | here |
//!
//! Vendor facts: Microsoft Learn "Common alert schema", "Non-common alert schema definitions", "Webhook actions for
//! activity log alerts", "Webhook actions for log search alerts", Event Grid "Endpoint validation".
//! One request holds one alert. Azure retries 408, 429, 503 and 504 only.

mod activity;
mod budget;
mod common;
mod context;
mod log;
mod metric;

use serde_json::{Map, Value, json};

use crate::domain::{Alert, Severity, Timestamp};

use super::{
    Error, Handshake, Normalized, Payload, Rejected, Seen, Sign, SourceKind, fields, generic,
};

/// The kind `azure-monitor`.
pub(super) struct AzureMonitor;

impl SourceKind for AzureMonitor {
    fn name(&self) -> &'static str {
        "azure-monitor"
    }

    fn auth(&self) -> Vec<&str> {
        vec!["entra", "basic", "token"]
    }

    /// A schema that names itself, the objects that only Azure's older schemas have, and the question of Event Grid.
    fn recognizes(&self, seen: &Seen<'_>) -> Option<Sign> {
        const SCHEMAS: [&str; 5] = [
            "azuremonitorcommonalertschema",
            "azuremonitormetricalert",
            "microsoft.insights/activitylogs",
            "microsoft.insights/logalert",
            "aip budget notification",
        ];
        let first = seen.tree.get(0).unwrap_or(seen.tree);
        let data = first.get("data").unwrap_or(first);
        let schema = |body: &Value| {
            let schema = fields::text(body, "/schemaId").unwrap_or_default().to_ascii_lowercase();
            SCHEMAS.contains(&schema.as_str())
        };
        let has =
            |pointers: &[&str]| pointers.iter().all(|pointer| data.pointer(pointer).is_some());
        let is_validation = fields::first(first, &["/eventType", "/type"]).is_some_and(|it| {
            it.eq_ignore_ascii_case("Microsoft.EventGrid.SubscriptionValidationEvent")
        });
        let is_mine = is_validation
            || schema(first)
            || schema(data)
            || has(&["/essentials/alertRule", "/essentials/monitorCondition"])
            || has(&["/context/activityLog"])
            || (has(&["/context/resourceId"]) && has(&["/context/condition"]))
            || has(&["/context/resourceGroupName", "/context/subscriptionId"])
            || has(&["/context/oldCapacity", "/context/newCapacity"])
            || has(&["/AlertRuleName", "/SubscriptionId"])
            || has(&["/AlertRuleName", "/AlertThresholdOperator"]);
        is_mine.then_some(Sign::Shape)
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        let body = fields::parse(payload.body)?;
        match &body {
            Value::Array(events) => event_grid(events, payload.received_at),
            // The custom JSON payload of a log rule may be anything.
            Value::Object(root) if custom(root) => generic::guess(&body),
            _ => read(&body, payload.received_at)
                .map(|alert| Normalized { alerts: vec![alert], ..Normalized::default() }),
        }
    }
}

/// Whether a body is none of Azure's own, but says what it is about.
fn custom(root: &Map<String, Value>) -> bool {
    const OWN: &[&str] = &["schemaId", "data", "context", "AlertRuleName"];
    !OWN.iter().any(|name| root.contains_key(*name)) && generic::has_title(root)
}

/// Reads one body of whichever schema.
fn read(body: &Value, received_at: Timestamp) -> Result<Alert, Error> {
    let Some(root) = body.as_object() else {
        return Err(shape("the body is neither an object nor a list"));
    };
    let schema = fields::text(body, "/schemaId").unwrap_or_default().to_ascii_lowercase();
    let data = body.get("data").unwrap_or(body);
    match schema.as_str() {
        "azuremonitorcommonalertschema" => common::read(body, received_at),
        "azuremonitormetricalert" => metric::read(data),
        "microsoft.insights/activitylogs" => activity::read(data),
        "microsoft.insights/logalert" => log::read(data),
        "aip budget notification" => budget::read(data),
        _ if body.pointer("/data/essentials").is_some() => common::read(body, received_at),
        _ if body.pointer("/data/context/activityLog").is_some() => activity::read(data),
        _ if body.pointer("/context/activityLog").is_some() => activity::read(body),
        _ if body.pointer("/data/context").is_some() => metric::read(data),
        _ if root.contains_key("context") => metric::read(body),
        _ if root.contains_key("AlertRuleName") => log::read(body),
        _ if data.get("AlertRuleName").is_some() => log::read(data),
        "" => Err(shape("there is neither a schemaId nor a known field")),
        _ => Err(shape(&format!("unknown schemaId {schema:?}"))),
    }
}

/// Event Grid sends lists: the validation event asks for an answer, others carry an alert in `data`.
fn event_grid(events: &[Value], received_at: Timestamp) -> Result<Normalized, Error> {
    let mut normalized = Normalized::default();
    for (index, event) in (0..).zip(events) {
        let kind = fields::first(event, &["/eventType", "/type"]).unwrap_or_default();
        if kind.eq_ignore_ascii_case("Microsoft.EventGrid.SubscriptionValidationEvent") {
            let code = fields::text(event, "/data/validationCode")
                .ok_or_else(|| shape("the validation event has no validationCode"))?;
            let body = json!({"validationResponse": code}).to_string();
            return Ok(Normalized {
                handshake: Some(Handshake::json(body)),
                ..Normalized::default()
            });
        }
        let inner = event.get("data").filter(|data| !kind.is_empty() && data.is_object());
        match read(inner.unwrap_or(event), received_at) {
            Ok(alert) => normalized.alerts.push(Alert { index, ..alert }),
            Err(cause) => normalized.rejected.push(Rejected { index, reason: cause.to_string() }),
        }
    }
    if events.is_empty() {
        normalized.ignored = Some("an empty list of events".to_owned());
    }
    Ok(normalized)
}

fn shape(detail: &str) -> Error {
    Error::Shape { kind: "azure-monitor".to_owned(), detail: detail.to_owned() }
}

/// `Sev0` to `Sev4`, the bare digit, or the word; anything else is unknown.
fn severity(word: Option<&str>) -> Severity {
    let word = word.unwrap_or("").trim().to_ascii_lowercase();
    match word.strip_prefix("sev").unwrap_or(&word).trim() {
        "0" | "critical" => Severity::Critical,
        "1" | "error" | "high" => Severity::Error,
        "2" | "warning" | "medium" => Severity::Warning,
        "3" | "4" | "informational" | "information" | "info" | "verbose" | "low" => Severity::Info,
        _ => Severity::Unknown,
    }
}

/// Resource ids keep their meaning whatever their case, and Azure does not keep theirs.
fn key<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let parts: Vec<String> = parts
        .into_iter()
        .map(|part| part.trim().to_ascii_lowercase())
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("|")
}

/// The resource group and subscription that an Azure resource id names.
fn add_scope(alert: &mut Alert, id: &str) {
    let mut segments = id.split('/');
    while let Some(segment) = segments.next() {
        let name = match segment.to_ascii_lowercase().as_str() {
            "subscriptions" => "subscription_id",
            "resourcegroups" => "resource_group",
            _ => continue,
        };
        let value = segments.next().filter(|value| !value.is_empty());
        fields::add(&mut alert.labels, name, value.map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities() {
        for (word, expected) in [
            ("Sev0", Severity::Critical),
            ("sev1", Severity::Error),
            ("Sev2", Severity::Warning),
            ("Sev3", Severity::Info),
            ("Sev4", Severity::Info),
            ("3", Severity::Info),
            ("Warning", Severity::Warning),
            ("", Severity::Unknown),
            ("Sev9", Severity::Unknown),
        ] {
            assert_eq!(severity(Some(word)), expected, "{word}");
        }
    }

    fn check(body: &str) -> Result<Normalized, Error> {
        AzureMonitor.normalize(&Payload {
            method: "POST",
            path: "/hooks/azure",
            query: "",
            headers: &[],
            body: body.as_bytes(),
            received_at: Timestamp::from_secs(1_800_000_000),
        })
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for body in [
            "",
            "[",
            "3",
            "null",
            "\"text\"",
            "{}",
            r#"{"schemaId":"other"}"#,
            r#"{"schemaId":"azureMonitorCommonAlertSchema"}"#,
            r#"{"schemaId":"azureMonitorCommonAlertSchema","data":[]}"#,
            r#"{"schemaId":"azureMonitorCommonAlertSchema","data":{"essentials":7}}"#,
            r#"{"schemaId":"AzureMonitorMetricAlert","data":{"context":null}}"#,
            r#"{"schemaId":"Microsoft.Insights/LogAlert","data":{}}"#,
            r#"{"schemaId":"Microsoft.Insights/activityLogs","data":{"context":{}}}"#,
            r#"{"schemaId":"AIP Budget Notification","data":"x"}"#,
        ] {
            assert!(check(body).is_err(), "{body}");
        }
    }

    #[test]
    fn answers_the_event_grid_handshake() {
        let body = r#"[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"c-1"}}]"#;
        let normalized = check(body).expect("a handshake");
        let expected = Handshake::json(r#"{"validationResponse":"c-1"}"#.to_owned());
        assert_eq!(normalized.handshake, Some(expected));
        assert!(normalized.alerts.is_empty());
    }

    #[test]
    fn one_bad_event_does_not_lose_the_good_one() {
        let body = r#"[{"x":1},{"eventType":"e","data":{"schemaId":"azureMonitorCommonAlertSchema","data":{"essentials":{"alertId":"a","alertRule":"r"}}}}]"#;
        let normalized = check(body).expect("a list");
        assert_eq!(normalized.rejected.len(), 1);
        assert_eq!(normalized.alerts.len(), 1);
        assert_eq!(normalized.alerts[0].index, 1);
    }
}
