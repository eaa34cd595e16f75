//! How fast a credential may be used: one gate for all receivers that share it.
//!
//! Vendors count by token, URL or account, not by what we call a receiver, so gates are keyed by
//! [`Sender::credential`](super::senders::Sender::credential). A gate never waits: it says how long the lane has to.
//! All times are monotonic: a wall clock that jumps neither opens nor blocks a gate.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::limits::PAUSE_SECONDS_MAX;

/// The first pause where the receiver does not say how long; it doubles while the receiver keeps refusing.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause where the receiver does not say how long.
const PAUSE_UNNAMED_MAX: Duration = Duration::from_mins(5);

/// Requests per second and burst. A rate that is not above zero means no limit.
pub type Rate = (f64, u32);

/// Rate limit and pause of one credential.
#[derive(Debug)]
pub struct Gate {
    rate: Rate,
    limiter: Option<Limiter>,
    pause: Mutex<Pause>,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Nanos>>;

#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    until: Option<Instant>,
    /// Pauses in a row whose length the receiver did not name.
    unnamed: u32,
}

impl Gate {
    /// An open gate with a full burst.
    pub fn new(rate: Rate) -> Self {
        Self { rate, limiter: limiter(rate), pause: Mutex::default() }
    }

    /// Takes one permit, or says how long until there is one.
    pub fn check(&self) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check().map_err(|later| {
            // A wait that rounds to nothing would make the caller spin.
            later.wait_time_from(limiter.clock().now()).max(Duration::from_millis(1))
        })
    }

    /// How long the gate stays closed because the receiver asked to wait.
    pub fn paused(&self) -> Option<Duration> {
        let until = self.lock().until?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Closes the gate for `after` as the receiver named it (at most `PAUSE_SECONDS_MAX`), else for a pause that
    /// grows as long as nothing is delivered. Returns how long it is closed now; a longer pause stays.
    pub fn pause(&self, after: Option<Duration>) -> Duration {
        let now = Instant::now();
        let mut pause = self.lock();
        let left = pause.until.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let wanted = match after {
            Some(after) => after.min(Duration::from_secs(PAUSE_SECONDS_MAX)),
            // Several answers of requests that were on their way together are one refusal.
            None if !left.is_zero() => left,
            None => {
                let pause_now = PAUSE_FIRST.saturating_mul(1 << pause.unnamed.min(16));
                pause.unnamed = pause.unnamed.saturating_add(1);
                pause_now.min(PAUSE_UNNAMED_MAX)
            }
        };
        let wanted = wanted.max(left);
        pause.until = Some(now + wanted);
        wanted
    }

    /// The receiver took something: the next pause of unnamed length is short again.
    pub fn delivered(&self) {
        self.lock().unnamed = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limiter((per_second, burst): Rate) -> Option<Limiter> {
    if !per_second.is_finite() || per_second <= 0.0 {
        return None;
    }
    let period = Duration::try_from_secs_f64(1.0 / per_second)
        .unwrap_or(Duration::from_secs(PAUSE_SECONDS_MAX))
        .clamp(Duration::from_nanos(1), Duration::from_hours(24));
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::with_period(period)?.allow_burst(burst);
    Some(RateLimiter::direct_with_clock(quota, Monotonic(Instant::now())))
}

/// The runtime's clock since the limiter was made: tests move it.
#[derive(Clone, Copy, Debug)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let elapsed = self.0.elapsed().as_nanos();
        Nanos::new(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}

/// The gates of all credentials.
#[derive(Debug, Default)]
pub struct Gates(Mutex<HashMap<u64, Arc<Gate>>>);

impl Gates {
    /// Takes over the credentials in use with their rates; of two rates of one credential the stricter holds.
    /// A gate whose rate stays is kept; one whose rate changes keeps its pause. Returns the gates by credential.
    pub fn adopt(&self, uses: impl IntoIterator<Item = (u64, Rate)>) -> HashMap<u64, Arc<Gate>> {
        let mut rates = HashMap::<u64, Rate>::new();
        for (credential, rate) in uses {
            rates
                .entry(credential)
                .and_modify(|held| *held = stricter(*held, rate))
                .or_insert(rate);
        }
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let adopted = rates.into_iter().map(|(credential, rate)| {
            let gate = match gates.get(&credential) {
                Some(gate) if gate.rate == rate => Arc::clone(gate),
                Some(gate) => Arc::new(Gate { pause: Mutex::new(*gate.lock()), ..Gate::new(rate) }),
                None => Arc::new(Gate::new(rate)),
            };
            (credential, gate)
        });
        *gates = adopted.collect();
        gates.clone()
    }
}

fn stricter(a: Rate, b: Rate) -> Rate {
    let limited = |rate: Rate| rate.0.is_finite() && rate.0 > 0.0;
    match (limited(a), limited(b)) {
        (true, true) => (a.0.min(b.0), a.1.min(b.1)),
        (false, true) => b,
        (true | false, false) => a,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn lets_a_burst_through_and_then_the_rate() {
        let gate = Gate::new((2.0, 3));
        let taken = (0..10).take_while(|_| gate.check().is_ok()).count();
        assert_eq!(taken, 3);
        let wait = gate.check().unwrap_err();
        assert!(wait <= SECOND / 2 && wait > SECOND / 4, "{wait:?}");
        advance(wait).await;
        assert_eq!(gate.check(), Ok(()));
        assert!(gate.check().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn odd_rates_are_no_limit_or_a_slow_one() {
        for rate in [(0.0, 1), (-1.0, 1), (f64::NAN, 1), (f64::INFINITY, 1)] {
            let gate = Gate::new(rate);
            assert!((0..1000).all(|_| gate.check().is_ok()), "{rate:?}");
        }
        let gate = Gate::new((1e-300, 0));
        assert_eq!(gate.check(), Ok(()));
        assert!(gate.check().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_as_long_as_the_receiver_says() {
        let gate = Gate::new((0.0, 1));
        assert_eq!(gate.paused(), None);
        assert_eq!(gate.pause(Some(30 * SECOND)), 30 * SECOND);
        assert_eq!(gate.pause(Some(10 * SECOND)), 30 * SECOND);
        assert_eq!(gate.pause(None), 30 * SECOND);
        advance(29 * SECOND).await;
        assert_eq!(gate.paused(), Some(SECOND));
        advance(SECOND).await;
        assert_eq!(gate.paused(), None);
        assert_eq!(gate.pause(Some(Duration::MAX)), 3600 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn unnamed_pauses_grow_until_something_is_delivered() {
        let gate = Gate::new((0.0, 1));
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let pause = gate.pause(None);
            pauses.push(pause.as_secs());
            advance(pause).await;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        gate.delivered();
        assert_eq!(gate.pause(None), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn receivers_with_one_credential_share_a_gate() {
        let gates = Gates::default();
        let first = gates.adopt([(7, (5.0, 5)), (7, (1.0, 2)), (8, (1.0, 1))]);
        assert_eq!(first.len(), 2);
        assert_eq!((first[&7].check(), first[&7].check()), (Ok(()), Ok(())));
        assert!(first[&7].check().is_err(), "the stricter burst holds");
        assert_eq!(first[&8].check(), Ok(()));

        let same = gates.adopt([(7, (1.0, 2))]);
        assert!(same[&7].check().is_err(), "spent permits stay spent over a reload");
        same[&7].pause(Some(60 * SECOND));
        let faster = gates.adopt([(7, (100.0, 100))]);
        assert_eq!(faster[&7].check(), Ok(()));
        assert_eq!(faster[&7].paused(), Some(60 * SECOND), "a pause outlives a change of the rate");
    }
}
