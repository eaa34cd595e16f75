//! Logs and metrics: names as enums.
//!
//! Logs go to stderr, as text or as JSON. A failure is logged once, where it is handled; requests that succeed are logged
//! at debug only. Neither queries, credentials nor bodies are ever fields.

pub mod metrics;

use std::io::IsTerminal;

pub use metrics::Metrics;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged unless the settings say otherwise: libraries speak up only when something is wrong.
pub const DEFAULT_FILTER: &str = "info,hyper=warn,rustls=warn,actix_server=warn,sled=warn";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// A log filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("log filter {filter:?}")]
pub struct FilterError {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Sends log lines to stderr from now on. A second call in one process changes nothing.
pub fn init(format: LogFormat, filter: &str) -> Result<(), FilterError> {
    let env = EnvFilter::try_new(filter)
        .map_err(|source| FilterError { filter: filter.to_owned(), source })?;
    let registry = tracing_subscriber::registry().with(env);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let done = match format {
        LogFormat::Text => {
            registry.with(layer.with_ansi(std::io::stderr().is_terminal())).try_init()
        }
        LogFormat::Json => {
            registry.with(layer.json().flatten_event(true).with_span_list(false)).try_init()
        }
    };
    if done.is_err() {
        tracing::debug!("logs are set up already");
    }
    Ok(())
}
