//! JSON that services publish to a topic themselves, without `EventBridge`.
//!
//! Facts: Amazon RDS User Guide "Working with Amazon RDS event notification", AWS DMS "Working with Amazon SNS events",
//! Amazon EC2 Auto Scaling "SNS notifications", AWS `CodeDeploy` triggers,
//! AWS Config "Example notifications", Amazon SES "Event publishing", Amazon `ElastiCache` "Event notifications",
//! Amazon `DevOps` Guru "Sample SNS notifications", AWS Cost Anomaly Detection, Amazon Q in chat "Custom notifications".

use serde_json::Value;

use crate::domain::{Alert, Life, Severity, Status};

use super::super::{fields, times};
use super::{Envelope, notice, problem};

/// Reads the body of a service that we know.
pub(super) fn read(body: &Value, envelope: &Envelope) -> Option<Alert> {
    const READERS: &[fn(&Value, &Envelope) -> Option<Alert>] = &[
        database,
        auto_scaling,
        deployment,
        insight,
        cost_anomaly,
        mail,
        config_compliance,
        object_storage,
        chat,
        cache,
    ];
    READERS.iter().find_map(|reader| reader(body, envelope))
}

fn first_line(text: &str) -> String {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or(text).trim().to_owned()
}

/// RDS and DMS, which share a shape: "Source ID" in one is `SourceId` in the other. The time has no zone and is UTC.
fn database(body: &Value, _: &Envelope) -> Option<Alert> {
    let message = fields::text(body, "/Event Message")?;
    let kind = fields::text(body, "/Event Source").unwrap_or_default();
    let source = fields::first(body, &["/Source ID", "/SourceId", "/Source Id"]);
    let id = fields::text(body, "/Event ID").unwrap_or_default();
    let id = id.rsplit('#').next().unwrap_or(&id).trim().to_owned();
    let key = format!("{}:{}:{id}", kind, source.as_deref().unwrap_or(""));
    let severity = event_severity(&message);
    let replication = kind.starts_with("replication");
    let stopped = replication && message.to_ascii_lowercase().contains("stopped");
    let mut alert = if severity >= Severity::Error || stopped {
        problem(key, first_line(&message), severity.max(Severity::Warning))
    } else {
        notice(key, first_line(&message), severity)
    };
    alert.resource = source;
    alert.service = Some(if replication { "DMS" } else { "RDS" }.to_owned());
    alert.text = Some(message);
    fields::add(&mut alert.labels, "event_source", Some(kind));
    fields::add(&mut alert.labels, "event_id", Some(id).filter(|id| !id.is_empty()));
    alert.links.extend(fields::link("source", fields::text(body, "/Identifier Link")));
    alert.observed_at = fields::text(body, "/Event Time").as_deref().and_then(times::read);
    Some(alert)
}

/// How bad a one-line event of a database sounds: the events carry no level.
pub(in super::super) fn event_severity(message: &str) -> Severity {
    const BAD: &[&str] = &[
        "fail",
        "error",
        "exhausted",
        "incompatible",
        "unable",
        "cannot",
        "can't",
        "consumed",
        "fatal",
        "low on",
        "invalid",
        "out of space",
        "storage full",
    ];
    const NOTABLE: &[&str] =
        &["failover", "restarted", "shutdown", "shut down", "stopped", "recover", "deleted", "lag"];
    let lower = message.to_ascii_lowercase().replace("failover", "switchover");
    let switched = message.to_ascii_lowercase().contains("failover");
    if BAD.iter().any(|word| lower.contains(word)) {
        Severity::Error
    } else if switched || NOTABLE.iter().any(|word| lower.contains(word)) {
        Severity::Warning
    } else {
        Severity::Info
    }
}

/// Launches and terminations; only an error is a problem, and nothing tells its end.
fn auto_scaling(body: &Value, envelope: &Envelope) -> Option<Alert> {
    let group = fields::text(body, "/AutoScalingGroupName")?;
    let event = fields::first(body, &["/Event", "/LifecycleTransition"])?;
    let words = event.rsplit(':').next().unwrap_or(&event).to_ascii_lowercase().replace('_', " ");
    let title = envelope
        .subject
        .clone()
        .unwrap_or_else(|| format!("Auto Scaling: {words} for group {group:?}"));
    let failed = event.ends_with("_ERROR");
    let mut alert = if failed {
        problem(format!("autoscaling:{group}:{event}"), title, Severity::Error)
    } else {
        let id = fields::first(body, &["/ActivityId", "/RequestId", "/LifecycleActionToken"]);
        notice(id.unwrap_or_else(|| format!("autoscaling:{group}:{event}")), title, Severity::Info)
    };
    alert.service = Some("Auto Scaling".to_owned());
    alert.resource = Some(group);
    alert.text = fields::first(body, &["/StatusMessage", "/Cause", "/Description"]);
    for (name, pointer) in
        [("event", "/Event"), ("instance_id", "/EC2InstanceId"), ("account_id", "/AccountId")]
    {
        fields::add(&mut alert.labels, name, fields::text(body, pointer));
    }
    alert.observed_at = fields::text(body, "/Time").as_deref().and_then(times::read);
    Some(alert)
}

/// A `CodeDeploy` trigger: a deployment that succeeds resolves the failure of its group.
fn deployment(body: &Value, _: &Envelope) -> Option<Alert> {
    let id = fields::text(body, "/deploymentId")?;
    let state = fields::first(body, &["/status", "/instanceStatus"])?;
    let application = fields::text(body, "/applicationName");
    let group = fields::text(body, "/deploymentGroupName");
    let name = application.clone().unwrap_or_else(|| id.clone());
    let key = match (&application, &group) {
        (Some(application), Some(group)) => format!("codedeploy:{application}/{group}"),
        _ => format!("codedeploy:{id}"),
    };
    let title = format!("CodeDeploy {name}: {}", state.to_ascii_lowercase());
    let mut alert = match state.to_ascii_uppercase().as_str() {
        "FAILED" | "FAILURE" => Alert { severity: Severity::Error, ..Alert::new(key, title) },
        "STOPPED" => Alert { severity: Severity::Warning, ..Alert::new(key, title) },
        "SUCCEEDED" | "SUCCESS" => {
            Alert { severity: Severity::Info, status: Status::Resolved, ..Alert::new(key, title) }
        }
        _ => notice(format!("{id}:{state}"), title, Severity::Info),
    };
    alert.service = Some("CodeDeploy".to_owned());
    alert.resource = Some(name);
    alert.text =
        fields::first(body, &["/errorInformation", "/deploymentOverview", "/lifecycleEvents"]);
    for (label, pointer) in [
        ("deployment_group", "/deploymentGroupName"),
        ("region", "/region"),
        ("account_id", "/accountId"),
    ] {
        fields::add(&mut alert.labels, label, fields::text(body, pointer));
    }
    let at = fields::first(body, &["/completeTime", "/createTime", "/lastUpdatedAt"]);
    alert.observed_at = at.as_deref().and_then(times::read);
    Some(alert)
}

/// A `DevOps` Guru insight opens and closes under one id.
fn insight(body: &Value, _: &Envelope) -> Option<Alert> {
    let id = fields::text(body, "/InsightId")?;
    let kind = fields::text(body, "/MessageType").unwrap_or_default();
    let title = fields::first(body, &["/InsightName", "/InsightDescription"]);
    let mut alert = Alert::new(
        id.clone(),
        title.map_or_else(|| format!("DevOps Guru insight {id}"), |t| first_line(&t)),
    );
    alert.status = if kind == "CLOSED_INSIGHT" { Status::Resolved } else { Status::Firing };
    alert.severity = word_severity(fields::text(body, "/InsightSeverity").as_deref());
    alert.service = Some("DevOps Guru".to_owned());
    alert.text = fields::text(body, "/InsightDescription");
    alert.resource =
        fields::first(body, &["/ResourceCollection/CloudFormation/StackNames/0", "/Region"]);
    alert.links.extend(fields::link("source", fields::text(body, "/InsightUrl")));
    let at = fields::first(
        body,
        if alert.status == Status::Resolved { &["/EndTime"] } else { &["/StartTime"] },
    );
    alert.observed_at = at.as_deref().and_then(times::read);
    Some(alert)
}

fn cost_anomaly(body: &Value, _: &Envelope) -> Option<Alert> {
    let id = fields::text(body, "/anomalyId")?;
    let impact = fields::text(body, "/impact/totalImpact");
    let of = fields::first(body, &["/rootCauses/0/service", "/dimensionalValue"]);
    let of = of.unwrap_or_else(|| "AWS account".to_owned());
    let title = match impact {
        Some(impact) => format!("Cost anomaly in {of}: {impact}"),
        None => format!("Cost anomaly in {of}"),
    };
    let mut alert = problem(id, title, Severity::Warning);
    alert.resource = Some(of);
    fields::add(&mut alert.labels, "account_id", fields::text(body, "/accountId"));
    alert.links.extend(fields::link("source", fields::text(body, "/anomalyDetailsLink")));
    let at = fields::first(body, &["/anomalyEndDate", "/anomalyStartDate"]);
    alert.observed_at = at.as_deref().and_then(times::read);
    Some(alert)
}

/// SES: a bounce or a complaint about one mail.
fn mail(body: &Value, _: &Envelope) -> Option<Alert> {
    let kind = fields::first(body, &["/notificationType", "/eventType"])?;
    let id = fields::text(body, "/mail/messageId")?;
    let severity = match kind.as_str() {
        "Bounce" | "Complaint" | "Reject" | "Rendering Failure" => Severity::Warning,
        _ => Severity::Info,
    };
    let about = fields::first(body, &["/mail/source", "/mail/commonHeaders/from/0"]);
    let title = format!("SES {kind}: {}", about.as_deref().unwrap_or("a mail"));
    let mut alert = notice(format!("{id}:{kind}"), title, severity);
    alert.service = Some("SES".to_owned());
    alert.resource = about;
    alert.text = fields::first(
        body,
        &[
            "/bounce/bouncedRecipients/0/diagnosticCode",
            "/bounce/bounceType",
            "/complaint/complaintFeedbackType",
            "/mail/commonHeaders/subject",
        ],
    );
    alert.observed_at =
        fields::first(body, &["/bounce/timestamp", "/complaint/timestamp", "/mail/timestamp"])
            .as_deref()
            .and_then(times::read);
    Some(alert)
}

/// AWS Config: a rule and a resource that (no longer) complies. Other messages of Config are news only.
fn config_compliance(body: &Value, _: &Envelope) -> Option<Alert> {
    let kind = fields::text(body, "/messageType")?;
    let resource = fields::first(
        body,
        &["/resourceId", "/configurationItem/resourceId", "/configurationItem/resourceName"],
    );
    let region = fields::text(body, "/awsRegion");
    let mut alert = match fields::text(body, "/newEvaluationResult/complianceType") {
        Some(verdict) => compliance(
            &fields::text(body, "/configRuleName").unwrap_or_default(),
            &verdict,
            resource.as_deref().unwrap_or(""),
        ),
        None if body.get("configurationItem").is_some() || kind.starts_with("Config") => notice(
            format!("config:{kind}:{}", resource.as_deref().unwrap_or("")),
            format!("AWS Config {kind}: {}", resource.as_deref().unwrap_or("account")),
            Severity::Info,
        ),
        None => return None,
    };
    alert.service = Some("AWS Config".to_owned());
    alert.resource = resource;
    fields::add(&mut alert.labels, "region", region);
    let at = fields::first(
        body,
        &["/notificationCreationTime", "/newEvaluationResult/resultRecordedTime"],
    );
    alert.observed_at = at.as_deref().and_then(times::read);
    Some(alert)
}

/// The alert of a Config rule's verdict on a resource: the same over SNS and `EventBridge`.
pub(in super::super) fn compliance(rule: &str, verdict: &str, resource: &str) -> Alert {
    let key = format!("config:{rule}:{resource}");
    let title = format!("{rule}: {resource} is {}", verdict.to_ascii_lowercase().replace('_', " "));
    match verdict {
        "NON_COMPLIANT" => Alert { severity: Severity::Warning, ..Alert::new(key, title) },
        "COMPLIANT" => {
            Alert { status: Status::Resolved, severity: Severity::Info, ..Alert::new(key, title) }
        }
        _ => notice(key, title, Severity::Info),
    }
}

/// S3 and `CodeCommit` events: `Records` with an `eventSource`. S3 also sends a test event.
fn object_storage(body: &Value, _: &Envelope) -> Option<Alert> {
    if fields::text(body, "/Event").as_deref() == Some("s3:TestEvent") {
        let bucket = fields::text(body, "/Bucket").unwrap_or_default();
        return Some(notice(
            format!("s3-test:{bucket}"),
            format!("S3 test event of {bucket}"),
            Severity::Info,
        ));
    }
    let record = fields::list(body, "/Records").first()?;
    let source = fields::first(record, &["/eventSource", "/EventSource"])?;
    let event = fields::text(record, "/eventName").unwrap_or_else(|| "event".to_owned());
    let resource = fields::text(record, "/s3/bucket/name").or_else(|| {
        fields::text(record, "/eventSourceARN")
            .map(|arn| arn.rsplit(':').next().unwrap_or(&arn).to_owned())
    });
    let object = fields::first(record, &["/s3/object/key", "/codecommit/references/0/ref"])
        .unwrap_or_default();
    let name = resource.clone().unwrap_or_else(|| source.clone());
    let mut alert = notice(
        format!("{source}:{event}:{name}/{object}"),
        format!("{event}: {name}/{object}").trim_end_matches('/').to_owned(),
        Severity::Info,
    );
    alert.resource = resource;
    fields::add(&mut alert.labels, "event_source", Some(source));
    alert.observed_at = fields::text(record, "/eventTime").as_deref().and_then(times::read);
    Some(alert)
}

/// The chat applications' own notification schema, which teams use for their own messages.
fn chat(body: &Value, envelope: &Envelope) -> Option<Alert> {
    let content = body
        .get("content")
        .filter(|_| fields::text(body, "/source").as_deref() == Some("custom"))?;
    let description = fields::text(content, "/description");
    let title =
        fields::text(content, "/title").or_else(|| description.as_deref().map(first_line))?;
    let key =
        fields::first(body, &["/metadata/threadId", "/id"]).or_else(|| envelope.message_id.clone());
    let mut alert = notice(key.unwrap_or_else(|| title.clone()), title, Severity::Unknown);
    alert.text = description;
    Some(alert)
}

/// `{"ElastiCache:CacheClusterProvisioningComplete": "my-cluster"}`: the event is the name of the only key.
fn cache(body: &Value, _: &Envelope) -> Option<Alert> {
    let (name, value) =
        body.as_object()?.iter().find(|(name, _)| name.starts_with("ElastiCache:"))?;
    let event = name.split(':').nth(1).unwrap_or(name);
    let resource = fields::scalar(value);
    let failed = ["Fail", "Error", "Insufficient"].iter().any(|word| event.contains(word));
    let key = format!("{name}:{}", resource.as_deref().unwrap_or(""));
    let title = format!("ElastiCache {event}: {}", resource.as_deref().unwrap_or("cluster"));
    let mut alert = if failed {
        problem(key, title, Severity::Error)
    } else {
        notice(key, title, Severity::Info)
    };
    alert.service = Some("ElastiCache".to_owned());
    alert.resource = resource;
    Some(alert)
}

/// AWS's words for how bad a finding is.
pub(in super::super) fn word_severity(word: Option<&str>) -> Severity {
    match word.unwrap_or("").to_ascii_lowercase().as_str() {
        "critical" | "fatal" | "severe" => Severity::Critical,
        "high" | "error" => Severity::Error,
        "medium" | "moderate" | "warning" | "warn" | "degraded" => Severity::Warning,
        "low" | "info" | "informational" | "ok" | "untriaged" => Severity::Info,
        _ => Severity::Unknown,
    }
}

/// An alert whose end AWS tells, and which may outlive any time-out.
pub(in super::super) fn standing(
    key: String,
    title: String,
    resolved: bool,
    severity: Severity,
) -> Alert {
    let status = if resolved { Status::Resolved } else { Status::Firing };
    Alert { status, severity, life: Life::Resolves, ..Alert::new(key, title) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failover_is_no_failure() {
        for (message, expected) in [
            ("A Multi-AZ failover has completed.", Severity::Warning),
            ("Finished DB Instance backup", Severity::Info),
            ("The DB instance has failed due to an incompatible network", Severity::Error),
            ("Allocated storage has been exhausted", Severity::Error),
            ("DB instance restarted", Severity::Warning),
        ] {
            assert_eq!(event_severity(message), expected, "{message}");
        }
    }
}
