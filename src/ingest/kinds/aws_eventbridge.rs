//! `EventBridge` events, bare or as the message of a topic, and `CodeStar` notifications (`detailType`).
//!
//! Facts: Amazon `EventBridge` User Guide "Event structure" and the event references of the services. `id` names the
//! event; what the event is about depends on its type and is the alert key. Relays pass on parts of an event.

mod findings;
mod states;

use serde_json::Value;

use crate::domain::{Alert, Life, Severity, Status};

use super::{
    Error, Normalized, Payload, Seen, Sign, SourceKind, aws_cloudwatch, aws_sns, fields, times,
};

/// The kind `aws-eventbridge`.
pub(super) struct AwsEventbridge;

impl SourceKind for AwsEventbridge {
    fn name(&self) -> &'static str {
        "aws-eventbridge"
    }

    fn auth(&self) -> Vec<&str> {
        vec!["sns", "basic", "token"]
    }

    fn recognizes(&self, seen: &Seen<'_>) -> Option<Sign> {
        let first = seen.tree.get(0).unwrap_or(seen.tree);
        let has = |name: &str| first.get(name).is_some();
        let names_type = has("detail-type") || has("detailType");
        (names_type && first.get("detail").is_some_and(Value::is_object)).then_some(Sign::Shape)
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        aws_sns::normalize(self.name(), payload)
    }
}

/// One event, taken apart once.
struct Event<'a> {
    body: &'a Value,
    detail: &'a Value,
    /// `detail-type`: what kind of event.
    kind: String,
    /// The event's own id.
    id: Option<String>,
    /// The first resource, an ARN as a rule.
    resource: Option<String>,
}

impl Event<'_> {
    fn text(&self, pointer: &str) -> Option<String> {
        fields::text(self.detail, pointer)
    }

    fn first(&self, pointers: &[&str]) -> Option<String> {
        fields::first(self.detail, pointers)
    }

    /// An alert that nothing will resolve.
    fn notice(&self, title: String, severity: Severity) -> Alert {
        let key = self.id.clone().unwrap_or_else(|| format!("{}:{title}", self.kind));
        Alert { status: Status::Notice, life: Life::Event, severity, ..Alert::new(key, title) }
    }
}

/// Reads an event, if the body is one; an event of findings holds several alerts.
pub(super) fn read(body: &Value) -> Option<Vec<Alert>> {
    let kind = fields::first(body, &["/detail-type", "/detailType"])?;
    let detail = body.get("detail").filter(|detail| detail.is_object())?;
    let event = Event {
        body,
        detail,
        kind,
        id: fields::text(body, "/id"),
        resource: fields::texts(body, "/resources").into_iter().next(),
    };
    let mut alerts = findings::read(&event).unwrap_or_else(|| vec![single(&event)]);
    for alert in &mut alerts {
        complete(alert, &event);
    }
    Some(alerts)
}

fn single(event: &Event<'_>) -> Alert {
    match event.kind.as_str() {
        "CloudWatch Alarm State Change" => alarm(event),
        // A change of the alarm's settings, whatever state it names, opens and closes nothing.
        "CloudWatch Alarm Configuration Change" => {
            let name = event.text("/alarmName").unwrap_or_else(|| "alarm".to_owned());
            let operation = event.text("/operation").unwrap_or_else(|| "change".to_owned());
            let mut alert =
                event.notice(format!("{name}: alarm configuration {operation}"), Severity::Info);
            alert.resource = Some(name);
            alert
        }
        _ => states::read(event),
    }
}

/// The same alarm over SNS has the same key: its ARN.
fn alarm(event: &Event<'_>) -> Alert {
    let name = event.text("/alarmName");
    let key = event.resource.clone().or_else(|| name.clone()).unwrap_or_else(|| "alarm".to_owned());
    let name = name.unwrap_or_else(|| key.rsplit(':').next().unwrap_or(&key).to_owned());
    let mut alert = Alert::new(key, name.clone());
    aws_cloudwatch::detail(&mut alert, event.detail, name);
    alert
}

/// What every event has: account, region, source, time.
fn complete(alert: &mut Alert, event: &Event<'_>) {
    for (label, pointer) in
        [("account_id", "/account"), ("region", "/region"), ("event_source", "/source")]
    {
        fields::add(&mut alert.labels, label, fields::text(event.body, pointer));
    }
    fields::add(&mut alert.labels, "detail_type", Some(event.kind.clone()));
    let time = fields::text(event.body, "/time").as_deref().and_then(times::read);
    alert.observed_at = alert.observed_at.or(time);
    alert.message_id = alert.message_id.take().or_else(|| event.id.clone());
    if alert.resource.is_none() {
        alert.resource = event.resource.as_deref().map(|arn| last_part(arn).to_owned());
    }
}

/// The name at the end of an ARN.
fn last_part(arn: &str) -> &str {
    arn.rsplit([':', '/']).next().filter(|part| !part.is_empty()).unwrap_or(arn)
}
