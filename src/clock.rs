//! The only place that asks what time it is. Everything else takes `now` as an argument.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::domain::Timestamp;

/// A source of the present time.
pub trait Clock: Send + Sync {
    /// The present wall time. It never runs backwards within a process.
    fn now(&self) -> Timestamp;
}

/// The machine's clock, held so that it never runs backwards: when the wall clock is set back, time goes on from where
/// it was, at the pace of the monotonic clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    /// The most that the wall clock was ever ahead of the time since `started`, in microseconds.
    ahead: AtomicI64,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for the time")]
    fn default() -> Self {
        Self { started: Instant::now(), ahead: AtomicI64::new(i64::MIN) }
    }
}

impl SystemClock {
    /// The time shown when the wall clock says `wall` and `elapsed` has passed since the start, in microseconds.
    fn held(&self, wall: i64, elapsed: i64) -> Timestamp {
        let ahead = wall.saturating_sub(elapsed);
        let most = self.ahead.fetch_max(ahead, Ordering::Relaxed).max(ahead);
        Timestamp::from_micros(elapsed.saturating_add(most))
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for the time")]
    fn now(&self) -> Timestamp {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let elapsed = micros(self.started.elapsed());
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        self.held(wall.map_or(0, micros), elapsed)
    }
}

/// A clock that stands still until it is moved: tests and the demo's replays use it.
#[derive(Debug)]
pub struct ManualClock {
    micros: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self { micros: AtomicI64::new(start.as_micros()) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.micros.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_back_does_not_stop_time() {
        let clock = SystemClock::default();
        let rows = [
            (5_000, 0, 5_000),
            (6_000, 1_000, 6_000),
            (2_500, 1_500, 6_500),
            (3_000, 2_000, 7_000),
            (9_000, 2_001, 9_000),
        ];
        for (wall, elapsed, shown) in rows {
            assert_eq!(clock.held(wall, elapsed).as_micros(), shown, "{wall} at {elapsed}");
        }
    }
}
