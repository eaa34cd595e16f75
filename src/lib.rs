//! alertbridge: the bridge between monitors and people.
//!
//! ```text
//! http -> ingest: authenticate -> normalize (source kind) -> decide (routing tree)
//!      -> store: memberships, then step() once per touched incident; one flush for many requests
//!      -> answer in the sender's own terms
//! due incidents wake the lanes, one per receiver:
//!      -> claim -> wanted() -> limiter -> start (durable) -> render -> send -> settle
//! ```
//!
//! The modules stand in the order in which an alert meets them. `docs/ARCHITECTURE.md` has the invariants.

pub mod clock;
pub mod limits;
pub mod secret;
pub mod x509;

pub mod domain;

pub mod config;

pub mod ingest;

pub mod store;

pub mod deliver;

pub mod http;

pub mod app;
pub mod cli;
pub mod telemetry;
