//! A table's requests, filled in with news.

use std::collections::BTreeMap;
use std::sync::Arc;

use handlebars::Handlebars;
use serde_json::{Value, json};
use url::Url;

use super::compile::{Compiled, Credentials, Operation, append};
use super::{Condition, Fit, Rule, answer, sign};
use crate::deliver::clean::Markup;
use crate::deliver::fit::{self, LADDER};
use crate::deliver::plain;
use crate::deliver::render::{self, Context, Form, Templates};
use crate::deliver::senders::common::{self, failed, misshapen};
use crate::deliver::senders::{Action, News, Outcome, RenderError, Request, Response, Sender};
use crate::domain::{State, Timestamp, Why};
use crate::limits::RENDERED_BYTES_MAX;
use crate::secret::Secret;

/// Standard Webhooks advises bodies below about 20 KB.
const BUILT_IN_BYTES_MAX: usize = 20_000;

/// The body of a request.
pub(super) enum Body {
    None,
    /// Our own JSON.
    BuiltIn,
    Template(Template),
    /// Fields and the names of their templates in the registry.
    Form(Vec<(String, String)>),
}

/// A body from a template.
pub(super) struct Template {
    pub name: String,
    pub form: Form,
    pub content_type: String,
}

/// A receiver whose API is a table.
pub(super) struct TableSender {
    pub receiver: String,
    pub url: Secret,
    /// Inline templates of path, query and form.
    pub registry: Handlebars<'static>,
    /// Holds the inline template `plain`, if the table has one.
    pub json: Handlebars<'static>,
    pub templates: Arc<Templates>,
    pub markup: Markup,
    /// In the order of [`Operation`].
    pub requests: [Compiled; 4],
    pub shown: BTreeMap<String, String>,
    pub secrets: Vec<Secret>,
    pub remember: BTreeMap<String, String>,
    pub success: Option<Condition>,
    pub answers: Vec<Rule>,
    pub fit: Fit,
    pub plain: bool,
    pub credentials: Credentials,
}

impl Sender for TableSender {
    fn action(&self, news: &News<'_>) -> Result<Action, RenderError> {
        let remembered = remembered(news);
        let operation = operation(news);
        let mut request = &self.requests[operation as usize];
        if request.remembers && remembered.is_empty() {
            request = &self.requests[Operation::Open as usize];
        }
        let (body, content_type) = self.body(news, request, &remembered)?;
        let url = self.target(news, request, &remembered)?;
        let mut headers = request.headers.clone();
        if let Some(content_type) = content_type {
            headers.retain(|(name, _)| name != "content-type");
            headers.push(("content-type".to_owned(), Secret::new(content_type)));
        }
        if let Some((name, value)) = &self.credentials.header {
            headers.push((name.clone(), value.clone()));
        }
        if let Some(key) = &self.credentials.signing {
            headers.extend(sign::headers(key, news.message_id, news.now, &body));
        }
        Ok(Action::Http(Request { method: request.method, url, headers, body }))
    }

    fn judge(&self, response: &Response, now: Timestamp) -> Outcome {
        answer::judge(self, response, now)
    }

    fn credential(&self) -> u64 {
        common::credential(
            std::iter::once(self.url.expose()).chain(self.secrets.iter().map(Secret::expose)),
        )
    }
}

/// Which request tells `news`: what the incident is now, then what happened.
fn operation(news: &News<'_>) -> Operation {
    match (&news.snapshot.head.state, news.why) {
        (State::Resolved { .. }, _) => Operation::Resolve,
        (State::Acknowledged { .. }, Why::Acknowledged) => Operation::Acknowledge,
        (_, Why::Open | Why::Reopened | Why::Rise | Why::Repeat) => Operation::Open,
        (_, Why::Joined | Why::PartialResolve | Why::Acknowledged | Why::Resolved) => {
            Operation::Update
        }
    }
}

/// What an earlier answer gave, as kept in the told row.
fn remembered(news: &News<'_>) -> BTreeMap<String, String> {
    news.told
        .external
        .as_deref()
        .and_then(|kept| serde_json::from_str(kept).ok())
        .unwrap_or_default()
}

impl TableSender {
    fn target(
        &self,
        news: &News<'_>,
        request: &Compiled,
        remembered: &BTreeMap<String, String>,
    ) -> Result<Secret, RenderError> {
        if request.path.is_empty() && request.query.is_empty() && self.credentials.query.is_none() {
            return Ok(self.url.clone());
        }
        let broken = |detail: String| misshapen(news, "path", detail);
        let mut url = Url::parse(self.url.expose()).map_err(|error| broken(error.to_string()))?;
        let mut context = Context::new(news, LADDER[LADDER.len() - 1]);
        context.remember.clone_from(remembered);
        context.params.clone_from(&self.shown);
        let fill = |key: &String| self.fill(news, key, &context);
        let segments: Vec<String> = request.path.iter().map(fill).collect::<Result<_, _>>()?;
        append(&mut url, &segments).map_err(broken)?;
        for (name, key) in &request.query {
            url.query_pairs_mut().append_pair(name, &self.fill(news, key, &context)?);
        }
        if let Some((name, value)) = &self.credentials.query {
            url.query_pairs_mut().append_pair(name, value.expose());
        }
        Ok(Secret::new(url))
    }

    fn fill(&self, news: &News<'_>, key: &str, context: &Context) -> Result<String, RenderError> {
        render::render_in(&self.registry, key, context).map_err(|problem| failed(news, &problem))
    }

    fn body(
        &self,
        news: &News<'_>,
        request: &Compiled,
        remembered: &BTreeMap<String, String>,
    ) -> Result<(Vec<u8>, Option<String>), RenderError> {
        let json = || Some("application/json; charset=utf-8".to_owned());
        if matches!(request.body, Body::None) {
            return Ok((Vec::new(), None));
        }
        if news.plain.is_some() && !matches!(request.body, Body::Form(_)) {
            return self.plain(news, request);
        }
        let max = self.fit.body_bytes.unwrap_or(match request.body {
            Body::BuiltIn => BUILT_IN_BYTES_MAX,
            _ => RENDERED_BYTES_MAX,
        });
        fit::fitted(news, &LADDER, |context, last| {
            context.remember.clone_from(remembered);
            context.params.clone_from(&self.shown);
            let (bytes, content_type) = match &request.body {
                Body::None => (Vec::new(), None),
                Body::BuiltIn => (built_in(context, None).to_string().into_bytes(), json()),
                Body::Template(template) => {
                    let Some(bytes) = self.templated(news, template, context, last)? else {
                        return Ok(None);
                    };
                    (bytes, Some(template.content_type.clone()))
                }
                Body::Form(fields) => (
                    self.form(news, fields, context)?,
                    Some("application/x-www-form-urlencoded".to_owned()),
                ),
            };
            Ok((bytes.len() <= max).then_some((bytes, content_type)))
        })
    }

    fn templated(
        &self,
        news: &News<'_>,
        template: &Template,
        context: &Context,
        last: bool,
    ) -> Result<Option<Vec<u8>>, RenderError> {
        if template.form != Form::Json {
            let text = self.templates.render(template.form, Markup::None, &template.name, context);
            return Ok(Some(text.map_err(|problem| failed(news, &problem))?.into_bytes()));
        }
        let rendered = self.templates.render_json(self.markup, &template.name, context);
        let mut body = rendered.map_err(|problem| failed(news, &problem))?;
        let fits = self.fit(&mut body, last);
        Ok(fits.then(|| body.to_string().into_bytes()))
    }

    /// Cuts to the table's limits. False if less detail would save a text from being cut.
    fn fit(&self, body: &mut Value, last: bool) -> bool {
        let whole = body.clone();
        for (pointer, max) in &self.fit.items {
            fit::shorten_at(body, pointer, *max);
        }
        for (pointer, max) in &self.fit.chars {
            fit::cut_at(body, self.markup, pointer, *max);
        }
        for (pointer, max) in &self.fit.bytes {
            // Counted in characters of four bytes only where it is needed.
            let over =
                body.pointer(pointer).and_then(Value::as_str).is_some_and(|text| text.len() > *max);
            if over {
                if !last {
                    return false;
                }
                fit::cut_at(body, self.markup, pointer, max / 4);
            }
        }
        let together = |(pointer, max): (&String, &usize)| {
            body.pointer(pointer).map_or(0, count_chars) <= *max
        };
        let fits = self.fit.chars_together.iter().all(together);
        last || (fits && *body == whole)
    }

    fn form(
        &self,
        news: &News<'_>,
        fields: &[(String, String)],
        context: &Context,
    ) -> Result<Vec<u8>, RenderError> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, key) in fields {
            form.append_pair(name, &self.fill(news, key, context)?);
        }
        Ok(form.finish().into_bytes())
    }

    /// The rendering without a template of the user: the table's `plain`, the bare lines, or our own JSON.
    fn plain(
        &self,
        news: &News<'_>,
        request: &Compiled,
    ) -> Result<(Vec<u8>, Option<String>), RenderError> {
        let lines = plain::lines(news);
        if let Body::Template(Template { form: Form::Text, content_type, .. }) = &request.body {
            return Ok((lines.join("\n").into_bytes(), Some(content_type.clone())));
        }
        let content_type = Some("application/json; charset=utf-8".to_owned());
        let mut context = Context::new(news, LADDER[LADDER.len() - 2]);
        context.params.clone_from(&self.shown);
        if !self.plain {
            return Ok((built_in(&context, news.plain).to_string().into_bytes(), content_type));
        }
        context.text = lines.join("\n");
        let rendered = render::render_in(&self.json, "plain", &context)
            .map_err(|problem| failed(news, &problem))?;
        let body: Result<Value, _> = serde_json::from_str(&rendered);
        let mut body = body.map_err(|error| {
            misshapen(news, "plain", format!("renders to invalid JSON: {error}"))
        })?;
        self.fit(&mut body, true);
        Ok((body.to_string().into_bytes(), content_type))
    }
}

fn count_chars(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(list) => list.iter().map(count_chars).sum(),
        Value::Object(map) => map.values().map(count_chars).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Our own JSON: `type`, `timestamp` and `data`, as Standard Webhooks advises.
fn built_in(context: &Context, error: Option<&str>) -> Value {
    let mut data = serde_json::to_value(context).unwrap_or(Value::Null);
    if let Value::Object(data) = &mut data {
        for key in ["params", "remember", "emoji", "color", "color_number", "message_id"] {
            data.shift_remove(key);
        }
        if let Some(error) = error {
            data.insert("error".to_owned(), error.into());
        }
    }
    json!({ "type": format!("incident.{}", context.why), "timestamp": context.now, "data": data })
}

impl TableSender {
    /// Borrowed secrets, for striking them out of errors.
    pub(super) fn hidden(&self) -> Vec<&Secret> {
        std::iter::once(&self.url).chain(&self.secrets).collect()
    }
}

impl std::fmt::Debug for TableSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableSender").field("receiver", &self.receiver).finish_non_exhaustive()
    }
}
