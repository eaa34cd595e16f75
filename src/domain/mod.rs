//! The pure core: what alerts, incidents and decisions are. No async, I/O, clock, randomness or framework type.
//!
//! `now`, fresh numbers and seeds are arguments, so a store may rerun a step and get the same answer.

mod alert;
mod fingerprint;
mod time;

pub use alert::{Alert, Field, Labels, Life, Link, Severity, Status};
pub use fingerprint::{Fingerprint, Fingerprinter};
pub use time::Timestamp;
