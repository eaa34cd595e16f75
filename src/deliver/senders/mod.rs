//! Receiver kinds: what each receiver's API is sent and what its answers mean. Pure: the lanes do the I/O.
//!
//! # Adding a receiver kind
//!
//! 1. Where its API is requests and answers, write `receivers/<kind>.toml` (format: `docs/receivers.md`) and add its line to
//!    `TABLES`. Nothing else in Rust is needed.
//! 2. Where it is not, write `<kind>.rs` here: a `KIND` with its parameters, traits and rate, a [`Sender`] whose
//!    [`Sender::judge`] follows the vendor's contract, and its line in `MODULES`.
//! 3. Write `templates/<kind>.*.hbs` and add it to the built-in templates in `render/mod.rs`.
//! 4. Add the kind to `tests/senders.rs` (golden files over the sample incidents, limits for any input), to `tests/lab.rs`
//!    and to the table in `docs/receivers.md`.

mod answers;
mod common;
mod inbox;
mod pagerduty;
mod slack;
mod table;
mod teams;
mod twilio;
mod webhook;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

pub use table::TableError;

use super::render::Templates;
use crate::domain::{Snapshot, Timestamp, Told, Traits, Why};
use crate::secret::Secret;

/// The type of one key under `[receivers.NAME]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// A credential: `${VAR}` and `file:PATH` are expanded, the value is never printed.
    Secret,
    /// A URL, which may be a credential itself: expanded and never printed like a secret.
    Url,
    Text,
    Integer,
    Bool,
    /// A list of strings.
    List,
    /// A table of strings.
    Map,
    /// Any TOML value: the kind reads it itself.
    Any,
}

/// One key that a receiver kind knows, beside the keys all receivers have
/// (`kind`, `limit`, `template`, `fallback`, `send_resolved`, `repeat`, `tells`, `notices`, `max_age`, `timeout`, `concurrency`).
#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub name: &'static str,
    pub of: ParamType,
    pub required: bool,
    /// One line for docs and `check`.
    pub doc: &'static str,
}

/// A value of a [`Param`], already checked for its type and expanded.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamValue {
    /// [`ParamType::Secret`] and [`ParamType::Url`].
    Secret(Secret),
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
    Any(toml::Value),
}

/// The checked keys of one receiver. All required ones are there, unknown ones are not.
#[derive(Clone, Debug, Default)]
pub struct Params(pub BTreeMap<String, ParamValue>);

impl Params {
    /// The text of a `Text` parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(ParamValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The secret of a `Secret` or `Url` parameter.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        match self.0.get(name) {
            Some(ParamValue::Secret(secret)) => Some(secret),
            _ => None,
        }
    }

    /// Every secret among them: what must not be shown.
    pub fn secrets(&self) -> Vec<Secret> {
        let secret = |value: &ParamValue| match value {
            ParamValue::Secret(secret) => Some(secret.clone()),
            _ => None,
        };
        self.0.values().filter_map(secret).collect()
    }

    /// The strings of a `Map` parameter.
    pub fn map(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        match self.0.get(name) {
            Some(ParamValue::Map(map)) => Some(map),
            _ => None,
        }
    }

    /// The strings of a `List` parameter.
    pub fn list(&self, name: &str) -> Option<&[String]> {
        match self.0.get(name) {
            Some(ParamValue::List(list)) => Some(list),
            _ => None,
        }
    }

    /// The TOML value of an `Any` parameter.
    pub fn any(&self, name: &str) -> Option<&toml::Value> {
        match self.0.get(name) {
            Some(ParamValue::Any(value)) => Some(value),
            _ => None,
        }
    }

    /// The number of an `Integer` parameter.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(ParamValue::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// The value of a `Bool` parameter.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.0.get(name) {
            Some(ParamValue::Bool(value)) => Some(*value),
            _ => None,
        }
    }
}

/// A problem with one parameter: the configuration layer shows it at the key's place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{param}: {message}")]
pub struct ParamError {
    pub param: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

/// A kind of receiver: one line in the registry.
#[derive(Clone, Copy)]
pub struct SenderKind {
    pub name: &'static str,
    /// What it sends, in one line.
    pub about: &'static str,
    pub params: &'static [Param],
    /// What it wants to be told unless the receiver says otherwise.
    pub traits: Traits,
    /// Default rate limit from the vendor's documentation: requests per second and burst.
    pub rate: (f64, u32),
    /// Makes a sender from the receiver's name, its checked parameters and the templates of the configuration. The
    /// receiver's key `template`, if it has one, is among the parameters as [`ParamValue::Text`].
    pub build: &'static Build,
}

/// Makes a sender. It renders every sample incident once, so a template that the kind cannot use is found here.
pub type Build =
    dyn Fn(&str, &Params, &Arc<Templates>) -> Result<Box<dyn Sender>, ParamError> + Send + Sync;

/// Everything a sender may use to say one thing about one incident.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    pub snapshot: &'a Snapshot,
    /// What this receiver was told before.
    pub told: &'a Told,
    pub why: Why,
    pub receiver: &'a str,
    /// `ab-<instance>-<number>`: the external dedup key.
    pub dedup_key: &'a str,
    /// Unique per (incident, receiver, seq); a retry carries the same.
    pub message_id: &'a str,
    /// Base URL of this bridge for links, if configured.
    pub base_url: Option<&'a str>,
    pub now: Timestamp,
    /// Render with the built-in plain form, which names this error of the template or the receiver.
    pub plain: Option<&'a str>,
}

/// What to do with rendered news.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send this request.
    Http(Request),
    /// Keep this text in the store and print a line (the `inbox` kind).
    Keep(String),
}

/// One HTTP request, without I/O.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Upper-case method.
    pub method: &'static str,
    /// Absolute URL; may be a credential.
    pub url: Secret,
    /// Names and values; values of credential headers are secret.
    pub headers: Vec<(String, Secret)>,
    pub body: Vec<u8>,
}

/// A receiver's answer, cut to `RESPONSE_BYTES_MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The first header called `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken; `remember` is kept in the told row and given to later requests.
    Delivered { remember: Option<String> },
    /// Failed for now; `maybe` says that the receiver may have done it all the same.
    Retry { after: Option<Duration>, maybe: bool, error: String },
    /// The receiver asks this credential to wait: the lane pauses, it is no attempt.
    Wait { after: Option<Duration>, error: String },
    /// The same bytes would be refused again.
    Reject { why: Rejection, error: String },
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// Our rendering: the built-in plain rendering is tried at once.
    Rendering,
    /// The credential or URL is wrong or revoked.
    Credential,
    /// The place is gone.
    Gone,
    Other,
}

/// Why news could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("render {template} for receiver {receiver}: {detail}")]
pub struct RenderError {
    pub template: String,
    pub receiver: String,
    /// With line and column of the template where known.
    pub detail: String,
}

/// One configured receiver. No I/O, no clock.
pub trait Sender: Send + Sync {
    /// The action that tells `news`. With `news.plain` set it must not depend on any user template.
    fn action(&self, news: &News<'_>) -> Result<Action, RenderError>;

    /// What the receiver's answer means, by the receiver's contract.
    fn judge(&self, response: &Response, now: Timestamp) -> Outcome;

    /// A hash that changes when the credential does: limiters are keyed by it. Not reversible.
    fn credential(&self) -> u64;
}

/// The kinds that are Rust.
const MODULES: [SenderKind; 6] =
    [slack::KIND, pagerduty::KIND, teams::KIND, twilio::KIND, webhook::KIND, inbox::KIND];

/// The kinds that are tables: name and text.
const TABLES: [(&str, &str); 2] = [
    ("discord", include_str!("../../../receivers/discord.toml")),
    ("ntfy", include_str!("../../../receivers/ntfy.toml")),
];

static KINDS: LazyLock<Vec<SenderKind>> = LazyLock::new(|| {
    let tables = TABLES.map(|(name, text)| {
        table::kind(name, text).unwrap_or_else(|error| panic!("receivers/{name}.toml: {error}"))
    });
    MODULES.into_iter().chain(tables).collect()
});

/// The receiver kind called `name`.
pub fn find(name: &str) -> Option<&'static SenderKind> {
    kinds().iter().find(|kind| kind.name == name)
}

/// The built-in receiver kinds, those of `MODULES` first.
pub fn kinds() -> &'static [SenderKind] {
    &KINDS
}

/// The receiver kind that the table `text` describes, in the format of `receivers/<kind>.toml`. It is never freed; the
/// same table again gives the same kind, so a reload costs memory only for what somebody edited.
pub fn kind_from_table(name: &str, text: &str) -> Result<SenderKind, TableError> {
    static MADE: Mutex<BTreeMap<(String, String), SenderKind>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (name.to_owned(), text.to_owned());
    if let Some(kind) = made.get(&key) {
        return Ok(*kind);
    }
    let kind = table::kind(name, text)?;
    made.insert(key, kind);
    Ok(kind)
}
