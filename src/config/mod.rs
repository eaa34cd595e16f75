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
mod problem;
mod reader;
mod receivers;
mod routes;
pub mod settings;
mod sources;
mod suggest;
mod tree;
mod values;

pub use cases::{Expectation, RouteTest, TestInput};
pub use environment::{Environment, setting_variables};
pub use problem::{Level, Problem, Report, Span, Word};
pub use receivers::{INBOX, Receiver};
pub use routes::{Error, Options, Routes};
pub use settings::{Error as SettingsError, Layers, LogFormat, Paths, Settings};
pub use sources::{Limit, Source};
pub use tree::ROOT;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::deliver::render::Templates;
use crate::deliver::senders::{self, SenderKind};
use crate::ingest::kinds::table::{self, Table, TableKind};
use crate::ingest::{Kind, kinds};

/// The kinds that a configuration may name.
#[derive(Clone)]
pub struct Catalog {
    /// Built in or from files; of two with the same name the later one wins.
    pub sources: Vec<Kind>,
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

    /// What is compiled in and the tables of a directory, which may not exist. Problems are collected, a report for each file.
    pub fn with_tables(directory: &Path) -> Result<Self, Vec<(PathBuf, Report)>> {
        let mut catalog = Self::builtin();
        let mut reports = Vec::new();
        let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
            .collect();
        paths.sort();
        for path in paths {
            let file = path.display().to_string();
            let (text, problems) = match std::fs::read_to_string(&path) {
                Ok(text) => match Table::parse(&text, &file) {
                    Ok(table) => {
                        catalog.sources.push(Kind::Table(Arc::new(TableKind(table))));
                        continue;
                    }
                    Err(problems) => (text, problems.into_iter().map(table_problem).collect()),
                },
                Err(error) => {
                    let message = format!("cannot be read: {}", error.kind());
                    (String::new(), vec![Problem::error(Word::Syntax, 0..0, message)])
                }
            };
            let report = Report::new(&file, &text, Vec::new(), problems);
            reports.push((path, report));
        }
        if reports.is_empty() { Ok(catalog) } else { Err(reports) }
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

fn table_problem(found: table::Problem) -> Problem {
    Problem::error(Word::InvalidValue, found.span, found.message).maybe_hint(found.hint)
}

#[cfg(test)]
mod tests;
