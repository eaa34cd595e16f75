//! Messages that are text for people: Elastic Beanstalk, `CloudFormation`, Budgets, Backup, and whatever a person sends.
//!
//! Facts: AWS Elastic Beanstalk Developer Guide "Environment notifications with Amazon SNS", AWS `CloudFormation`
//! "Set stack options", AWS Budgets "Creating an Amazon SNS topic for budget notifications", AWS Backup "Amazon SNS with
//! AWS Backup" (the state is in the message attributes only).

use crate::domain::{Alert, Severity, Status};

use super::super::{fields, times};
use super::{Envelope, notice, problem};

/// Reads a message that is no JSON.
pub(super) fn read(text: &str, envelope: &Envelope) -> Alert {
    let mut alert = beanstalk(text, envelope)
        .or_else(|| stack(text))
        .or_else(|| backup(text, envelope))
        .or_else(|| budget(text, envelope))
        .unwrap_or_else(|| plain(text, envelope));
    alert.text =
        alert.text.take().or_else(|| Some(text.to_owned()).filter(|text| !text.is_empty()));
    alert
}

/// Anything else is a note: its subject, else its first line. It pages nobody.
fn plain(text: &str, envelope: &Envelope) -> Alert {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    let title =
        envelope.subject.clone().or(first).unwrap_or_else(|| "Empty SNS message".to_owned());
    let key = envelope.message_id.clone().unwrap_or_else(|| title.clone());
    let severity = if title.starts_with("SUCCESS") { Severity::Info } else { Severity::Unknown };
    notice(key, title, severity)
}

/// The value of a `Key: value` line.
fn line<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim()).filter(|value| !value.is_empty())
    })
}

/// "Environment health has transitioned from Ok to Degraded." and other events of an environment.
fn beanstalk(text: &str, envelope: &Envelope) -> Option<Alert> {
    let environment = line(text, "Environment")?;
    let message = line(text, "Message")?;
    let beanstalk = line(text, "Application").is_some()
        || envelope.subject.as_deref().is_some_and(|subject| subject.contains("Elastic Beanstalk"));
    if !beanstalk {
        return None;
    }
    let mut alert = environment_health(environment, message).unwrap_or_else(|| {
        let severity = super::services::event_severity(message);
        let id = envelope.message_id.as_deref().unwrap_or(message);
        let key = format!("beanstalk:{environment}:{id}");
        match severity {
            Severity::Error | Severity::Critical => problem(key, message.to_owned(), severity),
            _ => notice(key, message.to_owned(), severity),
        }
    });
    alert.service = line(text, "Application").map(str::to_owned);
    alert.resource = Some(environment.to_owned());
    fields::add(&mut alert.labels, "environment", Some(environment.to_owned()));
    fields::add(&mut alert.labels, "application", line(text, "Application").map(str::to_owned));
    alert.links.extend(fields::link("source", line(text, "Environment URL").map(str::to_owned)));
    alert.observed_at = line(text, "Timestamp").and_then(times::read);
    Some(alert)
}

/// A change of an environment's health, if the sentence is one. Ok resolves; Info, Pending and Unknown say nothing
/// certain.
pub(in super::super) fn environment_health(environment: &str, message: &str) -> Option<Alert> {
    let (_, change) = message.split_once("transitioned from")?;
    let (_, state) = change.split_once(" to ")?;
    let key = format!("beanstalk:{environment}");
    let word: String = state.chars().take_while(char::is_ascii_alphabetic).collect();
    let title = format!("{environment}: {message}");
    Some(match word.as_str() {
        "Ok" => {
            Alert { status: Status::Resolved, severity: Severity::Info, ..Alert::new(key, title) }
        }
        "Warning" | "Degraded" => Alert { severity: Severity::Warning, ..Alert::new(key, title) },
        "Severe" | "No" => Alert { severity: Severity::Error, ..Alert::new(key, title) },
        _ => notice(format!("{key}:{word}"), title, Severity::Info),
    })
}

/// `CloudFormation` writes `Name='value'` lines, one event a message; only those of the stack itself are about the stack.
fn stack(text: &str) -> Option<Alert> {
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let rest = line.trim().strip_prefix(name)?.strip_prefix("='")?;
            Some(rest.trim_end_matches('\'').to_owned()).filter(|value| !value.is_empty())
        })
    };
    let stack = value("StackName")?;
    let status = value("ResourceStatus")?;
    let resource = value("LogicalResourceId").unwrap_or_else(|| stack.clone());
    let key = format!("cloudformation:{stack}:{resource}");
    let title = format!("{stack}: {resource} {status}");
    let mut alert = if status.ends_with("_FAILED") || status.contains("ROLLBACK") {
        problem(key, title, Severity::Error)
    } else if status.ends_with("_COMPLETE") {
        Alert { status: Status::Resolved, severity: Severity::Info, ..Alert::new(key, title) }
    } else {
        notice(format!("{key}:{status}"), title, Severity::Info)
    };
    alert.service = Some("CloudFormation".to_owned());
    alert.resource = Some(stack);
    alert.text = value("ResourceStatusReason");
    alert.observed_at = value("Timestamp").as_deref().and_then(times::read);
    Some(alert)
}

/// AWS Backup: the state of the job is a message attribute.
fn backup(text: &str, envelope: &Envelope) -> Option<Alert> {
    let state = envelope.attribute("State")?;
    let kind = envelope.attribute("EventType")?;
    let job = envelope.attribute("Id");
    let arn = text.split_whitespace().find(|word| word.starts_with("arn:"));
    let arn = arn.map(|arn| arn.trim_end_matches(['.', ',', ';']).to_owned());
    let key = format!("backup:{kind}:{}", arn.as_deref().or(job.as_deref()).unwrap_or(""));
    let title = format!(
        "AWS Backup: {} {}",
        kind.to_ascii_lowercase().replace('_', " "),
        state.to_ascii_lowercase()
    );
    let mut alert = match state.as_str() {
        "FAILED" | "ABORTED" | "EXPIRED" | "PARTIAL" => problem(key, title, Severity::Error),
        "COMPLETED" => {
            Alert { status: Status::Resolved, severity: Severity::Info, ..Alert::new(key, title) }
        }
        _ => notice(format!("{key}:{state}"), title, Severity::Info),
    };
    alert.service = Some("Backup".to_owned());
    alert.resource =
        arn.map(|arn| arn.rsplit([':', '/']).next().unwrap_or(&arn).to_owned()).or(job);
    Some(alert)
}

/// "AWS Budget Notification": the name stands in a `Budget Name:` line. Nothing tells its end.
fn budget(text: &str, envelope: &Envelope) -> Option<Alert> {
    let subject = envelope.subject.as_deref().unwrap_or("");
    let first = text.lines().next().unwrap_or("");
    if !(subject.contains("AWS Budget") || first.contains("AWS Budget")) {
        return None;
    }
    let name = line(text, "Budget Name").or_else(|| {
        let (_, rest) = subject.split_once("AWS Budgets:")?;
        Some(rest.split(" has ").next().unwrap_or(rest).trim())
    })?;
    let threshold = line(text, "Alert Threshold").unwrap_or("");
    let mut alert = problem(
        format!("budget:{name}:{threshold}"),
        format!("Budget {name} has exceeded its alert threshold"),
        Severity::Warning,
    );
    alert.service = Some("Budgets".to_owned());
    alert.resource = Some(name.to_owned());
    fields::add(&mut alert.labels, "budget_name", Some(name.to_owned()));
    Some(alert)
}
