//! Logs and metrics: names as enums.
//!
//! Logs go to stderr, as text or as JSON. A failure is logged once, where it is handled; requests that succeed are logged
//! at debug only. Neither queries, credentials nor bodies are ever fields.

pub mod metrics;

use std::io::IsTerminal;

pub use metrics::Metrics;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// Libraries speak up only when something is wrong, unless the settings name them.
const LIBRARIES: &str = "hyper=warn,rustls=warn,actix_server=warn,sled=warn";

/// A log filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("log filter {filter:?}")]
pub struct FilterError {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Sends log lines that pass `filter` to stderr from now on. A second call in one process changes nothing.
pub fn init(format: LogFormat, filter: &str) -> Result<(), FilterError> {
    // Later directives win over earlier ones for the same target.
    let env = EnvFilter::try_new(format!("{LIBRARIES},{filter}"))
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
