//! What routes and receivers ask for, after inheritance: timing, receivers, what a receiver wants to be told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Timestamp;

/// When changes of an incident are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// First notice after `group_wait`, later changes at most every `group_interval`, resolves and rises at once.
    #[default]
    Prompt,
    /// Alertmanager's behaviour: everything on the grid of `group_interval`.
    Grid,
}

/// The effective keys of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The route's unique name.
    pub route: Arc<str>,
    /// Names of the receivers, in the order of the file.
    pub receivers: Vec<Arc<str>>,
    pub timing: Timing,
    pub group_wait: Duration,
    pub group_interval: Duration,
    pub resolve_wait: Duration,
    pub repeat_interval: Duration,
    /// For alerts whose sender never resolves: how long without news until they are taken as over.
    pub resolve_timeout: Duration,
    /// Firing again within this time after a resolve continues the same incident.
    pub reopen_window: Duration,
}

impl Policy {
    /// The defaults of design and documentation for a route called `route`.
    pub fn new(route: impl Into<Arc<str>>, receivers: Vec<Arc<str>>) -> Self {
        const MINUTE: u64 = 60;
        Self {
            route: route.into(),
            receivers,
            timing: Timing::Prompt,
            group_wait: Duration::ZERO,
            group_interval: Duration::from_secs(MINUTE),
            resolve_wait: Duration::ZERO,
            repeat_interval: Duration::from_secs(4 * 60 * MINUTE),
            resolve_timeout: Duration::from_secs(24 * 60 * MINUTE),
            reopen_window: Duration::from_secs(5 * MINUTE),
        }
    }
}

/// A kind of change that a receiver may want to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tell {
    Open,
    Rise,
    Joined,
    PartialResolve,
    Resolved,
    Acknowledged,
    Reopened,
    Repeat,
}

impl Tell {
    /// All changes, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Open,
        Self::Rise,
        Self::Joined,
        Self::PartialResolve,
        Self::Resolved,
        Self::Acknowledged,
        Self::Reopened,
        Self::Repeat,
    ];

    /// The word used in `tells = [...]`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Rise => "rise",
            Self::Joined => "joined",
            Self::PartialResolve => "partial_resolve",
            Self::Resolved => "resolved",
            Self::Acknowledged => "acknowledged",
            Self::Reopened => "reopened",
            Self::Repeat => "repeat",
        }
    }
}

/// A set of [`Tell`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tells(u8);

impl Tells {
    /// Chat: everything.
    pub const CHAT: Self = Self(0xff);
    /// SMS, voice, push: open, rise, resolved.
    pub const SMS: Self = Self::of(&[Tell::Open, Tell::Rise, Tell::Resolved]);
    /// Pagers: open, rise, acknowledged, resolved, reopened.
    pub const PAGER: Self =
        Self::of(&[Tell::Open, Tell::Rise, Tell::Acknowledged, Tell::Resolved, Tell::Reopened]);
    /// Tickets: as pagers plus joined.
    pub const TICKET: Self = Self(Self::PAGER.0 | Self::of(&[Tell::Joined]).0);

    /// The set of `tells`.
    pub const fn of(tells: &[Tell]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < tells.len() {
            bits |= 1 << tells[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Whether `tell` is in the set.
    pub const fn contains(self, tell: Tell) -> bool {
        self.0 & (1 << tell as u8) != 0
    }

    /// This set with `tell` in it or not.
    #[must_use]
    pub const fn with(self, tell: Tell, on: bool) -> Self {
        if on { Self(self.0 | 1 << tell as u8) } else { Self(self.0 & !(1 << tell as u8)) }
    }
}

/// What a receiver wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    pub tells: Tells,
    /// Whether its API closes what it opened (a dedup key or an editable message), so that a notice is closed too.
    pub closes: bool,
    /// Whether it wants one-off notices.
    pub notices: bool,
    /// News about a resolved incident is given up when it is older than this.
    pub max_age: Duration,
    /// Removed from the configuration: it is only told the end of what it was told.
    pub draining: bool,
}

impl Traits {
    /// Traits of chat-like receivers, the default of kinds that do not say otherwise.
    pub const CHAT: Self = Self {
        tells: Tells::CHAT,
        closes: false,
        notices: true,
        max_age: Duration::from_hours(24),
        draining: false,
    };
    /// Traits of SMS, voice and push receivers.
    pub const SMS: Self = Self { tells: Tells::SMS, ..Self::CHAT };
    /// Traits of pagers.
    pub const PAGER: Self =
        Self { tells: Tells::PAGER, closes: true, notices: false, ..Self::CHAT };

    /// A receiver that is gone from the configuration: closes only.
    #[must_use]
    pub const fn drained(self) -> Self {
        Self { draining: true, ..self }
    }
}

/// Who is told when a receiver cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    pub receiver: Arc<str>,
    /// Counted from the first failed attempt to say that an incident opened, reopened or rose.
    pub after: Duration,
}

/// What the store needs of the configuration to judge incidents: swapped as a whole at a reload.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Policies by route name, and by each name a route was called before.
    pub policies: HashMap<Arc<str>, Arc<Policy>>,
    /// For incidents whose route is gone.
    pub fallback: Arc<Policy>,
    /// Traits by receiver name.
    pub traits: HashMap<Arc<str>, Traits>,
    /// Fallbacks by the name of the receiver that has one.
    pub fallbacks: HashMap<Arc<str>, Fallback>,
    /// When this configuration was loaded: the origin of the grid timers.
    pub loaded_at: Timestamp,
}

impl Rules {
    /// The policy of the route called `route`.
    pub fn policy(&self, route: &str) -> &Arc<Policy> {
        self.policies.get(route).unwrap_or(&self.fallback)
    }

    /// The traits of the receiver called `receiver`; one that is gone only closes.
    pub fn traits(&self, receiver: &str) -> Traits {
        self.traits.get(receiver).copied().unwrap_or(Traits::CHAT.drained())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_tells() {
        assert!(Tell::ALL.into_iter().all(|tell| Tells::CHAT.contains(tell)));
        assert!(!Tells::SMS.contains(Tell::Joined));
        assert!(Tells::TICKET.contains(Tell::Joined) && Tells::TICKET.contains(Tell::Reopened));
        assert!(!Tells::CHAT.with(Tell::Repeat, false).contains(Tell::Repeat));
    }
}
