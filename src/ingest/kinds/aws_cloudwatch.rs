//! `CloudWatch` alarms: the SNS form (`AlarmName`), the Lambda action form (`alarmData`), and the words that the
//! `EventBridge` form shares with them.
//!
//! Facts: Amazon `CloudWatch` User Guide, alarms, alarm events,
//! and the Lambda action of an alarm. There is no severity. `CloudWatch` sends once per change of state.

use serde_json::Value;

use crate::domain::{Alert, Life, Severity, Status};

use super::{Error, Normalized, Payload, Seen, Sign, SourceKind, aws_sns, fields, times};

/// The kind `aws-cloudwatch`.
pub(super) struct AwsCloudwatch;

impl SourceKind for AwsCloudwatch {
    fn name(&self) -> &'static str {
        "aws-cloudwatch"
    }

    fn auth(&self) -> Vec<&str> {
        vec!["sns", "basic", "token"]
    }

    /// A bare alarm; in SNS, SNS is recognized. The event that invokes a Lambda function holds one, too.
    fn recognizes(&self, seen: &Seen<'_>) -> Option<Sign> {
        let has = |pointer: &str| seen.tree.pointer(pointer).is_some();
        let is_alarm = has("/AlarmName") && (has("/NewStateValue") || has("/NewStateReason"));
        let is_action = has("/alarmArn") && has("/alarmData");
        (is_alarm || is_action).then_some(Sign::Shape)
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        aws_sns::normalize(self.name(), payload)
    }
}

/// Endings of dimension names that name a thing, against those that describe one (`StorageType`, `AvailabilityZone`).
const NAMING: &[&str] =
    &["id", "identifier", "name", "arn", "loadbalancer", "targetgroup", "host", "instance"];
/// Named things that are not what is affected.
const NOT_NAMING: &[&str] = &["clientid", "imageid", "metricname", "rulename"];

/// What an alarm has beside its name, which other messages may have too.
const MARKS: &[&str] =
    &["NewStateValue", "OldStateValue", "AlarmArn", "Trigger", "StateChangeTime", "NewStateReason"];

/// Reads an alarm, if the body is one. `subject` is the SNS subject: what is left when the state is missing.
pub(super) fn read(body: &Value, subject: Option<&str>) -> Option<Alert> {
    if body.get("alarmArn").is_some() && body.get("alarmData").is_some_and(Value::is_object) {
        return Some(action(body));
    }
    let name = fields::text(body, "/AlarmName")?;
    MARKS.iter().any(|mark| body.get(mark).is_some()).then(|| notification(body, name, subject))
}

/// The form that alarms send to SNS.
fn notification(body: &Value, name: String, subject: Option<&str>) -> Alert {
    let account = fields::text(body, "/AWSAccountId").unwrap_or_default();
    let region = fields::text(body, "/Region").unwrap_or_default();
    let key =
        fields::text(body, "/AlarmArn").unwrap_or_else(|| format!("{account}:{region}:{name}"));
    let mut alert = Alert::new(key, name.clone());
    let state = fields::text(body, "/NewStateValue");
    set_state(&mut alert, state.as_deref());
    if state.is_none() && subject.is_some_and(|subject| subject.starts_with("OK")) {
        // A damaged message must not close anything, nor page about what its subject calls fine.
        (alert.status, alert.life) = (Status::Notice, Life::Event);
    }
    let mut dimensions = fields::pairs(fields::list(body, "/Trigger/Dimensions"));
    for metric in fields::list(body, "/Trigger/Metrics") {
        dimensions.extend(fields::pairs(fields::list(metric, "/MetricStat/Metric/Dimensions")));
    }
    for (label, pointers) in [
        ("metric_name", ["/Trigger/MetricName", "/Trigger/Metrics/0/MetricStat/Metric/MetricName"]),
        ("namespace", ["/Trigger/Namespace", "/Trigger/Metrics/0/MetricStat/Metric/Namespace"]),
        ("account_id", ["/AWSAccountId", "/AccountId"]),
        ("region", ["/Region", "/region"]),
    ] {
        fields::add(&mut alert.labels, label, fields::first(body, &pointers));
    }
    fields::add(&mut alert.annotations, "alarm_rule", fields::text(body, "/AlarmRule"));
    fields::add(&mut alert.annotations, "old_state", fields::text(body, "/OldStateValue"));
    fields::add(&mut alert.annotations, "threshold", fields::text(body, "/Trigger/Threshold"));
    alert.observed_at = fields::text(body, "/StateChangeTime").as_deref().and_then(times::read);
    describe(
        &mut alert,
        fields::text(body, "/AlarmDescription"),
        fields::text(body, "/NewStateReason"),
    );
    finish(&mut alert, name, dimensions);
    alert
}

/// The form of the Lambda action.
fn action(body: &Value) -> Alert {
    let arn = fields::text(body, "/alarmArn").unwrap_or_default();
    let data = body.get("alarmData").unwrap_or(&Value::Null);
    let name = fields::text(data, "/alarmName");
    let name = name.unwrap_or_else(|| arn.rsplit(':').next().unwrap_or(&arn).to_owned());
    let mut alert = Alert::new(arn, name.clone());
    for (label, pointer) in [("account_id", "/accountId"), ("region", "/region")] {
        fields::add(&mut alert.labels, label, fields::text(body, pointer));
    }
    detail(&mut alert, data, name);
    let time = fields::text(body, "/time").as_deref().and_then(times::read);
    alert.observed_at = alert.observed_at.or(time);
    alert
}

/// What the Lambda form and the event form have in common: `state`, `previousState`, `configuration`.
pub(super) fn detail(alert: &mut Alert, data: &Value, name: String) {
    set_state(alert, fields::text(data, "/state/value").as_deref());
    let mut dimensions = Vec::new();
    for metric in fields::list(data, "/configuration/metrics") {
        for (label, pointer) in [
            ("metric_name", "/metricStat/metric/name"),
            ("namespace", "/metricStat/metric/namespace"),
        ] {
            fields::add(&mut alert.labels, label, fields::text(metric, pointer));
        }
        for (name, value) in
            fields::object(metric, "/metricStat/metric/dimensions").into_iter().flatten()
        {
            dimensions.extend(fields::scalar(value).map(|value| (name.clone(), value)));
        }
    }
    for (name, pointer) in [
        ("alarm_rule", "/configuration/alarmRule"),
        ("old_state", "/previousState/value"),
        ("actions_suppressed_by", "/state/actionsSuppressedBy"),
    ] {
        fields::add(&mut alert.annotations, name, fields::text(data, pointer));
    }
    alert.observed_at = fields::text(data, "/state/timestamp").as_deref().and_then(times::read);
    describe(
        alert,
        fields::text(data, "/configuration/description"),
        fields::text(data, "/state/reason"),
    );
    finish(alert, name, dimensions);
}

/// OK resolves; no data is a problem of its own and never resolves, as is a state that is missing or new.
fn set_state(alert: &mut Alert, state: Option<&str>) {
    alert.status = match state {
        Some("OK") => Status::Resolved,
        _ => Status::Firing,
    };
    if state == Some("INSUFFICIENT_DATA") {
        alert.title = format!("{}: insufficient data", alert.title);
    }
    fields::add(&mut alert.annotations, "state", state.map(str::to_owned));
}

fn describe(alert: &mut Alert, description: Option<String>, reason: Option<String>) {
    if let Some(description) = &description {
        alert.severity = priority(description);
        let url =
            description.split(['|', ' ', '\n', '\t', '<', '>', '(', ')', '"']).find_map(|word| {
                let at = word.find("https://").or_else(|| word.find("http://"))?;
                Some(word[at..].trim_end_matches(['.', ',', ';']).to_owned())
            });
        let runbook = description.to_ascii_lowercase().contains("runbook");
        alert.links.extend(fields::link(if runbook { "runbook" } else { "description" }, url));
    }
    alert.text = match (description, reason) {
        (Some(description), Some(reason)) => Some(format!("{reason}\n{description}")),
        (description, reason) => reason.or(description),
    };
}

/// The severity that a team writes into the description: `PRIORITY=P1`, `severity: critical`.
fn priority(description: &str) -> Severity {
    let lower = description.to_ascii_lowercase();
    let word = ["priority", "severity"].iter().find_map(|name| {
        let rest = lower.split(name).nth(1)?.trim_start().strip_prefix(['=', ':'])?.trim_start();
        rest.split(|c: char| !c.is_ascii_alphanumeric()).next()
    });
    match word.unwrap_or("") {
        "p0" | "p1" | "sev0" | "sev1" | "critical" | "highest" => Severity::Critical,
        "p2" | "sev2" | "error" | "high" | "major" => Severity::Error,
        "p3" | "sev3" | "warning" | "warn" | "medium" | "minor" => Severity::Warning,
        "p4" | "p5" | "sev4" | "sev5" | "info" | "low" | "lowest" => Severity::Info,
        _ => Severity::Unknown,
    }
}

fn finish(alert: &mut Alert, name: String, dimensions: Vec<(String, String)>) {
    let names = |name: &str| {
        let name = name.to_ascii_lowercase();
        NAMING.iter().any(|ending| name.ends_with(ending)) && !NOT_NAMING.contains(&name.as_str())
    };
    let telling = dimensions.iter().find(|(name, _)| names(name)).or(dimensions.first());
    alert.resource = Some(telling.map_or_else(|| name.clone(), |(_, value)| value.clone()));
    for (dimension, value) in dimensions {
        fields::add(&mut alert.labels, &dimension, Some(value));
    }
    alert.alertname = Some(name);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_ok_resolves() {
        for (state, expected) in [
            (json!("ALARM"), Status::Firing),
            (json!("OK"), Status::Resolved),
            (json!("INSUFFICIENT_DATA"), Status::Firing),
            (json!("NEW_WORD"), Status::Firing),
            (json!(null), Status::Firing),
            (json!(3), Status::Firing),
        ] {
            let body = json!({"AlarmName": "a", "AlarmArn": "arn", "NewStateValue": state});
            assert_eq!(read(&body, None).map(|alert| alert.status), Some(expected), "{state}");
        }
    }

    #[test]
    fn severity_comes_from_the_description_only() {
        for (description, expected) in [
            ("TEAM=a | PRIORITY=P1 | RUNBOOK=https://example.com/r", Severity::Critical),
            ("Severity: warning, see wiki", Severity::Warning),
            ("severity", Severity::Unknown),
            ("a critical host", Severity::Unknown),
        ] {
            assert_eq!(priority(description), expected, "{description}");
        }
    }

    #[test]
    fn the_resource_is_a_thing() {
        let body = json!({"AlarmName": "a", "NewStateValue": "ALARM", "Trigger": {"Dimensions": [
            {"name": "StorageType", "value": "StandardStorage"}, {"name": "BucketName", "value": "backups"}]}});
        let alert = read(&body, None).expect("an alarm");
        assert_eq!(alert.resource.as_deref(), Some("backups"));
        assert_eq!(alert.labels["StorageType"], "StandardStorage");
    }
}
