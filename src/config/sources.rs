//! `[sources.NAME]`: who may send alerts, in which format, and how they prove who they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::DeTable;

use super::document::{Node, Value};
use super::problem::{Problem, Span, Word};
use super::reader::{Reader, Section};
use super::{Catalog, auth, suggest, table_problem};
use crate::ingest::auth::sns::Topics;
use crate::ingest::auth::{AllowList, Auth, Profile};
use crate::ingest::kinds::table::{Table as TableEngine, TableKind};
use crate::ingest::{Endpoint, Kind};
use crate::limits::BODY_BYTES_MAX;

/// A configured sender of alerts.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    /// Reads its payloads: a kind of the catalog, or the user's own table.
    pub kind: Kind,
    /// How it proves who it is, and the addresses it may send from.
    pub profile: Profile,
    pub limit: Option<Limit>,
    /// Largest body in bytes as received; the process setting where none is given.
    pub body_limit: Option<usize>,
    /// Topics whose subscriptions are confirmed (`aws-sns`).
    pub topics: Topics,
    /// The vendor's API whose clients it serves besides `/hooks/NAME`.
    pub endpoint: Option<Endpoint>,
    /// Not in the file but built in: answers only on loopback.
    pub loopback_only: bool,
}

impl Source {
    /// The source that stands for `kind` where no file configures any: loopback only.
    pub fn builtin(kind: &Kind) -> Self {
        Self {
            name: kind.name().to_owned(),
            kind: kind.clone(),
            profile: Profile { auth: Auth::None, allow: AllowList::default() },
            limit: None,
            body_limit: None,
            topics: Topics::default(),
            endpoint: Endpoint::of_kind(kind.name()),
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

pub(super) fn read(
    reader: &mut Reader<'_>,
    catalog: &Catalog,
    text: &str,
    node: &Node,
) -> BTreeMap<String, Source> {
    let mut sources = BTreeMap::new();
    let Value::Table(table) = &node.value else {
        reader.table(node, "[sources]");
        return sources;
    };
    let (document, _) = DeTable::parse_recoverable(text);
    for entry in &table.entries {
        let title = format!("[sources.{}]", entry.key);
        let fine = reader.name(&entry.key, &entry.key_span);
        let Some(section) = reader.table(&entry.node, &title) else { continue };
        let source = one(reader, catalog, &entry.key, &entry.key_span, section);
        let kind = own_table(reader, document.get_ref(), &entry.key);
        if let Some(mut source) = source.filter(|_| fine) {
            source.kind = kind.unwrap_or(source.kind);
            only_one(reader, &sources, &source, &entry.key_span);
            sources.insert(entry.key.clone(), source);
        }
    }
    sources
}

/// Places that may hold secrets: everything but the keys known not to be.
pub(super) fn hide(reader: &mut Reader<'_>, sources: &Node) {
    const PLAIN: [&str; 7] =
        ["kind", "allow", "limit", "body_limit", "table", "topics", "endpoint"];
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
    let topics = section.get("topics");
    let topic_span = topics.map_or_else(|| name_span.clone(), |node| node.span.clone());
    let topics = topics.and_then(|node| reader.texts(node)).unwrap_or_default();
    let topics: Vec<String> = topics.into_iter().map(|(topic, _)| topic).collect();
    let any_topics = !topics.is_empty();
    let topics = match Topics::new(topics) {
        Ok(topics) => topics,
        Err(error) => reader.invalid(&topic_span, error.to_string()).unwrap_or_default(),
    };
    let auth = match section.get("auth") {
        Some(node) => {
            let public_url = reader.public_url;
            let auth = auth::read(reader, node, &auth::Owner { name, public_url, topics: &topics });
            if let (Some(kind), Some(auth)) = (&kind, &auth) {
                auth::lint(reader, kind, auth, &node.span);
            }
            auth
        }
        None if any_topics => Some(Auth::Sns(topics.clone())),
        None => {
            let message = format!("{} does not say how its sender proves who it is", section.title);
            let variable = name.to_uppercase().replace(['-', '.'], "_");
            let profile = kind.as_ref().map_or("token", |kind| auth::example(kind));
            let hint =
                format!("auth = {{ {profile} = \"${{{variable}_TOKEN}}\" }}, or auth = \"none\"");
            reader.report(Problem::error(Word::NoAuth, name_span.clone(), message).hint(hint));
            None
        }
    };
    let allow = section.get("allow").map(|node| networks(reader, node)).unwrap_or_default();
    let limit = section.get("limit").and_then(|node| limit(reader, node, "limit"));
    let most = i64::try_from(BODY_BYTES_MAX).unwrap_or(i64::MAX);
    let body_limit = section.get("body_limit").and_then(|node| reader.integer(node, 1..=most));
    let table = section.get("table").is_some();
    let said = section.get("endpoint");
    section.finish(reader);
    let kind = kind?;
    let auth = auth?;
    let endpoint = endpoint(reader, &kind, &auth, name_span, said);
    let own_table = table && kind.name() != "generic";
    if own_table {
        let message = "only the kind `generic` takes a table";
        let problem = Problem::error(Word::InvalidValue, name_span.clone(), message);
        reader.report(problem.hint("a kind of your own is a file in the directory `sources`"));
    }
    Some(Source {
        name: name.to_owned(),
        kind,
        profile: Profile { auth, allow },
        limit,
        body_limit: body_limit.and_then(|bytes| usize::try_from(bytes).ok()),
        topics,
        endpoint,
        loopback_only: false,
    })
}

/// What `endpoint = "..."` says, or the kind alone: clients of the vendor's API present a credential, and the source is
/// found by it. A source without one is found only if it says so. One whose credential is in the body, or signs it, serves
/// none: it could be found by a signature of nothing.
fn endpoint(
    reader: &mut Reader<'_>,
    kind: &Kind,
    auth: &Auth,
    name_span: &Span,
    said: Option<&Node>,
) -> Option<Endpoint> {
    const HINT: &str = "its clients present a key: auth = { token = ... }";
    let own = Endpoint::of_kind(kind.name());
    let unfit = auth.needs_body();
    let Some(node) = said else {
        if let Some(own) = own.filter(|_| unfit) {
            let message = format!("`{}` cannot serve the endpoint `{own}`", auth.as_str());
            let problem = Problem::warning(Word::InvalidValue, name_span.clone(), message);
            reader.report(problem.hint(HINT));
        }
        return own.filter(|_| !unfit && !matches!(auth, Auth::None));
    };
    let words = Endpoint::ALL.map(|endpoint| (endpoint.as_str(), endpoint));
    let endpoint = choice(reader, node, &words)?;
    if own != Some(endpoint) {
        let message = format!("endpoint `{endpoint}` is not read by the kind `{}`", kind.name());
        let hint = format!("kind = \"{}\"", endpoint.kind());
        reader.report(Problem::error(Word::InvalidValue, node.span.clone(), message).hint(hint));
        return None;
    }
    if unfit {
        let message = format!("`{}` cannot serve the endpoint `{endpoint}`", auth.as_str());
        let problem = Problem::error(Word::InvalidValue, node.span.clone(), message);
        reader.report(problem.hint(HINT));
        return None;
    }
    own
}

/// Of sources without a credential only one can serve an endpoint: nothing would tell their senders apart.
fn only_one(
    reader: &mut Reader<'_>,
    before: &BTreeMap<String, Source>,
    source: &Source,
    span: &Span,
) {
    let Some(endpoint) = source.endpoint else { return };
    let is_open = |source: &Source| matches!(source.profile.auth, Auth::None);
    let other = before.values().find(|other| other.endpoint == Some(endpoint) && is_open(other));
    if let Some(other) = other.filter(|_| is_open(source)) {
        let message =
            format!("endpoint `{endpoint}` is served without a credential by `{}` too", other.name);
        let problem = Problem::error(Word::DuplicateName, span.clone(), message);
        reader.report(problem.hint("auth = { token = ... } tells senders apart"));
    }
}

/// Reads `table = { ... }` of the source called `name`: the table engine wants the document itself.
fn own_table(reader: &mut Reader<'_>, document: &DeTable<'_>, name: &str) -> Option<Kind> {
    let (section, _) =
        [name, "table"].iter().try_fold((document.get("sources")?, 0), |(value, depth), key| {
            Some((value.get_ref().as_table()?.get(*key)?, depth + 1))
        })?;
    let table = section.get_ref().as_table()?;
    match TableEngine::from_toml(table, section.span(), name) {
        Ok(table) => Some(Kind::Table(Arc::new(TableKind(table)))),
        Err(problems) => {
            for found in problems {
                reader.report(table_problem(found));
            }
            None
        }
    }
}

fn kind(reader: &mut Reader<'_>, catalog: &Catalog, node: &Node) -> Option<Kind> {
    let name = reader.text(node)?;
    if let Some(kind) = catalog.source(&name) {
        return Some(kind.clone());
    }
    let message = format!("unknown source kind `{name}`");
    let hint = suggest::hint(&name, catalog.sources.iter().map(|kind| kind.name()), "kinds");
    let problem = Problem::error(Word::UnknownName, node.span.clone(), message);
    reader.report(problem.maybe_hint(hint));
    None
}

fn networks(reader: &mut Reader<'_>, node: &Node) -> AllowList {
    let mut right = Vec::new();
    for (text, span) in reader.texts(node).unwrap_or_default() {
        match AllowList::parse(&[&text]) {
            Ok(_) => right.push(text),
            Err(error) => {
                let problem = Problem::error(Word::InvalidValue, span, error.to_string());
                let hint = "write \"10.0.0.0/8\", \"2001:db8::/32\" or an address";
                reader.report(problem.hint(hint));
            }
        }
    }
    AllowList::parse(&right).unwrap_or_default()
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
