//! Logs and metrics: names as enums.
