//! The sender's certificate as its credential (mutual TLS).
//!
//! The listener asks every client for a certificate and ends the handshake if one is shown that does not lead to
//! `server.tls_client_ca`; a client without one gets through. So what arrives here is verified, or nothing: this only
//! decides whether it is the one that the source means.

use crate::domain::Timestamp;
use crate::x509::{self, Certificate, Name};

use super::{Error, Refused};

/// Which certificates a source takes: of each list that is not empty, one entry must hold. With three empty lists any
/// certificate that the listener verified will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mtls {
    subjects: Vec<Name>,
    /// DNS names and URIs among the alternative names.
    names: Vec<String>,
    fingerprints: Vec<[u8; 32]>,
}

impl Mtls {
    /// Reads what people wrote: distinguished names (RFC 4514), DNS names or URIs, SHA-256 fingerprints in hexadecimal
    /// with or without colons.
    pub fn new(
        subjects: &[String],
        names: &[String],
        fingerprints: &[String],
    ) -> Result<Self, Error> {
        let wrong = |detail: String| Error::Mtls { detail };
        let subject = |text: &String| Name::parse(text).map_err(|error| wrong(error.to_string()));
        let name = |text: &String| match text.trim() {
            // A name cannot have these, so none would ever match: a subject ended up in the wrong place.
            text if text.is_empty() || text.contains([' ', '=', ',']) => {
                Err(wrong(format!("{text:?} is neither a DNS name nor a URI")))
            }
            text => Ok(text.to_owned()),
        };
        let fingerprint = |text: &String| {
            let bytes = x509::bytes(&text.trim().replace(':', ""));
            bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
                wrong("a fingerprint is SHA-256, written as 64 hexadecimal digits".to_owned())
            })
        };
        Ok(Self {
            subjects: subjects.iter().map(subject).collect::<Result<_, _>>()?,
            names: names.iter().map(name).collect::<Result<_, _>>()?,
            fingerprints: fingerprints.iter().map(fingerprint).collect::<Result<_, _>>()?,
        })
    }

    /// Whether `certificate`, which the listener verified, is one of those. The time counts again: a connection may
    /// outlive the certificate that it began with.
    pub(super) fn verify(
        &self,
        certificate: Option<&Certificate>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let certificate = certificate.ok_or(Refused::Missing { scheme: "mtls" })?;
        let subject = self.subjects.is_empty() || self.subjects.contains(certificate.subject());
        let name = self.names.is_empty() || self.names.iter().any(|name| names(certificate, name));
        let fingerprint =
            self.fingerprints.is_empty() || self.fingerprints.contains(certificate.fingerprint());
        if subject && name && fingerprint && now <= certificate.not_after() {
            return Ok(());
        }
        Err(Refused::Wrong { scheme: "mtls" })
    }
}

/// DNS names are compared without regard to case, and a wildcard stands for itself only: it is the certificate that must
/// be the one meant, not a host that it would be good for.
fn names(certificate: &Certificate, name: &str) -> bool {
    certificate.dns_names().iter().any(|dns| dns.eq_ignore_ascii_case(name))
        || certificate.uris().iter().any(|uri| uri == name)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate() -> Certificate {
        let names = vec!["prometheus.example.com".to_owned(), "*.metrics.example.com".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, "prometheus");
        let uri = "spiffe://example.com/prometheus".try_into().expect("a URI");
        params.subject_alt_names.push(SanType::URI(uri));
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let key = KeyPair::generate().expect("a key");
        Certificate::parse(params.self_signed(&key).expect("a certificate").der()).expect("read")
    }

    fn check(subjects: &[&str], names: &[&str], prints: &[&str], expected: Result<(), &str>) {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let mtls = Mtls::new(&owned(subjects), &owned(names), &owned(prints)).expect("readable");
        let certificate = certificate();
        let now = Timestamp::from_secs(1_800_000_000);
        let got = mtls.verify(Some(&certificate), now).map_err(|refused| refused.label());
        assert_eq!(got, expected, "{subjects:?} {names:?} {prints:?}");
        let none = mtls.verify(None, now).map_err(|refused| refused.label());
        assert_eq!(none, Err("missing"));
        let late = mtls.verify(Some(&certificate), Timestamp::from_secs(2_300_000_000));
        assert_eq!(late.map_err(|refused| refused.label()), Err("wrong"), "it has expired");
    }

    #[test]
    fn the_certificate_must_be_the_one_that_is_meant() {
        const SUBJECT: &str = "CN=prometheus,O=Example";
        check(&[], &[], &[], Ok(()));
        check(&[SUBJECT], &[], &[], Ok(()));
        check(&["CN=grafana,O=Example", SUBJECT], &[], &[], Ok(()));
        check(&["CN=prometheus"], &[], &[], Err("wrong"));
        check(&["O=Example,CN=prometheus"], &[], &[], Err("wrong"));
        check(&["CN=prometheus,O=Example,C=DE"], &[], &[], Err("wrong"));
        check(&[], &["Prometheus.example.com"], &[], Ok(()));
        check(&[], &["spiffe://example.com/prometheus"], &[], Ok(()));
        check(&[], &["*.metrics.example.com"], &[], Ok(()));
        check(&[], &["db-7.metrics.example.com"], &[], Err("wrong"));
        check(&[], &["spiffe://example.com/Prometheus"], &[], Err("wrong"));
        check(&[SUBJECT], &["grafana.example.com"], &[], Err("wrong"));
        check(&["CN=grafana"], &["prometheus.example.com"], &[], Err("wrong"));
        check(&[], &[], &[&"00".repeat(32)], Err("wrong"));
    }

    #[test]
    fn a_fingerprint_pins_one_certificate() {
        let certificate = certificate();
        let pairs = certificate.fingerprint().iter().map(|byte| format!("{byte:02X}"));
        let print = pairs.collect::<Vec<_>>().join(":");
        let now = Timestamp::from_secs(1_800_000_000);
        for written in [print.clone(), print.replace(':', "").to_lowercase()] {
            let mtls = Mtls::new(&[], &[], &[written]).expect("a fingerprint");
            assert_eq!(mtls.verify(Some(&certificate), now), Ok(()));
        }
        let other = super::tests::certificate();
        let mtls = Mtls::new(&[], &[], &[print]).expect("a fingerprint");
        assert!(mtls.verify(Some(&other), now).is_err(), "another key, another certificate");
    }

    #[test]
    fn what_no_certificate_could_meet_is_refused() {
        let one = |text: &str| vec![text.to_owned()];
        for result in [
            Mtls::new(&one("prometheus"), &[], &[]),
            Mtls::new(&[], &one("CN=prometheus"), &[]),
            Mtls::new(&[], &one(""), &[]),
            Mtls::new(&[], &[], &one("aa:bb")),
            Mtls::new(&[], &[], &one(&"g".repeat(64))),
        ] {
            assert!(matches!(&result, Err(Error::Mtls { .. })), "{result:?}");
        }
    }
}
