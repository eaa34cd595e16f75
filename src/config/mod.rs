//! Configuration: process settings in layers, and `routes.toml` as users edit it.
//!
//! Two steps each: raw values with their places, then a checked configuration. All problems are collected.
//! Nothing here keeps or prints a secret; what holds one is a [`crate::secret::Secret`].

mod auth;
mod cases;
mod document;
mod environment;
mod layers;
mod lint;
mod mtls;
mod problem;
mod reader;
mod receivers;
mod routes;
pub mod settings;
mod sources;
mod suggest;
mod tree;
mod trials;
mod values;

pub use cases::{Expectation, RouteTest, TestInput};
pub use environment::{Environment, setting_variables};
pub use problem::{Level, Problem, Report, Span, Word};
pub use receivers::{INBOX, Receiver};
pub use routes::{Error, Options, Routes};
pub use settings::{Error as SettingsError, Layers, LogFormat, Paths, Settings, Tls};
pub use sources::{Limit, Source};
pub use tree::ROOT;
pub use trials::Trial;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::deliver::render::Templates;
use crate::deliver::senders::{self, SenderKind};
use crate::ingest::kinds::SourceKind as _;
use crate::ingest::kinds::auto::Auto;
use crate::ingest::kinds::table::{self, Table, TableKind};
use crate::ingest::{Kind, kinds};
use crate::limits::{TABLE_BYTES_MAX, TABLES_MAX};

/// The kinds that a configuration may name.
#[derive(Clone)]
pub struct Catalog {
    /// Built in or from files; of two with the same name the later one wins.
    pub sources: Vec<Kind>,
    /// One of each name.
    pub senders: Vec<SenderKind>,
    /// Compiled templates: senders render each sample once when they are made.
    pub templates: Arc<Templates>,
}

impl Catalog {
    /// What is compiled in.
    pub fn builtin() -> Self {
        let sources = kinds::builtin().iter().map(|kind| Kind::BuiltIn(*kind)).collect();
        Self {
            sources,
            senders: senders::kinds().to_vec(),
            templates: Arc::new(Templates::builtin()),
        }
    }

    /// What is compiled in and the tables of the two directories, which may not exist. Problems are collected, a report
    /// for each file.
    pub fn with_tables(sources: &Path, receivers: &Path) -> Result<Self, Vec<(PathBuf, Report)>> {
        let mut catalog = Self::builtin();
        let mut reports = tables(sources, |name, text| {
            let table = Table::parse(text, name)
                .map_err(|problems| problems.into_iter().map(table_problem).collect::<Vec<_>>())?;
            catalog.sources.push(Kind::Table(Arc::new(TableKind(table))));
            Ok(())
        });
        catalog.choose_among_own();
        reports.extend(tables(receivers, |file, text| {
            let name = Path::new(file).file_stem().and_then(|name| name.to_str()).unwrap_or(file);
            if name == INBOX {
                let message = "the kind `inbox` is built in: no table can keep what it is told";
                return Err(vec![Problem::error(Word::InvalidValue, 0..0, message)]);
            }
            let kind = senders::kind_from_table(name, text).map_err(|error| {
                vec![Problem::error(Word::InvalidValue, error.span, error.message)]
            })?;
            catalog.senders.retain(|builtin| builtin.name != kind.name);
            catalog.senders.push(kind);
            Ok(())
        }));
        if reports.is_empty() { Ok(catalog) } else { Err(reports) }
    }

    /// Lets the kind `auto` know the user's own tables, unless one of them is called so.
    fn choose_among_own(&mut self) {
        let own: Vec<Arc<TableKind>> = self
            .sources
            .iter()
            .filter_map(
                |kind| if let Kind::Table(table) = kind { Some(Arc::clone(table)) } else { None },
            )
            .collect();
        let is_auto = |table: &Arc<TableKind>| table.name() == Auto::NAME;
        if !own.is_empty() && !own.iter().any(is_auto) {
            self.sources.push(Kind::Auto(Arc::new(Auto::new(own))));
        }
    }

    /// The source kind called `name`.
    pub fn source(&self, name: &str) -> Option<&Kind> {
        self.sources.iter().rev().find(|kind| kind.name() == name)
    }

    /// The receiver kind called `name`.
    pub fn sender(&self, name: &str) -> Option<SenderKind> {
        self.senders.iter().find(|kind| kind.name == name).copied()
    }
}

/// Gives `add` every table of `directory`: its path and text. Returns what is wrong with them.
fn tables(
    directory: &Path,
    mut add: impl FnMut(&str, &str) -> Result<(), Vec<Problem>>,
) -> Vec<(PathBuf, Report)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    let mut reports = Vec::new();
    for (at, path) in paths.into_iter().enumerate() {
        let file = path.display().to_string();
        let refused = |word, message| (String::new(), vec![Problem::error(word, 0..0, message)]);
        let (text, problems) = match bounded_text(&path) {
            _ if at >= TABLES_MAX => {
                let message = format!("more than {TABLES_MAX} tables in this directory");
                reports.push((path, report(&file, refused(Word::Limit, message))));
                break;
            }
            Ok(Some(text)) => match add(&file, &text) {
                Ok(()) => continue,
                Err(problems) => (text, problems),
            },
            Ok(None) => refused(Word::Limit, format!("larger than {TABLE_BYTES_MAX} bytes")),
            Err(error) => refused(Word::Syntax, format!("cannot be read: {}", error.kind())),
        };
        reports.push((path, report(&file, (text, problems))));
    }
    reports
}

fn report(file: &str, (text, problems): (String, Vec<Problem>)) -> Report {
    Report::new(file, &text, Vec::new(), problems)
}

/// The text of a table; `None` for one that is too large.
fn bounded_text(path: &Path) -> std::io::Result<Option<String>> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(TABLE_BYTES_MAX + 1).read_to_string(&mut text)?;
    Ok((text.len() as u64 <= TABLE_BYTES_MAX).then_some(text))
}

fn table_problem(found: table::Problem) -> Problem {
    Problem::error(Word::InvalidValue, found.span, found.message).maybe_hint(found.hint)
}

#[cfg(test)]
mod tests;
