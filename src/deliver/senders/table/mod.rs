//! The receiver table engine: an HTTP API as data. `receivers/<kind>.toml` and the `webhook` kind are such tables; the
//! format is documented in `docs/receivers.md`.

mod answer;
mod compile;
mod request;
mod sign;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

pub(super) use compile::{Credentials, compile, header_name, header_value};
pub(super) use sign::key as signing_key;

use super::{Param, ParamError, ParamType, ParamValue, Params, Sender, SenderKind};
use crate::deliver::render::Templates;
use crate::domain::{Tells, Traits};
use crate::secret::Secret;

/// A receiver's API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// One line for people.
    #[serde(default)]
    pub about: String,
    /// `chat`, `sms`, `pager` or `ticket`: what it wants to be told by default.
    #[serde(default)]
    pub traits: Option<String>,
    #[serde(default)]
    pub rate: Option<Rate>,
    /// `none`, `mrkdwn`, `markdown` or `discord`: what values are escaped for.
    #[serde(default)]
    pub markup: Option<String>,
    /// The keys that a receiver of this kind has, beside those that all have.
    #[serde(default)]
    pub params: BTreeMap<String, TableParam>,
    /// What all requests share.
    #[serde(default)]
    pub request: RequestTable,
    /// What differs when it opens, reopens, rises or is repeated.
    #[serde(default)]
    pub open: RequestTable,
    /// What differs for changes of an open incident.
    #[serde(default)]
    pub update: RequestTable,
    #[serde(default)]
    pub acknowledge: RequestTable,
    #[serde(default)]
    pub resolve: RequestTable,
    /// Names and the JSON pointers of what to keep of the answer.
    #[serde(default)]
    pub remember: BTreeMap<String, String>,
    /// What a 2xx answer must look like.
    #[serde(default)]
    pub success: Option<Condition>,
    /// Rules for answers; the first that fits decides, else the general rules of HTTP.
    #[serde(default)]
    pub answers: Vec<Rule>,
    #[serde(default)]
    pub fit: Fit,
    /// An inline JSON template for the plain rendering, with `lines` and `text`; without one the built-in body.
    #[serde(default)]
    pub plain: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    pub per_second: f64,
    pub burst: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableParam {
    /// `secret`, `url`, `text`, `integer` or `bool`.
    #[serde(rename = "type")]
    pub of: String,
    #[serde(default)]
    pub required: bool,
    /// For what is not a secret.
    #[serde(default)]
    pub default: Option<String>,
    #[serde(default)]
    pub about: String,
}

/// A request, or what differs in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestTable {
    pub method: Option<String>,
    /// Segments appended to the URL; each a template, percent-encoded as a whole.
    pub path: Option<Vec<String>>,
    /// Values are templates, percent-encoded.
    pub query: Option<BTreeMap<String, String>>,
    /// Values are templates that see the parameters and nothing of the alert.
    pub headers: Option<BTreeMap<String, String>>,
    /// The template of the body, if the receiver has none.
    pub template: Option<String>,
    /// Fields of a form body instead of a template.
    pub form: Option<BTreeMap<String, String>>,
    pub content_type: Option<String>,
}

impl RequestTable {
    /// This with what `other` says instead.
    fn with(&self, other: &Self) -> Self {
        let mut headers = self.headers.clone().unwrap_or_default();
        headers.extend(other.headers.clone().unwrap_or_default());
        Self {
            method: other.method.clone().or_else(|| self.method.clone()),
            path: other.path.clone().or_else(|| self.path.clone()),
            query: other.query.clone().or_else(|| self.query.clone()),
            headers: Some(headers),
            template: other.template.clone().or_else(|| self.template.clone()),
            form: other.form.clone().or_else(|| self.form.clone()),
            content_type: other.content_type.clone().or_else(|| self.content_type.clone()),
        }
    }
}

/// What an answer looks like. All that is given must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    /// `"200"`, `"4xx"`.
    #[serde(default)]
    pub status: Vec<String>,
    /// The whole body, but for white space around it.
    pub body: Option<String>,
    /// A part of the body.
    pub contains: Option<String>,
    /// JSON pointers and the values there.
    #[serde(default)]
    pub json: BTreeMap<String, Value>,
}

/// A condition and what follows from it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub when: Condition,
    pub then: Then,
    /// JSON pointer of the seconds to wait.
    pub after: Option<String>,
    /// For `retry`: whether the receiver may have done it.
    #[serde(default)]
    pub maybe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Then {
    Delivered,
    Retry,
    Wait,
    Rendering,
    Credential,
    Gone,
    Refused,
}

/// Limits of the body.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fit {
    /// Largest body in bytes.
    pub body_bytes: Option<usize>,
    /// JSON pointers (`*` is every element) and the most characters there.
    #[serde(default)]
    pub chars: BTreeMap<String, usize>,
    /// JSON pointers and the most UTF-8 bytes there.
    #[serde(default)]
    pub bytes: BTreeMap<String, usize>,
    /// JSON pointers of lists and the most elements there.
    #[serde(default)]
    pub items: BTreeMap<String, usize>,
    /// Most characters of all strings below these pointers together.
    #[serde(default)]
    pub chars_together: BTreeMap<String, usize>,
}

impl Table {
    /// Reads a table.
    fn parse(text: &str) -> Result<Self, TableError> {
        toml::from_str(text).map_err(|error| TableError {
            span: error.span().unwrap_or_default(),
            message: error.message().to_owned(),
        })
    }

    fn traits(&self) -> Result<Traits, String> {
        Ok(match self.traits.as_deref() {
            None | Some("chat") => Traits::CHAT,
            Some("sms") => Traits::SMS,
            Some("pager") => Traits::PAGER,
            Some("ticket") => Traits { tells: Tells::TICKET, ..Traits::PAGER },
            Some(other) => {
                return Err(format!("traits {other:?} is none of chat, sms, pager, ticket"));
            }
        })
    }
}

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TableError {
    /// The bytes of the text that it is about.
    pub span: Range<usize>,
    pub message: String,
}

impl From<String> for TableError {
    fn from(message: String) -> Self {
        Self { span: 0..0, message }
    }
}

/// The kind that the table `text` describes. It lives as long as the process.
pub fn kind(name: &str, text: &str) -> Result<SenderKind, TableError> {
    let table = Table::parse(text)?;
    let traits = table.traits()?;
    let rate = table.rate.map_or((1.0, 5), |rate| (rate.per_second, rate.burst));
    let mut params = Vec::new();
    for (key, param) in &table.params {
        let of = match param.of.as_str() {
            "secret" => ParamType::Secret,
            "url" => ParamType::Url,
            "text" => ParamType::Text,
            "integer" => ParamType::Integer,
            "bool" => ParamType::Bool,
            other => {
                let types = "secret, url, text, integer, bool";
                return Err(format!("params.{key}: type {other:?} is none of {types}").into());
            }
        };
        params.push(Param {
            name: key.clone().leak(),
            of,
            required: param.required,
            doc: param.about.clone().leak(),
        });
    }
    if !table.params.contains_key("url") {
        return Err("params.url is missing: every request goes there".to_owned().into());
    }
    let about = table.about.clone().leak();
    let build =
        Box::leak(Box::new(move |receiver: &str, params: &Params, templates: &Arc<Templates>| {
            from_table(receiver, &table, params, templates)
        }));
    Ok(SenderKind {
        name: name.to_owned().leak(),
        about,
        params: params.leak(),
        traits,
        rate,
        build,
    })
}

fn from_table(
    receiver: &str,
    table: &Table,
    params: &Params,
    templates: &Arc<Templates>,
) -> Result<Box<dyn Sender>, ParamError> {
    let mut known = params.clone();
    for (name, param) in &table.params {
        let Some(default) = &param.default else { continue };
        let value = match param.of.as_str() {
            "url" | "secret" => ParamValue::Secret(Secret::new(default.as_str())),
            _ => ParamValue::Text(default.clone()),
        };
        known.0.entry(name.clone()).or_insert(value);
    }
    compile(receiver, table, &known, templates, Credentials::default())
}
