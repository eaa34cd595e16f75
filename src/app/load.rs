//! From a checked `routes.toml` to what the running parts work with. Everything that can fail fails here, before
//! anything is taken over.

use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::config::{self, Receiver, Routes};
use crate::deliver::LaneConfig;
use crate::deliver::senders::ParamError;
use crate::domain::{Backoff, Rules, Timestamp};
use crate::http::{Active, Sources};
use crate::ingest::Source;
use crate::ingest::auth::Auth;
use crate::telemetry::Metrics;

/// Why a configuration that reads well cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("receiver {name}")]
    Receiver { name: String, source: ParamError },
    #[error(
        "source {name} demands a client certificate, but the listener asks for none: set server.tls_client_ca"
    )]
    NoClientCa { name: String },
}

/// Values that sources and receivers take where they say nothing themselves.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Largest body as received.
    pub body_bytes_max: usize,
    /// For one request to a receiver.
    pub timeout: Duration,
    /// Requests to a receiver at the same time.
    pub concurrency: usize,
    pub backoff: Backoff,
    /// Whether the listener asks clients for certificates.
    pub client_certificates: bool,
}

/// The first source that nobody could ever pass, as the listener asks for no certificates.
pub fn no_client_ca(routes: &Routes) -> Option<Error> {
    let demands = |source: &&config::Source| matches!(source.profile.auth, Auth::Mtls(_));
    let source = routes.sources.values().find(demands)?;
    Some(Error::NoClientCa { name: source.name.clone() })
}

/// A configuration, ready to be taken over.
pub(super) struct Loaded {
    pub(super) active: Active,
    pub(super) lanes: Vec<LaneConfig>,
    pub(super) warnings: Vec<String>,
}

/// Builds everything. `before` lends its rate limiters, so that a reload does not refill them.
pub(super) fn build(
    routes: &Routes,
    before: Option<&Active>,
    defaults: &Defaults,
    metrics: &Metrics,
    now: Timestamp,
) -> Result<Loaded, Error> {
    if !defaults.client_certificates
        && let Some(error) = no_client_ca(routes)
    {
        return Err(error);
    }
    let mut sources = Sources::new();
    for source in routes.sources.values() {
        let earlier = before.and_then(|active| active.sources.get(&source.name));
        let ready = prepare(source, earlier, defaults, metrics);
        sources.insert(source.name.clone(), Arc::new(ready));
    }
    let lanes: Result<Vec<LaneConfig>, Error> =
        routes.receivers.values().map(|receiver| lane(receiver, defaults)).collect();
    let rules: Arc<Rules> = Arc::new(routes.rules(now));
    let warnings =
        if routes.warnings.is_empty() { Vec::new() } else { vec![routes.warnings.render(false)] };
    let active = Active { sources, routes: routes.table.clone(), rules };
    Ok(Loaded { active, lanes: lanes?, warnings })
}

fn prepare(
    source: &config::Source,
    earlier: Option<&Arc<Source>>,
    defaults: &Defaults,
    metrics: &Metrics,
) -> Source {
    let limit = source.limit.map(|limit| (limit.per_second, limit.burst));
    let limiter = match earlier {
        Some(earlier) if earlier.limit == limit => earlier.limiter.clone(),
        _ => limit.and_then(limiter),
    };
    Source {
        name: source.name.as_str().into(),
        kind: source.kind.clone(),
        profile: source.profile.clone(),
        endpoint: source.endpoint,
        loopback_only: source.loopback_only,
        limit,
        limiter,
        body_bytes_max: source.body_limit.unwrap_or(defaults.body_bytes_max),
        topics: source.topics.clone(),
        meter: metrics.source(&source.name),
    }
}

/// `None` for a rate that is no limit.
fn limiter((per_second, burst): (f64, u32)) -> Option<Arc<DefaultDirectRateLimiter>> {
    let period = Duration::try_from_secs_f64(per_second.recip()).ok()?;
    let burst = std::num::NonZeroU32::new(burst)?;
    let quota = Quota::with_period(period.max(Duration::from_nanos(1)))?.allow_burst(burst);
    Some(Arc::new(RateLimiter::direct(quota)))
}

fn lane(receiver: &Receiver, defaults: &Defaults) -> Result<LaneConfig, Error> {
    let name = receiver.name.to_string();
    let sender = receiver.sender().map_err(|source| Error::Receiver { name, source })?;
    Ok(LaneConfig {
        rate: (receiver.limit.per_second, receiver.limit.burst),
        timeout: receiver.timeout.unwrap_or(defaults.timeout),
        concurrency: receiver.concurrency.unwrap_or(defaults.concurrency),
        backoff: defaults.backoff,
        secrets: receiver.params.secrets(),
        ..LaneConfig::new(Arc::clone(&receiver.name), Arc::from(sender))
    })
}
