//! Source kinds: one payload format each, as a table in `sources/` or as a module here where a table cannot say it.
//!
//! Everybody calls [`normalize`], never [`SourceKind::normalize`]: it holds what the kind says to `limits.rs`.
//!
//! # Add a source kind
//!
//! 1. Collect the vendor's own description of its payload and write down what names the *problem* (not the message):
//!    that is the key; a firing payload and its resolve must give the same one.
//! 2. Write down every word it has for a state and a severity, and which of its messages are no alerts.
//! 3. Copy the nearest file of `sources/` to `sources/<kind>.toml` and describe each shape after `docs/sources.md`.
//!    Where a table cannot say it, write `<kind>.rs` here with a unit struct that implements [`SourceKind`] over
//!    [`tree::parse`].
//! 4. Name the authentication profiles that the vendor can do in `auth`, strongest first, and its form in `setting`.
//! 5. Say in `auto` (or in `recognizes` of a module) what no other sender has, or `false`.
//! 6. Add one line to the list in `table/builtin.rs` (a table) or to [`builtin`] (a module).
//! 7. Write `tests/fixtures/<kind>/` with payloads of our own making: `firing`, `resolved`, `odd`, and one for each
//!    further shape; `alertbridge explain --kind <kind> FILE` shows what they become.
//! 8. Run `ALERTBRIDGE_BLESS=1 cargo test --test kinds`, then read the goldens as if you were on call.
//! 9. Run `ALERTBRIDGE_BLESS=1 cargo test --test docs`: it writes the row in `docs/sources.md` (of a module, you do).
//! 10. Run `cargo test`, and the fuzz target `payload` for a few minutes (`fuzz/Cargo.toml` says how).
//!
//! An unknown status word must never read as resolved; unknown fields never fail a payload.

pub mod auto;
pub mod bound;
pub mod read;
pub mod tree;
pub mod when;
pub mod words;

mod alertmanager;
mod aws_cloudwatch;
mod aws_eventbridge;
mod aws_sns;
mod azure_monitor;
mod fields;
mod generic;
mod grafana;
mod grafana_legacy;
mod prometheus;
pub mod table;
mod times;

use std::sync::LazyLock;

pub use self::table::Answers;
use crate::domain::{Alert, Timestamp};
use crate::limits::{ALERTS_PER_PAYLOAD_MAX, ANSWER_BYTES_MAX, INFLATED_BYTES_MAX};

/// The label that names the kind that `auto` took.
pub const KIND_LABEL: &str = "alertbridge_kind";

/// What a sender sent, after authentication and inflating. Nothing here is logged.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// Upper-case HTTP method.
    pub method: &'a str,
    /// The request path.
    pub path: &'a str,
    /// The raw query string without `?`; may be empty.
    pub query: &'a str,
    /// Headers with lower-case names.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
    /// When it arrived: for kinds whose payloads carry no time.
    pub received_at: Timestamp,
}

impl Payload<'_> {
    /// The first header called `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The media type without parameters, lower case; empty when the sender says none.
    pub fn media_type(&self) -> String {
        let raw = self.header("content-type").unwrap_or("");
        raw.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
    }
}

/// A payload and the tree of its body, for kinds that are asked whether it is theirs.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub payload: &'a Payload<'a>,
    pub tree: &'a serde_json::Value,
}

/// What a payload is recognized by; the greater is the surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// The fields it has.
    Shape,
    /// A header that only this sender sets.
    Header,
}

/// What a payload says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normalized {
    /// The alerts that could be read, in payload order; [`Alert::index`] is the position.
    pub alerts: Vec<Alert>,
    /// The alerts that could not, with the reason.
    pub rejected: Vec<Rejected>,
    /// What the sender wants besides alerts: a handshake to answer.
    pub handshake: Option<Handshake>,
    /// Why a payload without alerts is fine ("test message", "deployment started").
    pub ignored: Option<String>,
    /// The kind that read it, where the kind of the source left that open.
    pub taken: Option<Taken>,
}

/// The kind that `auto` took for a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub kind: String,
    /// What its sender is answered.
    pub answers: Answers,
}

/// One alert of a payload that could not be read; the others are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub index: u32,
    pub reason: String,
}

/// A sender's question that is no alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// SNS asks to confirm a subscription: the URL to visit, if the topic is one of ours.
    SnsSubscription { topic: String, url: String },
    /// Answer this (Event Grid's `validationResponse`, a challenge to echo, `TwiML`).
    Answer { status: u16, media_type: String, body: String },
}

impl Handshake {
    /// The answer 200 with a JSON body.
    pub fn json(body: String) -> Self {
        Self::Answer { status: 200, media_type: "application/json".to_owned(), body }
    }
}

/// Why a whole payload could not be read. The sender gets it with a 4xx.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not JSON (form, XML, ...), with the position.
    #[error("body is not valid {format}: {detail}")]
    Syntax { format: &'static str, detail: String },
    /// Valid syntax that this kind does not know.
    #[error("payload is not one of {kind}: {detail}")]
    Shape { kind: String, detail: String },
    /// Several kinds take it for theirs.
    #[error("payload may be one of {}: set the kind of the source", candidates.join(", "))]
    Ambiguous { candidates: Vec<String> },
    /// A limit of `limits.rs`.
    #[error("payload exceeds {limit}: {detail}")]
    TooLarge { limit: &'static str, detail: String },
}

/// One kind of sender: turns its payloads into alerts. Pure: no I/O, no clock.
pub trait SourceKind: Send + Sync {
    /// The name used as `kind = "..."`.
    fn name(&self) -> &str;

    /// The HTTP methods its sender uses; with GET the payload is in the query.
    fn methods(&self) -> &[&'static str] {
        &["POST"]
    }

    /// Names of the authentication profiles that its sender can do, strongest first; empty where nobody knows.
    fn auth(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Whether `seen` is surely of this kind's sender, and by which sign; never guesses.
    fn recognizes(&self, _seen: &Seen<'_>) -> Option<Sign> {
        None
    }

    /// Names of the kinds that this one is a special form of: a payload that both recognize is of this one.
    fn over(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The kind that reads `payload`, where this one leaves that open (`auto`); else nothing.
    fn reader<'a>(&'a self, _payload: &Payload<'_>) -> Result<Option<&'a dyn SourceKind>, Error> {
        Ok(None)
    }

    /// What its sender is answered.
    fn answers(&self) -> &Answers {
        const { &Answers::DEFAULT }
    }

    /// Reads one payload. Never panics, whatever the bytes.
    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error>;
}

/// Reads `payload` as `kind` and holds the result to `limits.rs`. An alert without a key is rejected alone.
pub fn normalize(kind: &dyn SourceKind, payload: &Payload<'_>) -> Result<Normalized, Error> {
    if payload.body.len() > INFLATED_BYTES_MAX {
        let detail = format!("{} bytes, at most {INFLATED_BYTES_MAX}", payload.body.len());
        return Err(Error::TooLarge { limit: "INFLATED_BYTES_MAX", detail });
    }
    let reader = kind.reader(payload)?;
    let mut normalized = reader.unwrap_or(kind).normalize(payload)?;
    if let Some(reader) = reader {
        take_note(reader, &mut normalized);
    }
    check_count(normalized.alerts.len() + normalized.rejected.len())?;
    let mut kept = Vec::with_capacity(normalized.alerts.len());
    for alert in normalized.alerts {
        let alert = bound::alert(alert);
        if alert.key.is_empty() {
            let reason = "nothing in it names the problem, so it has no key".to_owned();
            normalized.rejected.push(Rejected { index: alert.index, reason });
        } else {
            kept.push(alert);
        }
    }
    normalized.alerts = kept;
    if let Some(Handshake::Answer { body, .. }) = &mut normalized.handshake {
        // It holds what the payload says: nobody is sent megabytes back.
        body.truncate(body.floor_char_boundary(ANSWER_BYTES_MAX));
    }
    for rejected in &mut normalized.rejected {
        rejected.reason = bound::line(&rejected.reason, crate::limits::LABEL_VALUE_CHARS_MAX);
    }
    Ok(normalized)
}

/// Says which kind read a payload where the configuration does not: in the answer, and on each alert for its routes.
fn take_note(reader: &dyn SourceKind, normalized: &mut Normalized) {
    for alert in &mut normalized.alerts {
        alert.labels.insert(KIND_LABEL.to_owned(), reader.name().to_owned());
    }
    let (kind, answers) = (reader.name().to_owned(), reader.answers().clone());
    normalized.taken = Some(Taken { kind, answers });
}

/// Refuses payloads of too many alerts; kinds with lists ask before they read the first.
pub fn check_count(alerts: usize) -> Result<(), Error> {
    if alerts <= ALERTS_PER_PAYLOAD_MAX {
        return Ok(());
    }
    let detail = format!("{alerts} alerts, at most {ALERTS_PER_PAYLOAD_MAX}");
    Err(Error::TooLarge { limit: "ALERTS_PER_PAYLOAD_MAX", detail })
}

/// The built-in kind called `name`.
pub fn find(name: &str) -> Option<&'static dyn SourceKind> {
    builtin().iter().copied().find(|kind| kind.name() == name)
}

/// The built-in kinds.
pub fn builtin() -> &'static [&'static dyn SourceKind] {
    static KINDS: LazyLock<Vec<&'static dyn SourceKind>> = LazyLock::new(|| {
        let modules: [&'static dyn SourceKind; _] = [
            // One line each, in alphabetical order.
            &alertmanager::Alertmanager,
            &auto::BUILT_IN,
            &aws_cloudwatch::AwsCloudwatch,
            &aws_eventbridge::AwsEventbridge,
            &aws_sns::AwsSns,
            &azure_monitor::AzureMonitor,
            &generic::Generic,
            &grafana::Grafana,
            &prometheus::Prometheus,
        ];
        modules.into_iter().chain(table::builtin()).collect()
    });
    &KINDS
}
