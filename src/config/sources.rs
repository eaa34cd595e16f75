//! `[sources.NAME]`: who may send alerts, in which format, and how they prove who they are.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;

use super::Catalog;
use super::document::{Node, Table, Value};
use super::problem::{Problem, Span, Word};
use super::reader::{Reader, Section};
use super::suggest;
use crate::limits::BODY_BYTES_MAX;
use crate::secret::Secret;

/// A configured sender of alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub name: String,
    /// The name of a source kind.
    pub kind: String,
    pub auth: Auth,
    /// Addresses it may send from; empty is any.
    pub allow: Vec<IpNet>,
    pub limit: Option<Limit>,
    /// Largest body in bytes as received; the process setting where none is given.
    pub body_limit: Option<usize>,
    /// The user's own table of the `generic` kind.
    pub table: Option<RawTable>,
    /// The vendor-shaped endpoint whose requests without credential belong to this source.
    pub endpoint: Option<String>,
    /// Topics whose subscriptions are confirmed (`aws-sns`).
    pub topics: Vec<String>,
    /// Not in the file but built in: answers only on loopback.
    pub loopback_only: bool,
}

impl Source {
    /// The source that stands for `kind` where no file configures any: loopback only.
    pub fn builtin(kind: &str) -> Self {
        Self {
            name: kind.to_owned(),
            kind: kind.to_owned(),
            auth: Auth::None,
            allow: Vec::new(),
            limit: None,
            body_limit: None,
            table: None,
            endpoint: None,
            topics: Vec::new(),
            loopback_only: true,
        }
    }
}

/// A rate: so many per second on average, so many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    pub per_second: f64,
    pub burst: u32,
}

/// The user's table as written, with its place for messages about what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawTable {
    pub value: toml::Value,
    pub span: Span,
}

/// How a sender proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `auth = "none"`: nothing but the address, if `allow` says so.
    None,
    /// Any of these, as `?auth=...` or as bearer.
    Token(Vec<Secret>),
    /// Any of these.
    Basic(Vec<Basic>),
    /// The body is signed.
    Hmac(Box<Hmac>),
    /// `auth = "sns"`: the signature of the SNS message itself.
    Sns,
}

/// One user of HTTP basic authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basic {
    pub user: String,
    pub password: Secret,
}

/// A signature of the body in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hmac {
    /// Any of these.
    pub secrets: Vec<Secret>,
    /// Lower-case name of the header with the signature.
    pub header: String,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    /// What stands before the signature in the header, such as `sha256=`.
    pub prefix: String,
    /// Lower-case name of the header with the time in Unix seconds or RFC 3339; it must be signed too.
    pub timestamp_header: Option<String>,
    /// How far that time may be off.
    pub tolerance: Duration,
    /// What is signed: `{timestamp}` and `{body}` are replaced.
    pub signed: String,
}

/// The hash of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    Hex,
    Base64,
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    catalog: &Catalog,
    node: &Node,
) -> BTreeMap<String, Source> {
    let mut sources = BTreeMap::new();
    let Value::Table(table) = &node.value else {
        reader.table(node, "[sources]");
        return sources;
    };
    for entry in &table.entries {
        let title = format!("[sources.{}]", entry.key);
        let fine = reader.name(&entry.key, &entry.key_span);
        if let Some(section) = reader.table(&entry.node, &title)
            && let Some(source) = one(reader, catalog, &entry.key, &entry.key_span, section)
            && fine
        {
            sources.insert(entry.key.clone(), source);
        }
    }
    sources
}

/// Places that may hold secrets: everything but the keys known not to be.
pub(super) fn hide(reader: &mut Reader<'_>, sources: &Node) {
    const PLAIN: [&str; 7] =
        ["kind", "allow", "limit", "body_limit", "table", "endpoint", "topics"];
    let Value::Table(table) = &sources.value else {
        sources.leaves(&mut reader.hidden);
        return;
    };
    for source in &table.entries {
        let Value::Table(keys) = &source.node.value else {
            source.node.leaves(&mut reader.hidden);
            continue;
        };
        for entry in keys.entries.iter().filter(|entry| !PLAIN.contains(&entry.key.as_str())) {
            let word = matches!(&entry.node.value, Value::Text(text) if text == "none");
            if !word {
                entry.node.leaves(&mut reader.hidden);
            }
        }
    }
}

fn one(
    reader: &mut Reader<'_>,
    catalog: &Catalog,
    name: &str,
    name_span: &Span,
    mut section: Section<'_>,
) -> Option<Source> {
    // Header spans point at the whole table where it is written inline: the name is the better place.
    section.span = name_span.clone();
    if name == "alertbridge" {
        reader.report(
            Problem::error(Word::InvalidValue, name_span.clone(), "`alertbridge` is built in")
                .hint("it raises alerts about the bridge itself; choose another name"),
        );
    }
    let kind = section.required(reader, "kind").and_then(|node| kind(reader, catalog, node));
    let topics = section.get("topics").and_then(|node| reader.texts(node)).unwrap_or_default();
    let auth = match section.get("auth") {
        Some(node) => auth(reader, node),
        None if !topics.is_empty() => Some(Auth::Sns),
        None => {
            let message = format!("{} does not say how its sender proves who it is", section.title);
            let variable = name.to_uppercase().replace(['-', '.'], "_");
            let hint =
                format!("auth = {{ token = \"${{{variable}_TOKEN}}\" }}, or auth = \"none\"");
            reader.report(Problem::error(Word::NoAuth, name_span.clone(), message).hint(hint));
            None
        }
    };
    let allow = section.get("allow").map(|node| networks(reader, node)).unwrap_or_default();
    let limit = section.get("limit").and_then(|node| limit(reader, node, "limit"));
    let most = i64::try_from(BODY_BYTES_MAX).unwrap_or(i64::MAX);
    let body_limit = section.get("body_limit").and_then(|node| reader.integer(node, 1..=most));
    let table = section.get("table").and_then(|node| {
        reader.table(node, "table")?;
        Some(RawTable { value: node.to_toml(), span: node.span.clone() })
    });
    let endpoint = section.get("endpoint").and_then(|node| reader.text(node));
    section.finish(reader);
    Some(Source {
        name: name.to_owned(),
        kind: kind?,
        auth: auth?,
        allow,
        limit,
        body_limit: body_limit.and_then(|bytes| usize::try_from(bytes).ok()),
        table,
        endpoint,
        topics: topics.into_iter().map(|(topic, _)| topic).collect(),
        loopback_only: false,
    })
}

fn kind(reader: &mut Reader<'_>, catalog: &Catalog, node: &Node) -> Option<String> {
    let kind = reader.text(node)?;
    if catalog.sources.contains(&kind) {
        return Some(kind);
    }
    let message = format!("unknown source kind `{kind}`");
    let hint = suggest::hint(&kind, catalog.sources.iter().map(String::as_str), "kinds");
    let problem = Problem::error(Word::UnknownName, node.span.clone(), message);
    reader.report(problem.maybe_hint(hint));
    None
}

fn networks(reader: &mut Reader<'_>, node: &Node) -> Vec<IpNet> {
    let texts = reader.texts(node).unwrap_or_default();
    let mut networks = Vec::new();
    for (text, span) in texts {
        let parsed =
            text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        if let Ok(network) = parsed {
            networks.push(network);
            continue;
        }
        let message = format!("`{text}` is neither a network nor an address");
        let problem = Problem::error(Word::InvalidValue, span, message);
        reader.report(problem.hint("write \"10.0.0.0/8\", \"2001:db8::/32\" or an address"));
    }
    networks
}

/// `{ per_second = 50, burst = 200 }`.
pub(super) fn limit(reader: &mut Reader<'_>, node: &Node, title: &str) -> Option<Limit> {
    let mut section = reader.table(node, title)?;
    let per_second = section.required(reader, "per_second").and_then(|node| reader.rate(node));
    let burst = section.get("burst").map(|node| reader.integer(node, 1..=1_000_000));
    section.finish(reader);
    let per_second = per_second?;
    let burst = match burst {
        Some(burst) => u32::try_from(burst?).unwrap_or(u32::MAX),
        // A whole second's worth, so that one per second is possible at all.
        None => rounded_up(per_second),
    };
    Some(Limit { per_second, burst })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are above 0 and at most a million"
)]
fn rounded_up(rate: f64) -> u32 {
    rate.ceil().max(1.0) as u32
}

fn auth(reader: &mut Reader<'_>, node: &Node) -> Option<Auth> {
    const FORMS: &str =
        "auth is \"none\", \"sns\" or one of { token = ... }, { basic = ... }, { hmac = ... }";
    match &node.value {
        Value::Text(text) if text == "none" => Some(Auth::None),
        Value::Text(text) if text == "sns" => Some(Auth::Sns),
        Value::Table(table) => auth_table(reader, table, node, FORMS),
        _ => {
            let problem = Problem::error(Word::InvalidValue, node.span.clone(), "unknown auth");
            reader.report(problem.hint(FORMS));
            None
        }
    }
}

fn auth_table(reader: &mut Reader<'_>, table: &Table, node: &Node, forms: &str) -> Option<Auth> {
    let mut section = Section::new("auth", table, node.span.clone());
    let token = section.get("token");
    let basic = section.get("basic");
    let hmac = section.get("hmac");
    section.finish(reader);
    let count = [token, basic, hmac].into_iter().flatten().count();
    if count > 1 || table.entries.is_empty() {
        let message = "auth has exactly one form";
        let problem = Problem::error(Word::InvalidValue, node.span.clone(), message);
        reader.report(problem.hint(forms));
        return None;
    }
    if let Some(node) = token {
        return reader.secrets(node, "the token").map(Auth::Token);
    }
    if let Some(node) = basic {
        return basics(reader, node).map(Auth::Basic);
    }
    hmac.and_then(|node| signature(reader, node)).map(|hmac| Auth::Hmac(Box::new(hmac)))
}

fn basics(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Basic>> {
    let nodes = match &node.value {
        Value::List(nodes) if !nodes.is_empty() => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut basics = Vec::new();
    for node in nodes {
        let mut section = reader.table(node, "basic")?;
        let user = section.required(reader, "user").and_then(|node| reader.text(node));
        let password = section.required(reader, "password");
        let password = password.and_then(|node| reader.secret(node, "the password"));
        section.finish(reader);
        basics.push(Basic { user: user?, password: password?.secret });
    }
    Some(basics)
}

fn signature(reader: &mut Reader<'_>, node: &Node) -> Option<Hmac> {
    const FIVE_MINUTES: Duration = Duration::from_mins(5);
    let mut section = reader.table(node, "hmac")?;
    let secrets = section.required(reader, "secret");
    let secrets = secrets.and_then(|node| reader.secrets(node, "the signing secret"));
    let header = section.required(reader, "header").and_then(|node| reader.text(node));
    let algorithms =
        [("sha1", Algorithm::Sha1), ("sha256", Algorithm::Sha256), ("sha512", Algorithm::Sha512)];
    let algorithm = section.get("algorithm").and_then(|node| choice(reader, node, &algorithms));
    let encodings = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
    let encoding = section.get("encoding").and_then(|node| choice(reader, node, &encodings));
    let prefix = section.get("prefix").and_then(|node| reader.text(node)).unwrap_or_default();
    let timestamp_header = section.get("timestamp_header").and_then(|node| reader.text(node));
    let tolerance = section.get("tolerance").and_then(|node| reader.interval(node));
    let signed = section.get("signed").and_then(|node| reader.placed(node));
    section.finish(reader);

    let default = if timestamp_header.is_some() { "{timestamp}.{body}" } else { "{body}" };
    if let Some((text, span)) = &signed {
        let unsigned_time = timestamp_header.is_some() && !text.contains("{timestamp}");
        if !text.contains("{body}") || unsigned_time {
            let message =
                "`signed` must name {body}, and {timestamp} where there is a timestamp_header";
            return reader.invalid(span, message);
        }
    }
    Some(Hmac {
        secrets: secrets?,
        header: header?.to_ascii_lowercase(),
        algorithm: algorithm.unwrap_or(Algorithm::Sha256),
        encoding: encoding.unwrap_or(Encoding::Hex),
        prefix,
        timestamp_header: timestamp_header.map(|header| header.to_ascii_lowercase()),
        tolerance: tolerance.unwrap_or(FIVE_MINUTES),
        signed: signed.map_or_else(|| default.to_owned(), |(text, _)| text),
    })
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    reader: &mut Reader<'_>,
    node: &Node,
    words: &[(&str, T)],
) -> Option<T> {
    let text = reader.text(node)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let hint = suggest::hint(&text, words.iter().map(|(word, _)| *word), "words");
    let message = format!("unknown word `{text}`");
    let problem = Problem::error(Word::InvalidValue, node.span.clone(), message);
    reader.report(problem.maybe_hint(hint));
    None
}
