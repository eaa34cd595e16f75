//! The surface: hooks, the API, metrics, health.

pub mod access;
pub mod body;
pub mod error;
pub mod span;
