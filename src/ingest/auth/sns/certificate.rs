//! The certificate that a message of SNS is signed with.

use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::domain::Timestamp;
use crate::limits::CERTIFICATE_CHAIN_MAX;

/// The name that SNS's certificates are for.
const NAME: &str = "sns.amazonaws.com";

/// Why a certificate is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No PEM section with a certificate, or one that cannot be read.
    #[error("the file holds no certificate")]
    Unreadable,
    /// It is for somebody else.
    #[error("the certificate is not for {NAME}")]
    Name,
    /// It comes alone and its issuer is not Amazon.
    #[error("the certificate is not issued by Amazon")]
    Issuer,
    /// It comes with its issuers, but they do not lead to an authority that this machine trusts.
    #[error("the chain of the certificate leads to nobody we trust")]
    Chain(#[source] webpki::Error),
    /// Its dates do not hold now, or it is for another use.
    #[error("the certificate is not valid now")]
    Dates(#[source] webpki::Error),
}

/// A certificate for `sns.amazonaws.com`; its dates are checked when it is used.
#[derive(Clone, Debug)]
pub struct Certificate {
    leaf: CertificateDer<'static>,
    /// Its issuers as far as the file has them; mostly none.
    issuers: Vec<CertificateDer<'static>>,
}

impl Certificate {
    /// Reads the certificates of a PEM file: the first is SNS's, the others its issuers.
    pub fn parse(pem: &[u8]) -> Result<Self, CertificateError> {
        let found = CertificateDer::pem_slice_iter(pem).take(CERTIFICATE_CHAIN_MAX);
        let found: Result<Vec<_>, _> = found.collect();
        let mut found = found.map_err(|_| CertificateError::Unreadable)?.into_iter();
        let der = found.next().ok_or(CertificateError::Unreadable)?;
        let name = ServerName::try_from(NAME).map_err(|_| CertificateError::Name)?;
        let read = EndEntityCert::try_from(&der).map_err(|_| CertificateError::Unreadable)?;
        read.verify_is_valid_for_subject_name(&name).map_err(|_| CertificateError::Name)?;
        Ok(Self { leaf: der, issuers: found.collect() })
    }

    /// Whether the file has the certificate's issuers too.
    pub fn has_issuers(&self) -> bool {
        !self.issuers.is_empty()
    }

    /// Whether the issuers in the file lead to one of `roots` at `now`.
    pub fn check_chain(
        &self,
        roots: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<(), CertificateError> {
        let anchors: Vec<_> =
            roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
        let read = EndEntityCert::try_from(&self.leaf).map_err(|_| CertificateError::Unreadable)?;
        let usage = KeyUsage::server_auth();
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        read.verify_for_usage(algorithms, &anchors, &self.issuers, unix(now), usage, None, None)
            .map(|_| ())
            .map_err(CertificateError::Chain)
    }

    /// Whether it names Amazon as its issuer. That is a word of the certificate and no proof of anything.
    pub fn check_issuer(&self) -> Result<(), CertificateError> {
        /// Attribute `organizationName` (2.5.4.10) and the text's kind, which is one of two, and length.
        const ORGANIZATION: [&[u8]; 2] =
            [b"\x06\x03\x55\x04\x0a\x0c\x06Amazon", b"\x06\x03\x55\x04\x0a\x13\x06Amazon"];
        let read = EndEntityCert::try_from(&self.leaf).map_err(|_| CertificateError::Unreadable)?;
        let mut attributes = read.issuer().windows(ORGANIZATION[0].len());
        let named = attributes.any(|attribute| ORGANIZATION.contains(&attribute));
        if named { Ok(()) } else { Err(CertificateError::Issuer) }
    }

    /// Whether the certificate is valid at `now` and for a server.
    ///
    /// The verifier looks at dates and uses before it looks for an issuer. It is given none to find, so "unknown issuer" means
    /// that all before it was fine.
    pub(super) fn check_dates(&self, now: Timestamp) -> Result<(), CertificateError> {
        let read = EndEntityCert::try_from(&self.leaf).map_err(|_| CertificateError::Unreadable)?;
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let usage = KeyUsage::server_auth();
        match read.verify_for_usage(algorithms, &[], &[], unix(now), usage, None, None) {
            Ok(_) | Err(webpki::Error::UnknownIssuer) => Ok(()),
            Err(cause) => Err(CertificateError::Dates(cause)),
        }
    }

    /// Its public key.
    pub(super) fn public_key(&self) -> Result<SubjectPublicKeyInfoDer<'static>, CertificateError> {
        let read = EndEntityCert::try_from(&self.leaf).map_err(|_| CertificateError::Unreadable)?;
        Ok(read.subject_public_key_info().into_owned())
    }
}

fn unix(now: Timestamp) -> UnixTime {
    let seconds = u64::try_from(now.as_secs()).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}
