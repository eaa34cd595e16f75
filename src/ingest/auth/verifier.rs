//! Verification with what must be fetched for it: certificates of SNS, signing keys of Entra ID.

use std::sync::Arc;

use crate::domain::Timestamp;

use super::certificates::{self, Certificates};
use super::entra::Tenant;
use super::fetch::{self, Fetcher};
use super::replay::Replays;
use super::signing_keys::{self, SigningKeys};
use super::sns::SubscribeUrl;
use super::{Auth, Evidence, Presented, Profile, Refused, Verified};

/// Why something could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("get the certificate of a message of SNS")]
    Certificate(#[source] certificates::Error),
    #[error("get a signing key of Entra ID")]
    Keys(#[source] signing_keys::Error),
}

/// Checks requests, with what it has fetched and what it has seen. One for the whole process.
pub struct Verifier {
    certificates: Certificates,
    keys: SigningKeys,
    /// What was taken already.
    pub replays: Replays,
}

impl Verifier {
    /// Fetches over https.
    pub fn new() -> Result<Self, fetch::Error> {
        Fetcher::https().map(Self::with)
    }

    /// Fetches as `fetcher` does.
    pub fn with(fetcher: Fetcher) -> Self {
        Self {
            certificates: Certificates::new(fetcher.clone()),
            keys: SigningKeys::new(fetcher),
            replays: Replays::default(),
        }
    }

    /// [`Profile::verify`], fetching what is needed and not at hand. A fetch that fails is a refusal that asks the sender to
    /// repeat; why it failed goes to `failed`.
    pub async fn verify(
        &self,
        profile: &Profile,
        presented: &Presented<'_>,
        now: Timestamp,
        failed: impl Fn(&Error),
    ) -> Result<Verified, Refused> {
        let first = self.at_hand(profile, presented, now);
        match first {
            Err(Refused::NoCertificate { url }) => match self.certificates.fetch(&url, now).await {
                Ok(certificate) => {
                    let certificate = |_: &_| Some(Arc::clone(&certificate));
                    let evidence = Evidence { certificate: &certificate, ..Evidence::NOTHING };
                    profile.verify(presented, &evidence, now)
                }
                Err(cause) => {
                    failed(&Error::Certificate(cause));
                    Err(Refused::NoCertificate { url })
                }
            },
            Err(Refused::NoKey { tenant, kid }) => {
                if let Err(cause) = self.keys.fetch(&tenant, Some(&kid), now).await {
                    // Strangers can bring this about as often as they like.
                    if !matches!(cause, signing_keys::Error::TooSoon) {
                        failed(&Error::Keys(cause));
                    }
                    return Err(Refused::NoKey { tenant, kid });
                }
                // The tenant has told its keys just now: one that is not among them is none.
                match self.at_hand(profile, presented, now) {
                    Err(Refused::NoKey { .. }) => Err(Refused::Wrong { scheme: "entra" }),
                    other => other,
                }
            }
            Ok(verified) => {
                if let Auth::Entra(entra) = &profile.auth {
                    self.renew(entra.tenant(), now, failed).await;
                }
                Ok(verified)
            }
            other => other,
        }
    }

    /// Asks for new keys in place of old ones. If there are none to be had, the old ones stay good.
    async fn renew(&self, tenant: &Tenant, now: Timestamp, failed: impl Fn(&Error)) {
        if self.keys.is_stale(tenant, now)
            && let Err(cause) = self.keys.fetch(tenant, None, now).await
        {
            failed(&Error::Keys(cause));
        }
    }

    /// Visits the address that confirms a subscription.
    pub async fn confirm(&self, url: &SubscribeUrl) -> Result<(), certificates::Error> {
        self.certificates.confirm(url).await
    }

    /// Runs `verify` with what is at hand.
    fn at_hand(
        &self,
        profile: &Profile,
        presented: &Presented<'_>,
        now: Timestamp,
    ) -> Result<Verified, Refused> {
        let certificate = |url: &_| self.certificates.get(url);
        let key = |tenant: &_, kid: &_| self.keys.get(tenant, kid);
        profile.verify(presented, &Evidence { certificate: &certificate, key: &key }, now)
    }
}
