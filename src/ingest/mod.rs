//! Bytes in: authenticate, normalize, decide, commit.

pub mod kinds;
