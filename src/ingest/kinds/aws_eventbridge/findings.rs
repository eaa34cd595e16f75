//! Findings and health: events that name something wrong, each under an id of its own.
//!
//! Facts: AWS Health User Guide "Monitoring AWS Health events", Amazon `GuardDuty` "Processing findings with `EventBridge`",
//! AWS Security Hub "`EventBridge` event formats", Amazon Inspector, Macie and IAM Access Analyzer event schemas,
//! Amazon ECR "Events and `EventBridge`".

use serde_json::Value;

use crate::domain::{Alert, Life, Severity};

use super::super::aws_sns::{standing, word_severity};
use super::super::{fields, times};
use super::{Event, last_part};

/// Reads an event of findings; nothing if it is another.
pub(super) fn read(event: &Event<'_>) -> Option<Vec<Alert>> {
    match event.kind.as_str() {
        "AWS Health Event" | "AWS Health Abuse Event" => Some(vec![health(event)]),
        "GuardDuty Finding" => Some(vec![guard_duty(event)]),
        "ECR Image Scan" => Some(vec![image_scan(event)]),
        "Inspector2 Finding" | "Macie Finding" | "Access Analyzer Finding" => {
            Some(vec![finding(event)])
        }
        kind if kind.starts_with("Security Hub Findings") => {
            let found: Vec<Alert> =
                fields::list(event.detail, "/findings").iter().map(security_hub).collect();
            Some(found).filter(|found| !found.is_empty())
        }
        _ => None,
    }
}

/// An issue is open until it has an end; scheduled changes and account notifications are news.
fn health(event: &Event<'_>) -> Alert {
    let code = event.text("/eventTypeCode").unwrap_or_else(|| event.kind.clone());
    let service = event.text("/service");
    let category = event.text("/eventTypeCategory").unwrap_or_default();
    let closed = event.text("/endTime").is_some()
        || event.text("/statusCode").is_some_and(|code| code.eq_ignore_ascii_case("closed"));
    let mut alert = if category == "issue" {
        let key =
            event.text("/eventArn").or_else(|| event.id.clone()).unwrap_or_else(|| code.clone());
        standing(key, code, closed, Severity::Warning)
    } else {
        event.notice(code, Severity::Info)
    };
    if event.kind == "AWS Health Abuse Event" {
        alert.life = Life::Expires;
    }
    alert.text = event.first(&["/eventDescription/0/latestDescription"]);
    let affected: Vec<String> = fields::list(event.detail, "/affectedEntities")
        .iter()
        .filter_map(|entity| fields::text(entity, "/entityValue"))
        .collect();
    alert.resource = affected.first().map(|entity| last_part(entity).to_owned());
    alert.service = service;
    if affected.len() > 1 {
        fields::add(&mut alert.annotations, "affected_entities", Some(affected.join(", ")));
    }
    for entity in fields::list(event.detail, "/affectedEntities").iter().take(1) {
        fields::add_all(&mut alert.labels, fields::object(entity, "/tags"));
    }
    for (name, pointer) in
        [("event_type_category", "/eventTypeCategory"), ("event_type_code", "/eventTypeCode")]
    {
        fields::add(&mut alert.labels, name, event.text(pointer));
    }
    alert.started_at = event.text("/startTime").as_deref().and_then(times::read);
    alert.observed_at = event.first(&["/lastUpdatedTime"]).as_deref().and_then(times::read);
    alert
}

/// A number from 1 to 10, fractions included. `GuardDuty` tells updates, never an end.
fn guard_duty(event: &Event<'_>) -> Alert {
    let title = event.first(&["/title", "/type"]).unwrap_or_else(|| event.kind.clone());
    let key = event.text("/id").or_else(|| event.id.clone()).unwrap_or_else(|| title.clone());
    let number = event.text("/severity").and_then(|number| number.parse::<f64>().ok());
    let severity = match number {
        Some(number) if number >= 9.0 => Severity::Critical,
        Some(number) if number >= 7.0 => Severity::Error,
        Some(number) if number >= 4.0 => Severity::Warning,
        Some(_) => Severity::Info,
        None => word_severity(event.text("/severity").as_deref()),
    };
    let mut alert = Alert { life: Life::Expires, severity, ..Alert::new(key, title) };
    alert.text = event.text("/description");
    alert.service = Some("GuardDuty".to_owned());
    alert.resource = event.first(&[
        "/resource/instanceDetails/instanceId",
        "/resource/s3BucketDetails/0/name",
        "/resource/eksClusterDetails/name",
        "/resource/rdsDbInstanceDetails/dbInstanceIdentifier",
        "/resource/lambdaDetails/functionName",
        "/resource/accessKeyDetails/userName",
        "/accountId",
    ]);
    for (name, pointer) in [("type", "/type"), ("severity_score", "/severity")] {
        fields::add(&mut alert.labels, name, event.text(pointer));
    }
    let times = ["/updatedAt", "/service/eventLastSeen", "/createdAt"];
    alert.observed_at = event.first(&times).as_deref().and_then(times::read);
    alert
}

/// A scan is news; how bad, the counts say.
fn image_scan(event: &Event<'_>) -> Alert {
    let repository = event.text("/repository-name");
    let name = repository.clone().unwrap_or_else(|| "image".to_owned());
    let count = |word: &str| {
        let counts = event.detail.get("finding-severity-counts");
        counts.and_then(|counts| counts.get(word)).and_then(Value::as_u64).unwrap_or(0)
    };
    let (critical, high, medium) = (count("CRITICAL"), count("HIGH"), count("MEDIUM"));
    let failed = event.text("/scan-status").is_some_and(|status| status == "FAILED");
    let severity = match (critical, high, medium) {
        (0, 0, 0) if !failed => Severity::Info,
        (0, 0, _) => Severity::Warning,
        (0, _, _) => Severity::Error,
        _ => Severity::Critical,
    };
    let title = if failed {
        format!("ECR Image Scan of {name} failed")
    } else {
        format!("ECR Image Scan of {name}: {critical} critical, {high} high, {medium} medium")
    };
    let mut alert = event.notice(title, severity);
    if let Some(digest) = event.text("/image-digest") {
        alert.key = format!("{}:{digest}", event.resource.as_deref().unwrap_or(&name));
    }
    alert.resource = repository;
    alert
}

/// Inspector, Macie and Access Analyzer: an id, a status, a severity word.
fn finding(event: &Event<'_>) -> Alert {
    let title = event.first(&["/title", "/description", "/resource"]);
    let title =
        title.map_or_else(|| event.kind.clone(), |title| format!("{}: {title}", event.kind));
    let key = event
        .first(&["/findingArn", "/id"])
        .or_else(|| event.id.clone())
        .unwrap_or_else(|| title.clone());
    let status = event.text("/status").unwrap_or_default();
    let over = fields::is_one_of(&status, &["CLOSED", "SUPPRESSED", "RESOLVED", "ARCHIVED"]);
    let severity = event.first(&["/severity/description", "/severity"]);
    let mut alert = standing(key, title, over, word_severity(severity.as_deref()));
    alert.text = event.text("/description");
    alert.resource = event
        .first(&["/resources/0/id", "/resourcesAffected/s3Bucket/name", "/resource"])
        .map(|id| last_part(&id).to_owned());
    alert.observed_at =
        event.first(&["/updatedAt", "/lastObservedAt"]).as_deref().and_then(times::read);
    alert
}

/// One of several findings of a Security Hub event, in the AWS Security Finding Format.
fn security_hub(finding: &Value) -> Alert {
    let text = |pointer: &str| fields::text(finding, pointer);
    let title = text("/Title").unwrap_or_else(|| "Security Hub finding".to_owned());
    let key = text("/Id").unwrap_or_else(|| title.clone());
    let over = text("/Workflow/Status")
        .is_some_and(|word| fields::is_one_of(&word, &["RESOLVED", "SUPPRESSED"]))
        || text("/RecordState").is_some_and(|word| word == "ARCHIVED")
        || text("/Compliance/Status").is_some_and(|word| word == "PASSED");
    let severity = word_severity(text("/Severity/Label").as_deref());
    let mut alert = standing(key, title, over, severity);
    alert.text = text("/Description");
    alert.service = text("/ProductName").or_else(|| Some("Security Hub".to_owned()));
    alert.resource = text("/Resources/0/Id").map(|id| last_part(&id).to_owned());
    fields::add(&mut alert.labels, "type", text("/Types/0"));
    fields::add(&mut alert.labels, "compliance_status", text("/Compliance/Status"));
    alert.links.extend(fields::link("runbook", text("/Remediation/Recommendation/Url")));
    alert.observed_at = text("/UpdatedAt").as_deref().and_then(times::read);
    alert
}
