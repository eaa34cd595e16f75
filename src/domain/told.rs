//! What a receiver should be told now: the only place that decides a send.

use serde::{Deserialize, Serialize};

use super::{Reason, Timestamp};

/// What news a send carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Why {
    Open,
    Rise,
    Joined,
    PartialResolve,
    Resolved,
    Acknowledged,
    Reopened,
    Repeat,
}

impl Why {
    /// The word used in templates, metrics and attempts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Rise => "rise",
            Self::Joined => "joined",
            Self::PartialResolve => "partial_resolve",
            Self::Resolved => "resolved",
            Self::Acknowledged => "acknowledged",
            Self::Reopened => "reopened",
            Self::Repeat => "repeat",
        }
    }
}

/// The verdict on one (incident, receiver).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Send now.
    Send(Why),
    /// Send then, if nothing changes.
    At(Timestamp, Why),
    /// Nothing to tell.
    Nothing(Reason),
}
