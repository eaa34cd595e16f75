//! Signatures of Amazon SNS: the signed string, the certificate's address, the certificate, the topics.
//!
//! Facts: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages". The signed string is each name
//! and value on a line of its own in byte order; `SignatureVersion` 1 is RSA with SHA-1, 2 with SHA-256. `Subject` is
//! signed only if present. Raw delivery has nothing to verify and is refused here: give such a source a token.
//!
//! The certificate comes over TLS from a host that only AWS has, which is what vouches for it: its file holds no issuer to
//! build a chain with. We check its name, its dates and its uses.

mod certificate;
mod urls;

use std::fmt::Write as _;

use aws_lc_rs::signature;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use crate::domain::Timestamp;
use crate::limits::MESSAGE_ID_SECONDS;

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
) -> Result<(), Refused> {
    let signed = Signed::read(presented.body)?;
    // The cheap and local checks come first: a stranger's message costs no fetch.
    if !topics.allows(&signed.topic) {
        return Err(Refused::Topic { topic: signed.topic });
    }
    signed.check_age(now)?;
    let Some(certificate) = certificates(&signed.certificate) else {
        return Err(Refused::NoCertificate { url: signed.certificate });
    };
    signed.verify(&certificate, now)
}

/// A message taken apart for its signature.
#[derive(Clone, Debug)]
pub struct Signed {
    text: String,
    signature: Vec<u8>,
    version: Version,
    certificate: CertificateUrl,
    topic: String,
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
