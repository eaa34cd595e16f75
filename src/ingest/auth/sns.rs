//! Signatures of Amazon SNS: the signed string, the certificate's address, the certificate, the topics.
//!
//! Facts: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages". The signed string is each name
//! and value on a line of its own in byte order; `SignatureVersion` 1 is RSA with SHA-1, 2 with SHA-256. `Subject` is
//! signed only if present. Raw delivery has nothing to verify and is refused here: give such a source a token.
//!
//! The certificate comes over TLS from a host that only AWS has, which is what vouches for it: as a rule its file holds no
//! issuer to build a chain with. We check its name, its dates and its uses, and that Amazon is named as its issuer. Where the
//! file does hold issuers, they must lead to an authority that this machine trusts.

mod certificate;
mod urls;

use std::fmt::Write as _;

use aws_lc_rs::signature;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use crate::domain::Timestamp;
use crate::limits::MESSAGE_ID_SECONDS;

use super::replay::Delivery;
use super::{CertificateLookup, Error, Presented, Refused};

pub use certificate::{Certificate, CertificateError};
pub use urls::{CertificateUrl, SubscribeUrl};

/// The names of the signed values of a notification, in byte order.
const NOTIFICATION: &[&str] = &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
/// The same of both confirmations.
const CONFIRMATION: &[&str] =
    &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// The topics that may send, by ARN. A signature only proves that some AWS account sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics(Vec<String>);

impl Topics {
    /// Takes ARNs of topics. With none, every message is refused and its ARN is named.
    pub fn new(topics: Vec<String>) -> Result<Self, Error> {
        match topics.iter().find(|topic| !is_topic(topic)) {
            Some(topic) => Err(Error::Topic { topic: topic.clone() }),
            None => Ok(Self(topics)),
        }
    }

    /// Whether this topic is one of ours.
    pub fn allows(&self, topic: &str) -> bool {
        self.0.iter().any(|known| known == topic)
    }
}

/// `arn:aws:sns:<region>:<account>:<name>`, in whichever partition.
fn is_topic(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let plain = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match parts.as_slice() {
        ["arn", partition, "sns", region, account, name] => {
            partition.starts_with("aws")
                && [partition, region, account, name]
                    .iter()
                    .all(|part| !part.is_empty() && plain(part))
                && arn.len() <= 512
        }
        _ => false,
    }
}

/// Checks one request: the topic, the certificate's address, the certificate, the signature, the age.
pub(super) fn verify(
    topics: &Topics,
    presented: &Presented<'_>,
    certificates: CertificateLookup<'_>,
    now: Timestamp,
) -> Result<Delivery, Refused> {
    let signed = Signed::read(presented.body)?;
    // The cheap and local checks come first: a stranger's message costs no fetch.
    if !topics.allows(&signed.topic) {
        return Err(Refused::Topic { topic: signed.topic });
    }
    signed.check_age(now)?;
    let Some(certificate) = certificates(&signed.certificate) else {
        return Err(Refused::NoCertificate { url: signed.certificate });
    };
    signed.verify(&certificate, now)?;
    Ok(Delivery::identified(signed.message_id.as_bytes(), signed.text.as_bytes()))
}

/// A message taken apart for its signature.
#[derive(Clone, Debug)]
pub struct Signed {
    text: String,
    signature: Vec<u8>,
    version: Version,
    certificate: CertificateUrl,
    topic: String,
    message_id: String,
    sent_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// `SignatureVersion` 1: RSA PKCS #1 v1.5 with SHA-1, SNS's default.
    Sha1,
    /// `SignatureVersion` 2: the same with SHA-256.
    Sha256,
}

impl Signed {
    /// Reads an envelope. Its relays spell the URLs as Lambda does (`SigningCertUrl`); both are read.
    pub fn read(body: &[u8]) -> Result<Self, Refused> {
        let unsigned = |detail| Refused::Unsigned { detail };
        let body: Value =
            serde_json::from_slice(body).map_err(|_| unsigned("the body is not JSON"))?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let names = match text("Type") {
            Some("Notification") => NOTIFICATION,
            Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") => CONFIRMATION,
            _ => return Err(unsigned("Type is missing or unknown")),
        };
        let version = match text("SignatureVersion") {
            Some("1") => Version::Sha1,
            Some("2") => Version::Sha256,
            _ => return Err(unsigned("SignatureVersion is neither 1 nor 2")),
        };
        let mut signed = String::new();
        for name in names {
            let value = if *name == "SubscribeURL" {
                text(name).or(text("SubscribeUrl"))
            } else {
                text(name)
            };
            match value {
                Some(value) => {
                    // Writing to a string cannot fail.
                    write!(signed, "{name}\n{value}\n").unwrap_or_default();
                }
                None if *name == "Subject" => {}
                None => return Err(unsigned("a signed value is missing")),
            }
        }
        let signature =
            text("Signature").and_then(|signature| BASE64_STANDARD.decode(signature).ok());
        let certificate = text("SigningCertURL").or(text("SigningCertUrl"));
        Ok(Self {
            text: signed,
            signature: signature.ok_or(unsigned("Signature is missing or not base64"))?,
            version,
            certificate: certificate
                .and_then(CertificateUrl::parse)
                .ok_or(unsigned("SigningCertURL is not an address of SNS"))?,
            topic: text("TopicArn")
                .filter(|topic| is_topic(topic))
                .ok_or(unsigned("TopicArn is not a topic"))?
                .to_owned(),
            message_id: text("MessageId").unwrap_or("").to_owned(),
            sent_at: text("Timestamp")
                .and_then(Timestamp::parse_rfc3339)
                .ok_or(unsigned("Timestamp is not a time"))?,
        })
    }

    /// Where the certificate is.
    pub const fn certificate(&self) -> &CertificateUrl {
        &self.certificate
    }

    /// The topic that it claims to come from.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Message ids are remembered for a day; what is older could be a replay that nobody remembers. SNS itself retries for
    /// an hour at most.
    fn check_age(&self, now: Timestamp) -> Result<(), Refused> {
        let age = now.since(self.sent_at).as_secs();
        if age > MESSAGE_ID_SECONDS { Err(Refused::Replayed { seconds: age }) } else { Ok(()) }
    }

    /// Checks the certificate's dates at `now` and the signature with its key.
    pub fn verify(&self, certificate: &Certificate, now: Timestamp) -> Result<(), Refused> {
        certificate.check_dates(now).map_err(Refused::Certificate)?;
        let key = certificate.public_key().map_err(Refused::Certificate)?;
        let algorithm = match self.version {
            Version::Sha1 => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Version::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        };
        signature::UnparsedPublicKey::new(algorithm, key.as_ref())
            .verify(self.text.as_bytes(), &self.signature)
            .map_err(|_| Refused::Wrong { scheme: "sns" })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use super::*;

    const SIGNING: &[u8] = include_bytes!("../../../tests/fixtures/sns/signing.pem");
    const OTHER_NAME: &[u8] = include_bytes!("../../../tests/fixtures/sns/other-name.pem");
    const V1: &str = include_str!("../../../tests/fixtures/sns/notification-v1.json");
    const V2: &str = include_str!("../../../tests/fixtures/sns/notification-v2.json");
    const NO_SUBJECT: &str = include_str!("../../../tests/fixtures/sns/no-subject-v2.json");
    const SUBSCRIPTION: &str = include_str!("../../../tests/fixtures/sns/subscription-v1.json");
    const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:alarms";

    /// Ten minutes after the fixtures were sent, within the certificate's year.
    fn soon() -> Timestamp {
        Timestamp::parse_rfc3339("2026-03-01T12:10:00Z").expect("a time")
    }

    fn verdict(body: &str, topics: &[&str], now: Timestamp) -> Result<(), &'static str> {
        let topics =
            Topics::new(topics.iter().map(|topic| (*topic).to_owned()).collect()).expect("topics");
        let certificate = Arc::new(Certificate::parse(SIGNING).expect("the fixture"));
        let presented = Presented {
            headers: &[],
            query: "",
            body: body.as_bytes(),
            address: IpAddr::from([0, 0, 0, 0]),
            certificate: None,
        };
        verify(&topics, &presented, &|_| Some(Arc::clone(&certificate)), now)
            .map(|_| ())
            .map_err(|refused| refused.label())
    }

    /// The fixture with one member replaced.
    fn with(body: &str, name: &str, value: Value) -> String {
        let mut message: Value = serde_json::from_str(body).expect("JSON");
        message[name] = value;
        message.to_string()
    }

    #[test]
    fn both_versions_and_all_forms() {
        for body in [V1, V2, NO_SUBJECT, SUBSCRIPTION] {
            assert_eq!(verdict(body, &[TOPIC], soon()), Ok(()), "{body}");
        }
        // As Lambda spells it, and unsigned values may change.
        let relayed = V1.replace("SigningCertURL", "SigningCertUrl");
        assert_eq!(verdict(&relayed, &[TOPIC], soon()), Ok(()));
        assert_eq!(verdict(&with(V1, "UnsubscribeURL", "x".into()), &[TOPIC], soon()), Ok(()));
        let null = with(NO_SUBJECT, "Subject", Value::Null);
        assert_eq!(verdict(&null, &[TOPIC], soon()), Ok(()));
    }

    #[test]
    fn any_changed_signed_value_fails() {
        for name in ["Message", "MessageId", "Subject"] {
            for body in [V1, V2] {
                assert_eq!(
                    verdict(&with(body, name, "changed".into()), &[TOPIC], soon()),
                    Err("wrong"),
                    "{name}"
                );
            }
        }
        for name in ["Message", "MessageId", "SubscribeURL", "Token"] {
            assert_eq!(
                verdict(&with(SUBSCRIPTION, name, "x".into()), &[TOPIC], soon()),
                Err("wrong"),
                "{name}"
            );
        }
        let later = with(V1, "Timestamp", "2026-03-01T12:00:00.001Z".into());
        assert_eq!(verdict(&later, &[TOPIC], soon()), Err("wrong"));
        let elsewhere = "arn:aws:sns:eu-west-1:111122223333:others";
        let moved = with(V1, "TopicArn", elsewhere.into());
        assert_eq!(verdict(&moved, &[TOPIC, elsewhere], soon()), Err("wrong"));
        assert_eq!(
            verdict(&with(NO_SUBJECT, "Subject", "".into()), &[TOPIC], soon()),
            Err("wrong")
        );
        assert_eq!(
            verdict(&with(V1, "SignatureVersion", "2".into()), &[TOPIC], soon()),
            Err("wrong")
        );
    }

    #[test]
    fn what_is_not_signed_is_refused() {
        for (name, value) in [
            ("SignatureVersion", Value::from("3")),
            ("SignatureVersion", Value::from(1)),
            ("Signature", Value::from("***")),
            ("Signature", Value::Null),
            ("SigningCertURL", Value::from("https://sns.example.com/a.pem")),
            ("Type", Value::from("Other")),
            ("TopicArn", Value::from("arn:aws:sqs:eu-west-1:111122223333:alarms")),
            ("Timestamp", Value::from("today")),
            ("MessageId", Value::Null),
        ] {
            let body = with(V1, name, value);
            assert_eq!(verdict(&body, &[TOPIC], soon()), Err("unsigned"), "{body}");
        }
        assert_eq!(verdict("raw text", &[TOPIC], soon()), Err("unsigned"));
        assert_eq!(verdict("[]", &[TOPIC], soon()), Err("unsigned"));
    }

    #[test]
    fn topics_and_age() {
        assert_eq!(
            verdict(V1, &["arn:aws:sns:eu-west-1:111122223333:others"], soon()),
            Err("topic")
        );
        assert_eq!(verdict(V1, &[], soon()), Err("topic"));
        let days = |count: u64| soon().plus(std::time::Duration::from_secs(count * 24 * 3600));
        assert_eq!(verdict(V1, &[TOPIC], days(2)), Err("replayed"));
        assert!(Topics::new(vec!["alarms".to_owned()]).is_err());
    }

    #[test]
    fn certificates() {
        let signed = Signed::read(V1.as_bytes()).expect("signed");
        let certificate = Certificate::parse(SIGNING).expect("the fixture");
        for (now, expected) in [
            ("2026-03-01T12:00:00Z", Ok(())),
            ("2025-12-31T23:59:59Z", Err("certificate")),
            ("2027-01-01T00:00:01Z", Err("certificate")),
        ] {
            let now = Timestamp::parse_rfc3339(now).expect("a time");
            assert_eq!(
                signed.verify(&certificate, now).map_err(|refused| refused.label()),
                expected,
                "{now}"
            );
        }
        assert!(matches!(Certificate::parse(OTHER_NAME), Err(CertificateError::Name)));
        assert!(matches!(Certificate::parse(b"<html>"), Err(CertificateError::Unreadable)));
    }

    #[test]
    fn a_missing_certificate_is_asked_for() {
        let topics = Topics::new(vec![TOPIC.to_owned()]).expect("topics");
        let presented = Presented {
            headers: &[],
            query: "",
            body: V1.as_bytes(),
            address: IpAddr::from([0, 0, 0, 0]),
            certificate: None,
        };
        let refused = verify(&topics, &presented, &|_| None, soon()).expect_err("no certificate");
        assert_eq!((refused.label(), refused.status()), ("no_certificate", 503));
    }
}
