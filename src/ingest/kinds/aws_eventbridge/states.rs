//! Events that tell a state: pipelines, builds, jobs, deployments, databases, and any type that is not known.
//!
//! A success has the key of its failure and resolves it; what only began is news. Words of states are shared by the
//! services; where a word means something harmless (an instance that is `stopped`), the type says so in [`NEWS`].

use serde_json::Value;

use crate::domain::{Alert, Life, Severity, Status};

use super::super::aws_sns::{compliance, environment_health, event_severity, word_severity};
use super::super::{fields, read, times};
use super::{Event, last_part};

/// Types whose states are an ordinary life and never a problem.
const NEWS: &[&str] = &[
    "EC2 Instance State-change Notification",
    "EC2 Instance-launch Lifecycle Action",
    "EC2 Instance-terminate Lifecycle Action",
    "AWS API Call via CloudTrail",
    "AWS Console Sign In via CloudTrail",
    "Object Created",
    "Object Deleted",
    "Scheduled Event",
    "CodeBuild Build Phase Change",
    "CodeCommit Repository State Change",
    "CodeCommit Pull Request State Change",
    "ECS Container Instance State Change",
];

const BAD: &[&str] = &[
    "FAILED",
    "FAILURE",
    "FAIL",
    "FAULT",
    "TIMED_OUT",
    "TIMEOUT",
    "TIMEDOUT",
    "ABORTED",
    "ERROR",
    "EXPIRED",
    "IMPAIRED",
    "UNSUCCESSFUL",
    "UNHEALTHY",
    "SERVICE_DEPLOYMENT_FAILED",
    "SEVERE",
];
const DOUBTFUL: &[&str] =
    &["STOPPED", "STOP", "WARN", "WARNING", "DEGRADED", "PARTIAL", "INTERRUPTED"];
const GOOD: &[&str] = &[
    "SUCCEEDED",
    "SUCCESS",
    "SUCCESSFUL",
    "COMPLETED",
    "COMPLETE",
    "OK",
    "PASSED",
    "RESOLVED",
    "CLOSED",
    "HEALTHY",
    "SERVICE_DEPLOYMENT_COMPLETED",
    "SERVICE_STEADY_STATE",
];

/// Where the services put the word of their state.
const STATES: &[&str] = &[
    "/state",
    "/status",
    "/build-status",
    "/jobStatus",
    "/State",
    "/Status",
    "/jobRunState",
    "/eventName",
    "/result",
    "/stateChange",
    "/lastStatus",
];

/// Where the services put the name of what the event is about.
const NAMES: &[&str] = &[
    "/pipeline",
    "/stateMachineArn",
    "/project-name",
    "/jobName",
    "/application",
    "/name",
    "/AutoScalingGroupName",
    "/SourceIdentifier",
    "/EnvironmentName",
    "/check-name",
    "/CommonName",
    "/repositoryName",
    "/repository-name",
    "/crawlerName",
    "/clusterName",
    "/configRuleName",
    "/instance-id",
    "/EC2InstanceId",
    "/group",
    "/document-name",
    "/resourceName",
];

/// What is said in words.
const TEXTS: &[&str] = &[
    "/message",
    "/Message",
    "/StatusMessage",
    "/Cause",
    "/cause",
    "/reason",
    "/statusReason",
    "/stoppedReason",
    "/eventReason",
    "/errorMessage",
    "/error",
    "/additional-information/phases/0/phase-context/0",
    "/detailMessage",
    "/execution-result/external-execution-summary",
    "/execution-result/error-code",
    "/description",
];

/// Reads an event that is none of the findings.
pub(super) fn read(event: &Event<'_>) -> Alert {
    if let Some(verdict) = event.text("/newEvaluationResult/complianceType") {
        let resource = event.text("/resourceId").unwrap_or_default();
        let rule = event.text("/configRuleName").unwrap_or_default();
        let mut alert = compliance(&rule, &verdict, &resource);
        alert.resource = Some(resource);
        return alert;
    }
    let mut alert = match event.kind.as_str() {
        kind if kind.starts_with("RDS ")
            || kind.starts_with("DMS ")
            || kind.starts_with("Redshift ") =>
        {
            database(event)
        }
        kind if kind.ends_with("Unsuccessful") => failed_action(event),
        "EC2 Spot Instance Interruption Warning" | "EC2 Instance Rebalance Recommendation" => {
            event.notice(titled(event, None), Severity::Warning)
        }
        "ACM Certificate Approaching Expiration" | "ACM Certificate Expired" => certificate(event),
        "Trusted Advisor Check Item Refresh Notification" => advisor(event),
        "ECS Task State Change" => task(event),
        "Health status change" => environment(event),
        _ => state(event),
    };
    if alert.resource.is_none() {
        alert.resource = name(event);
    }
    if alert.text.is_none() {
        alert.text = event.first(TEXTS);
    }
    let links =
        ["/additional-information/logs/deep-link", "/execution-result/external-execution-url"];
    alert.links.extend(fields::link("source", event.first(&links)));
    for (label, pointer) in
        [("stage", "/stage"), ("action", "/action"), ("environment", "/EnvironmentName")]
    {
        fields::add(&mut alert.labels, label, event.text(pointer));
    }
    let epoch = event.first(&["/EventDate", "/Date"]);
    alert.observed_at = epoch.as_deref().and_then(times::read);
    alert
}

fn name(event: &Event<'_>) -> Option<String> {
    let named = event
        .first(NAMES)
        .or_else(|| event.first(&["/stateMachineArn", "/resourceArn", "/clusterArn"]));
    named
        .or_else(|| event.resource.clone())
        .map(|name| if name.starts_with("arn:") { last_part(&name).to_owned() } else { name })
}

/// The type, what it is about, and the state: `... Stage Execution State Change: my-pipeline Build FAILED`.
fn titled(event: &Event<'_>, state: Option<&str>) -> String {
    let mut title = event.kind.clone();
    let parts =
        [name(event), event.text("/stage"), event.text("/action"), state.map(str::to_owned)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        title = format!("{title}: {}", parts.join(" "));
    } else if let Some(text) = event.first(TEXTS) {
        title = format!("{title}: {}", text.lines().next().unwrap_or(&text));
    }
    title
}

/// The condition behind the event: the same for the failure and for the success that ends it.
fn condition(event: &Event<'_>) -> String {
    let own = match event.kind.as_str() {
        kind if kind.starts_with("CodeDeploy") => {
            fields::texts(event.body, "/resources").into_iter().nth(1)
        }
        kind if kind.starts_with("CodeBuild") => event.text("/project-name"),
        kind if kind.starts_with("Glue") => event.first(&["/jobName", "/crawlerName"]),
        kind if kind.starts_with("Step Functions") => event.text("/stateMachineArn"),
        kind if kind.starts_with("Batch") => event.text("/jobName"),
        kind if kind.starts_with("Backup") || kind.starts_with("Copy Job") => {
            event.text("/resourceArn")
        }
        _ => None,
    };
    let thing = own
        .or_else(|| event.resource.clone())
        .or_else(|| name(event))
        .or_else(|| ids(event.detail));
    let mut parts = vec![thing.unwrap_or_default()];
    parts.extend(event.text("/stage"));
    parts.extend(event.text("/action"));
    // A pipeline's own state and that of its stages and actions are told by type.
    if !event.kind.starts_with("CodePipeline") {
        parts.push(event.kind.clone());
    }
    parts.retain(|part| !part.is_empty());
    parts.join("|")
}

/// The ids and names in an event of the user's own: two orders that fail are two problems.
fn ids(detail: &Value) -> Option<String> {
    const IDS_MAX: usize = 4;
    let names = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["id", "name", "arn", "key"].iter().any(|ending| name.ends_with(ending))
    };
    let members = detail.as_object()?.iter().filter(|(name, _)| names(name));
    let ids: Vec<String> =
        members.filter_map(|(_, value)| read::scalar(value)).take(IDS_MAX).collect();
    (!ids.is_empty()).then(|| ids.join("|"))
}

fn state(event: &Event<'_>) -> Alert {
    let word = event.first(STATES);
    let title = titled(event, word.as_deref());
    let upper = word.unwrap_or_default().to_ascii_uppercase().replace([' ', '-'], "_");
    let own = word_severity(event.first(&["/severity", "/Severity", "/eventType"]).as_deref());
    if NEWS.contains(&event.kind.as_str()) {
        return event.notice(title, Severity::Info);
    }
    let is = |words: &[&str]| words.contains(&upper.as_str());
    let key = condition(event);
    if is(BAD) || own >= Severity::Error {
        return Alert { severity: own.max(Severity::Error), ..Alert::new(key, title) };
    }
    if is(DOUBTFUL) || own == Severity::Warning {
        return Alert { severity: Severity::Warning, ..Alert::new(key, title) };
    }
    if is(GOOD) {
        return Alert {
            status: Status::Resolved,
            severity: Severity::Info,
            ..Alert::new(key, title)
        };
    }
    event.notice(title, Severity::Info)
}

/// RDS, DMS and Redshift: a sentence, categories, an event id. One-off, so a bad one expires.
fn database(event: &Event<'_>) -> Alert {
    let message = event
        .first(&["/Message", "/detailMessage", "/message"])
        .unwrap_or_else(|| event.kind.clone());
    let categories = fields::texts(event.detail, "/EventCategories");
    let source =
        event.first(&["/SourceArn", "/SourceIdentifier"]).or_else(|| event.resource.clone());
    let id = event.first(&["/EventID", "/eventId", "/eventID"]).unwrap_or_default();
    let failure =
        categories.iter().any(|category| fields::is_one_of(category, &["failure", "low storage"]));
    let severity = if failure { Severity::Error } else { event_severity(&message) };
    let key = format!("{}:{id}", source.as_deref().unwrap_or(""));
    let problem = severity >= Severity::Error;
    let mut alert = Alert { severity, life: Life::Expires, ..Alert::new(key, message.clone()) };
    if !problem {
        (alert.status, alert.life) = (Status::Notice, Life::Event);
    }
    alert.resource = source.map(|source| last_part(&source).to_owned());
    alert.text = Some(message);
    fields::add(&mut alert.labels, "event_id", Some(id).filter(|id| !id.is_empty()));
    fields::add(&mut alert.labels, "event_category", categories.into_iter().next());
    alert
}

/// "EC2 Instance Launch Unsuccessful" and its like: a success has another type, so nothing resolves it.
fn failed_action(event: &Event<'_>) -> Alert {
    let group = name(event).unwrap_or_default();
    let key = format!("{group}|{}", event.kind);
    Alert { severity: Severity::Error, life: Life::Expires, ..Alert::new(key, titled(event, None)) }
}

fn certificate(event: &Event<'_>) -> Alert {
    let key = event.resource.clone().or_else(|| name(event)).unwrap_or_else(|| event.kind.clone());
    let days = event.text("/DaysToExpiry").map(|days| format!("in {days} days"));
    let severity =
        if event.kind.ends_with("Expired") { Severity::Error } else { Severity::Warning };
    Alert { severity, life: Life::Expires, ..Alert::new(key, titled(event, days.as_deref())) }
}

/// One item of a check: OK, WARN or ERROR.
fn advisor(event: &Event<'_>) -> Alert {
    let item = event.first(&["/resource_id", "/uuid"]).unwrap_or_default();
    let status = event.text("/status").unwrap_or_default();
    let key = format!("{}|{item}", name(event).unwrap_or_default());
    let title = titled(event, Some(&status));
    let mut alert = match status.as_str() {
        "ERROR" => Alert { severity: Severity::Error, ..Alert::new(key, title) },
        "WARN" => Alert { severity: Severity::Warning, ..Alert::new(key, title) },
        "OK" => {
            Alert { status: Status::Resolved, severity: Severity::Info, ..Alert::new(key, title) }
        }
        _ => event.notice(title, Severity::Info),
    };
    alert.resource = Some(last_part(&item).to_owned()).filter(|item| !item.is_empty());
    alert
}

/// Elastic Beanstalk says the same over SNS as prose.
fn environment(event: &Event<'_>) -> Alert {
    let name = event.text("/EnvironmentName").unwrap_or_else(|| event.kind.clone());
    let message = event.first(&["/Message", "/Status"]).unwrap_or_else(|| event.kind.clone());
    let mut alert = environment_health(&name, &message)
        .unwrap_or_else(|| event.notice(format!("{name}: {message}"), Severity::Info));
    alert.service = event.text("/ApplicationName");
    alert
}

/// A task that ends is ordinary (deployments, jobs) unless it could not start or a container failed.
fn task(event: &Event<'_>) -> Alert {
    let state = event.text("/lastStatus");
    let title = titled(event, state.as_deref());
    let failed_to_start = event.text("/stopCode").is_some_and(|code| code == "TaskFailedToStart");
    let failed = fields::list(event.detail, "/containers")
        .iter()
        .any(|container| fields::text(container, "/exitCode").is_some_and(|code| code != "0"));
    let essential = event.text("/stopCode").is_some_and(|code| code == "EssentialContainerExited");
    let mut alert = if state.as_deref() == Some("STOPPED")
        && (failed_to_start || (essential && failed))
    {
        let key = event.first(&["/group", "/taskDefinitionArn"]).unwrap_or_else(|| title.clone());
        Alert { severity: Severity::Warning, life: Life::Expires, ..Alert::new(key, title) }
    } else {
        event.notice(title, Severity::Info)
    };
    alert.resource = event.first(&["/group", "/taskDefinitionArn"]);
    alert
}
