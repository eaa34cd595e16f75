//! `[[test]]`: what the routes are expected to do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::document::{Node, Value};
use super::problem::{Problem, Span, Word};
use super::reader::{Reader, Section};
use super::receivers::Receivers;
use super::sources::choice;
use super::suggest;
use super::tree::ROOT;
use crate::domain::{Alert, Field, Severity, Status};

/// One `[[test]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTest {
    /// Line of the file, from 1.
    pub line: usize,
    /// Where it stands.
    pub span: Span,
    /// Name of the configured source that the input comes from; may be empty for labels.
    pub source: String,
    pub input: TestInput,
    pub expect: Expectation,
}

/// What is put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestInput {
    /// A file with a payload; relative paths begin at the directory of `routes.toml`.
    Payload(PathBuf),
    /// One firing alert with these values: names of fields set the field.
    Labels(BTreeMap<String, String>),
}

impl TestInput {
    /// The alert of [`TestInput::Labels`].
    pub fn alert(&self) -> Option<Alert> {
        let Self::Labels(labels) = self else { return None };
        let mut alert = Alert::new("test", "test");
        for (name, value) in labels {
            let value = value.clone();
            match Field::parse(name) {
                Some(Field::Severity) => {
                    alert.severity = Severity::from_word(&value).unwrap_or_default();
                }
                Some(Field::Resource) => alert.resource = Some(value),
                Some(Field::Service) => alert.service = Some(value),
                Some(Field::Env) => alert.env = Some(value),
                Some(Field::Alertname) => alert.alertname = Some(value),
                Some(Field::Source) => {}
                None => {
                    let name = name.strip_prefix("label.").unwrap_or(name);
                    alert.labels.insert(name.to_owned(), value);
                }
            }
        }
        Some(alert)
    }
}

/// What must come out; what is not given is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// One of the routes that take the alert, or the one that drops it.
    pub route: Option<String>,
    /// All receivers, in any order.
    pub receivers: Option<Vec<String>>,
    pub severity: Option<Severity>,
    pub status: Option<Status>,
    /// Whether a route drops it.
    pub dropped: Option<bool>,
    pub title: Option<String>,
    pub resource: Option<String>,
    pub service: Option<String>,
    pub env: Option<String>,
    pub alertname: Option<String>,
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    known: &Known<'_>,
    text: &str,
    node: &Node,
) -> Vec<RouteTest> {
    let mut tests = Vec::new();
    for node in reader.list(node, "[[test]] tables") {
        let line = super::problem::place(text, node.span.start).0;
        if let Some(section) = reader.table(node, "[[test]]") {
            tests.extend(one(reader, known, line, section));
        }
    }
    tests
}

/// The names that a test may use.
pub(super) struct Known<'a> {
    pub(super) sources: &'a BTreeSet<String>,
    pub(super) receivers: &'a Receivers,
    /// None where the routes have errors of their own.
    pub(super) routes: Option<Vec<String>>,
}

fn one(
    reader: &mut Reader<'_>,
    known: &Known<'_>,
    line: usize,
    mut section: Section<'_>,
) -> Option<RouteTest> {
    let payload = section.get("payload").and_then(|node| reader.placed(node));
    let labels = section.get("labels");
    let source = section.get("source").and_then(|node| reader.placed(node));
    if let Some((source, span)) = &source
        && !known.sources.contains(source)
    {
        let hint = suggest::hint(source, known.sources.iter().map(String::as_str), "sources");
        unknown(reader, span, format!("there is no source called `{source}`"), hint);
    }
    let expect =
        section.required(reader, "expect").and_then(|node| expectation(reader, known, node));
    let span = section.span.clone();
    section.finish(reader);
    let input = match (payload, labels) {
        (Some((path, path_span)), None) => {
            if source.is_none() {
                let message = "a test with a payload needs `source`";
                reader.report(Problem::error(Word::MissingKey, path_span, message));
            }
            Some(TestInput::Payload(reader.path(&path)))
        }
        (None, Some(node)) => self::labels(reader, node).map(TestInput::Labels),
        _ => {
            let message = "a test has either `payload` or `labels`";
            reader.report(Problem::error(Word::MissingKey, span.clone(), message));
            None
        }
    };
    let source = source.map(|(source, _)| source).unwrap_or_default();
    Some(RouteTest { line, span, source, input: input?, expect: expect? })
}

fn labels(reader: &mut Reader<'_>, node: &Node) -> Option<BTreeMap<String, String>> {
    let Value::Table(table) = &node.value else {
        reader.table(node, "labels")?;
        return None;
    };
    let mut labels = BTreeMap::new();
    for entry in &table.entries {
        let value = reader.text(&entry.node)?;
        if entry.key == "severity" && Severity::from_word(&value).is_none() {
            return reader.invalid(&entry.node.span, format!("`{value}` is not a severity"));
        }
        labels.insert(entry.key.clone(), value);
    }
    Some(labels)
}

fn expectation(reader: &mut Reader<'_>, known: &Known<'_>, node: &Node) -> Option<Expectation> {
    let mut section = reader.table(node, "expect")?;
    let route = section.get("route").and_then(|node| reader.placed(node));
    if let Some((name, span)) = &route
        && let Some(routes) = &known.routes
        && name != ROOT
        && !routes.contains(name)
    {
        let hint = suggest::hint(name, routes.iter().map(String::as_str), "routes");
        unknown(reader, span, format!("there is no route called `{name}`"), hint);
    }
    let receivers = section.get("receivers").and_then(|node| reader.texts(node));
    for (name, span) in receivers.iter().flatten() {
        known.receivers.exists(reader, name, span);
    }
    let severities = Severity::ALL.map(|severity| (severity.as_str(), severity));
    let statuses = [Status::Firing, Status::Acknowledged, Status::Resolved, Status::Notice];
    let statuses = statuses.map(|status| (status.as_str(), status));
    let mut text = |key| section.get(key).and_then(|node| reader.text(node));
    let (title, resource, service) = (text("title"), text("resource"), text("service"));
    let (env, alertname) = (text("env"), text("alertname"));
    let expectation = Expectation {
        route: route.map(|(name, _)| name),
        receivers: receivers.map(|names| names.into_iter().map(|(name, _)| name).collect()),
        severity: section.get("severity").and_then(|node| choice(reader, node, &severities)),
        status: section.get("status").and_then(|node| choice(reader, node, &statuses)),
        dropped: section.get("dropped").and_then(|node| reader.boolean(node)),
        title,
        resource,
        service,
        env,
        alertname,
    };
    section.finish(reader);
    Some(expectation)
}

fn unknown(reader: &mut Reader<'_>, span: &Span, message: String, hint: Option<String>) {
    let problem = Problem::error(Word::UnknownName, span.clone(), message);
    reader.report(problem.maybe_hint(hint));
}
