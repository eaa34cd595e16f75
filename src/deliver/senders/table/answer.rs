//! What an answer means by a table's rules.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::request::TableSender;
use super::{Condition, Rule, Then};
use crate::deliver::senders::answers;
use crate::deliver::senders::{Outcome, Rejection, Response};
use crate::domain::Timestamp;

/// Longest value that is remembered of an answer.
const REMEMBERED_CHARS_MAX: usize = 256;

pub(super) fn judge(sender: &TableSender, response: &Response, now: Timestamp) -> Outcome {
    let body = answers::json(response);
    let secrets = sender.hidden();
    let error = answers::describe(response, &secrets);
    if let Some(rule) =
        sender.answers.iter().find(|rule| holds(&rule.when, response, body.as_ref()))
    {
        let asked = rule.after.as_ref().and_then(|at| body.as_ref()?.pointer(at)?.as_f64());
        let header = answers::retry_after(response, now);
        let after = asked.map(answers::wait_seconds).into_iter().chain(header).max();
        return conclude(rule, after, error, || remember(&sender.remember, body.as_ref()));
    }
    if !(200..=299).contains(&response.status) {
        return answers::by_status(response, now, &secrets);
    }
    match &sender.success {
        // Something else than the receiver answered, or it failed behind a 200.
        Some(success) if !holds(success, response, body.as_ref()) => Outcome::Retry {
            after: None,
            maybe: true,
            error: format!("not the answer of success: {error}"),
        },
        _ => Outcome::Delivered { remember: remember(&sender.remember, body.as_ref()) },
    }
}

fn conclude(
    rule: &Rule,
    after: Option<Duration>,
    error: String,
    remember: impl FnOnce() -> Option<String>,
) -> Outcome {
    let why = match rule.then {
        Then::Delivered => return Outcome::Delivered { remember: remember() },
        Then::Retry => return Outcome::Retry { after, maybe: rule.maybe, error },
        Then::Wait => return Outcome::Wait { after, error },
        Then::Rendering => Rejection::Rendering,
        Then::Credential => Rejection::Credential,
        Then::Gone => Rejection::Gone,
        Then::Refused => Rejection::Other,
    };
    Outcome::Reject { why, error }
}

fn holds(condition: &Condition, response: &Response, body: Option<&Value>) -> bool {
    let text = || String::from_utf8_lossy(&response.body);
    (condition.status.is_empty()
        || condition.status.iter().any(|pattern| is_status(pattern, response.status)))
        && condition.body.as_ref().is_none_or(|want| text().trim() == want)
        && condition.contains.as_ref().is_none_or(|want| text().contains(want))
        && condition
            .json
            .iter()
            .all(|(at, want)| body.and_then(|body| body.pointer(at)) == Some(want))
}

/// `"404"` or `"4xx"`.
fn is_status(pattern: &str, status: u16) -> bool {
    match pattern.strip_suffix("xx") {
        Some(hundreds) => hundreds.parse() == Ok(status / 100),
        None => pattern.parse() == Ok(status),
    }
}

/// What the table wants to keep, as a JSON object of texts; nothing if the answer has none of it.
fn remember(wanted: &BTreeMap<String, String>, body: Option<&Value>) -> Option<String> {
    let mut kept = BTreeMap::new();
    for (name, at) in wanted {
        let value = match body.and_then(|body| body.pointer(at)) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => continue,
        };
        if value.chars().count() <= REMEMBERED_CHARS_MAX {
            kept.insert(name, value);
        }
    }
    if kept.is_empty() { None } else { serde_json::to_string(&kept).ok() }
}
