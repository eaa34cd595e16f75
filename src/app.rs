//! Builds everything from the configuration and shuts it down in order.
//!
//! [`start`] gives a [`RunningApp`]: `serve` runs one until a signal, the demo and the tests run it in their own process.
//! Shutdown goes against the flow, so that nothing that was accepted is left without an owner: no new connections,
//! requests in flight are answered, attempts in flight are settled, the store is closed.

mod door;
mod events;
mod load;
mod reload;
mod supervise;
mod upkeep;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use governor::{Quota, RateLimiter};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use load::{Defaults, Error as LoadError, no_client_ca};

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Settings};
use crate::deliver::client::{self, Client, ClientConfig};
use crate::deliver::lanes::{self, Observer, Parts, Printer};
use crate::deliver::{Bells, Dispatcher, Lanes};
use crate::domain::Rules;
use crate::http::{self, Access, Budget, Health, Reloads, Shared};
use crate::ingest::auth::{fetch, verifier};
use crate::limits::{BODIES_IN_FLIGHT_BYTES_MAX, REFUSALS_LOGGED_PER_SECOND};
use crate::store::{self, Embedded, SledOptions, Store};
use crate::telemetry::Metrics;
use reload::{Reader, Reloader};
use supervise::Running;

/// Why the process could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read routes")]
    Routes { source: config::Error },
    #[error("templates: {}", problems.join("; "))]
    Templates { problems: Vec<String> },
    #[error("routes cannot be run")]
    Load { source: LoadError },
    #[error(
        "refusing to serve the API on the public address {address} without a token: set server.api_token, or listen on 127.0.0.1"
    )]
    PublicWithoutToken { address: SocketAddr },
    /// What is wrong stands in the cause: it names the file.
    #[error("TLS cannot be used")]
    Tls { source: http::tls::Error },
    #[error("listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("run the HTTP server")]
    Server { source: std::io::Error },
    #[error("set up the client for receivers")]
    Client { source: client::Error },
    #[error("set up the client for certificates and keys")]
    Verifier { source: fetch::Error },
    #[error("open the store")]
    Store { source: store::Error },
    #[error("make an instance id: the system gives no random bytes")]
    Instance,
    /// The process must end: what it would say from now on could not be kept.
    #[error("{reason}")]
    Fatal { reason: String },
}

impl Error {
    /// The error for people; problems in files come with their places.
    pub fn explain(&self) -> String {
        match self {
            Self::Routes { source: config::Error::Invalid { report, .. } } => report.render(false),
            other => http::error::chain(other),
        }
    }
}

/// Where incidents are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Data {
    /// In the directory that the settings name.
    #[default]
    Directory,
    /// Nowhere: gone when the process ends.
    Memory,
}

/// Everything that a process is made of.
pub struct Setup {
    pub settings: Settings,
    /// The text of `routes.toml`; without one, the file that the settings name is read, again at each reload.
    pub routes: Option<String>,
    pub data: Data,
    pub clock: Arc<dyn Clock>,
    /// What happens to notifications that `inbox` receivers keep, beside being kept.
    pub printer: Printer,
    /// Hears of deliveries, beside metrics and log.
    pub observer: Option<Observer>,
}

impl Setup {
    /// What `serve` runs.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            routes: None,
            data: Data::Directory,
            clock: Arc::new(SystemClock::default()),
            printer: events::printer(),
            observer: None,
        }
    }
}

/// A running process within the process.
pub struct RunningApp {
    /// Where it listens; with port 0 in the settings, the one that was free.
    pub address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    ended: JoinHandle<Result<(), Error>>,
}

impl RunningApp {
    /// Where it answers, without a slash at the end: `https://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// What is known: for tests and the demo.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// Takes over the configuration files again.
    pub fn reloads(&self) -> Reloads {
        self.shared.reloads.clone()
    }

    /// Waits until it ends by itself, which it only does after a failure.
    pub async fn ended(&mut self) -> Result<(), Error> {
        match (&mut self.ended).await {
            Ok(ended) => ended,
            Err(error) => Err(Error::Fatal { reason: error.to_string() }),
        }
    }

    /// Shuts down in order and waits for it.
    pub async fn stop(mut self) -> Result<(), Error> {
        // The receiving end is gone when it has ended already, and then there is nothing to stop.
        self.stop.send_replace(true);
        self.ended().await
    }
}

/// Starts everything. Must be called within a Tokio runtime with threads.
pub async fn start(setup: Setup) -> Result<RunningApp, Error> {
    let (address, listener) = door::bind(&setup.settings)?;
    let reader = Reader::new(&setup.settings, setup.routes.clone());
    let metrics = Arc::new(Metrics::default());
    let defaults = defaults(&setup.settings);
    let now = setup.clock.now();
    let tls = door::tls(&setup.settings, &metrics, now)?;
    let routes = reader.read(now)?;
    let loaded = load::build(&routes, None, &defaults, &metrics, now)
        .map_err(|source| Error::Load { source })?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let bells = Arc::new(Bells::default());
    let (fatal, fatals) = mpsc::channel(1);
    let store = open(&setup, &loaded.active.rules, &bells, &fatal)?;
    if let Some(id) = setup.settings.instance.as_deref().filter(|id| *id != store.instance()) {
        // Another id would orphan what is open at receivers under the old one.
        let kept = store.instance();
        tracing::warn!(id, kept, "setting instance.id is ignored: the store has its own already");
    }
    let rules = Arc::clone(&loaded.active.rules);
    let gone = store.adopt(rules, now).await.map_err(|source| Error::Store { source })?;
    warn_of(&gone);
    let (lanes, failed) = lanes(&setup, &store, &bells, &metrics)?;
    lanes.adopt(loaded.lanes);
    metrics.reloaded(true, now);
    let (reloads, asked) = Reloads::new();
    let shared = Arc::new(Shared {
        active: ArcSwap::from_pointee(loaded.active),
        ..shared(&setup, store, metrics, reloads, fatal)?
    });
    let (stop, stopped) = watch::channel(false);
    let (quiet, quieted) = watch::channel(false);
    let (close, closed) = watch::channel(false);
    let dispatching = quieted.clone();
    let dispatcher = Dispatcher::new(shared.store.clone(), bells, Arc::clone(&setup.clock));
    let reloader = Reloader {
        reader,
        shared: Arc::clone(&shared),
        lanes: Arc::clone(&lanes),
        defaults,
        tls: tls.clone(),
    };
    let upkeep = upkeep::run(
        Arc::clone(&shared),
        upkeep::Limits::of(&setup.settings),
        tls.clone().map(door::Watch::new),
        quieted.clone(),
    );
    let scheme = if tls.is_some() { "https" } else { "http" };
    let server = door::serve(&setup.settings, listener, tls.as_ref(), &shared, closed)?;
    let running = Running {
        lanes,
        failed,
        fatal: fatals,
        shared: Arc::clone(&shared),
        stop: stopped,
        dispatcher: tokio::spawn(async move { dispatcher.run(dispatching).await }),
        beside: vec![tokio::spawn(upkeep), tokio::spawn(reloader.run(asked, quieted))],
        quiet,
        close,
        grace: setup.settings.server.shutdown_timeout,
    };
    let ended = tokio::spawn(running.run(tokio::spawn(server)));
    tracing::info!("listening on {scheme}://{address}");
    Ok(RunningApp { address, scheme, shared, stop, ended })
}

/// Says where nothing will be closed, as nobody knows the receiver any more.
fn warn_of(gone: &[(String, u64)]) {
    for (receiver, open) in gone {
        tracing::warn!(
            receiver,
            open,
            "receiver is gone from the configuration, but incidents are open there"
        );
    }
}

fn defaults(settings: &Settings) -> Defaults {
    Defaults {
        body_bytes_max: settings.server.body_limit,
        timeout: settings.deliver.timeout,
        concurrency: settings.deliver.concurrency,
        client_certificates: settings
            .server
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_ca.is_some()),
        backoff: crate::domain::Backoff {
            base: settings.deliver.backoff_base,
            cap: settings.deliver.backoff_cap,
        },
    }
}

fn open(
    setup: &Setup,
    rules: &Arc<Rules>,
    bells: &Arc<Bells>,
    fatal: &mpsc::Sender<String>,
) -> Result<Arc<dyn Store>, Error> {
    let failed = |source| Error::Store { source };
    let instance = match &setup.settings.instance {
        Some(id) => id.clone(),
        None => fresh_instance()?,
    };
    let (rules, bell, now) = (Arc::clone(rules), Arc::clone(bells), setup.clock.now());
    let settings = &setup.settings.store;
    Ok(match setup.data {
        Data::Memory => Embedded::in_memory(rules, bell, now, instance).map_err(failed)?,
        Data::Directory => {
            let fatal = fatal.clone();
            let options = SledOptions {
                cache_bytes: settings.cache_bytes,
                free_bytes_min: settings.min_free_bytes,
                // A full channel means that an earlier failure is on its way up.
                fatal: Box::new(move |error| drop(fatal.try_send(http::error::chain(error)))),
            };
            Embedded::open_sled(&settings.path, options, rules, bell, now, instance)
                .map_err(failed)?
        }
    })
}

/// Eight hexadecimal digits: enough to keep two bridges at one PagerDuty account apart.
fn fresh_instance() -> Result<String, Error> {
    let mut bytes = [0; 4];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Instance)?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}

fn lanes(
    setup: &Setup,
    store: &Arc<dyn Store>,
    bells: &Arc<Bells>,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<Lanes>, mpsc::Receiver<lanes::Error>), Error> {
    let client = Client::new(&ClientConfig {
        private: setup.settings.deliver.allow_private_networks,
        connect_timeout: setup.settings.deliver.connect_timeout,
        ..ClientConfig::default()
    });
    let (lanes, failed) = Lanes::new(Parts {
        ledger: store.clone(),
        transport: Arc::new(client.map_err(|source| Error::Client { source })?),
        clock: Arc::clone(&setup.clock),
        bells: Arc::clone(bells),
        instance: store.instance().to_owned(),
        base_url: setup.settings.server.public_url.clone(),
        observer: events::observer(Arc::clone(metrics), setup.observer.clone()),
        printer: Arc::clone(&setup.printer),
    });
    Ok((Arc::new(lanes), failed))
}

/// What handlers share, with an empty configuration in it.
fn shared(
    setup: &Setup,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    reloads: Reloads,
    fatal: mpsc::Sender<String>,
) -> Result<Shared, Error> {
    let server = &setup.settings.server;
    let verifier = verifier::Verifier::new().map_err(|source| Error::Verifier { source })?;
    let refusals =
        std::num::NonZeroU32::new(REFUSALS_LOGGED_PER_SECOND).expect("a constant that is not zero");
    Ok(Shared {
        active: ArcSwap::from_pointee(http::Active::nothing(setup.clock.now())),
        store,
        clock: Arc::clone(&setup.clock),
        metrics,
        verifier,
        budget: Arc::new(Budget::new(BODIES_IN_FLIGHT_BYTES_MAX)),
        limits: http::Limits {
            body_within: server.body_timeout,
            commit_within: server.request_timeout,
            inflated_bytes_max: server.inflated_limit,
        },
        access: Access { tokens: server.api_token.iter().cloned().collect() },
        trusted_proxies: server.trusted_proxies.clone(),
        health: Health::default(),
        reloads,
        refusals: RateLimiter::direct(Quota::per_second(refusals)),
        opsgenie: http::Requests::default(),
        fatal,
    })
}
