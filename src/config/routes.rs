//! `routes.toml`: sources, receivers and the routing tree. All problems are collected, each with its place.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cases::{self, RouteTest};
use super::document::{self, Table, Value};
use super::environment::Environment;
use super::problem::{Problem, Report, place};
use super::reader::{Reader, Section};
use super::receivers::{self, INBOX, Receiver};
use super::settings::Paths;
use super::sources::{self, Source};
use super::tree::{self, ROOT};
use super::{Catalog, lint};
use crate::domain::{Policy, RouteTable, Rules, Timestamp};
use crate::ingest::Kind;
use crate::limits::ROUTES_BYTES_MAX;

/// A checked `routes.toml`.
#[derive(Clone, Debug)]
pub struct Routes {
    pub sources: BTreeMap<String, Source>,
    /// Always has `inbox`.
    pub receivers: BTreeMap<String, Receiver>,
    pub table: RouteTable,
    pub tests: Vec<RouteTest>,
    /// What is allowed but probably not meant; has no errors.
    pub warnings: Report,
}

/// Why there are no routes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is larger than {ROUTES_BYTES_MAX} bytes", path.display())]
    TooLarge { path: PathBuf },
    /// The report has at least one error and all warnings.
    #[error("{} has {} errors", path.display(), report.errors())]
    Invalid { path: PathBuf, report: Report },
}

/// How `routes.toml` is read.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The kinds of sources and receivers there are.
    pub catalog: &'a Catalog,
    pub environment: Environment<'a>,
    /// Unset variables and unreadable secret files are errors: what `serve` and `check --strict` do.
    pub strict: bool,
    /// Where senders reach this bridge (`server.public_url`): some sign it.
    pub public_url: Option<&'a str>,
}

impl Routes {
    /// Reads and checks a file. Secret files with relative paths are looked for beside it.
    pub fn load(path: &Path, options: &Options<'_>) -> Result<Self, Error> {
        let read = |source| Error::Read { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(read)?.len();
        if size > ROUTES_BYTES_MAX {
            return Err(Error::TooLarge { path: path.to_owned() });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        Self::parse(path, &text, options)
            .map_err(|report| Error::Invalid { path: path.to_owned(), report })
    }

    /// The file of the settings; what is built in where nobody chose one and the usual one is not there.
    pub fn load_or_builtin(paths: &Paths, options: &Options<'_>) -> Result<Self, Error> {
        if !paths.chosen && !paths.path.exists() {
            return Ok(Self::builtin(options.catalog));
        }
        Self::load(&paths.path, options)
    }

    /// Checks the text of a file called `path`.
    pub fn parse(path: &Path, text: &str, options: &Options<'_>) -> Result<Self, Report> {
        let file = path.display().to_string();
        let directory = path.parent().unwrap_or(Path::new(""));
        let (document, problems) = document::parse(text);
        if !problems.is_empty() {
            let problems = first_of_each_line(text, problems);
            return Err(Report::new(&file, text, unreadable(text), problems));
        }
        let mut reader = Reader::new(&options.environment, directory, options.strict);
        reader.public_url = options.public_url;
        hide(&mut reader, options.catalog, &document);
        let section = Section::new("routes.toml", &document, 0..0);
        let checked = read(&mut reader, options.catalog, text, section);
        let report = Report::new(&file, text, reader.hidden, reader.problems);
        match checked {
            Some(mut routes) if report.errors() == 0 => {
                routes.warnings = report;
                Ok(routes)
            }
            _ => Err(report),
        }
    }

    /// What works without any file: a source of each kind, only on loopback, all alerts to the inbox.
    pub fn builtin(catalog: &Catalog) -> Self {
        let policy = Arc::new(Policy::new(ROOT, vec![INBOX.into()]));
        let inbox = Receiver::inbox(catalog).map(|inbox| (INBOX.to_owned(), inbox));
        Self {
            sources: builtin_sources(catalog),
            receivers: inbox.into_iter().collect(),
            table: RouteTable::root_only(policy),
            tests: Vec::new(),
            warnings: Report::default(),
        }
    }

    /// What the store needs to judge incidents. `loaded_at` is the origin of the grid timers.
    pub fn rules(&self, loaded_at: Timestamp) -> Rules {
        let mut policies = HashMap::new();
        for route in self.table.routes() {
            let names = route.was.iter().chain(std::iter::once(&route.policy.route));
            for name in names {
                policies.insert(Arc::clone(name), Arc::clone(&route.policy));
            }
        }
        let traits = self.receivers.values().map(|r| (Arc::clone(&r.name), r.traits)).collect();
        let fallback = |r: &Receiver| Some((Arc::clone(&r.name), r.fallback.clone()?));
        let fallbacks = self.receivers.values().filter_map(fallback).collect();
        let root = self.table.root();
        Rules { policies, fallback: Arc::clone(&root.policy), traits, fallbacks, loaded_at }
    }
}

fn builtin_sources(catalog: &Catalog) -> BTreeMap<String, Source> {
    let builtin = |kind: &Kind| (kind.name().to_owned(), Source::builtin(kind));
    catalog.sources.iter().map(builtin).collect()
}

/// None after an error.
fn read(
    reader: &mut Reader<'_>,
    catalog: &Catalog,
    text: &str,
    mut file: Section<'_>,
) -> Option<Routes> {
    let (sources, receivers) = (file.get("sources"), file.get("receivers"));
    let defaults = file.entry("defaults").map(|entry| (&entry.node, &entry.key_span));
    let (routes, tests) = (file.get("route"), file.get("test"));
    let mut source_names = BTreeSet::new();
    if let Some(node) = sources
        && let Value::Table(table) = &node.value
    {
        source_names.extend(table.entries.iter().map(|entry| entry.key.clone()));
    }
    let sources = match sources {
        Some(node) => sources::read(reader, catalog, text, node),
        None => builtin_sources(catalog),
    };
    source_names.extend(sources.keys().cloned());
    let receivers = receivers::read(reader, catalog, receivers);
    let tree = tree::read(reader, &receivers, defaults, routes);
    if let Some(tree) = &tree {
        lint::check(reader, tree, &receivers);
    }
    let names = |tree: &tree::Tree| tree.raw.iter().map(|route| route.name.0.clone()).collect();
    let known = cases::Known {
        sources: &source_names,
        receivers: &receivers,
        routes: tree.as_ref().map(names),
    };
    let tests = tests.map(|node| cases::read(reader, &known, text, node)).unwrap_or_default();
    file.finish(reader);
    Some(Routes {
        sources,
        receivers: receivers.all,
        table: tree?.table,
        tests,
        warnings: Report::default(),
    })
}

/// Where syntax errors must not show their line: a file that cannot be parsed does not say what is a secret,
/// so only what stands below the headers of routes, tests and defaults is shown.
fn unreadable(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut hidden = Vec::new();
    let (mut secret, mut at) = (true, 0);
    for line in text.split_inclusive('\n') {
        let header = line.trim_start();
        if header.starts_with('[') {
            let name = header.trim_start_matches(['[', ' ', '\t', '"', '\'']);
            secret = !["defaults", "route", "test"].iter().any(|plain| name.starts_with(plain));
        }
        if secret && !line.trim().is_empty() {
            hidden.push(at..at + line.len());
        }
        at += line.len();
    }
    hidden
}

/// One mistake may confuse the rest of its line: the first of each line is enough.
fn first_of_each_line(text: &str, problems: Vec<Problem>) -> Vec<Problem> {
    let mut lines = BTreeSet::new();
    let first = |problem: &Problem| lines.insert(place(text, problem.span.start).0);
    let mut problems = problems;
    problems.sort_by_key(|problem| problem.span.start);
    problems.retain(first);
    problems
}

/// Hides what may be a secret: values of keys that are not known to be plain.
fn hide(reader: &mut Reader<'_>, catalog: &Catalog, file: &Table) {
    for entry in &file.entries {
        match entry.key.as_str() {
            "defaults" | "route" | "test" => {}
            "sources" => sources::hide(reader, &entry.node),
            "receivers" => receivers::hide(reader, catalog, &entry.node),
            _ => entry.node.leaves(&mut reader.hidden),
        }
    }
}
