//! Who sent this: authentication of sources, as pure functions over the request and the time.
//!
//! A [`Profile`] is what a source says about its sender: an address list and one scheme. [`Profile::verify`] answers with
//! [`Verified`], which nothing else can make, or with the reason why not. It never reads a payload's meaning and does no
//! I/O: the one thing from outside, the certificate of an SNS message, is looked up through a function and fetched by
//! [`certificates`] when it is missing.

pub mod certificates;
pub mod mtls;
pub mod sns;

mod address;
mod hmac;
mod secrets;

use std::net::IpAddr;
use std::sync::Arc;

pub use address::{AllowList, client_address};
pub use hmac::{Algorithm, Encoding, Hmac, HmacParts, KeyForm, SignedContent, SigningTime};
pub use mtls::Mtls;
pub use secrets::Secrets;

use crate::domain::Timestamp;
use crate::x509;

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

/// How a sender proves who it is.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Anybody may send: the address list is all there is.
    None,
    /// A token in the query (`?auth=`) or as `Authorization: Bearer`. Azure's plain webhooks can do nothing else.
    Token(Secrets),
    /// HTTP Basic: `user:password` as sent, so that the user may rotate too.
    Basic(Secrets),
    /// A keyed hash over the body in a header.
    Hmac(Hmac),
    /// The signature of Amazon SNS, and the topics that may send.
    Sns(sns::Topics),
    /// The certificate that the sender showed in the TLS handshake with this process.
    Mtls(Mtls),
}

impl Auth {
    /// The word used in configuration and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Token(_) => "token",
            Self::Basic(_) => "basic",
            Self::Hmac(_) => "hmac",
            Self::Sns(_) => "sns",
            Self::Mtls(_) => "mtls",
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
            | Self::Replayed { .. } => 401,
            Self::Address { .. }
            | Self::Topic { .. }
            | Self::Unsigned { .. }
            | Self::Certificate(_) => 403,
            // SNS takes 4xx as delivered; it repeats 5xx.
            Self::NoCertificate { .. } => 503,
        }
    }
}

/// Looks up an SNS signing certificate that is at hand.
pub type CertificateLookup<'a> = &'a dyn Fn(&sns::CertificateUrl) -> Option<Arc<sns::Certificate>>;

impl Profile {
    /// Checks the address, then the credential.
    pub fn verify(
        &self,
        presented: &Presented<'_>,
        certificates: CertificateLookup<'_>,
        now: Timestamp,
    ) -> Result<Verified, Refused> {
        if !self.allow.allows(presented.address) {
            return Err(Refused::Address { address: presented.address });
        }
        let secret = match &self.auth {
            Auth::None => Ok(0),
            Auth::Token(tokens) => token(tokens, presented),
            Auth::Basic(pairs) => basic(pairs, presented),
            Auth::Hmac(hmac) => hmac.verify(presented, now),
            Auth::Sns(topics) => sns::verify(topics, presented, certificates, now).map(|()| 0),
            Auth::Mtls(mtls) => mtls.verify(presented.certificate, now).map(|()| 0),
        }?;
        Ok(Verified { scheme: self.auth.as_str(), secret })
    }
}

fn token(tokens: &Secrets, presented: &Presented<'_>) -> Result<usize, Refused> {
    let query = query_token(presented.query);
    let presented = presented.authorization("bearer").map(str::to_owned).or(query);
    let presented = presented.ok_or(Refused::Missing { scheme: "token" })?;
    tokens.find(presented.as_bytes()).ok_or(Refused::Wrong { scheme: "token" })
}

/// The `auth` parameter. A plus sign stays one: people paste tokens into URLs as they are.
fn query_token(query: &str) -> Option<String> {
    let kept = query.replace('+', "%2B");
    let found = url::form_urlencoded::parse(kept.as_bytes()).find(|(name, _)| name == "auth");
    found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
}

fn basic(pairs: &Secrets, presented: &Presented<'_>) -> Result<usize, Refused> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let encoded = presented.authorization("basic").ok_or(Refused::Missing { scheme: "basic" })?;
    let wrong = Refused::Wrong { scheme: "basic" };
    let Ok(decoded) = BASE64_STANDARD.decode(encoded) else { return Err(wrong) };
    pairs.find(&decoded).ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn secrets(values: &[&str]) -> Secrets {
        Secrets::new(values.iter().map(|value| Secret::new(*value)).collect()).expect("secrets")
    }

    fn check(auth: Auth, header: &str, query: &str, expected: Result<usize, &str>) {
        let allow = AllowList::parse(&["10.0.0.0/8"]).expect("a network");
        let profile = Profile { auth, allow };
        let headers = [("authorization".to_owned(), header.to_owned())];
        let headers = if header.is_empty() { &[][..] } else { &headers[..] };
        let address = IpAddr::from([10, 1, 2, 3]);
        let presented = Presented { headers, query, body: b"", address, certificate: None };
        let got = profile.verify(&presented, &|_| None, Timestamp::from_secs(0));
        let got = got.as_ref().map(|verified| verified.secret()).map_err(Refused::label);
        assert_eq!(got, expected, "{header:?} {query:?}");
        let elsewhere = Presented { address: IpAddr::from([11, 1, 2, 3]), ..presented };
        let refused = profile.verify(&elsewhere, &|_| None, Timestamp::from_secs(0));
        assert_eq!(refused.map_err(|refused| refused.status()), Err(403));
    }

    #[test]
    fn tokens() {
        let auth = || Auth::Token(secrets(&["new+1/=", "old"]));
        check(auth(), "Bearer new+1/=", "", Ok(0));
        check(auth(), "bearer  old", "", Ok(1));
        check(auth(), "", "a=b&auth=old", Ok(1));
        check(auth(), "", "auth=new+1/=", Ok(0));
        check(auth(), "", "auth=new%2B1%2F%3D", Ok(0));
        check(auth(), "", "auth=old&auth=x", Ok(1));
        check(auth(), "", "auth=older", Err("wrong"));
        check(auth(), "Bearer x", "auth=old", Err("wrong"));
        check(auth(), "", "auth=", Err("missing"));
        check(auth(), "", "token=old", Err("missing"));
        check(auth(), "Basic b2xk", "", Err("missing"));
    }

    #[test]
    fn basic_credentials() {
        let auth = || Auth::Basic(secrets(&["azure:p:1", "azure:p2"]));
        check(auth(), "Basic YXp1cmU6cDox", "", Ok(0)); // azure:p:1
        check(auth(), "Basic YXp1cmU6cDI=", "", Ok(1)); // azure:p2
        check(auth(), "Basic eHp1cmU6cDI=", "", Err("wrong")); // xzure:p2
        check(auth(), "Basic YXp1cmU=", "", Err("wrong"));
        check(auth(), "Basic ***", "", Err("wrong"));
        check(auth(), "Bearer p2", "", Err("missing"));
        check(auth(), "", "", Err("missing"));
    }

    #[test]
    fn none_still_checks_the_address() {
        check(Auth::None, "", "", Ok(0));
    }

    #[test]
    fn no_refusal_tells_a_secret() {
        let profile =
            Profile { auth: Auth::Token(secrets(&["hunter2"])), allow: AllowList::default() };
        assert!(!format!("{profile:?}").contains("hunter2"));
        let presented = Presented {
            headers: &[],
            query: "auth=guess",
            body: b"",
            address: IpAddr::from([1, 1, 1, 1]),
            certificate: None,
        };
        let refused =
            profile.verify(&presented, &|_| None, Timestamp::from_secs(0)).expect_err("a guess");
        assert!(!refused.to_string().contains("guess"), "{refused}");
    }
}
