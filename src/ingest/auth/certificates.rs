//! The certificates of SNS: fetched once, kept by address, bounded; and the visit that confirms a subscription.
//!
//! It visits only addresses that [`super::sns`] has pinned.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::limits::{CERTIFICATE_BYTES_MAX, CERTIFICATE_FETCHES_MAX, CERTIFICATES_CACHED_MAX};

use super::fetch::{self, Fetcher};
use super::sns::{Certificate, CertificateError, CertificateUrl, SubscribeUrl};

/// Why SNS could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It did not answer as it should.
    #[error("ask SNS")]
    Fetch(#[source] fetch::Error),
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
    fetcher: Fetcher,
    cache: Mutex<Cache>,
    fetches: Semaphore,
}

impl Certificates {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, cache: Mutex::default(), fetches: Semaphore::new(CERTIFICATE_FETCHES_MAX) }
    }

    /// The certificate at hand.
    pub(super) fn get(&self, url: &CertificateUrl) -> Option<Arc<Certificate>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(url)
    }

    /// Fetches a certificate, a few at a time; who waited for the same one takes it from the cache.
    pub(super) async fn fetch(&self, url: &CertificateUrl) -> Result<Arc<Certificate>, Error> {
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
    pub(super) async fn confirm(&self, url: &SubscribeUrl) -> Result<(), Error> {
        self.read(url.url().clone()).await.map(|_| ())
    }

    async fn read(&self, url: url::Url) -> Result<Vec<u8>, Error> {
        self.fetcher.get(url, CERTIFICATE_BYTES_MAX).await.map_err(Error::Fetch)
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
}
