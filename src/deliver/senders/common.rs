//! What most senders share: fixed URLs, template choice, trial renderings, JSON requests.

use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::{Action, News, ParamError, Params, RenderError, Request, Sender};
use crate::deliver::render::{Form, Problem, Templates, samples};
use crate::domain::Fingerprint;
use crate::secret::Secret;

/// Makes a [`ParamError`].
pub(super) fn wrong(
    param: &'static str,
    message: impl Into<String>,
    hint: Option<&str>,
) -> ParamError {
    ParamError { param, message: message.into(), hint: hint.map(str::to_owned) }
}

/// The URL of parameter `param`: absolute http or https. Scheme, host and port stay as they are from here on.
pub(super) fn fixed_url(params: &Params, param: &'static str) -> Result<Url, ParamError> {
    let secret = params.secret(param).ok_or_else(|| wrong(param, "is missing", None))?;
    parse_url(param, secret.expose())
}

/// `given` as an absolute http or https URL. The message never repeats it, because it may be a credential.
pub(super) fn parse_url(param: &'static str, given: &str) -> Result<Url, ParamError> {
    let url = Url::parse(given.trim())
        .map_err(|error| wrong(param, format!("is no absolute URL: {error}"), None))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong(param, "is no http or https URL", None));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            param,
            "has a user name or password in it",
            Some("use the parameters for credentials"),
        ));
    }
    Ok(url)
}

/// A template that a receiver renders with.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub templates: Arc<Templates>,
    pub name: String,
}

impl Chosen {
    /// The receiver's `template`, else the kind's own; it must exist in `form`.
    pub fn new(
        params: &Params,
        templates: &Arc<Templates>,
        own: &str,
        form: Form,
    ) -> Result<Self, ParamError> {
        let name = params.text("template").unwrap_or(own);
        if templates.has(form, name) {
            return Ok(Self { templates: Arc::clone(templates), name: name.to_owned() });
        }
        Err(wrong("template", format!("there is no template {name}{}", form.ending()), None))
    }
}

/// A template's problem as a sender's error.
pub(super) fn failed(news: &News<'_>, problem: &Problem) -> RenderError {
    let mut detail = problem.message.clone();
    if let (Some(line), Some(column)) = (problem.line, problem.column) {
        detail = format!("line {line}, column {column}: {detail}");
    }
    RenderError { template: problem.template.clone(), receiver: news.receiver.to_owned(), detail }
}

/// A rendering that has not the shape that the receiver needs.
pub(super) fn misshapen(news: &News<'_>, template: &str, detail: impl Into<String>) -> RenderError {
    RenderError {
        template: template.to_owned(),
        receiver: news.receiver.to_owned(),
        detail: detail.into(),
    }
}

/// Renders every sample incident, so that a template which this kind cannot use refuses the load.
pub(super) fn tried<S: Sender + 'static>(sender: S) -> Result<Box<dyn Sender>, ParamError> {
    for sample in samples::all() {
        let action = sender.action(&sample.news());
        action.map_err(|error| {
            wrong("template", format!("{error} (with the sample incident {:?})", sample.name), None)
        })?;
    }
    Ok(Box::new(sender))
}

/// A POST of `body` as JSON.
pub(super) fn post_json(url: &Secret, body: &Value) -> Action {
    Action::Http(Request {
        method: "POST",
        url: url.clone(),
        headers: vec![("content-type".to_owned(), Secret::new("application/json; charset=utf-8"))],
        body: body.to_string().into_bytes(),
    })
}

/// A hash of credentials that does not give them away.
pub(super) fn credential<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    Fingerprint::of(parts).short()
}
