//! Waits for the end, whoever calls it, and shuts down in order: door, dispatcher, lanes, the rest.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Error;
use crate::deliver::{Lanes, lanes};
use crate::http::error::chain;
use crate::http::{Shared, Trouble};
use crate::store;

/// What attempts in flight get even where requests used up the time: most settle within it.
const GRACE_MIN: Duration = Duration::from_secs(1);

/// What runs beside the HTTP server.
pub(super) struct Running {
    pub(super) lanes: Arc<Lanes>,
    pub(super) failed: mpsc::Receiver<lanes::Error>,
    pub(super) fatal: mpsc::Receiver<String>,
    pub(super) shared: Arc<Shared>,
    pub(super) stop: watch::Receiver<bool>,
    /// Ends dispatcher, upkeep and reloads.
    pub(super) quiet: watch::Sender<bool>,
    pub(super) dispatcher: JoinHandle<Result<(), store::Error>>,
    pub(super) beside: Vec<JoinHandle<()>>,
    /// Closes the door.
    pub(super) close: watch::Sender<bool>,
    pub(super) grace: Duration,
}

impl Running {
    /// Runs until it is told to stop or something fails, then shuts down in order.
    pub(super) async fn run(
        mut self,
        mut server: JoinHandle<std::io::Result<()>>,
    ) -> Result<(), Error> {
        let mut dispatcher_ended = false;
        let mut server_ended = false;
        let mut stop = self.stop.clone();
        let ended = tokio::select! {
            // A dropped sender is a dropped app.
            _ = stop.wait_for(|stop| *stop) => Ok(()),
            Some(reason) = self.fatal.recv() => Err(reason),
            Some(error) = self.failed.recv() => Err(chain(&error)),
            ended = &mut self.dispatcher => {
                dispatcher_ended = true;
                Err(match ended {
                    Ok(Ok(())) => "dispatcher ended".to_owned(),
                    Ok(Err(error)) => chain(&error),
                    Err(error) => format!("dispatcher: {error}"),
                })
            }
            ended = &mut server => {
                server_ended = true;
                Err(match ended {
                    Ok(Ok(())) => "HTTP server ended".to_owned(),
                    Ok(Err(error)) => format!("HTTP server: {error}"),
                    Err(error) => format!("HTTP server: {error}"),
                })
            }
        };
        let health = &self.shared.health;
        let trouble = if ended.is_ok() { Trouble::ShuttingDown } else { Trouble::StoreFailed };
        health.set(trouble, true);
        if ended.is_ok() {
            tracing::info!("shutting down");
        }
        let until = Instant::now() + self.grace;
        self.close.send_replace(true);
        if !server_ended && let Err(error) = server.await {
            tracing::error!(%error, "HTTP server did not end well");
        }
        self.quiet.send_replace(true);
        if !dispatcher_ended && let Ok(Err(error)) = (&mut self.dispatcher).await {
            tracing::error!(error = chain(&error), "dispatcher did not end well");
        }
        let cut = self
            .lanes
            .shutdown(until.saturating_duration_since(Instant::now()).max(GRACE_MIN))
            .await;
        if cut > 0 {
            tracing::warn!(
                lanes = cut,
                "attempts were cut off; they are made again at the next start"
            );
        }
        for task in self.beside {
            if let Err(error) = task.await {
                tracing::error!(%error, "task did not end well");
            }
        }
        ended.map_err(|reason| Error::Fatal { reason })
    }
}
