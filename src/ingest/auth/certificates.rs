//! The certificates of SNS: fetched once, kept by address, bounded; and the visit that confirms a subscription.
//!
//! This is the one part of authentication that does I/O. It visits only addresses that [`super::sns`] has pinned.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::redirect;
use tokio::sync::Semaphore;

use crate::domain::Timestamp;
use crate::limits::{
    CERTIFICATE_BYTES_MAX, CERTIFICATE_FETCH_SECONDS_MAX, CERTIFICATE_FETCHES_MAX,
    CERTIFICATES_CACHED_MAX,
};

use super::sns::{Certificate, CertificateError, CertificateUrl, SubscribeUrl};
use super::{Presented, Profile, Refused, Verified};

/// Why SNS could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client could not be built.
    #[error("build the client for SNS")]
    Client(#[source] reqwest::Error),
    /// No answer, or not a whole one. The URL is left out: it may hold a token.
    #[error("ask SNS")]
    Request(#[source] reqwest::Error),
    /// Another status than 200; redirects are not followed.
    #[error("SNS answered {status}")]
    Status { status: u16 },
    /// More than a certificate ever has.
    #[error("the answer of SNS is larger than {CERTIFICATE_BYTES_MAX} bytes")]
    TooLarge,
    /// The answer is no usable certificate.
    #[error("read the certificate")]
    Certificate(#[source] CertificateError),
}

/// Certificates at hand by address. At the limit the one that has been there longest goes.
#[derive(Debug, Default)]
struct Cache {
    by_url: BTreeMap<CertificateUrl, (u64, Arc<Certificate>)>,
    next: u64,
}

impl Cache {
    fn get(&self, url: &CertificateUrl) -> Option<Arc<Certificate>> {
        self.by_url.get(url).map(|(_, certificate)| Arc::clone(certificate))
    }

    fn put(&mut self, url: CertificateUrl, certificate: Arc<Certificate>) {
        if self.by_url.len() >= CERTIFICATES_CACHED_MAX && !self.by_url.contains_key(&url) {
            let oldest = self.by_url.iter().min_by_key(|(_, (order, _))| *order);
            if let Some(oldest) = oldest.map(|(url, _)| url.clone()) {
                self.by_url.remove(&oldest);
            }
        }
        self.by_url.insert(url, (self.next, certificate));
        self.next += 1;
    }
}

/// Fetches and keeps SNS's certificates. One for the whole process.
#[derive(Debug)]
pub struct Certificates {
    client: reqwest::Client,
    cache: Mutex<Cache>,
    fetches: Semaphore,
}

impl Certificates {
    /// A client that follows no redirect, uses no proxy of the environment and waits 5 s.
    pub fn new() -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(true)
            .retry(reqwest::retry::never())
            .timeout(Duration::from_secs(CERTIFICATE_FETCH_SECONDS_MAX))
            .build()
            .map_err(Error::Client)?;
        Ok(Self {
            client,
            cache: Mutex::default(),
            fetches: Semaphore::new(CERTIFICATE_FETCHES_MAX),
        })
    }

    /// [`Profile::verify`], fetching the certificate if it is needed and not at hand. A fetch that fails is the refusal
    /// `no_certificate`, which SNS repeats; why it failed goes to `failed`.
    pub async fn verify(
        &self,
        profile: &Profile,
        presented: &Presented<'_>,
        now: Timestamp,
        failed: impl FnOnce(&Error),
    ) -> Result<Verified, Refused> {
        let first = profile.verify(presented, &|url| self.get(url), now);
        let Err(Refused::NoCertificate { url }) = first else { return first };
        match self.fetch(&url).await {
            Ok(certificate) => profile.verify(presented, &|_| Some(Arc::clone(&certificate)), now),
            Err(cause) => {
                failed(&cause);
                Err(Refused::NoCertificate { url })
            }
        }
    }

    /// The certificate at hand.
    fn get(&self, url: &CertificateUrl) -> Option<Arc<Certificate>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(url)
    }

    /// Fetches a certificate, a few at a time; who waited for the same one takes it from the cache.
    async fn fetch(&self, url: &CertificateUrl) -> Result<Arc<Certificate>, Error> {
        // The semaphore is never closed; if it were, the fetch would only lose its bound.
        let _permit = self.fetches.acquire().await.ok();
        if let Some(certificate) = self.get(url) {
            return Ok(certificate);
        }
        let pem = self.read(url.url().clone()).await?;
        let certificate = Arc::new(Certificate::parse(&pem).map_err(Error::Certificate)?);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.put(url.clone(), Arc::clone(&certificate));
        Ok(certificate)
    }

    /// Visits the address that confirms a subscription.
    pub async fn confirm(&self, url: &SubscribeUrl) -> Result<(), Error> {
        self.read(url.url().clone()).await.map(|_| ())
    }

    async fn read(&self, url: url::Url) -> Result<Vec<u8>, Error> {
        let request = |cause: reqwest::Error| Error::Request(cause.without_url());
        let mut answer = self.client.get(url).send().await.map_err(request)?;
        if answer.status().as_u16() != 200 {
            return Err(Error::Status { status: answer.status().as_u16() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(request)? {
            if body.len() + chunk.len() > CERTIFICATE_BYTES_MAX {
                return Err(Error::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded() {
        let pem = include_bytes!("../../../tests/fixtures/sns/signing.pem");
        let certificate = Arc::new(Certificate::parse(pem).expect("the fixture"));
        let url = |number: usize| {
            let text = format!("https://sns.eu-west-1.amazonaws.com/{number}.pem");
            CertificateUrl::parse(&text).expect("an address of SNS")
        };
        let mut cache = Cache::default();
        for number in 0..=CERTIFICATES_CACHED_MAX {
            cache.put(url(number), Arc::clone(&certificate));
        }
        assert_eq!(cache.by_url.len(), CERTIFICATES_CACHED_MAX);
        assert!(cache.get(&url(0)).is_none());
        assert!(cache.get(&url(1)).is_some());
        assert!(cache.get(&url(CERTIFICATES_CACHED_MAX)).is_some());
    }

    #[test]
    fn the_client_is_built() {
        assert!(Certificates::new().is_ok());
    }
}
