//! Whether alerts can be taken right now.

use std::sync::atomic::{AtomicU8, Ordering};

/// A reason for not being ready. Several may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Trouble {
    /// The store failed: the process is about to end.
    StoreFailed = 1,
    /// The process was told to end.
    ShuttingDown = 2,
    /// The disk of the store is nearly full.
    DiskLow = 4,
}

impl Trouble {
    const ALL: [Self; 3] = [Self::StoreFailed, Self::ShuttingDown, Self::DiskLow];

    /// The word in the answer of `/-/ready`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StoreFailed => "store_failed",
            Self::ShuttingDown => "shutting_down",
            Self::DiskLow => "disk_low",
        }
    }
}

/// The troubles of the process.
#[derive(Debug, Default)]
pub struct Health(AtomicU8);

impl Health {
    /// Says whether `trouble` holds.
    pub fn set(&self, trouble: Trouble, holds: bool) {
        if holds {
            self.0.fetch_or(trouble as u8, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!(trouble as u8), Ordering::Relaxed);
        }
    }

    /// The weightiest trouble.
    pub fn trouble(&self) -> Option<&'static str> {
        let held = self.0.load(Ordering::Relaxed);
        Trouble::ALL.into_iter().find(|trouble| held & *trouble as u8 != 0).map(Trouble::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weightiest_trouble_is_named() {
        let health = Health::default();
        assert_eq!(health.trouble(), None);
        health.set(Trouble::DiskLow, true);
        health.set(Trouble::StoreFailed, true);
        assert_eq!(health.trouble(), Some("store_failed"));
        health.set(Trouble::StoreFailed, false);
        assert_eq!(health.trouble(), Some("disk_low"));
    }
}
