//! Any HTTP API: the receiver table engine with the user's own table under `[receivers.NAME]`.
//!
//! Without a template it sends our own JSON. With a `secret` it is signed by Standard Webhooks.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;

use super::common::wrong;
use super::table::{self, Credentials, RequestTable, Table};
use super::{Param, ParamError, ParamType, Params, Sender, SenderKind};
use crate::deliver::render::Templates;
use crate::domain::Traits;
use crate::secret::Secret;

const fn param(name: &'static str, of: ParamType, doc: &'static str) -> Param {
    Param { name, of, required: false, doc }
}

const PARAMS: &[Param] = &[
    Param {
        name: "url",
        of: ParamType::Url,
        required: true,
        doc: "where to send; scheme, host and port stay fixed",
    },
    param("method", ParamType::Text, "POST (default), PUT, PATCH, GET or DELETE"),
    param(
        "path",
        ParamType::List,
        "segments appended to the URL; each a template, percent-encoded",
    ),
    param("query", ParamType::Map, "names and templates of query values, percent-encoded"),
    param(
        "headers",
        ParamType::Map,
        "names and values of headers; values see {{params.NAME}} and nothing of the alert",
    ),
    param(
        "content_type",
        ParamType::Text,
        "the body's media type, if not that of the template's ending",
    ),
    param("form", ParamType::Map, "names and templates of form fields, sent instead of a template"),
    param(
        "markup",
        ParamType::Text,
        "none (default), mrkdwn, markdown or discord: what values are escaped for",
    ),
    param("bearer", ParamType::Secret, "token for Authorization: Bearer"),
    param("basic_user", ParamType::Text, "user name for Authorization: Basic"),
    param("basic_password", ParamType::Secret, "password for Authorization: Basic"),
    param("auth_header", ParamType::Text, "name of the header that carries auth_value"),
    param("auth_query", ParamType::Text, "name of the query parameter that carries auth_value"),
    param("auth_value", ParamType::Secret, "the credential of auth_header or auth_query"),
    param("secret", ParamType::Secret, "whsec_...: sign every request by Standard Webhooks"),
    param(
        "open",
        ParamType::Any,
        "what differs in the request that opens, reopens, rises or repeats",
    ),
    param("update", ParamType::Any, "what differs in the request for changes of an open incident"),
    param("acknowledge", ParamType::Any, "what differs in the request that acknowledges"),
    param("resolve", ParamType::Any, "what differs in the request that resolves"),
    param(
        "remember",
        ParamType::Map,
        "names and JSON pointers of what to keep of the answer, for {{remember.NAME}}",
    ),
    param(
        "success",
        ParamType::Any,
        "what a 2xx answer must look like: { body, contains, json, status }",
    ),
    param(
        "answers",
        ParamType::Any,
        "rules for answers: [{ when = {...}, then = \"...\", after = \"/pointer\" }]",
    ),
    param("fit", ParamType::Any, "limits: { body_bytes, chars, bytes, items, chars_together }"),
    param(
        "plain",
        ParamType::Text,
        "an inline JSON template for the plain rendering, with {{text}}",
    ),
];

/// The kind `webhook`.
pub const KIND: SenderKind = SenderKind {
    name: "webhook",
    about: "any HTTP API, described by the receiver itself",
    params: PARAMS,
    traits: Traits::CHAT,
    rate: (5.0, 10),
    build: &build,
};

fn build(
    name: &str,
    params: &Params,
    templates: &Arc<Templates>,
) -> Result<Box<dyn Sender>, ParamError> {
    let text = |key: &str| params.text(key).map(str::to_owned);
    let table = Table {
        markup: text("markup"),
        request: RequestTable {
            method: text("method"),
            path: params.list("path").map(<[String]>::to_vec),
            query: params.map("query").cloned(),
            headers: params.map("headers").cloned(),
            template: None,
            form: params.map("form").cloned(),
            content_type: text("content_type"),
        },
        open: any(params, "open")?,
        update: any(params, "update")?,
        acknowledge: any(params, "acknowledge")?,
        resolve: any(params, "resolve")?,
        remember: params.map("remember").cloned().unwrap_or_default(),
        success: any(params, "success")?,
        answers: any(params, "answers")?,
        fit: any(params, "fit")?,
        plain: text("plain"),
        ..Table::default()
    };
    table::compile(name, &table, params, templates, credentials(params)?)
}

/// The value of an `Any` parameter as a part of a table; its default if it is not given.
fn any<T: DeserializeOwned + Default>(
    params: &Params,
    name: &'static str,
) -> Result<T, ParamError> {
    let Some(value) = params.any(name) else { return Ok(T::default()) };
    value.clone().try_into().map_err(|error: toml::de::Error| wrong(name, error.message(), None))
}

fn credentials(params: &Params) -> Result<Credentials, ParamError> {
    let mut found = Credentials::default();
    let mut headers = Vec::new();
    if let Some(token) = params.secret("bearer") {
        headers.push(("authorization".to_owned(), format!("Bearer {}", token.expose())));
    }
    if let Some(password) = params.secret("basic_password") {
        let user = params.text("basic_user").unwrap_or("");
        let basic = STANDARD.encode(format!("{user}:{}", password.expose()));
        headers.push(("authorization".to_owned(), format!("Basic {basic}")));
    }
    match (params.text("auth_header"), params.text("auth_query"), params.secret("auth_value")) {
        (None, None, None) => {}
        (Some(name), None, Some(value)) => {
            headers.push((table::header_name(name)?, value.expose().to_owned()));
        }
        (None, Some(name), Some(value)) => found.query = Some((name.to_owned(), value.clone())),
        _ => return Err(wrong("auth_value", "goes with either auth_header or auth_query", None)),
    }
    if headers.len() > 1 {
        return Err(wrong("bearer", "more than one way to authenticate is given", None));
    }
    if let Some((name, value)) = headers.pop() {
        found.header = Some((name.clone(), Secret::new(table::header_value(&name, value)?)));
    }
    if let Some(secret) = params.secret("secret") {
        found.signing = Some(table::signing_key(secret).map_err(|why| wrong("secret", why, None))?);
    }
    Ok(found)
}
