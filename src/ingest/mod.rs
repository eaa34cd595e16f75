//! Bytes in: authenticate, normalize, decide, commit.

pub mod auth;
pub mod kinds;
