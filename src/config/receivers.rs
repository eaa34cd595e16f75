//! `[receivers.NAME]`: places to notify. The keys of each kind are declared by the kind itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Catalog;
use super::document::{Node, Value};
use super::problem::{Problem, Span, Word};
use super::reader::{Placed, Reader, Section};
use super::sources::{Limit, limit};
use super::suggest;
use crate::deliver::render::Templates;
use crate::deliver::senders::{
    Param, ParamError, ParamType, ParamValue, Params, Sender, SenderKind,
};
use crate::domain::{Fallback, Tell, Tells, Traits};
use crate::limits::FALLBACK_DEPTH_MAX;

/// The receiver that is always there: it keeps what it is told in the store and prints a line.
pub const INBOX: &str = "inbox";

/// A configured place to notify.
#[derive(Clone)]
pub struct Receiver {
    pub name: Arc<str>,
    pub kind: SenderKind,
    /// The kind's own keys, checked and expanded.
    pub params: Params,
    /// What it wants to be told: the kind's defaults and what the file says otherwise.
    pub traits: Traits,
    pub limit: Limit,
    /// Name of a template, without directory and endings.
    pub template: Option<String>,
    pub fallback: Option<Fallback>,
    /// How long one request may take; the process setting where none is given.
    pub timeout: Option<Duration>,
    /// Requests at the same time; the process setting where none is given.
    pub concurrency: Option<usize>,
    /// What `template` names one of.
    pub templates: Arc<Templates>,
}

impl Receiver {
    /// Makes the sender. Was tried at load, except where a variable was unset.
    pub fn sender(&self) -> Result<Box<dyn Sender>, ParamError> {
        (self.kind.build)(&self.name, &self.params, &self.templates)
    }

    /// The receiver that is there without any configuration, if there is such a kind.
    pub fn inbox(catalog: &Catalog) -> Option<Self> {
        let kind = catalog.sender(INBOX)?;
        Some(Self {
            name: INBOX.into(),
            kind,
            params: Params::default(),
            traits: kind.traits,
            limit: Limit { per_second: kind.rate.0, burst: kind.rate.1 },
            template: None,
            fallback: None,
            timeout: None,
            concurrency: None,
            templates: Arc::clone(&catalog.templates),
        })
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Receiver");
        out.field("name", &self.name).field("kind", &self.kind.name);
        out.field("params", &self.params).field("traits", &self.traits).finish_non_exhaustive()
    }
}

/// All receivers, and where their names and fallbacks stand.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    pub(super) all: BTreeMap<String, Receiver>,
    /// Every name in the file, also of those with errors.
    pub(super) names: BTreeMap<String, Span>,
    fallbacks: BTreeMap<String, Placed>,
}

pub(super) fn read(reader: &mut Reader<'_>, catalog: &Catalog, node: Option<&Node>) -> Receivers {
    let mut receivers = Receivers::default();
    if let Some(node) = node {
        let mut entries: &[_] = &[];
        match &node.value {
            Value::Table(table) => entries = &table.entries,
            _ => drop(reader.table(node, "[receivers]")),
        }
        for entry in entries {
            let title = format!("[receivers.{}]", entry.key);
            receivers.names.insert(entry.key.clone(), entry.key_span.clone());
            let fine = reader.name(&entry.key, &entry.key_span);
            if let Some(mut section) = reader.table(&entry.node, &title) {
                section.span = entry.key_span.clone();
                let one = one(reader, catalog, &entry.key, section, &mut receivers.fallbacks);
                if let Some(receiver) = one.filter(|_| fine) {
                    receivers.all.insert(entry.key.clone(), receiver);
                }
            }
        }
    }
    if !receivers.names.contains_key(INBOX)
        && let Some(inbox) = Receiver::inbox(catalog)
    {
        receivers.all.insert(INBOX.into(), inbox);
    }
    check_fallbacks(reader, &receivers);
    receivers
}

impl Receivers {
    /// Whether there is a receiver called `name`; reports if not.
    pub(super) fn exists(&self, reader: &mut Reader<'_>, name: &str, span: &Span) -> bool {
        if name == INBOX || self.names.contains_key(name) {
            return true;
        }
        let known = self.names.keys().chain(self.all.keys()).map(String::as_str);
        let hint = suggest::hint(name, known, "receivers");
        let message = format!("there is no receiver called `{name}`");
        let problem = Problem::error(Word::UnknownName, span.clone(), message);
        reader.report(problem.maybe_hint(hint));
        false
    }

    /// The names that `name` falls back to, at most as many as there are receivers.
    pub(super) fn chain<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let next = |name: &&'a str| self.fallbacks.get(*name).map(|(next, _)| next.as_str());
        std::iter::successors(next(&name), next).take(self.names.len() + 1)
    }
}

fn one(
    reader: &mut Reader<'_>,
    catalog: &Catalog,
    name: &str,
    mut section: Section<'_>,
    fallbacks: &mut BTreeMap<String, Placed>,
) -> Option<Receiver> {
    let kind = section.required(reader, "kind").and_then(|node| kind(reader, catalog, node));
    let limit = section.get("limit").and_then(|node| limit(reader, node, "limit"));
    let template = section.get("template").and_then(|node| template(reader, node));
    let fallback = section.get("fallback").and_then(|node| fallback(reader, node));
    if let Some((to, _)) = &fallback {
        fallbacks.insert(name.to_owned(), to.clone());
    }
    let timeout = section.get("timeout").and_then(|node| reader.interval(node));
    let concurrency = section.get("concurrency").and_then(|node| reader.integer(node, 1..=256));
    let wishes = Wishes::read(reader, &mut section);
    let Some(kind) = kind else {
        // Nobody knows which of the other keys are right, or which of them are secrets.
        return None;
    };
    let span = section.span.clone();
    let (params, complete) = params(reader, &kind, &mut section);
    section.finish(reader);
    let mut params = params?;
    if let Some(template) = &template {
        params.0.insert("template".into(), ParamValue::Text(template.clone()));
    }
    let receiver = Receiver {
        name: name.into(),
        kind,
        params,
        traits: wishes.apply(kind.traits),
        limit: limit.unwrap_or(Limit { per_second: kind.rate.0, burst: kind.rate.1 }),
        template,
        fallback: fallback.map(|((to, _), after)| Fallback { receiver: to.into(), after }),
        timeout,
        concurrency: concurrency.and_then(|count| usize::try_from(count).ok()),
        templates: Arc::clone(&catalog.templates),
    };
    if complete && let Err(error) = receiver.sender() {
        let problem = Problem::error(Word::InvalidValue, span, error.to_string());
        reader.report(problem.maybe_hint(error.hint));
        return None;
    }
    Some(receiver)
}

/// Places that may hold secrets: everything but the keys known not to be.
pub(super) fn hide(reader: &mut Reader<'_>, catalog: &Catalog, receivers: &Node) {
    const PLAIN: [&str; 11] = [
        "kind",
        "limit",
        "template",
        "fallback",
        "send_resolved",
        "repeat",
        "tells",
        "notices",
        "max_age",
        "timeout",
        "concurrency",
    ];
    let Value::Table(table) = &receivers.value else {
        receivers.leaves(&mut reader.hidden);
        return;
    };
    for receiver in &table.entries {
        let Value::Table(keys) = &receiver.node.value else {
            receiver.node.leaves(&mut reader.hidden);
            continue;
        };
        let kind = keys.get("kind").and_then(|entry| match &entry.node.value {
            Value::Text(kind) => catalog.sender(kind),
            _ => None,
        });
        let plain = |key: &str| {
            let of = kind.and_then(|kind| kind.params.iter().find(|p| p.name == key)).map(|p| p.of);
            let plain = [ParamType::Text, ParamType::Integer, ParamType::Bool, ParamType::List];
            PLAIN.contains(&key) || of.is_some_and(|of| plain.contains(&of))
        };
        for entry in keys.entries.iter().filter(|entry| !plain(&entry.key)) {
            entry.node.leaves(&mut reader.hidden);
        }
    }
}

fn kind(reader: &mut Reader<'_>, catalog: &Catalog, node: &Node) -> Option<SenderKind> {
    let name = reader.text(node)?;
    let found = catalog.sender(&name);
    if found.is_none() {
        let hint = suggest::hint(&name, catalog.senders.iter().map(|kind| kind.name), "kinds");
        let message = format!("unknown receiver kind `{name}`");
        let problem = Problem::error(Word::UnknownName, node.span.clone(), message);
        reader.report(problem.maybe_hint(hint));
    }
    found
}

fn template(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let name = reader.text(node)?;
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !name.is_empty() && name.chars().all(fine) {
        return Some(name);
    }
    let message =
        "a template's name has letters, digits, dashes and underscores, no path and no ending";
    reader.invalid(&node.span, message)
}

fn fallback(reader: &mut Reader<'_>, node: &Node) -> Option<(Placed, Duration)> {
    const FIVE_MINUTES: Duration = Duration::from_mins(5);
    let mut section = reader.table(node, "fallback")?;
    let to = section.required(reader, "receiver").and_then(|node| reader.placed(node));
    let after = section.get("after").and_then(|node| reader.duration(node));
    section.finish(reader);
    Some((to?, after.unwrap_or(FIVE_MINUTES)))
}

fn check_fallbacks(reader: &mut Reader<'_>, receivers: &Receivers) {
    for (name, (to, span)) in &receivers.fallbacks {
        if !receivers.exists(reader, to, span) {
            continue;
        }
        let chain: Vec<&str> = receivers.chain(name).collect();
        if let Some(at) = chain.iter().position(|next| *next == name) {
            let way = chain[..=at].join("` to `");
            let message = format!("fallbacks lead in a circle: `{name}` to `{way}`");
            reader.report(Problem::error(Word::Cycle, span.clone(), message));
        } else if chain.len() > FALLBACK_DEPTH_MAX && chain.len() <= receivers.names.len() {
            let message = format!("more than {FALLBACK_DEPTH_MAX} fallbacks in a row");
            let problem = Problem::error(Word::Limit, span.clone(), message);
            reader
                .report(problem.hint(format!("`{name}` falls back to `{}`", chain.join("` to `"))));
        }
    }
}

/// What the file says about what a receiver wants to be told.
struct Wishes {
    tells: Option<Vec<Tell>>,
    send_resolved: Option<bool>,
    repeat: Option<bool>,
    notices: Option<bool>,
    max_age: Option<Duration>,
}

impl Wishes {
    fn read(reader: &mut Reader<'_>, section: &mut Section<'_>) -> Self {
        Self {
            tells: section.get("tells").map(|node| tells(reader, node)),
            send_resolved: section.get("send_resolved").and_then(|node| reader.boolean(node)),
            repeat: section.get("repeat").and_then(|node| reader.boolean(node)),
            notices: section.get("notices").and_then(|node| reader.boolean(node)),
            max_age: section.get("max_age").and_then(|node| reader.interval(node)),
        }
    }

    fn apply(self, of_kind: Traits) -> Traits {
        let mut traits = of_kind;
        if let Some(tells) = &self.tells {
            traits.tells = Tells::of(tells);
        }
        match self.send_resolved {
            Some(true) => traits.tells = traits.tells.with(Tell::Resolved, true),
            Some(false) => {
                let tells = traits.tells.with(Tell::Resolved, false);
                traits.tells = tells.with(Tell::PartialResolve, false);
            }
            None => {}
        }
        if let Some(repeat) = self.repeat {
            traits.tells = traits.tells.with(Tell::Repeat, repeat);
        }
        traits.notices = self.notices.unwrap_or(traits.notices);
        traits.max_age = self.max_age.unwrap_or(traits.max_age);
        traits
    }
}

fn tells(reader: &mut Reader<'_>, node: &Node) -> Vec<Tell> {
    let mut tells = Vec::new();
    for (word, span) in reader.texts(node).unwrap_or_default() {
        if let Some(tell) = Tell::ALL.into_iter().find(|tell| tell.as_str() == word) {
            tells.push(tell);
            continue;
        }
        let message = format!("`{word}` is nothing that a receiver is told");
        let hint = suggest::hint(&word, Tell::ALL.into_iter().map(Tell::as_str), "words");
        reader.report(Problem::error(Word::InvalidValue, span, message).maybe_hint(hint));
    }
    tells
}

/// The kind's own keys. None after an error; the flag says that no placeholder is among them.
fn params(
    reader: &mut Reader<'_>,
    kind: &SenderKind,
    section: &mut Section<'_>,
) -> (Option<Params>, bool) {
    let (mut params, mut right, mut complete) = (Params::default(), true, true);
    for param in kind.params {
        let node = if param.required {
            section.required(reader, param.name)
        } else {
            section.get(param.name)
        };
        match node.map(|node| value(reader, param, node)) {
            Some(Some((value, whole))) => {
                params.0.insert(param.name.to_owned(), value);
                complete &= whole;
            }
            Some(None) => right = false,
            None => right &= !param.required,
        }
    }
    (right.then_some(params), complete)
}

fn value(reader: &mut Reader<'_>, param: &Param, node: &Node) -> Option<(ParamValue, bool)> {
    let value = match param.of {
        ParamType::Secret | ParamType::Url => {
            let found = reader.secret(node, &format!("`{}`", param.name))?;
            let url = param.of == ParamType::Url && found.complete;
            if url && url::Url::parse(found.secret.expose()).is_err() {
                return reader.invalid(&node.span, format!("`{}` is no absolute URL", param.name));
            }
            return Some((ParamValue::Secret(found.secret), found.complete));
        }
        ParamType::Text => ParamValue::Text(reader.text(node)?),
        ParamType::Integer => ParamValue::Integer(reader.integer(node, i64::MIN..=i64::MAX)?),
        ParamType::Bool => ParamValue::Bool(reader.boolean(node)?),
        ParamType::List => {
            let texts = reader.texts(node)?;
            ParamValue::List(texts.into_iter().map(|(text, _)| text).collect())
        }
        ParamType::Map => {
            reader.table(node, param.name)?;
            let Value::Table(table) = &node.value else { return None };
            let pair = |entry: &super::document::Entry| {
                Some((entry.key.clone(), reader.text(&entry.node)?))
            };
            let map: Option<BTreeMap<_, _>> = table.entries.iter().map(pair).collect();
            ParamValue::Map(map?)
        }
        ParamType::Any => ParamValue::Any(node.to_toml()),
    };
    Some((value, true))
}
