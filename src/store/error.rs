//! What the store could not do.

use std::path::PathBuf;

/// `Display` names the operation and its input, never the cause: printers walk `source()`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("open store at {}", path.display())]
    Open { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("store at {} was written by a newer version (format {found}, this build reads up to {known})", path.display())]
    TooNew { path: PathBuf, found: u8, known: u8 },
    #[error("record {key} is damaged: {detail}")]
    Damaged { key: String, detail: String },
    #[error("{operation} in store")]
    Backend { operation: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{queued} operations are waiting for the store already")]
    Busy { queued: usize },
    #[error(
        "{free} bytes are free on the disk of the store, fewer than the {least} it keeps in reserve"
    )]
    DiskLow { free: u64, least: u64 },
    #[error("{memberships} memberships are kept already")]
    Full { memberships: usize },
    #[error("store is closed")]
    Closed,
    #[error("import into a store that holds records")]
    NotEmpty,
    #[error("line {line} of the export: {detail}")]
    Import { line: usize, detail: String },
}

impl Error {
    /// Whether the same call may succeed later with nobody changing anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::DiskLow { .. })
    }
}
