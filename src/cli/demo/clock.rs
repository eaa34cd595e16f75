//! The time of the story: the machine's clock, some minutes behind, that can be moved ahead.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use regex::{Captures, Regex};

use crate::clock::{Clock, SystemClock};
use crate::domain::Timestamp;

/// When the first payload is posted, by the dates that the payloads have in their files: 2026-03-01 03:04 UTC.
const FILES_BEGIN: Timestamp = Timestamp::from_secs(1_772_334_240);

static DATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"2026-03-01T\d{2}:\d{2}:\d{2}").expect("a constant pattern that is valid")
});

/// Runs as fast as the machine's clock and never backwards.
#[derive(Debug)]
pub(super) struct StoryClock {
    system: SystemClock,
    behind_micros: AtomicI64,
}

impl StoryClock {
    /// A clock that is `behind` the machine's.
    pub(super) fn new(behind: Duration) -> Self {
        let micros = i64::try_from(behind.as_micros()).unwrap_or(0);
        Self { system: SystemClock::default(), behind_micros: AtomicI64::new(micros) }
    }

    /// Moves ahead, at most to the machine's time.
    pub(super) fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        let behind = self.behind_micros.load(Ordering::Relaxed);
        self.behind_micros.store(behind.saturating_sub(by).max(0), Ordering::Relaxed);
    }
}

impl Clock for StoryClock {
    fn now(&self) -> Timestamp {
        let behind = u64::try_from(self.behind_micros.load(Ordering::Relaxed)).unwrap_or(0);
        self.system.now().minus(Duration::from_micros(behind))
    }
}

/// `payload` with its dates moved, so that the story of the files begins at `begin`. Fractions and zones stay.
pub(super) fn retime(payload: &str, begin: Timestamp) -> String {
    let moved = |found: &Captures<'_>| {
        let at = Timestamp::parse_rfc3339(&format!("{}Z", &found[0])).unwrap_or(FILES_BEGIN);
        let seconds = begin.as_secs().saturating_add(at.as_secs() - FILES_BEGIN.as_secs());
        Timestamp::from_secs(seconds).to_string().trim_end_matches('Z').to_owned()
    };
    DATE.replace_all(payload, moved).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_move_together() {
        let begin = Timestamp::parse_rfc3339("2027-01-01T00:00:00.5Z").unwrap();
        let text = r#"{"a": "2026-03-01T03:04:00.1234567Z", "b": "2026-03-01T03:09:30.000+0000", "c": "0001-01-01T00:00:00Z"}"#;
        let want = r#"{"a": "2027-01-01T00:00:00.1234567Z", "b": "2027-01-01T00:05:30.000+0000", "c": "0001-01-01T00:00:00Z"}"#;
        assert_eq!(retime(text, begin), want);
    }

    #[test]
    fn the_clock_catches_up_and_stops_there() {
        let clock = StoryClock::new(Duration::from_mins(10));
        let early = clock.now();
        clock.advance(Duration::from_mins(4));
        assert!(clock.now().since(early) >= Duration::from_mins(4));
        clock.advance(Duration::from_hours(9));
        assert!(clock.now().since(early) < Duration::from_mins(11));
    }
}
