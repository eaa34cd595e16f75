//! Configuration: process settings in layers, and `routes.toml` as users edit it.
//!
//! Two steps each: raw values with their places, then a checked configuration. All problems are collected.
//! Nothing here keeps or prints a secret; what holds one is a [`crate::secret::Secret`].

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
pub use receivers::{Fallback, INBOX, Receiver};
pub use routes::{Error, Options, Routes};
pub use settings::{Error as SettingsError, Layers, LogFormat, Paths, Settings};
pub use sources::{Algorithm, Auth, Basic, Encoding, Hmac, Limit, RawTable, Source};
pub use tree::ROOT;

use std::sync::Arc;

use crate::deliver::render::Templates;
use crate::deliver::senders::{self, SenderKind};
use crate::ingest::kinds;

/// The kinds that a configuration may name.
#[derive(Clone)]
pub struct Catalog {
    /// Names of source kinds, built in or from `sources/*.toml`.
    pub sources: Vec<String>,
    pub senders: Vec<SenderKind>,
    /// Compiled templates: senders render each sample once when they are made.
    pub templates: Arc<Templates>,
}

impl Catalog {
    /// What is compiled in.
    pub fn builtin() -> Self {
        let sources = kinds::builtin().iter().map(|kind| kind.name().to_owned()).collect();
        Self {
            sources,
            senders: senders::kinds().to_vec(),
            templates: Arc::new(Templates::builtin()),
        }
    }

    /// The receiver kind called `name`.
    pub fn sender(&self, name: &str) -> Option<SenderKind> {
        self.senders.iter().find(|kind| kind.name == name).copied()
    }
}

#[cfg(test)]
mod tests;
