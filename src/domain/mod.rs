//! The pure core: what alerts, incidents and decisions are. No async, I/O, clock, randomness or framework type.
//!
//! `now`, fresh numbers and seeds are arguments, so a store may rerun a step and get the same answer.

mod alert;
mod fallback;
mod fingerprint;
mod incident;
pub mod matcher;
mod policy;
mod reason;
pub mod route;
mod schedule;
mod siblings;
mod signal;
mod step;
mod time;
mod told;
mod trace;

pub use alert::{Alert, Field, Labels, Life, Link, Severity, Status};
pub use fallback::{FallbackDue, fall_back, fallback};
pub use fingerprint::{Fingerprint, Fingerprinter};
pub use incident::{Body, Head, Marks, Member, Retry, Snapshot, State, Told, ToldState};
pub use matcher::{Matcher, Name};
pub use policy::{Fallback, Policy, Rules, Tell, Tells, Timing, Traits};
pub use reason::Reason;
pub use route::{Decision, Grouping, Join, Route, RouteTable};
pub use schedule::flush;
pub use signal::{Observation, Signal, Slot, Touch, is_late};
pub use step::{Fresh, Step, enlist, open, step};
pub use time::Timestamp;
pub use told::{Backoff, Patience, Settled, Telling, Wanted, Why, settle, start, wanted};
pub use trace::{Explanation, Traced, Verdict};
