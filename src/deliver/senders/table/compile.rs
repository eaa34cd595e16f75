//! From a table and a receiver's parameters to a sender: everything that can fail fails here, at load.

use std::collections::BTreeMap;
use std::sync::Arc;

use handlebars::Handlebars;
use url::Url;

use super::request::{Body, TableSender, Template};
use super::{RequestTable, Table};
use crate::deliver::clean::Markup;
use crate::deliver::render::{self, Form, Templates};
use crate::deliver::senders::common::{self, wrong};
use crate::deliver::senders::{ParamError, ParamValue, Params, Sender};
use crate::secret::Secret;

/// What authenticates a request beside its URL and the table's headers.
#[derive(Clone, Debug, Default)]
pub(in crate::deliver::senders) struct Credentials {
    /// Name and value of a header.
    pub header: Option<(String, Secret)>,
    /// Name and value in the query.
    pub query: Option<(String, Secret)>,
    /// Key of Standard Webhooks signatures.
    pub signing: Option<Vec<u8>>,
}

/// Which of a table's requests tells a piece of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Open,
    Update,
    Acknowledge,
    Resolve,
}

/// One request, ready to be filled in.
pub(super) struct Compiled {
    pub method: &'static str,
    /// Names of templates in the registry.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, Secret)>,
    pub body: Body,
    /// Whether it needs what an earlier answer gave.
    pub remembers: bool,
}

/// Makes the sender of a table.
pub(in crate::deliver::senders) fn compile(
    receiver: &str,
    table: &Table,
    params: &Params,
    templates: &Arc<Templates>,
    credentials: Credentials,
) -> Result<Box<dyn Sender>, ParamError> {
    let url = common::fixed_url(params, "url")?;
    let markup = table.markup.as_deref().unwrap_or("none");
    let markup = Markup::parse(markup).ok_or_else(|| {
        wrong("markup", format!("{markup:?} is none of none, mrkdwn, markdown, discord"), None)
    })?;
    let (mut shown, mut hidden) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in &params.0 {
        let (secret, text) = match value {
            ParamValue::Secret(secret) => (true, secret.expose().to_owned()),
            ParamValue::Text(text) => (false, text.clone()),
            ParamValue::Integer(number) => (false, number.to_string()),
            ParamValue::Bool(value) => (false, value.to_string()),
            ParamValue::List(_) | ParamValue::Map(_) | ParamValue::Any(_) => continue,
        };
        if !secret {
            shown.insert(name.clone(), text.clone());
        }
        hidden.insert(name.clone(), text);
    }
    let mut maker = Maker {
        registry: render::registry(false, str::to_owned),
        json: render::registry(true, move |raw| render::json_escape(&markup.escape(raw))),
        params,
        templates,
        all_params: &hidden,
    };
    let base = &table.request;
    let requests = [
        maker.request("open", &base.with(&table.open))?,
        maker.request("update", &base.with(&table.update))?,
        maker.request("acknowledge", &base.with(&table.acknowledge))?,
        maker.request("resolve", &base.with(&table.resolve))?,
    ];
    if let Some(plain) = &table.plain {
        let compiled = maker.json.register_template_string("plain", plain);
        compiled.map_err(|error| wrong("plain", error.reason().to_string(), None))?;
    }
    for pointer in
        table.remember.values().chain(table.fit.chars.keys()).chain(table.fit.items.keys())
    {
        if !pointer.starts_with('/') {
            return Err(wrong(
                "remember",
                format!("{pointer:?} is no JSON pointer"),
                Some("it begins with /"),
            ));
        }
    }
    let Maker { registry, json, .. } = maker;
    let sender = TableSender {
        receiver: receiver.to_owned(),
        url: Secret::new(url),
        registry,
        json,
        templates: Arc::clone(templates),
        markup,
        requests,
        shown,
        secrets: secrets(params, &credentials),
        remember: table.remember.clone(),
        success: table.success.clone(),
        answers: table.answers.clone(),
        fit: table.fit.clone(),
        plain: table.plain.is_some(),
        credentials,
    };
    common::tried(sender)
}

/// Everything that must not be shown in an error.
fn secrets(params: &Params, credentials: &Credentials) -> Vec<Secret> {
    let own = params.0.values().filter_map(|value| match value {
        ParamValue::Secret(secret) => Some(secret.clone()),
        _ => None,
    });
    let given = [&credentials.header, &credentials.query]
        .into_iter()
        .flatten()
        .map(|(_, secret)| secret.clone());
    own.chain(given).collect()
}

struct Maker<'a> {
    registry: Handlebars<'static>,
    json: Handlebars<'static>,
    params: &'a Params,
    templates: &'a Arc<Templates>,
    all_params: &'a BTreeMap<String, String>,
}

impl Maker<'_> {
    fn request(&mut self, operation: &str, table: &RequestTable) -> Result<Compiled, ParamError> {
        let method = match table.method.as_deref().unwrap_or("POST").to_ascii_uppercase().as_str() {
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            "GET" => "GET",
            "DELETE" => "DELETE",
            other => {
                return Err(wrong(
                    "method",
                    format!("{other:?} is none of POST, PUT, PATCH, GET, DELETE"),
                    None,
                ));
            }
        };
        let mut path = Vec::new();
        for (at, source) in table.path.iter().flatten().enumerate() {
            path.push(self.inline("path", format!("{operation}/path/{at}"), source)?);
        }
        let mut query = Vec::new();
        for (name, source) in table.query.iter().flatten() {
            query.push((
                name.clone(),
                self.inline("query", format!("{operation}/query/{name}"), source)?,
            ));
        }
        let headers = self.headers(operation, table)?;
        let inline =
            table.path.iter().flatten().chain(table.query.iter().flat_map(BTreeMap::values));
        let form = table.form.iter().flat_map(BTreeMap::values);
        let remembers = inline.chain(form).any(|source| source.contains("remember."));
        let body = self.body(operation, method, table)?;
        Ok(Compiled { method, path, query, headers, body, remembers })
    }

    fn body(
        &mut self,
        operation: &str,
        method: &str,
        table: &RequestTable,
    ) -> Result<Body, ParamError> {
        if method == "GET" {
            return Ok(Body::None);
        }
        if let Some(fields) = &table.form {
            let mut form = Vec::new();
            for (name, source) in fields {
                form.push((
                    name.clone(),
                    self.inline("form", format!("{operation}/form/{name}"), source)?,
                ));
            }
            return Ok(Body::Form(form));
        }
        let Some(name) = self.params.text("template").or(table.template.as_deref()) else {
            return Ok(Body::BuiltIn);
        };
        let forms = self.templates.forms(name);
        let Some(form) = forms.first().copied() else {
            return Err(wrong("template", format!("there is no template {name:?}"), None));
        };
        let usual = match form {
            Form::Json => "application/json; charset=utf-8",
            Form::Text => "text/plain; charset=utf-8",
            Form::Html => "text/html; charset=utf-8",
        };
        let content_type = table.content_type.clone().unwrap_or_else(|| usual.to_owned());
        if content_type.contains("json") && form != Form::Json {
            let hint = "name the template NAME.json.hbs, so that values are escaped";
            return Err(wrong(
                "template",
                "renders text, but the content type is JSON",
                Some(hint),
            ));
        }
        Ok(Body::Template(Template { name: name.to_owned(), form, content_type }))
    }

    /// Header values see the receiver's parameters only: nothing of an alert ever gets into a header.
    fn headers(
        &mut self,
        operation: &str,
        table: &RequestTable,
    ) -> Result<Vec<(String, Secret)>, ParamError> {
        let mut headers = Vec::new();
        for (name, source) in table.headers.iter().flatten() {
            let key = self.inline("headers", format!("{operation}/headers/{name}"), source)?;
            let data = BTreeMap::from([("params", self.all_params)]);
            let value = self.registry.render(&key, &data);
            let value = value
                .map_err(|error| wrong("headers", format!("{name}: {}", error.reason()), None))?;
            // A header made of an optional parameter that is not given.
            if !value.trim().is_empty() {
                headers.push((header_name(name)?, Secret::new(header_value(name, value)?)));
            }
        }
        Ok(headers)
    }

    /// Registers a template that stands in the table itself.
    fn inline(
        &mut self,
        param: &'static str,
        key: String,
        source: &str,
    ) -> Result<String, ParamError> {
        let compiled = self.registry.register_template_string(&key, source);
        compiled.map_err(|error| wrong(param, format!("{source:?}: {}", error.reason()), None))?;
        Ok(key)
    }
}

/// `name` in lower case if it can be a header that we leave to the table.
pub(in crate::deliver::senders) fn header_name(name: &str) -> Result<String, ParamError> {
    let lower = name.to_ascii_lowercase();
    let token = !lower.is_empty()
        && lower.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !token
        || matches!(lower.as_str(), "host" | "content-length" | "transfer-encoding" | "connection")
    {
        return Err(wrong("headers", format!("{name:?} cannot be set"), None));
    }
    Ok(lower)
}

/// `value` if it is visible ASCII: no line break can smuggle in another header.
pub(in crate::deliver::senders) fn header_value(
    name: &str,
    value: String,
) -> Result<String, ParamError> {
    if value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(value);
    }
    Err(wrong("headers", format!("the value of {name:?} is not visible ASCII"), None))
}

/// Appends `segments` to `url`; an empty one or one of dots would leave the place that was configured.
pub(super) fn append(url: &mut Url, segments: &[String]) -> Result<(), String> {
    if segments.is_empty() {
        return Ok(());
    }
    if segments.iter().any(|segment| matches!(segment.trim(), "" | "." | "..")) {
        return Err("a path segment is empty or made of dots".to_owned());
    }
    let mut path = url.path_segments_mut().map_err(|()| "the URL cannot have a path".to_owned())?;
    path.pop_if_empty().extend(segments);
    Ok(())
}
