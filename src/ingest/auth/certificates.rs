//! The certificates of SNS: fetched once, kept by address, bounded; and the visit that confirms a subscription.
//!
//! It visits only addresses that [`super::sns`] has pinned.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;

use crate::domain::Timestamp;
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
    /// Authorities that this machine trusts; read when they are first needed.
    roots: OnceLock<Vec<CertificateDer<'static>>>,
}

impl Certificates {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        Self {
            fetcher,
            cache: Mutex::default(),
            fetches: Semaphore::new(CERTIFICATE_FETCHES_MAX),
            roots: OnceLock::new(),
        }
    }

    /// The certificate at hand.
    pub(super) fn get(&self, url: &CertificateUrl) -> Option<Arc<Certificate>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(url)
    }

    /// Fetches a certificate, a few at a time; who waited for the same one takes it from the cache.
    pub(super) async fn fetch(
        &self,
        url: &CertificateUrl,
        now: Timestamp,
    ) -> Result<Arc<Certificate>, Error> {
        // The semaphore is never closed; if it were, the fetch would only lose its bound.
        let _permit = self.fetches.acquire().await.ok();
        if let Some(certificate) = self.get(url) {
            return Ok(certificate);
        }
        let pem = self.read(url.url().clone()).await?;
        let certificate = Certificate::parse(&pem).map_err(Error::Certificate)?;
        self.check_issuer(url, &certificate, now).map_err(Error::Certificate)?;
        let certificate = Arc::new(certificate);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.put(url.clone(), Arc::clone(&certificate));
        Ok(certificate)
    }

    /// Checks who issued the certificate, as far as its file lets us.
    ///
    /// SNS has been serving its own certificate alone, of which no chain can be built (robbiet480/go.sns issue 8 tells what
    /// insisting on one does: every message is refused). The file comes over TLS from a pinned host either way.
    fn check_issuer(
        &self,
        url: &CertificateUrl,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<(), CertificateError> {
        if certificate.has_issuers() {
            return certificate.check_chain(self.roots.get_or_init(native_roots), now);
        }
        if url.is_in_china() { Ok(()) } else { certificate.check_issuer() }
    }

    /// Visits the address that confirms a subscription.
    pub(super) async fn confirm(&self, url: &SubscribeUrl) -> Result<(), Error> {
        self.read(url.url().clone()).await.map(|_| ())
    }

    async fn read(&self, url: url::Url) -> Result<Vec<u8>, Error> {
        self.fetcher.get(url, CERTIFICATE_BYTES_MAX).await.map_err(Error::Fetch)
    }
}

/// The authorities that TLS trusts here.
fn native_roots() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    const CHAIN: &str = include_str!("../../../tests/fixtures/sns/chain.pem");
    const ROOT: &[u8] = include_bytes!("../../../tests/fixtures/sns/chain-root.pem");
    const SIGNING: &str = include_str!("../../../tests/fixtures/sns/signing.pem");

    /// Fetches `pem` in one region's name, with the root of the fixtures as the only one trusted.
    async fn check(pem: &str, suffix: &str, now: &str, expected: Result<(), &str>) {
        let body = pem.as_bytes().to_vec();
        let fetcher = Fetcher::new(move |_, _| {
            let body = body.clone();
            Box::pin(async move { Ok(body) })
        });
        let certificates = Certificates::new(fetcher);
        let root = CertificateDer::from_pem_slice(ROOT).expect("a root");
        certificates.roots.set(vec![root]).expect("not read yet");
        let url = format!("https://sns.eu-west-1.amazonaws.{suffix}/a.pem");
        let url = CertificateUrl::parse(&url).expect("an address of SNS");
        let now = Timestamp::parse_rfc3339(now).expect("a time");
        let got = certificates.fetch(&url, now).await.map(|_| ()).map_err(|error| match error {
            Error::Certificate(cause) => cause.to_string(),
            Error::Fetch(cause) => cause.to_string(),
        });
        assert_eq!(got.as_ref().map_err(String::as_str), expected.as_ref().map_err(|it| *it));
        assert_eq!(certificates.get(&url).is_some(), expected.is_ok(), "only good ones are kept");
    }

    #[tokio::test]
    async fn issuers_are_checked_as_far_as_the_file_has_them() {
        const NOW: &str = "2026-03-01T12:00:00Z";
        const NOBODY: &str = "the chain of the certificate leads to nobody we trust";
        let end = "-----END CERTIFICATE-----\n";
        let (leaf, issuer) = CHAIN.split_once(end).expect("two certificates");
        let leaf = format!("{leaf}{end}");
        check(CHAIN, "com", NOW, Ok(())).await;
        check(CHAIN, "com", "2027-03-01T12:00:00Z", Err(NOBODY)).await;
        check(&leaf, "com", NOW, Ok(())).await;
        check(&format!("{leaf}{leaf}"), "com", NOW, Err(NOBODY)).await;
        check(&format!("{SIGNING}{issuer}"), "com", NOW, Err(NOBODY)).await;
        check(SIGNING, "com", NOW, Err("the certificate is not issued by Amazon")).await;
        check(SIGNING, "com.cn", NOW, Ok(())).await;
        check(issuer, "com", NOW, Err("the certificate is not for sns.amazonaws.com")).await;
        check("<html>", "com", NOW, Err("the file holds no certificate")).await;
    }

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
