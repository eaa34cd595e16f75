//! What certificates say about their holder: subject, names, dates, fingerprint.
//!
//! Nothing here decides whom to trust: chains and signatures are the TLS library's. This only reads what it has verified (a
//! client's certificate) or what we present ourselves (the listener's).

mod der;
mod name;

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

pub use name::{Name, NameError, bytes};

use crate::domain::Timestamp;
use der::Reader;

/// Why a certificate cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not an X.509 version 3 certificate.
    #[error("not an X.509 certificate of version 3")]
    Certificate(#[source] webpki::Error),
    /// Its subject is no distinguished name, or its dates are none.
    #[error("the {part} of the certificate cannot be read")]
    Part { part: &'static str },
}

/// What an end-entity certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    subject: Name,
    dns_names: Vec<String>,
    uris: Vec<String>,
    fingerprint: [u8; 32],
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Certificate {
    /// Reads a certificate. Verifies nothing.
    pub fn parse(der: &CertificateDer<'_>) -> Result<Self, Error> {
        let read = EndEntityCert::try_from(der).map_err(Error::Certificate)?;
        let subject = Name::from_der(read.subject()).ok_or(Error::Part { part: "subject" })?;
        let (not_before, not_after) = dates(der).ok_or(Error::Part { part: "validity" })?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Ok(Self {
            subject,
            dns_names: read.valid_dns_names().map(str::to_owned).collect(),
            uris: read.valid_uri_names().map(str::to_owned).collect(),
            fingerprint,
            not_before,
            not_after,
        })
    }

    /// The holder; empty where the certificate names it by alternative names only.
    pub const fn subject(&self) -> &Name {
        &self.subject
    }

    /// The DNS names among the alternative names, as written in the certificate.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// The URIs among the alternative names, SPIFFE identities for instance.
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// SHA-256 over the whole certificate.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The first moment of its validity.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last moment of its validity.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

/// `Certificate ::= SEQUENCE { tbs SEQUENCE { [0] version, serial, algorithm, issuer, validity, ... }, ... }`
/// (RFC 5280 section 4.1).
fn dates(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let whole = Reader::new(certificate).take(der::SEQUENCE)?;
    let mut fields = Reader::new(Reader::new(whole).take(der::SEQUENCE)?);
    let (first, _) = fields.next()?;
    if first == der::VERSION {
        fields.take(der::INTEGER)?;
    }
    fields.take(der::SEQUENCE)?;
    fields.take(der::SEQUENCE)?;
    let mut validity = Reader::new(fields.take(der::SEQUENCE)?);
    Some((time(validity.next()?)?, time(validity.next()?)?))
}

/// `UTCTime` (two digits of the year, from 1950 to 2049) or `GeneralizedTime`, both to the second and in UTC
/// (RFC 5280 section 4.1.2.5).
fn time((tag, text): (u8, &[u8])) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |text: &str| text.parse::<i8>().ok();
    let (year, rest) = match tag {
        der::UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = i16::from(number(year)?);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        der::GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |at: usize| rest.get(at..at + 2).and_then(number);
    let at = jiff::civil::DateTime::new(
        year,
        part(0)?,
        part(2)?,
        part(4)?,
        part(6)?,
        // A leap second is as good as the one before it.
        part(8)?.min(59),
        0,
    );
    // Not by way of jiff's instants: those end a day before the 31st of December 9999, which stands for "never".
    let since = at.ok()?.duration_since(jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Some(Timestamp::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let made = params.self_signed(&key).expect("a certificate");
        Certificate::parse(made.der()).expect("readable")
    }

    #[test]
    fn a_certificate_is_read() {
        let read = made(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
            params.distinguished_name.push(DnType::CommonName, "prometheus");
            params.not_before = rcgen::date_time_ymd(2024, 2, 29);
            params.not_after = rcgen::date_time_ymd(2051, 1, 2);
            params.subject_alt_names = vec![
                SanType::DnsName("prometheus.example.com".try_into().expect("a name")),
                SanType::URI("spiffe://example.com/prometheus".try_into().expect("a URI")),
            ];
        });
        assert_eq!(read.subject().to_string(), "CN=prometheus,O=Example\\, Inc.");
        assert_eq!(read.dns_names(), ["prometheus.example.com"]);
        assert_eq!(read.uris(), ["spiffe://example.com/prometheus"]);
        assert_eq!(read.not_before().to_string(), "2024-02-29T00:00:00Z");
        assert_eq!(read.not_after().to_string(), "2051-01-02T00:00:00Z");
        let bare = made(|_| {});
        assert!(bare.subject().is_empty() && bare.dns_names().is_empty());
        assert_ne!(read.fingerprint(), bare.fingerprint());
    }

    fn check(tag: u8, text: &str, expected: Option<i64>) {
        let got = time((tag, text.as_bytes())).map(Timestamp::as_secs);
        assert_eq!(got, expected, "{tag:#x} {text}");
    }

    #[test]
    fn times() {
        check(der::UTC_TIME, "700101000000Z", Some(0));
        check(der::UTC_TIME, "500101000000Z", Some(-631_152_000));
        check(der::UTC_TIME, "491231235959Z", Some(2_524_607_999));
        check(der::GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000));
        check(der::GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799));
        check(der::GENERALIZED_TIME, "20161231235960Z", Some(1_483_228_799));
        check(der::GENERALIZED_TIME, "20500101000000", None);
        check(der::GENERALIZED_TIME, "20500101000000.5Z", None);
        check(der::GENERALIZED_TIME, "20501301000000Z", None);
        check(der::UTC_TIME, "7001010000Z", None);
        check(der::UTC_TIME, "70-1010000001Z", None);
        check(der::UTC_TIME, "7001+1000000Z", None);
        check(der::INTEGER, "700101000000Z", None);
    }
}
