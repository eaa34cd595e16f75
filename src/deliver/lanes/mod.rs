//! One lane per receiver: it claims what is due, and brings its receiver to the incident's present state.
//!
//! Lanes know nothing of each other but the gate of a shared credential, so a slow receiver slows nobody else. The
//! store hands out at most one claim per (incident, receiver), which keeps the order. A lane never decides what is
//! worth sending and holds no queue: what it has not started it can drop without loss.
//!
//! A store error ends the lane and is reported upward: the process stops, because nothing it says could be kept.

mod attempt;
mod kept;
mod lane;

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

pub use self::kept::Mask;
use super::Bells;
use super::client::Transport;
use super::limiter::{Gate, Gates, Rate};
use super::senders::Sender;
use crate::clock::Clock;
use crate::domain::{Backoff, Reason, Why};
use crate::limits::TIMEOUT_SECONDS_MAX;
use crate::secret::Secret;
use crate::store::{self, Ledger};

/// What a lane needs to know of its receiver.
#[derive(Clone)]
pub struct LaneConfig {
    pub receiver: Arc<str>,
    pub sender: Arc<dyn Sender>,
    /// Requests per second and burst of the credential.
    pub rate: Rate,
    /// For one request with its answer; at most `TIMEOUT_SECONDS_MAX`.
    pub timeout: Duration,
    /// Requests on their way at the same time.
    pub concurrency: usize,
    pub backoff: Backoff,
    /// Every secret of the receiver's configuration: masked in kept bodies and error texts.
    pub secrets: Vec<Secret>,
}

impl LaneConfig {
    /// Requests on their way at the same time unless the receiver says otherwise.
    pub const CONCURRENCY: usize = 4;
    /// For one request unless the receiver says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// A lane with the defaults and no rate limit.
    pub fn new(receiver: impl Into<Arc<str>>, sender: Arc<dyn Sender>) -> Self {
        Self {
            receiver: receiver.into(),
            sender,
            rate: (0.0, 1),
            timeout: Self::TIMEOUT,
            concurrency: Self::CONCURRENCY,
            backoff: Backoff::default(),
            secrets: Vec::new(),
        }
    }
}

/// What happens in the lanes, for metrics and for alerts about ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryEvent<'a> {
    /// An attempt is settled. `GaveUp` makes a dead letter, `Waiting` is no attempt.
    Settled {
        receiver: &'a str,
        number: u64,
        why: Why,
        reason: Reason,
        status: Option<u16>,
        /// In words, without secrets.
        error: Option<&'a str>,
        took: Duration,
        /// For delivered changes: the time since the incident changed.
        latency: Option<Duration>,
    },
    /// The rate limit lets nothing through for this long.
    Limited { receiver: &'a str, wait: Duration },
    /// The receiver asked to wait: all lanes of its credential pause.
    Paused { receiver: &'a str, wait: Duration },
    /// The built-in plain rendering took over because of this error of the template or the receiver.
    Plain { receiver: &'a str, number: u64, error: &'a str },
    /// The receiver began to fail, or works again.
    Failing { receiver: &'a str, failing: bool, error: Option<&'a str> },
}

/// Hears of what happens; must not block.
pub type Observer = Arc<dyn Fn(&DeliveryEvent<'_>) + Send + Sync>;
/// Prints the text that an `inbox` receiver (first argument) keeps, once it is durable; must not block.
pub type Printer = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// What all lanes share.
pub struct Parts {
    pub ledger: Arc<dyn Ledger>,
    pub transport: Arc<dyn Transport>,
    pub clock: Arc<dyn Clock>,
    pub bells: Arc<Bells>,
    /// The instance id in external dedup keys.
    pub instance: String,
    /// Base URL of this bridge for links.
    pub base_url: Option<String>,
    pub observer: Observer,
    pub printer: Printer,
}

/// Why a lane ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{operation} for receiver {receiver}")]
    Store { operation: &'static str, receiver: Arc<str>, source: store::Error },
    #[error("the lane of receiver {receiver} panicked")]
    Panicked { receiver: Arc<str> },
}

/// One version of a receiver's definition with what it shares. Attempts on their way keep the one they began with.
struct Plan {
    config: LaneConfig,
    gate: Arc<Gate>,
    /// Bounds the requests on their way.
    slots: Arc<Semaphore>,
    mask: Mask,
}

impl Plan {
    fn new(mut config: LaneConfig, gate: Arc<Gate>, slots: Arc<Semaphore>) -> Self {
        config.timeout = config.timeout.min(Duration::from_secs(TIMEOUT_SECONDS_MAX));
        let mask = Mask::new(&config.secrets);
        Self { config, gate, slots, mask }
    }

    fn concurrency(&self) -> usize {
        self.config.concurrency.max(1)
    }
}

/// What a lane and its attempts tell each other.
#[derive(Debug, Default)]
struct Traffic {
    /// Attempts that have no answer yet.
    open: AtomicUsize,
    /// Rings when one of them got it.
    answered: Notify,
    /// The latest delivery was quick: starts may run ahead of the slots.
    quick: AtomicBool,
    /// Nothing more is sent.
    stopping: AtomicBool,
    /// Failed attempts in a row.
    failures: AtomicU32,
}

impl Traffic {
    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

#[derive(Clone)]
struct Orders {
    plan: Arc<Plan>,
    stop: bool,
}

struct Running {
    orders: watch::Sender<Orders>,
    traffic: Arc<Traffic>,
    task: JoinHandle<()>,
    /// Gone from the configuration: closes what it opened.
    draining: bool,
}

impl Running {
    fn stop(&self) {
        self.traffic.stopping.store(true, Ordering::Release);
        self.orders.send_modify(|orders| orders.stop = true);
    }
}

/// All lanes of the process.
pub struct Lanes {
    parts: Arc<Parts>,
    gates: Gates,
    running: Mutex<HashMap<Arc<str>, Running>>,
    failures: mpsc::Sender<Error>,
}

impl Lanes {
    /// No lanes yet; [`Self::adopt`] starts them. The second part yields the errors that end lanes: the process must
    /// stop at the first.
    pub fn new(parts: Parts) -> (Self, mpsc::Receiver<Error>) {
        let (failures, failed) = mpsc::channel(1);
        let parts = Arc::new(parts);
        (Self { parts, gates: Gates::default(), running: Mutex::default(), failures }, failed)
    }

    /// Takes over a configuration: receivers that stay keep their lane, with limiter and pause where the credential
    /// stays; new ones start; those that are gone go on with their old definition, to close what they opened.
    /// Returns the draining ones. Must be called within the runtime.
    pub fn adopt(&self, receivers: Vec<LaneConfig>) -> Vec<Arc<str>> {
        let mut running = self.running();
        let named: HashSet<Arc<str>> = receivers.iter().map(|c| Arc::clone(&c.receiver)).collect();
        let mut configs = receivers;
        for (name, lane) in running.iter_mut() {
            lane.draining = !named.contains(name);
            if lane.draining {
                configs.push(lane.orders.borrow().plan.config.clone());
            }
        }
        let uses = configs.iter().map(|config| (config.sender.credential(), config.rate));
        let gates = self.gates.adopt(uses);
        for config in configs {
            let gate = Arc::clone(&gates[&config.sender.credential()]);
            let name = Arc::clone(&config.receiver);
            match running.get(&name) {
                Some(lane) => lane.orders.send_modify(|orders| {
                    orders.plan = Arc::new(replan(&orders.plan, config, gate));
                }),
                None => {
                    running.insert(name, self.spawn(config, gate));
                }
            }
        }
        let draining = running.iter().filter(|(_, lane)| lane.draining);
        draining.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Ends a draining lane once nothing is open there (the store's `adopt` counts); other lanes are left alone.
    pub fn retire(&self, receiver: &str) {
        let mut running = self.running();
        if running.get(receiver).is_some_and(|lane| lane.draining)
            && let Some(lane) = running.remove(receiver)
        {
            lane.stop();
        }
    }

    /// Stops claiming, finishes the requests on their way, gives the rest back. Attempts that are not settled after
    /// `deadline` are cut off: they stay started in the store and are made again at the next start.
    /// Returns how many lanes had to be cut off.
    pub async fn shutdown(&self, deadline: Duration) -> usize {
        let lanes: Vec<Running> = self.running().drain().map(|(_, lane)| lane).collect();
        lanes.iter().for_each(Running::stop);
        let until = Instant::now() + deadline;
        let mut cut = 0;
        for mut lane in lanes {
            if timeout_at(until, &mut lane.task).await.is_err() {
                lane.task.abort();
                cut += 1;
            }
        }
        cut
    }

    fn spawn(&self, config: LaneConfig, gate: Arc<Gate>) -> Running {
        let receiver = Arc::clone(&config.receiver);
        let slots = Arc::new(Semaphore::new(config.concurrency.max(1)));
        let plan = Arc::new(Plan::new(config, gate, slots));
        let (orders, changes) = watch::channel(Orders { plan, stop: false });
        let traffic = Arc::new(Traffic::default());
        let bell = self.parts.bells.lane(&receiver);
        let lane = lane::run(Arc::clone(&self.parts), changes, Arc::clone(&traffic), bell);
        let failures = self.failures.clone();
        let task = tokio::spawn(async move {
            let ended = AssertUnwindSafe(lane).catch_unwind().await;
            if let Err(error) = ended.unwrap_or(Err(Error::Panicked { receiver })) {
                // Full means that an earlier error is already on its way up: one is enough to stop.
                drop(failures.try_send(error));
            }
        });
        Running { orders, traffic, task, draining: false }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Arc<str>, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The plan of a lane that goes on: requests already on their way count while the concurrency stays.
fn replan(before: &Plan, config: LaneConfig, gate: Arc<Gate>) -> Plan {
    let slots = if before.config.concurrency == config.concurrency {
        Arc::clone(&before.slots)
    } else {
        Arc::new(Semaphore::new(config.concurrency.max(1)))
    };
    Plan::new(config, gate, slots)
}

#[cfg(test)]
mod tests;
