//! PagerDuty, Events API v2: trigger, acknowledge and resolve of one alert per incident.
//!
//! The dedup key makes retries harmless. Limits and answers: PagerDuty developer docs, "Events API v2 Overview",
//! "Trigger Events" and "Rate Limits".

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answers;
use super::common::{self, Chosen, wrong};
use super::{
    Action, News, Outcome, Param, ParamError, ParamType, Params, Rejection, RenderError, Response,
    Sender, SenderKind,
};
use crate::deliver::clean::{self, Markup};
use crate::deliver::fit::{self, LADDER};
use crate::deliver::plain;
use crate::deliver::render::{Context, Form, Pair, Templates};
use crate::domain::{Fingerprint, Severity, State, Timestamp, Traits, Why};
use crate::secret::Secret;

/// Where events go unless the receiver says otherwise. EU accounts have their own host.
const URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// Longest summary.
const SUMMARY_CHARS_MAX: usize = 1_024;
/// Longest dedup key.
const DEDUP_CHARS_MAX: usize = 255;
/// 512 KB, read as thousands by some; with a margin.
const EVENT_BYTES_MAX: usize = 500_000;

const PARAMS: &[Param] = &[
    Param {
        name: "routing_key",
        of: ParamType::Secret,
        required: true,
        doc: "the 32-character integration key of an Events API v2 integration",
    },
    Param {
        name: "url",
        of: ParamType::Url,
        required: false,
        doc: "the enqueue endpoint; default https://events.pagerduty.com/v2/enqueue, EU https://events.eu.pagerduty.com/v2/enqueue",
    },
    Param {
        name: "unknown_severity",
        of: ParamType::Text,
        required: false,
        doc: "critical, error, warning or info: what an incident of unknown severity is sent as; default error",
    },
    Param {
        name: "class",
        of: ParamType::Text,
        required: false,
        doc: "PagerDuty's class; default the alert name",
    },
    Param {
        name: "component",
        of: ParamType::Text,
        required: false,
        doc: "PagerDuty's component; default the service",
    },
    Param {
        name: "group",
        of: ParamType::Text,
        required: false,
        doc: "PagerDuty's group; default the environment",
    },
];

/// The kind `pagerduty`. 120 events a minute per integration key.
pub const KIND: SenderKind = SenderKind {
    name: "pagerduty",
    about: "an alert in PagerDuty: triggered, acknowledged, resolved",
    params: PARAMS,
    traits: Traits::PAGER,
    rate: (1.8, 10),
    build: &build,
};

#[derive(Debug)]
struct PagerDuty {
    url: Secret,
    routing_key: Secret,
    unknown: &'static str,
    class: Option<String>,
    component: Option<String>,
    group: Option<String>,
    template: Chosen,
}

fn build(
    _: &str,
    params: &Params,
    templates: &Arc<Templates>,
) -> Result<Box<dyn Sender>, ParamError> {
    let url = match params.secret("url") {
        Some(_) => common::fixed_url(params, "url")?.to_string(),
        None => URL.to_owned(),
    };
    let routing_key = params
        .secret("routing_key")
        .ok_or_else(|| wrong("routing_key", "is missing", None))?
        .clone();
    if routing_key.expose().trim() != routing_key.expose() || routing_key.expose().is_empty() {
        return Err(wrong("routing_key", "is empty or has white space around it", None));
    }
    let word = params.text("unknown_severity").unwrap_or("error");
    let unknown = Severity::from_word(word)
        .filter(|severity| *severity != Severity::Unknown)
        .ok_or_else(|| {
            wrong(
                "unknown_severity",
                format!("{word:?} is none of critical, error, warning, info"),
                None,
            )
        })?;
    let text = |name: &str| params.text(name).map(str::to_owned);
    common::tried(PagerDuty {
        url: Secret::new(url),
        routing_key,
        unknown: unknown.as_str(),
        class: text("class"),
        component: text("component"),
        group: text("group"),
        template: Chosen::new(params, templates, "pagerduty", Form::Text)?,
    })
}

/// Whether the news opens something at PagerDuty or makes it worse.
const fn is_page(why: Why) -> bool {
    matches!(why, Why::Open | Why::Reopened | Why::Rise)
}

impl Sender for PagerDuty {
    fn action(&self, news: &News<'_>) -> Result<Action, RenderError> {
        let event_action = match news.snapshot.head.state {
            State::Open => "trigger",
            // PagerDuty drops the acknowledge of what it never had.
            State::Acknowledged { .. } if is_page(news.why) => "trigger",
            State::Acknowledged { .. } => "acknowledge",
            State::Resolved { .. } => "resolve",
        };
        let mut event = Map::new();
        event.insert("routing_key".into(), self.routing_key.expose().into());
        event.insert("event_action".into(), event_action.into());
        event.insert("dedup_key".into(), dedup_key(news.dedup_key).into());
        if event_action != "trigger" {
            return Ok(common::post_json(&self.url, &Value::Object(event)));
        }
        let body = fit::fitted(news, &LADDER, |context, _| {
            let summary = if news.plain.is_some() {
                plain::lines(news).swap_remove(0)
            } else {
                let rendered = self.template.templates.render(
                    Form::Text,
                    Markup::None,
                    &self.template.name,
                    context,
                );
                rendered.map_err(|problem| common::failed(news, &problem))?
            };
            let mut body = event.clone();
            self.describe(&mut body, context, &summary, news);
            let body = Value::Object(body);
            Ok((body.to_string().len() <= EVENT_BYTES_MAX).then_some(body))
        })?;
        Ok(common::post_json(&self.url, &body))
    }

    fn judge(&self, response: &Response, now: Timestamp) -> Outcome {
        let secrets = [&self.routing_key, &self.url];
        let error = answers::describe(response, &secrets);
        match response.status {
            400 if error.to_ascii_lowercase().contains("routing") => {
                Outcome::Reject { why: Rejection::Credential, error }
            }
            // Nothing but the key is a credential here, and the endpoint is the same for everybody.
            404 => Outcome::Reject { why: Rejection::Other, error },
            _ => answers::by_status(response, now, &secrets),
        }
    }

    fn credential(&self) -> u64 {
        common::credential([self.url.expose(), self.routing_key.expose()])
    }
}

impl PagerDuty {
    fn describe(
        &self,
        event: &mut Map<String, Value>,
        context: &Context,
        summary: &str,
        news: &News<'_>,
    ) {
        let summary = clean::line(summary);
        let summary = if summary.is_empty() { &context.title } else { &summary };
        let source = [&context.affected, &context.service, &context.source]
            .into_iter()
            .find(|s| !s.is_empty());
        let severity = match news.snapshot.head.severity {
            Severity::Unknown => self.unknown,
            known => known.as_str(),
        };
        let mut payload = Map::new();
        payload.insert("summary".into(), clean::cut(summary, SUMMARY_CHARS_MAX).into());
        payload.insert("source".into(), source.map_or("alertbridge", String::as_str).into());
        payload.insert("severity".into(), severity.into());
        payload.insert("timestamp".into(), context.opened_at.as_str().into());
        for (name, own, found) in [
            ("class", &self.class, &context.alertname),
            ("component", &self.component, &context.service),
            ("group", &self.group, &context.env),
        ] {
            let value = own.as_ref().unwrap_or(found);
            if !value.is_empty() {
                payload.insert(name.into(), value.as_str().into());
            }
        }
        payload.insert("custom_details".into(), details(context, news));
        event.insert("payload".into(), Value::Object(payload));
        let links: Vec<Value> =
            context.links.iter().map(|l| json!({ "href": l.url, "text": l.name })).collect();
        if !links.is_empty() {
            event.insert("links".into(), Value::Array(links));
        }
        let images: Vec<Value> = context
            .images
            .iter()
            .map(|src| json!({ "src": src, "alt": "image of the alert" }))
            .collect();
        if !images.is_empty() {
            event.insert("images".into(), Value::Array(images));
        }
        event.insert("client".into(), "alertbridge".into());
        if !context.url.is_empty() {
            event.insert("client_url".into(), context.url.as_str().into());
        }
    }
}

/// What PagerDuty shows below the alert, without empty entries.
fn details(context: &Context, news: &News<'_>) -> Value {
    let mut details = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = match &value {
            Value::String(text) => text.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if !empty {
            details.insert(name.to_owned(), value);
        }
    };
    put("incident", context.id.as_str().into());
    put("news", context.news.as_str().into());
    put("alerts", context.counts.as_str().into());
    put("since", context.since.as_str().into());
    put("text", context.text.as_str().into());
    put("labels", map(&context.labels));
    put("group", map(&context.group));
    put("annotations", map(&context.annotations));
    if context.many {
        let member = |m: &crate::deliver::render::MemberView| {
            let note =
                if m.summary.is_empty() { String::new() } else { format!(" ({})", m.summary) };
            Value::from(format!("{} {}: {}{note}", m.state, m.severity, m.title))
        };
        put("members", context.members.iter().map(member).collect());
        if context.members_more > 0 {
            put("more_members", context.members_more.into());
        }
    }
    put("route", context.route.as_str().into());
    put("source", context.source.as_str().into());
    if let Some(previous) = context.previous {
        put("happened_before", format!("#{previous}").into());
    }
    if let Some(error) = news.plain {
        put("shown_plainly_because", clean::cut(&clean::line(error), 300).into());
    }
    Value::Object(details)
}

fn map(pairs: &[Pair]) -> Value {
    pairs
        .iter()
        .map(|pair| (pair.name.clone(), Value::from(pair.value.clone())))
        .collect::<Map<_, _>>()
        .into()
}

/// A key over the limit keeps its beginning and ends in a hash of the whole: two long keys never become one.
fn dedup_key(key: &str) -> String {
    if key.chars().count() <= DEDUP_CHARS_MAX {
        return key.to_owned();
    }
    let hash = Fingerprint::of([key]).to_string();
    let begin: String = key.chars().take(DEDUP_CHARS_MAX - hash.len() - 1).collect();
    format!("{begin}-{hash}")
}
