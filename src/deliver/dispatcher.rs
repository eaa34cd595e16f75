//! Calls the store when something is due: flushes, repeats, expiries and retries.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::Bells;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::store::{self, Ledger};

/// The longest sleep: the wall clock may jump while the runtime's clock does not.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// The shortest sleep, so that a due time which stays in the past cannot make a busy loop.
const SLEEP_MIN: Duration = Duration::from_millis(1);
/// How long a busy store is left alone.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// The timer of the flow. [`Self::tick`] is one look; [`Self::run`] looks whenever something is due.
pub struct Dispatcher {
    ledger: Arc<dyn Ledger>,
    bells: Arc<Bells>,
    clock: Arc<dyn Clock>,
}

impl Dispatcher {
    pub fn new(ledger: Arc<dyn Ledger>, bells: Arc<Bells>, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, bells, clock }
    }

    /// Makes due what is due by `now`. Returns when to look again.
    pub async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, store::Error> {
        self.ledger.wake(now).await
    }

    /// Ticks until `stop` is true or its sender is gone. A store error ends it: the process cannot go on without.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) -> Result<(), store::Error> {
        while !*stop.borrow_and_update() {
            let now = self.clock.now();
            let pause = match self.tick(now).await {
                Ok(Some(due)) => due.since(now).clamp(SLEEP_MIN, SLEEP_MAX),
                Ok(None) => SLEEP_MAX,
                Err(error) if error.is_transient() => BUSY_PAUSE,
                Err(error) => return Err(error),
            };
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { return Ok(()) },
                () = self.bells.timer_rang() => {}
                () = sleep(pause) => {}
            }
        }
        Ok(())
    }
}
