//! From a checked `routes.toml` to what the running parts work with. Everything that can fail fails here, before
//! anything is taken over.

use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::config::{self, Receiver, Routes};
use crate::deliver::LaneConfig;
use crate::deliver::senders::{ParamError, ParamValue};
use crate::domain::{Backoff, Rules, Timestamp};
use crate::http::{Active, Sources};
use crate::ingest::auth::{self, AllowList, HmacParts, KeyForm, Profile, Secrets, SigningTime};
use crate::ingest::kinds::table::{Table, TableKind};
use crate::ingest::{Kind, Source, kinds};
use crate::secret::Secret;
use crate::telemetry::Metrics;

/// Why a configuration that reads well cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("source {name}: no kind is called {kind:?}")]
    Kind { name: String, kind: String },
    #[error("source {name}: table: {problems}")]
    Table { name: String, problems: String },
    #[error("source {name}: auth")]
    Auth { name: String, source: auth::Error },
    #[error("source {name}: auth: all entries of basic must have the same user")]
    Users { name: String },
    #[error("receiver {name}")]
    Receiver { name: String, source: ParamError },
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
    let mut sources = Sources::new();
    for source in routes.sources.values() {
        let earlier = before.and_then(|active| active.sources.get(&source.name));
        let ready = prepare(source, earlier, defaults, metrics)?;
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
) -> Result<Source, Error> {
    let name = || source.name.clone();
    let failed = |error| Error::Auth { name: name(), source: error };
    let allow: Vec<String> = source.allow.iter().map(ToString::to_string).collect();
    let allow = AllowList::parse(&allow).map_err(failed)?;
    let topics = auth::sns::Topics::new(source.topics.clone()).map_err(failed)?;
    let profile = Profile { auth: scheme(source, &topics)?, allow };
    let limit = source.limit.map(|limit| (limit.per_second, limit.burst));
    let limiter = match earlier {
        Some(earlier) if earlier.limit == limit => earlier.limiter.clone(),
        _ => limit.and_then(limiter),
    };
    Ok(Source {
        name: source.name.as_str().into(),
        kind: kind(source)?,
        profile,
        loopback_only: source.loopback_only,
        limit,
        limiter,
        body_bytes_max: source.body_limit.unwrap_or(defaults.body_bytes_max),
        topics,
        meter: metrics.source(&source.name),
    })
}

fn kind(source: &config::Source) -> Result<Kind, Error> {
    if let Some(raw) = &source.table {
        let failed = |problems: String| Error::Table { name: source.name.clone(), problems };
        let text = toml::to_string(&raw.value).map_err(|error| failed(error.to_string()))?;
        let table = Table::parse(&text, &source.kind).map_err(|problems| {
            let list: Vec<String> = problems.into_iter().map(|one| one.message).collect();
            failed(list.join("; "))
        })?;
        return Ok(Kind::Table(Arc::new(TableKind(table))));
    }
    kinds::find(&source.kind)
        .map(Kind::BuiltIn)
        .ok_or_else(|| Error::Kind { name: source.name.clone(), kind: source.kind.clone() })
}

/// `None` for a rate that is no limit.
fn limiter((per_second, burst): (f64, u32)) -> Option<Arc<DefaultDirectRateLimiter>> {
    let period = Duration::try_from_secs_f64(per_second.recip()).ok()?;
    let burst = std::num::NonZeroU32::new(burst)?;
    let quota = Quota::with_period(period.max(Duration::from_nanos(1)))?.allow_burst(burst);
    Some(Arc::new(RateLimiter::direct(quota)))
}

fn scheme(source: &config::Source, topics: &auth::sns::Topics) -> Result<auth::Auth, Error> {
    let failed = |error| Error::Auth { name: source.name.clone(), source: error };
    let secrets = |list: Vec<Secret>| Secrets::new(list).map_err(failed);
    Ok(match &source.auth {
        config::Auth::None => auth::Auth::None,
        config::Auth::Token(tokens) => auth::Auth::Token(secrets(tokens.clone())?),
        config::Auth::Basic(basics) => {
            let pairs =
                basics.iter().map(|basic| format!("{}:{}", basic.user, basic.password.expose()));
            auth::Auth::Basic(secrets(pairs.map(Secret::new).collect())?)
        }
        config::Auth::Hmac(hmac) => {
            let secrets = secrets(hmac.secrets.clone())?;
            auth::Auth::Hmac(signature(hmac, secrets).map_err(failed)?)
        }
        config::Auth::Sns => auth::Auth::Sns(topics.clone()),
    })
}

fn signature(hmac: &config::Hmac, secrets: Secrets) -> Result<auth::Hmac, auth::Error> {
    let time = hmac.timestamp_header.as_deref();
    let time = time.map(|header| SigningTime::new(header, hmac.tolerance)).transpose()?;
    // The Standard Webhooks form of a key says so itself.
    let standard = hmac.secrets.iter().all(|secret| secret.expose().starts_with("whsec_"));
    auth::Hmac::new(HmacParts {
        header: hmac.header.clone(),
        algorithm: match hmac.algorithm {
            config::Algorithm::Sha1 => auth::Algorithm::Sha1,
            config::Algorithm::Sha256 => auth::Algorithm::Sha256,
            config::Algorithm::Sha512 => auth::Algorithm::Sha512,
        },
        encoding: match hmac.encoding {
            config::Encoding::Hex => auth::Encoding::Hex,
            config::Encoding::Base64 => auth::Encoding::Base64,
        },
        prefix: hmac.prefix.clone(),
        content: hmac.signed.parse()?,
        time,
        key: if standard { KeyForm::Base64 } else { KeyForm::Text },
        secrets,
    })
}

fn lane(receiver: &Receiver, defaults: &Defaults) -> Result<LaneConfig, Error> {
    let name = receiver.name.to_string();
    let sender = receiver.sender().map_err(|source| Error::Receiver { name, source })?;
    let secrets = receiver.params.0.values().filter_map(|value| match value {
        ParamValue::Secret(secret) => Some(secret.clone()),
        _ => None,
    });
    Ok(LaneConfig {
        rate: (receiver.limit.per_second, receiver.limit.burst),
        timeout: receiver.timeout.unwrap_or(defaults.timeout),
        concurrency: receiver.concurrency.unwrap_or(defaults.concurrency),
        backoff: defaults.backoff,
        secrets: secrets.collect(),
        ..LaneConfig::new(Arc::clone(&receiver.name), Arc::from(sender))
    })
}
