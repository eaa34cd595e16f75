//! How the store wakes the lanes and the dispatcher.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::store::Bell;

/// One bell per receiver and one for the timer.
///
/// A ring while nobody waits is kept, so who looks for work first and waits then cannot miss any. A ring for a
/// receiver without a lane is dropped: a lane that starts looks before it waits.
#[derive(Debug, Default)]
pub struct Bells {
    lanes: RwLock<HashMap<Arc<str>, Arc<Notify>>>,
    timer: Notify,
}

impl Bells {
    /// The bell of `receiver`; the same one at every call.
    pub fn lane(&self, receiver: &Arc<str>) -> Arc<Notify> {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(Arc::clone(receiver)).or_default())
    }

    /// Waits until the time of the next due work changed.
    pub async fn timer_rang(&self) {
        self.timer.notified().await;
    }
}

impl Bell for Bells {
    fn ring(&self, receiver: &str) {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = lanes.get(receiver) {
            bell.notify_one();
        }
    }

    fn timer(&self) {
        self.timer.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_a_ring_for_who_waits_later() {
        let bells = Bells::default();
        let lane = bells.lane(&"chat".into());
        bells.ring("chat");
        bells.ring("nobody");
        bells.timer();
        lane.notified().await;
        bells.timer_rang().await;
    }
}
