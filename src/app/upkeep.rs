//! What has to be done now and then: drop what is old, look at the disk and at the certificate.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::door::Watch;
use crate::config::Settings;
use crate::http::error::chain;
use crate::http::{Shared, Trouble};
use crate::store::Retention;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(30);
/// Records dropped in one call: others get their turn in between.
const PRUNED_AT_ONCE: usize = 1_000;
/// Calls in one look, so that a long backlog does not keep the disk busy.
const PRUNES_MAX: usize = 20;

/// How long things are kept, and how much disk must be free.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    retention: Retention,
    free_bytes_min: u64,
}

impl Limits {
    pub(super) fn of(settings: &Settings) -> Self {
        let retention = Retention {
            resolved: settings.store.keep_resolved,
            history: settings.store.keep_history,
            ..Retention::default()
        };
        Self { retention, free_bytes_min: settings.store.min_free_bytes }
    }
}

/// Runs until `stop` is true.
pub(super) async fn run(
    shared: Arc<Shared>,
    limits: Limits,
    mut certificate: Option<Watch>,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        look_at_disk(&shared, limits).await;
        if let Some(certificate) = &mut certificate {
            certificate.look(&shared.metrics, shared.clock.now()).await;
        }
        prune(&shared, limits).await;
    }
}

/// The store refuses by itself; this says so beforehand, to whoever routes requests.
async fn look_at_disk(shared: &Shared, limits: Limits) {
    let Ok(counts) = shared.store.counts().await else { return };
    // A store in memory knows no disk.
    let low = counts.disk_bytes > 0 && counts.disk_free_bytes < limits.free_bytes_min;
    if low {
        tracing::error!(free = counts.disk_free_bytes, "disk of the store is nearly full");
    }
    shared.health.set(Trouble::DiskLow, low);
}

async fn prune(shared: &Shared, limits: Limits) {
    for _ in 0..PRUNES_MAX {
        let now = shared.clock.now();
        match shared.store.prune(limits.retention, PRUNED_AT_ONCE, now).await {
            Ok(0) => return,
            Ok(records) => tracing::debug!(records, "dropped what is older than the retention"),
            Err(error) => {
                // A store that broke says so itself, and ends the process.
                tracing::warn!(error = chain(&error), "old records were not dropped");
                return;
            }
        }
    }
}
