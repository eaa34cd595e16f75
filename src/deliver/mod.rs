//! Messages out: lanes, limits, rendering and senders.
//!
//! A receiver has one lane ([`Lanes`]). It is rung by the store ([`Bells`]), asks the gate of its credential
//! ([`limiter`]), claims, starts, renders, sends ([`client`]) and settles. What to send and what an answer means is the
//! sender's ([`senders`]); whether to send at all is decided by `domain::wanted` alone.

mod bells;
pub mod clean;
pub mod client;
mod dispatcher;
pub mod fit;
mod guard;
pub mod lanes;
pub mod limiter;
pub mod plain;
pub mod render;
pub mod senders;
pub mod sms;

pub use bells::Bells;
pub use dispatcher::Dispatcher;
pub use lanes::{DeliveryEvent, LaneConfig, Lanes};
