//! Amazon SNS: the envelope, raw delivery, the handshakes, and whatever AWS puts inside `Message`.
//!
//! Facts: Amazon SNS Developer Guide, "Parsing Amazon SNS message formats", "Large payload and raw message delivery",
//! "Confirming the subscription". The body is JSON although `Content-Type` says `text/plain`. `Message` is a string that
//! holds the JSON of one of many services, or prose. SNS retries no answer and 5xx; 4xx, 429 included, counts as delivered.
//!
//! The signature is checked by `ingest::auth` before a payload comes here.

mod prose;
mod services;

use serde_json::{Map, Value};

use crate::domain::{Alert, Life, Severity, Status, Timestamp};

pub(super) use prose::environment_health;
pub(super) use services::{compliance, event_severity, standing, word_severity};

use super::{
    Error, Handshake, Normalized, Payload, Rejected, Seen, Sign, SourceKind, aws_cloudwatch,
    aws_eventbridge, fields, generic, times, tree,
};

/// How often JSON inside a JSON string is unwrapped.
const NESTED_STRINGS_MAX: usize = 3;

/// The kind `aws-sns`.
pub(super) struct AwsSns;

impl SourceKind for AwsSns {
    fn name(&self) -> &'static str {
        "aws-sns"
    }

    fn auth(&self) -> Vec<&str> {
        vec!["sns", "basic", "token"]
    }

    fn over(&self) -> Vec<&str> {
        vec!["aws-cloudwatch", "aws-eventbridge"]
    }

    /// The headers of SNS; the envelope, also as Lambda and SQS pass it on.
    fn recognizes(&self, seen: &Seen<'_>) -> Option<Sign> {
        const HEADERS: [&str; 2] = ["x-amz-sns-message-type", "x-amz-sns-rawdelivery"];
        if HEADERS.iter().any(|name| seen.payload.header(name).is_some()) {
            return Some(Sign::Header);
        }
        let is_envelope = |it: &Value| {
            let has = |names: &[&str]| names.iter().any(|name| it.get(name).is_some());
            has(&["TopicArn", "TopicARN"]) && has(&["Type", "MessageId"]) && has(&["Message"])
        };
        let first = match seen.tree {
            Value::Array(items) => items.first()?,
            tree => tree.pointer("/Records/0/Sns").unwrap_or(tree),
        };
        is_envelope(first).then_some(Sign::Shape)
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        normalize(self.name(), payload)
    }
}

/// What is known about the message besides its text.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// SNS's id of this message; a redelivery keeps it.
    pub message_id: Option<String>,
    /// The topic's ARN.
    pub topic: Option<String>,
    pub subject: Option<String>,
    /// When SNS took the message.
    pub published_at: Option<Timestamp>,
    /// `MessageAttributes`, by name.
    pub attributes: Map<String, Value>,
}

impl Envelope {
    /// The value of a message attribute.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let attribute = self.attributes.get(name)?;
        fields::first(attribute, &["/Value", "/StringValue"]).or_else(|| fields::scalar(attribute))
    }

    /// The name of the topic: the last part of its ARN.
    pub fn topic_name(&self) -> Option<String> {
        let topic = self.topic.as_deref()?;
        topic.rsplit(':').next().filter(|name| !name.is_empty()).map(str::to_owned)
    }
}

/// Reads a body of AWS, with or without an envelope: all three AWS kinds read alike.
pub(super) fn normalize(kind: &str, payload: &Payload<'_>) -> Result<Normalized, Error> {
    let kind = Kind(kind);
    let raw = payload
        .header("x-amz-sns-rawdelivery")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let body = match fields::parse(payload.body) {
        Ok(body) => body,
        Err(_) if raw => Value::String(tree::text(payload.body)?.to_owned()),
        Err(cause) => return Err(cause),
    };
    let declared = payload.header("x-amz-sns-message-type");
    if raw {
        let envelope = Envelope {
            message_id: payload.header("x-amz-sns-message-id").map(str::to_owned),
            topic: payload.header("x-amz-sns-topic-arn").map(str::to_owned),
            ..Envelope::default()
        };
        return Ok(collect(message(&body, &envelope)));
    }
    match &body {
        Value::Array(items) if !items.is_empty() => Ok(each(kind, items, None)),
        Value::Object(_) => match body.get("Records").and_then(Value::as_array) {
            Some(records) if !records.is_empty() && records.iter().all(wraps) => {
                Ok(each(kind, records, declared))
            }
            _ => one(kind, &body, declared),
        },
        _ => Err(kind.shape("the body is neither an object nor a list of them")),
    }
}

/// The name of the kind that reads, for its errors.
#[derive(Clone, Copy)]
struct Kind<'a>(&'a str);

impl Kind<'_> {
    fn shape(self, detail: &str) -> Error {
        Error::Shape { kind: self.0.to_owned(), detail: detail.to_owned() }
    }
}

/// Whether an item of `Records` wraps an SNS message: the form that Lambda and SQS pass on.
fn wraps(record: &Value) -> bool {
    record.get("Sns").is_some_and(Value::is_object)
        || record.get("body").is_some_and(Value::is_string)
}

/// Reads each item; one that cannot be read does not lose the others.
fn each(kind: Kind<'_>, items: &[Value], declared: Option<&str>) -> Normalized {
    let mut all = Normalized::default();
    for (index, item) in (0..).zip(items) {
        let held = item
            .get("body")
            .and_then(Value::as_str)
            .and_then(|body| serde_json::from_str(body).ok());
        let inner = held.as_ref().or_else(|| item.get("Sns")).unwrap_or(item);
        match one(kind, inner, declared) {
            Ok(read) => {
                all.alerts.extend(read.alerts.into_iter().map(|alert| Alert { index, ..alert }));
                all.handshake = all.handshake.or(read.handshake);
                all.ignored = all.ignored.or(read.ignored);
            }
            Err(cause) => all.rejected.push(Rejected { index, reason: cause.to_string() }),
        }
    }
    all
}

/// Reads one envelope, or one bare body.
fn one(kind: Kind<'_>, body: &Value, declared: Option<&str>) -> Result<Normalized, Error> {
    let own = body
        .get("Type")
        .filter(|_| body.get("TopicArn").is_some() || body.get("MessageId").is_some());
    let Some(word) = declared.or(own.and_then(Value::as_str)) else {
        let enveloped =
            body.get("Message").is_some_and(Value::is_string) && body.get("TopicArn").is_some();
        return if enveloped { notification(kind, body) } else { bare(kind, body) };
    };
    match word {
        "Notification" => notification(kind, body),
        "SubscriptionConfirmation" => subscription(kind, body),
        // Visiting the SubscribeURL of this message would subscribe again.
        "UnsubscribeConfirmation" => Ok(Normalized {
            ignored: Some("the subscription to the topic was removed".to_owned()),
            ..Normalized::default()
        }),
        _ => Err(kind.shape(
            "Type is none of Notification, SubscriptionConfirmation, UnsubscribeConfirmation",
        )),
    }
}

fn subscription(kind: Kind<'_>, body: &Value) -> Result<Normalized, Error> {
    let topic = fields::text(body, "/TopicArn").ok_or_else(|| kind.shape("TopicArn is missing"))?;
    let url = fields::first(body, &["/SubscribeURL", "/SubscribeUrl"])
        .ok_or_else(|| kind.shape("SubscribeURL is missing"))?;
    Ok(Normalized {
        handshake: Some(Handshake::SnsSubscription { topic, url }),
        ..Normalized::default()
    })
}

fn notification(kind: Kind<'_>, body: &Value) -> Result<Normalized, Error> {
    let held = match body.get("Message") {
        Some(held @ (Value::String(_) | Value::Object(_))) => held,
        Some(_) => return Err(kind.shape("Message is not a string")),
        None => return Err(kind.shape("Message is missing")),
    };
    let envelope = Envelope {
        message_id: fields::text(body, "/MessageId"),
        topic: fields::text(body, "/TopicArn"),
        subject: body.get("Subject").filter(|subject| subject.is_string()).and_then(fields::scalar),
        published_at: fields::text(body, "/Timestamp").as_deref().and_then(times::read),
        attributes: fields::object(body, "/MessageAttributes").cloned().unwrap_or_default(),
    };
    Ok(collect(message(held, &envelope)))
}

/// A body without an envelope: an event bus, or a relay that took it off.
fn bare(kind: Kind<'_>, body: &Value) -> Result<Normalized, Error> {
    let alerts = known(body, &Envelope::default());
    alerts.map(collect).ok_or_else(|| {
        kind.shape("there is neither an SNS envelope nor the body of a known service")
    })
}

fn collect(alerts: Vec<Alert>) -> Normalized {
    let alerts = (0..).zip(alerts).map(|(index, alert)| Alert { index, ..alert }).collect();
    Normalized { alerts, ..Normalized::default() }
}

/// Reads what `Message` holds. There is always something to tell people.
fn message(held: &Value, envelope: &Envelope) -> Vec<Alert> {
    let inner = unwrap(held);
    let mut alerts = match &inner {
        Value::Object(_) | Value::Array(_) => {
            known(&inner, envelope).unwrap_or_else(|| guess(&inner, envelope))
        }
        _ => vec![prose::read(&fields::scalar(&inner).unwrap_or_default(), envelope)],
    };
    for alert in &mut alerts {
        alert.message_id = envelope.message_id.clone().or(alert.message_id.take());
        alert.observed_at = alert.observed_at.or(envelope.published_at);
        fields::add(&mut alert.labels, "topic", envelope.topic_name());
        if alert.resource.is_none() {
            alert.resource = envelope.topic_name();
        }
    }
    alerts
}

/// JSON of nobody we know is read by the names of its fields, with the subject where none of them reads like a title.
fn guess(inner: &Value, envelope: &Envelope) -> Vec<Alert> {
    // More alerts than we take at once are told as one message rather than lost.
    let mut alerts = generic::guess(inner).map(|guessed| guessed.alerts).unwrap_or_default();
    let named = inner.as_object().is_some_and(generic::has_title);
    if let ([alert], false, Some(subject)) = (alerts.as_mut_slice(), named, &envelope.subject) {
        alert.title.clone_from(subject);
    }
    if alerts.is_empty() {
        alerts.push(prose::read(&inner.to_string(), envelope));
    }
    alerts
}

/// JSON may stand inside a string, and inside a string in that; prose stays a string.
fn unwrap(held: &Value) -> Value {
    let mut value = held.clone();
    for _ in 0..NESTED_STRINGS_MAX {
        let Value::String(text) = &value else { break };
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.starts_with(['{', '[', '"']) {
            break;
        }
        match tree::json(text) {
            Ok(inner) => value = inner,
            Err(_) => break,
        }
    }
    value
}

/// The alerts of a JSON message of a service that we know.
fn known(body: &Value, envelope: &Envelope) -> Option<Vec<Alert>> {
    if let Value::Array(items) = body {
        let all: Vec<Alert> =
            items.iter().filter_map(|item| known(item, envelope)).flatten().collect();
        return (!all.is_empty()).then_some(all);
    }
    let subject = envelope.subject.as_deref();
    aws_cloudwatch::read(body, subject)
        .map(|alert| vec![alert])
        .or_else(|| aws_eventbridge::read(body))
        .or_else(|| services::read(body, envelope).map(|alert| vec![alert]))
}

/// A one-off message: nothing will resolve it.
fn notice(key: String, title: String, severity: Severity) -> Alert {
    Alert { status: Status::Notice, life: Life::Event, severity, ..Alert::new(key, title) }
}

/// A problem whose end AWS does not tell.
fn problem(key: String, title: String, severity: Severity) -> Alert {
    Alert { life: Life::Expires, severity, ..Alert::new(key, title) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], body: &str) -> Result<Normalized, Error> {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        AwsSns.normalize(&Payload {
            method: "POST",
            path: "/hooks/aws",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
            received_at: Timestamp::from_secs(1_800_000_000),
        })
    }

    const RAW: &[(&str, &str)] = &[
        ("x-amz-sns-rawdelivery", "true"),
        ("x-amz-sns-message-type", "Notification"),
        ("x-amz-sns-message-id", "m-1"),
        ("x-amz-sns-topic-arn", "arn:aws:sns:eu-west-1:111122223333:ops"),
    ];

    #[test]
    fn raw_delivery_has_its_envelope_in_the_headers() {
        let alarm = r#"{"AlarmName":"a","AlarmArn":"arn:a","NewStateValue":"ALARM"}"#;
        for (body, key, status) in
            [(alarm, "arn:a", Status::Firing), ("Disk is fine", "m-1", Status::Notice)]
        {
            let read = check(RAW, body).expect("a message");
            let alert = &read.alerts[0];
            assert_eq!((alert.key.as_str(), alert.status), (key, status), "{body}");
            assert_eq!(alert.message_id.as_deref(), Some("m-1"));
            assert_eq!(alert.labels["topic"], "ops");
        }
    }

    #[test]
    fn what_is_neither_envelope_nor_service_is_refused() {
        for body in [
            "",
            "Disk is full",
            "{}",
            "[]",
            "7",
            r#"{"title":"x"}"#,
            r#"{"Type":"Notification","TopicArn":"t"}"#,
            r#"{"Type":"Notification","TopicArn":"t","Message":5}"#,
            r#"{"Type":"Other","TopicArn":"t","Message":"x"}"#,
            r#"{"Type":"SubscriptionConfirmation","TopicArn":"t"}"#,
            r#"{"Type":"Notification","TopicArn":"t","Mess"#,
        ] {
            assert!(check(&[], body).is_err(), "{body}");
        }
    }

    #[test]
    fn one_bad_record_does_not_lose_the_good_one() {
        let good =
            r#"{"Sns":{"Type":"Notification","MessageId":"m","TopicArn":"t:ops","Message":"hi"}}"#;
        let read = check(
            &[],
            &format!(
                r#"{{"Records":[{{"Sns":{{"Type":"Notification","MessageId":"x"}}}},{good}]}}"#
            ),
        );
        let read = read.expect("records");
        assert_eq!((read.alerts.len(), read.rejected.len()), (1, 1));
        assert_eq!(read.alerts[0].index, 1);
    }

    #[test]
    fn confirmations_are_told_apart() {
        let confirmation = |kind: &str| {
            format!(
                r#"{{"Type":"{kind}","MessageId":"m","TopicArn":"arn:t","SubscribeURL":"https://x","Token":"k"}}"#
            )
        };
        let read = check(&[], &confirmation("SubscriptionConfirmation")).expect("a handshake");
        let expected =
            Handshake::SnsSubscription { topic: "arn:t".to_owned(), url: "https://x".to_owned() };
        assert_eq!(read.handshake, Some(expected));
        let read = check(&[], &confirmation("UnsubscribeConfirmation")).expect("ignored");
        assert!(read.handshake.is_none() && read.ignored.is_some());
    }
}
