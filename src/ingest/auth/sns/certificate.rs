//! The certificate that a message of SNS is signed with.

use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::domain::Timestamp;

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
    /// Its dates do not hold now, or it is for another use.
    #[error("the certificate is not valid now")]
    Dates(#[source] webpki::Error),
}

/// A certificate for `sns.amazonaws.com`; its dates are checked when it is used.
#[derive(Clone, Debug)]
pub struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Reads the first certificate of a PEM file.
    pub fn parse(pem: &[u8]) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| CertificateError::Unreadable)?;
        let name = ServerName::try_from(NAME).map_err(|_| CertificateError::Name)?;
        let read = EndEntityCert::try_from(&der).map_err(|_| CertificateError::Unreadable)?;
        read.verify_is_valid_for_subject_name(&name).map_err(|_| CertificateError::Name)?;
        Ok(Self(der))
    }

    /// Whether the certificate is valid at `now` and for a server.
    ///
    /// The verifier looks at dates and uses before it looks for an issuer. There is none to find, so "unknown issuer" means
    /// that all before it was fine.
    pub(super) fn check_dates(&self, now: Timestamp) -> Result<(), CertificateError> {
        let read = EndEntityCert::try_from(&self.0).map_err(|_| CertificateError::Unreadable)?;
        let seconds = u64::try_from(now.as_secs()).unwrap_or(0);
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        match read.verify_for_usage(algorithms, &[], &[], time, KeyUsage::server_auth(), None, None)
        {
            Ok(_) | Err(webpki::Error::UnknownIssuer) => Ok(()),
            Err(cause) => Err(CertificateError::Dates(cause)),
        }
    }

    /// Its public key.
    pub(super) fn public_key(&self) -> Result<SubjectPublicKeyInfoDer<'static>, CertificateError> {
        let read = EndEntityCert::try_from(&self.0).map_err(|_| CertificateError::Unreadable)?;
        Ok(read.subject_public_key_info().into_owned())
    }
}
