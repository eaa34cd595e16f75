//! Asking for a reload: SIGHUP and `POST /-/reload` come to one place, one after the other.

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

/// What a reload took over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    pub sources: usize,
    pub receivers: usize,
    pub routes: usize,
    /// Receivers that are gone but still have open incidents to close, and how many.
    pub draining: Vec<Draining>,
    /// Warnings about the files.
    pub warnings: Vec<String>,
}

/// A receiver that is gone from the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Draining {
    pub receiver: String,
    pub open: u64,
}

/// A request for a reload: the answer goes back through it. The error names every problem and its place.
pub type Ask = oneshot::Sender<Result<Reloaded, String>>;

/// The asking end.
#[derive(Clone, Debug)]
pub struct Reloads(mpsc::Sender<Ask>);

impl Reloads {
    /// Both ends. A few may wait for the one in progress.
    pub fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asking, asked) = mpsc::channel(4);
        (Self(asking), asked)
    }

    /// Reloads and says what came of it.
    pub async fn ask(&self) -> Result<Reloaded, String> {
        let (answer, answered) = oneshot::channel();
        match self.0.try_send(answer) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err("shutting down".to_owned())),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err("other reloads are waiting already".to_owned())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err("shutting down".to_owned()),
        }
    }
}
