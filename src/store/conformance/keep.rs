//! Retention, verify, export, import, refusals.
