//! Who sent this: authentication of sources, as pure functions over the request and the time.
//!
//! A [`Profile`] is what a source says about its sender: an address list and one scheme. [`Profile::verify`] answers with
//! [`Verified`], which nothing else can make, or with the reason why not. It never reads a payload's meaning and does no
//! I/O: what comes from outside, certificates of SNS and keys of Entra ID, is looked up through functions and fetched by
//! [`verifier::Verifier`] when it is missing. Which vendor proves itself how is in [`profiles`].

pub mod certificates;
pub mod entra;
pub mod fetch;
pub mod mtls;
pub mod profiles;
pub mod replay;
pub mod signing_keys;
pub mod sns;
pub mod verifier;

mod address;
mod credential;
mod hmac;
mod secrets;
mod signature;
mod signed;
mod twilio;

use std::net::IpAddr;
use std::sync::Arc;

pub use address::{AllowList, client_address};
pub use credential::{Credential, Place};
pub use hmac::{Algorithm, DeliveryId, Encoding, Hmac, HmacParts, KeyForm};
pub use mtls::Mtls;
pub use secrets::Secrets;
pub use signature::Signature;
pub use signed::{SignedContent, SigningTime};
pub use twilio::Twilio;

use crate::domain::Timestamp;
use crate::x509;
use replay::Delivery;

/// Why a profile cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No secret, more than two, or an empty one.
    #[error("secrets: {detail}")]
    Secrets { detail: &'static str },
    /// A word that is none of the known ones.
    #[error("unknown {what} {word:?}; known are {known}")]
    Unknown { what: &'static str, word: String, known: &'static str },
    /// A signature scheme that proves nothing or contradicts itself.
    #[error("signature: {detail}")]
    Signature { detail: &'static str },
    /// Something about Entra ID that cannot be.
    #[error("entra: {detail}")]
    Entra { detail: &'static str },
    /// A topic that is no ARN of SNS.
    #[error("topic {topic:?} is not an ARN of an SNS topic")]
    Topic { topic: String },
    /// A demand on client certificates that none could meet.
    #[error("client certificate: {detail}")]
    Mtls { detail: String },
    /// An address that is neither an IP address nor a network.
    #[error("allow list entry {entry:?} is neither an IP address nor a network")]
    Network { entry: String },
}

/// How much a profile proves, from nothing to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    None,
    /// The secret may stand in the URL or a form, where logs and proxies see it.
    UrlCredential,
    /// The secret itself travels in a header.
    Credential,
    /// Something that a third party vouches for and that ends: an access token, a client certificate.
    Token,
    /// The body is signed; a copy stays good.
    Signature,
    /// The body is signed together with the time.
    SignedTime,
}

/// How a sender proves who it is.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Anybody may send: the address list is all there is.
    None,
    /// A secret that is presented as it is.
    Credential(Credential),
    /// A signature over the body in a header.
    Signature(Signature),
    /// Twilio's signature over URL and parameters.
    Twilio(Twilio),
    /// The signature of Amazon SNS, and the topics that may send.
    Sns(sns::Topics),
    /// An access token of Microsoft Entra ID.
    Entra(entra::Entra),
    /// The certificate that the sender showed in the TLS handshake with this process.
    Mtls(Mtls),
}

impl Auth {
    /// The name of the profile: the word used in configuration and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Credential(credential) => credential.profile,
            Self::Signature(signature) => signature.profile(),
            Self::Twilio(_) => "twilio",
            Self::Sns(_) => "sns",
            Self::Entra(_) => "entra",
            Self::Mtls(_) => "mtls",
        }
    }

    /// How much it proves, as it is configured.
    pub fn strength(&self) -> Strength {
        match self {
            Self::Signature(signature) => signature.strength(),
            other => profiles::strength(other.as_str()).unwrap_or(Strength::None),
        }
    }

    /// Whether the body must be read before the sender can be known.
    pub const fn needs_body(&self) -> bool {
        match self {
            Self::None | Self::Entra(_) | Self::Mtls(_) => false,
            Self::Credential(credential) => credential.is_in_body(),
            Self::Signature(_) | Self::Twilio(_) | Self::Sns(_) => true,
        }
    }
}

/// What a source demands of its senders.
#[derive(Clone, Debug)]
pub struct Profile {
    pub auth: Auth,
    /// Empty allows every address.
    pub allow: AllowList,
}

/// What a sender presents.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// Headers with lower-case names.
    pub headers: &'a [(String, String)],
    /// The raw query string without `?`.
    pub query: &'a str,
    /// The body as received, before inflating if the sender signs it so.
    pub body: &'a [u8],
    /// The client's address as [`client_address`] finds it.
    pub address: IpAddr,
    /// The client's certificate, if the connection is TLS and the handshake verified one.
    pub certificate: Option<&'a x509::Certificate>,
}

impl Presented<'_> {
    /// The first header called `name` (lower case).
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim())
    }

    /// The credentials of an `Authorization` header with this scheme.
    fn authorization(&self, scheme: &str) -> Option<&str> {
        let (word, credentials) = self.header("authorization")?.split_once(' ')?;
        word.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
    }
}

/// Proof that a request passed its source's profile. Only [`Profile::verify`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    scheme: &'static str,
    secret: usize,
    delivery: Option<Delivery>,
}

impl Verified {
    /// The scheme that proved it, as in [`Auth::as_str`].
    pub const fn scheme(self) -> &'static str {
        self.scheme
    }

    /// Which of the live secrets was used, from 0: tells when an old one is no longer in use.
    pub const fn secret(self) -> usize {
        self.secret
    }

    /// What tells this request from the sender's others, where something does.
    pub const fn delivery(&self) -> Option<&Delivery> {
        self.delivery.as_ref()
    }
}

/// Why a request is refused. The text names no secret and nothing that was presented as one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("address {address} is not in the source's allow list")]
    Address { address: IpAddr },
    #[error("no {scheme} credential was presented")]
    Missing { scheme: &'static str },
    #[error("the {scheme} credential is wrong")]
    Wrong { scheme: &'static str },
    #[error("header {header:?} does not hold the time of signing")]
    SigningTime { header: String },
    #[error("the request was signed {seconds} seconds away from now, more than the tolerance")]
    Replayed { seconds: u64 },
    #[error("a request with this id was taken already, with another body")]
    IdReused,
    #[error("the access token is not good: {detail}")]
    AccessToken { detail: &'static str },
    /// Not refused for good: fetch the keys and ask again.
    #[error("the signing key of the access token could not be had")]
    NoKey { tenant: entra::Tenant, kid: String },
    #[error("topic {topic} is not in the source's list of topics")]
    Topic { topic: String },
    #[error("the message is not signed by SNS: {detail}")]
    Unsigned { detail: &'static str },
    #[error("the certificate of the signature is not usable")]
    Certificate(#[source] sns::CertificateError),
    /// Not refused for good: fetch the certificate and ask again.
    #[error("the certificate of the signature could not be had")]
    NoCertificate { url: sns::CertificateUrl },
}

impl Refused {
    /// The label of metrics and logs.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Address { .. } => "address",
            Self::Missing { .. } => "missing",
            Self::Wrong { .. } => "wrong",
            Self::SigningTime { .. } => "signing_time",
            Self::Replayed { .. } => "replayed",
            Self::IdReused => "id_reused",
            Self::AccessToken { .. } => "access_token",
            Self::NoKey { .. } => "no_key",
            Self::Topic { .. } => "topic",
            Self::Unsigned { .. } => "unsigned",
            Self::Certificate(_) => "certificate",
            Self::NoCertificate { .. } => "no_certificate",
        }
    }

    /// The HTTP status: 401 where another credential would help, 403 where none does, 503 where waiting does.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Missing { .. }
            | Self::Wrong { .. }
            | Self::SigningTime { .. }
            | Self::Replayed { .. }
            | Self::AccessToken { .. } => 401,
            Self::Address { .. }
            | Self::Topic { .. }
            | Self::Unsigned { .. }
            | Self::Certificate(_) => 403,
            Self::IdReused => 409,
            // SNS takes 4xx as delivered and repeats 5xx; Azure's action groups repeat 503 too.
            Self::NoCertificate { .. } | Self::NoKey { .. } => 503,
        }
    }
}

/// Looks up an SNS signing certificate that is at hand.
pub type CertificateLookup<'a> = &'a dyn Fn(&sns::CertificateUrl) -> Option<Arc<sns::Certificate>>;

/// What others vouch for, as far as it is at hand.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    pub certificate: CertificateLookup<'a>,
    pub key: entra::KeyLookup<'a>,
}

impl Evidence<'static> {
    /// Nothing is at hand.
    pub const NOTHING: Self = Self { certificate: &|_| None, key: &|_, _| None };
}

impl Profile {
    /// Checks the address, then the credential.
    pub fn verify(
        &self,
        presented: &Presented<'_>,
        evidence: &Evidence<'_>,
        now: Timestamp,
    ) -> Result<Verified, Refused> {
        if !self.allow.allows(presented.address) {
            return Err(Refused::Address { address: presented.address });
        }
        let (secret, delivery) = match &self.auth {
            Auth::None => (0, None),
            Auth::Credential(credential) => (credential.verify(presented)?, None),
            Auth::Signature(signature) => signature.verify(presented, now)?,
            Auth::Twilio(twilio) => (twilio.verify(presented)?, None),
            Auth::Sns(topics) => {
                (0, Some(sns::verify(topics, presented, evidence.certificate, now)?))
            }
            Auth::Entra(entra) => {
                entra.verify(presented, evidence, now)?;
                (0, None)
            }
            Auth::Mtls(mtls) => {
                mtls.verify(presented.certificate, now)?;
                (0, None)
            }
        };
        Ok(Verified { scheme: self.auth.as_str(), secret, delivery })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn token(secret: &str) -> Auth {
        Auth::Credential(Credential {
            profile: "token",
            place: Place::UrlOrBearer,
            secrets: Secrets::new(vec![Secret::new(secret)]).expect("a secret"),
        })
    }

    #[test]
    fn every_auth_checks_the_address_first() {
        for auth in [
            Auth::None,
            token("old"),
            Auth::Sns(sns::Topics::default()),
            Auth::Mtls(Mtls::default()),
        ] {
            let name = auth.as_str();
            let allow = AllowList::parse(&["10.0.0.0/8"]).expect("a network");
            let profile = Profile { auth, allow };
            let address = IpAddr::from([11, 1, 2, 3]);
            let presented = Presented {
                headers: &[],
                query: "auth=old",
                body: b"",
                address,
                certificate: None,
            };
            let refused = profile.verify(&presented, &Evidence::NOTHING, Timestamp::from_secs(0));
            assert_eq!(refused.map_err(|refused| refused.label()), Err("address"), "{name}");
            let nearby = Presented { address: IpAddr::from([10, 1, 2, 3]), ..presented };
            let got = profile.verify(&nearby, &Evidence::NOTHING, Timestamp::from_secs(0));
            assert_ne!(got.map_err(|refused| refused.label()), Err("address"), "{name}");
        }
    }

    #[test]
    fn no_refusal_tells_a_secret() {
        let profile = Profile { auth: token("hunter2"), allow: AllowList::default() };
        assert!(!format!("{profile:?}").contains("hunter2"));
        let presented = Presented {
            headers: &[],
            query: "auth=guess",
            body: b"",
            address: IpAddr::from([1, 1, 1, 1]),
            certificate: None,
        };
        let refused = profile
            .verify(&presented, &Evidence::NOTHING, Timestamp::from_secs(0))
            .expect_err("a guess");
        assert!(!refused.to_string().contains("guess"), "{refused}");
    }
}
