//! Messages out: lanes, limits, rendering and senders.

pub mod senders;
