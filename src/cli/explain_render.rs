//! What `explain --render` adds: what each receiver would be sent if these alerts came in now, for the first time.
//!
//! The incident is made by the same pure step that the store runs, and rendered by the receiver's own sender. Nothing is
//! stored or sent, and no secret is shown.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};
use url::Url;

use super::explain::Explained;
use crate::config::Receiver;
use crate::deliver::lanes::Mask;
use crate::deliver::senders::{Action, News, Request};
use crate::domain::{
    self, Alert, Backoff, Body, Fresh, Head, Join, Observation, Patience, Settled, Signal, Slot,
    Snapshot, Status, Timestamp, Told, Touch, Wanted, Why, wanted,
};
use crate::limits::MEMBERS_SHOWN_MAX;
use crate::secret::Secret;

/// The number that a new incident has here.
const NUMBER: u64 = 1;
const DEDUP_KEY: &str = "ab-explain-1";
const MESSAGE_ID: &str = "explain";
const MASK: &str = "***";
/// Longest line of a body that could be broken.
const LINE_CHARS_MAX: usize = 90;

/// What one receiver would be told about one alert.
pub(super) struct Notification {
    receiver: String,
    kind: &'static str,
    what: What,
}

enum What {
    Request {
        why: Why,
        method: &'static str,
        url: String,
        body: Value,
    },
    /// The inbox keeps this text.
    Keep {
        why: Why,
        text: String,
    },
    /// It is told with an earlier alert of the payload, which has this index.
    With(u32),
    Nothing(domain::Reason),
    Failed(String),
}

impl Notification {
    /// For machines; the keys are documented in `docs/explain.md`.
    pub(super) fn to_json(&self) -> Value {
        let mut shown = json!({"receiver": self.receiver, "kind": self.kind, "request": null});
        match &self.what {
            What::Request { why, method, url, body } => {
                shown["why"] = why.as_str().into();
                shown["request"] = json!({"method": method, "url": url, "body": body});
            }
            What::Keep { why, text } => {
                shown["why"] = why.as_str().into();
                shown["request"] = json!({"text": text});
            }
            What::With(index) => shown["with_alert"] = (*index).into(),
            What::Nothing(reason) => shown["reason"] = reason.as_str().into(),
            What::Failed(error) => shown["error"] = error.as_str().into(),
        }
        shown
    }

    /// One line for people.
    pub(super) fn headline(&self) -> String {
        let says = match &self.what {
            What::Request { why, method, url, .. } => {
                format!("would be sent ({}): {method} {url}", why.as_str())
            }
            What::Keep { why, .. } => format!("would keep ({}):", why.as_str()),
            What::With(index) => format!("is told with alert {index}"),
            What::Nothing(reason) => format!("would be told nothing: {}", reason.as_str()),
            What::Failed(error) => format!("cannot be rendered: {error}"),
        };
        format!("{} ({}) {says}", self.receiver, self.kind)
    }

    /// The body or text for people; empty where nothing is sent.
    pub(super) fn text(&self) -> String {
        match &self.what {
            What::Request { body: Value::String(text), .. } | What::Keep { text, .. } => {
                text.clone()
            }
            What::Request { body, .. } => pretty(body, 0),
            What::With(_) | What::Nothing(_) | What::Failed(_) => String::new(),
        }
    }
}

/// JSON for people: what fits on a line stands on one.
fn pretty(value: &Value, indent: usize) -> String {
    let line = value.to_string();
    let (open, close, items): (_, _, Vec<String>) = match value {
        _ if indent + line.chars().count() <= LINE_CHARS_MAX => return line,
        Value::Array(list) => {
            ('[', ']', list.iter().map(|value| pretty(value, indent + 2)).collect())
        }
        Value::Object(map) => {
            let item = |(name, value): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), pretty(value, indent + 2))
            };
            ('{', '}', map.iter().map(item).collect())
        }
        _ => return line,
    };
    let (inner, outer) = (" ".repeat(indent + 2), " ".repeat(indent));
    format!("{open}\n{inner}{}\n{outer}{close}", items.join(&format!(",\n{inner}")))
}

/// The notifications of every alert, in the order of the payload. Alerts of one incident are told together.
pub(super) fn all(
    explained: &Explained<'_>,
    base_url: Option<&str>,
    now: Timestamp,
) -> Vec<Vec<Notification>> {
    let mut told: Vec<(&Join, Status, u32)> = Vec::new();
    let mut all = Vec::with_capacity(explained.normalized.alerts.len());
    for (alert, why) in explained.normalized.alerts.iter().zip(&explained.explanations) {
        let mut of_alert = Vec::new();
        for join in &why.decision.joins {
            let same = |(other, status, _): &&(&Join, Status, u32)| {
                other.group == join.group && *status == alert.status
            };
            let earlier = told.iter().find(same).map(|(_, _, index)| *index);
            if earlier.is_none() {
                told.push((join, alert.status, alert.index));
            }
            of_alert.extend(join_notifications(explained, join, alert, earlier, base_url, now));
        }
        all.push(of_alert);
    }
    all
}

fn join_notifications(
    explained: &Explained<'_>,
    join: &Join,
    alert: &Alert,
    earlier: Option<u32>,
    base_url: Option<&str>,
    now: Timestamp,
) -> Vec<Notification> {
    let receivers = join.policy.receivers.iter();
    let receivers = receivers.filter_map(|name| explained.routes.receivers.get(&**name));
    if let Some(index) = earlier {
        return receivers.map(|receiver| notification(receiver, What::With(index))).collect();
    }
    let case = Case::new(explained, join, alert.status, base_url, now);
    receivers.map(|receiver| notification(receiver, case.tell(receiver))).collect()
}

fn notification(receiver: &Receiver, what: What) -> Notification {
    Notification { receiver: receiver.name.to_string(), kind: receiver.kind.name, what }
}

/// An incident as it is right after the payload.
struct Case<'a> {
    join: &'a Join,
    snapshot: Snapshot,
    base_url: Option<&'a str>,
    now: Timestamp,
}

impl<'a> Case<'a> {
    /// The incident of all alerts of the payload that join it and say `status`. What is over was told as open before.
    fn new(
        explained: &Explained<'a>,
        join: &'a Join,
        status: Status,
        base_url: Option<&'a str>,
        now: Timestamp,
    ) -> Self {
        let alerts = explained.normalized.alerts.iter().zip(&explained.explanations);
        let mates: Vec<&Alert> = alerts
            .filter(|(alert, why)| {
                let joins = why.decision.joins.iter().any(|other| other.group == join.group);
                joins && alert.status == status
            })
            .map(|(alert, _)| alert)
            .collect();
        let over = matches!(status, Status::Resolved | Status::Acknowledged);
        let (begin, end) = if over { times(&mates, now) } else { (now, now) };
        let notice = status == Status::Notice;
        let fresh = Fresh { number: NUMBER, previous: None };
        let slots = mates.iter().map(|a| Slot::new(a.fingerprint(explained.source), None));
        let mut step = apply(
            domain::open(fresh, join, notice, begin),
            slots.collect(),
            &mates,
            join,
            Signal::Fire,
            begin,
        );
        if over {
            let signal =
                if status == Status::Resolved { Signal::Resolve } else { Signal::Acknowledge };
            domain::flush(&mut step.head, begin);
            tell_everyone(&mut step.head, begin);
            step = apply(step.head, step.slots, &mates, join, signal, end);
        }
        let members = step.slots.into_iter().zip(&mates).filter_map(|(slot, alert)| {
            let body = Body { source: explained.source.to_owned(), alert: Alert::clone(alert) };
            Some((slot.member?, body))
        });
        let mut members: Vec<_> = members.collect();
        members.sort_by_key(|(member, _)| Reverse((member.severity, member.changed_seq)));
        members.truncate(MEMBERS_SHOWN_MAX);
        Self { join, snapshot: Snapshot { head: step.head, members }, base_url, now: end }
    }

    fn tell(&self, receiver: &Receiver) -> What {
        let head = &self.snapshot.head;
        let new = Told::new(receiver.name.to_string());
        let told = head.told(&receiver.name).unwrap_or(&new);
        let policy = &self.join.policy;
        let why = match wanted(head, told, policy, receiver.traits, self.now, self.now) {
            Wanted::Nothing(reason) => return What::Nothing(reason),
            // A repeat would come only later: this payload is no news here.
            Wanted::At(_, Why::Repeat) => return What::Nothing(domain::Reason::NotWanted),
            Wanted::Send(why) | Wanted::At(_, why) => why,
        };
        let secrets = receiver.params.secrets();
        let mask = Masked { mask: Mask::new(&secrets), secrets: &secrets };
        let news = News {
            snapshot: &self.snapshot,
            told,
            why,
            receiver: &receiver.name,
            dedup_key: DEDUP_KEY,
            message_id: MESSAGE_ID,
            base_url: self.base_url,
            now: self.now,
            plain: None,
        };
        let sender = match receiver.sender() {
            Ok(sender) => sender,
            Err(error) => return What::Failed(mask.text(error.to_string())),
        };
        match sender.action(&news) {
            Ok(Action::Http(request)) => mask.request(why, &request),
            Ok(Action::Keep(text)) => What::Keep { why, text: mask.text(text) },
            Err(error) => What::Failed(mask.text(error.to_string())),
        }
    }
}

/// When what is over began and ended, by the payload's own times as far as it has any.
fn times(alerts: &[&Alert], now: Timestamp) -> (Timestamp, Timestamp) {
    let end = alerts.iter().filter_map(|alert| alert.observed_at).max().unwrap_or(now).min(now);
    let begin = alerts.iter().filter_map(|alert| alert.started_at).min().unwrap_or(end);
    (begin.min(end), end)
}

fn apply(
    head: Head,
    slots: Vec<Slot>,
    alerts: &[&Alert],
    join: &Join,
    signal: fn(Observation) -> Signal,
    now: Timestamp,
) -> domain::Step {
    let touches: Vec<Touch> = alerts
        .iter()
        .enumerate()
        .map(|(slot, alert)| Touch { slot, signal: signal(observation(alert)) })
        .collect();
    domain::step(head, slots, &touches, &join.policy, now, now)
}

/// What decides of an alert. Neither its body nor its expiry can matter for an incident that is not kept.
fn observation(alert: &Alert) -> Observation {
    Observation {
        severity: alert.severity,
        title: alert.title.clone(),
        observed_at: None,
        message: None,
        body: 0,
        expiry: None,
        notice: alert.status == Status::Notice,
        by: None,
    }
}

/// Every receiver was told what is known so far.
fn tell_everyone(head: &mut Head, now: Timestamp) {
    let patience =
        Patience { backoff: Backoff::default(), max_age: std::time::Duration::MAX, seed: 0 };
    for row in 0..head.told.len() {
        let telling = domain::start(head, row, Why::Open);
        let delivered = Settled::Delivered { remember: None };
        // No credential: nothing is sent.
        domain::settle(head, row, telling, &delivered, 0, patience, now);
    }
}

/// Hides the secrets of one receiver.
struct Masked<'a> {
    mask: Mask,
    secrets: &'a [Secret],
}

impl Masked<'_> {
    /// A text that is a secret, however short, or has one in it.
    fn text(&self, text: String) -> String {
        let whole = self.secrets.iter().any(|secret| secret.expose() == text);
        if whole && !text.is_empty() { MASK.to_owned() } else { self.mask.hide(text) }
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(list) => list.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(name, value)| (self.text(name), self.value(value)))
                .collect::<Map<_, _>>()
                .into(),
            other => other,
        }
    }

    fn request(&self, why: Why, request: &Request) -> What {
        // The path of many receivers is the credential.
        let url = Url::parse(request.url.expose());
        let url = url.map_or_else(
            |_| MASK.to_owned(),
            |url| format!("{}/{MASK}", url.origin().ascii_serialization()),
        );
        let form = request.headers.iter().any(|(name, value)| {
            name == "content-type" && value.expose().contains("x-www-form-urlencoded")
        });
        let body = if form {
            let pairs = url::form_urlencoded::parse(&request.body);
            pairs
                .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
                .collect()
        } else {
            serde_json::from_slice(&request.body)
                .unwrap_or_else(|_| String::from_utf8_lossy(&request.body).into())
        };
        What::Request { why, method: request.method, url, body: self.value(body) }
    }
}
