//! The real service in this process: HTTP in, fake receivers out, a store in memory. And the real binary, for signals.

mod access;
mod door;
mod flow;
mod handshake;
mod limits;
mod process;
mod reload;
mod replay;
mod tls;
mod vendor;
mod world;
