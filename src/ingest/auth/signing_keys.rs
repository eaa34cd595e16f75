//! The signing keys of Entra ID's tenants: fetched when needed, kept while Microsoft cannot be reached.
//!
//! A key that is not known is asked for, but not more often than once a minute, however many tokens name keys that do not
//! exist. Who comes in between is answered 503, not 401: it may be the first token of a new key, and Azure repeats 503.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use crate::domain::Timestamp;
use crate::limits::{
    SIGNING_KEYS_BYTES_MAX, SIGNING_KEYS_MAX, SIGNING_KEYS_PAUSE_SECONDS, SIGNING_KEYS_SECONDS,
};

use super::entra::{SigningKey, Tenant};
use super::fetch::{self, Fetcher};

/// Why the keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("fetch the signing keys of Entra ID")]
    Fetch(#[source] fetch::Error),
    #[error("read the signing keys of Entra ID")]
    Read(#[source] serde_json::Error),
    #[error("Entra ID has no usable signing keys")]
    None,
    /// They were asked for a moment ago.
    #[error(
        "the signing keys of Entra ID were asked for less than {SIGNING_KEYS_PAUSE_SECONDS} seconds ago"
    )]
    TooSoon,
}

/// What is known of one tenant.
#[derive(Default)]
struct Known {
    by_kid: BTreeMap<String, Arc<SigningKey>>,
    fetched_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
}

/// RFC 7517, 5.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    #[serde(default)]
    kty: String,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

/// The keys of all tenants that sources name. One for the whole process.
pub struct SigningKeys {
    fetcher: Fetcher,
    known: Mutex<BTreeMap<Tenant, Known>>,
    /// One fetch at a time; the others find its result.
    fetching: tokio::sync::Mutex<()>,
}

impl SigningKeys {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, known: Mutex::default(), fetching: tokio::sync::Mutex::new(()) }
    }

    /// The key at hand.
    pub(super) fn get(&self, tenant: &Tenant, kid: &str) -> Option<Arc<SigningKey>> {
        self.with(tenant, |known| known.by_kid.get(kid).cloned())
    }

    /// Whether the keys of a tenant at hand are old enough to ask for new ones.
    pub(super) fn is_stale(&self, tenant: &Tenant, now: Timestamp) -> bool {
        self.with(tenant, |known| {
            let old = |at: Timestamp| now.since(at).as_secs() >= SIGNING_KEYS_SECONDS;
            known.fetched_at.is_some_and(old) && !asked_just_now(known, now)
        })
    }

    /// Asks for the keys of `tenant`. After an error the old ones stay.
    ///
    /// `kid` is the key that is missing: if another request has brought it meanwhile, nothing is asked.
    pub(super) async fn fetch(
        &self,
        tenant: &Tenant,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let _one = self.fetching.lock().await;
        if kid.is_some_and(|kid| self.get(tenant, kid).is_some()) {
            return Ok(());
        }
        if self.with(tenant, |known| asked_just_now(known, now)) {
            return Err(Error::TooSoon);
        }
        self.with(tenant, |known| known.asked_at = Some(now));
        let found = self.fetcher.get(tenant.keys_url(), SIGNING_KEYS_BYTES_MAX).await;
        let by_kid = read(&found.map_err(Error::Fetch)?)?;
        self.with(tenant, |known| {
            known.by_kid = by_kid;
            known.fetched_at = Some(now);
        });
        Ok(())
    }

    fn with<T>(&self, tenant: &Tenant, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        act(known.entry(tenant.clone()).or_default())
    }
}

fn asked_just_now(known: &Known, now: Timestamp) -> bool {
    const PAUSE: Duration = Duration::from_secs(SIGNING_KEYS_PAUSE_SECONDS);
    // A clock that was set back must not keep us from asking.
    known.asked_at.is_some_and(|at| now.since(at) < PAUSE && at <= now)
}

fn read(body: &[u8]) -> Result<BTreeMap<String, Arc<SigningKey>>, Error> {
    let set: KeySet = serde_json::from_slice(body).map_err(Error::Read)?;
    let usable = |key: &Jwk| key.kty == "RSA" && key.usage.as_deref().is_none_or(|it| it == "sig");
    let keys = set.keys.into_iter().filter(usable).take(SIGNING_KEYS_MAX);
    let keys: BTreeMap<_, _> = keys
        .filter_map(|key| Some((key.kid, Arc::new(SigningKey::new(&key.n, &key.e)?))))
        .filter(|(kid, _)| !kid.is_empty())
        .collect();
    if keys.is_empty() { Err(Error::None) } else { Ok(keys) }
}
