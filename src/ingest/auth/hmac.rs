//! Keyed hashes over the body: the header, algorithm, encoding, prefix and signed content are the sender's.
//!
//! Which sender signs how is in [`super::profiles`]; the form `hmac` of the configuration spells out any other.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{hmac, signature};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::domain::Timestamp;
use crate::limits::SIGNATURES_PER_REQUEST_MAX;
use crate::secret::Secret;

use super::replay::Delivery;
use super::signed::header_name;
use super::{Error, Presented, Refused, Secrets, SignedContent, SigningTime};

/// The hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Old, but HMAC with it still stands; some senders offer nothing else.
    Sha1,
    Sha256,
    Sha512,
    /// No hash with a key but a signature (RFC 8032); the secret is the sender's public key.
    Ed25519,
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        match word.to_ascii_lowercase().replace('-', "").as_str() {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(unknown("algorithm", word, "sha1, sha256, sha512")),
        }
    }
}

/// How the hash is written in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// In either case.
    Hex,
    Base64,
    /// Whichever of the two it is: a sender whose documentation and deliveries differ.
    HexOrBase64,
}

impl FromStr for Encoding {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        match word.to_ascii_lowercase().as_str() {
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            _ => Err(unknown("encoding", word, "hex, base64")),
        }
    }
}

/// Fewest bytes of a key in base64: Standard Webhooks has 24 to 64, and what decodes to less is no such key.
const KEY_BYTES_MIN: usize = 16;

/// How the secret becomes the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyForm {
    /// Its bytes are the key.
    #[default]
    Text,
    /// It is the base64 of the key, after an optional `whsec_` (Standard Webhooks).
    Base64,
}

impl FromStr for KeyForm {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        match word.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "base64" => Ok(Self::Base64),
            _ => Err(unknown("key form", word, "text, base64")),
        }
    }
}

fn unknown(what: &'static str, word: &str, known: &'static str) -> Error {
    Error::Unknown { what, word: word.to_owned(), known }
}

/// What names a delivery, beside the time of signing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeliveryId {
    /// Nothing does.
    #[default]
    None,
    /// This header (lower case), which is part of the signed content.
    Signed(String),
    /// This header (lower case), which is not signed.
    Named(String),
}

/// The parts of a signature scheme, before they are checked.
#[derive(Clone, Debug)]
pub struct HmacParts {
    /// What to call it in refusals: the name of the profile.
    pub scheme: &'static str,
    /// The header with the signature.
    pub header: String,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    /// What stands before each signature, such as `sha256=`; may be empty.
    pub prefix: String,
    pub content: SignedContent,
    /// Needed when the content has `{timestamp}`, and only then.
    pub time: Option<SigningTime>,
    pub id: DeliveryId,
    pub key: KeyForm,
    pub secrets: Secrets,
}

/// A checked signature scheme.
#[derive(Clone)]
pub struct Hmac {
    parts: HmacParts,
    /// One for each live secret that is a key of this scheme, with its position among the secrets.
    keys: Vec<(usize, Key)>,
}

#[derive(Clone)]
enum Key {
    Hash(Box<hmac::Key>),
    Public(Vec<u8>),
}

impl Key {
    /// Whether any of the signatures is that of `content`. The content is hashed once, however many are presented (a
    /// public key hashes it with each); each is compared in constant time.
    fn fits(&self, content: &[u8], presented: &[Vec<u8>]) -> bool {
        match self {
            Self::Hash(key) => {
                let tag = hmac::sign(key, content);
                let same = |signature: &[u8]| verify_slices_are_equal(tag.as_ref(), signature);
                presented.iter().fold(false, |found, signature| found | same(signature).is_ok())
            }
            Self::Public(key) => {
                let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
                let fits = |signature: &[u8]| key.verify(content, signature);
                presented.iter().fold(false, |found, signature| found | fits(signature).is_ok())
            }
        }
    }
}

impl fmt::Debug for Hmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.parts)
    }
}

impl Hmac {
    /// Checks that the parts agree.
    pub fn new(parts: HmacParts) -> Result<Self, Error> {
        let header = header_name(&parts.header)?;
        let stamped = parts.content.has_time();
        if stamped && parts.time.is_none() {
            return Err(Error::Signature { detail: "{timestamp} needs the header that holds it" });
        }
        if !stamped && parts.time.is_some() {
            return Err(Error::Signature {
                detail: "a time that is not signed stops no replay: add {timestamp}",
            });
        }
        let mut keys = Vec::new();
        for (position, secret) in parts.secrets.iter().enumerate() {
            if let Some(key) = key(parts.algorithm, parts.key, secret)? {
                keys.push((position, key));
            }
        }
        Ok(Self { parts: HmacParts { header, ..parts }, keys })
    }

    /// Whether a replay can be told by the time under the signature.
    pub(super) const fn is_timed(&self) -> bool {
        self.parts.time.is_some()
    }

    /// The header with the signature, in lower case.
    pub(super) fn header(&self) -> &str {
        &self.parts.header
    }

    /// Whether any of the secrets is a key of this scheme.
    pub(super) const fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The position of the secret that signed the request, and what tells the delivery from others.
    pub(super) fn verify(
        &self,
        presented: &Presented<'_>,
        now: Timestamp,
    ) -> Result<(usize, Option<Delivery>), Refused> {
        let scheme = self.parts.scheme;
        let missing = || Refused::Missing { scheme };
        let header = presented.header(&self.parts.header).ok_or_else(missing)?;
        let timestamp =
            self.parts.time.as_ref().map(|time| time.read(presented, now)).transpose()?;
        let signatures: Vec<Vec<u8>> = self.signatures(header).collect();
        let content = self.parts.content.of(presented, timestamp.unwrap_or(""));
        let content = content.ok_or_else(missing)?;
        if signatures.is_empty() {
            return Err(Refused::Wrong { scheme });
        }
        // Every key meets every signature, whichever fits.
        let mut found = None;
        for (position, key) in &self.keys {
            let fits = key.fits(&content, &signatures);
            found = found.or(fits.then_some(*position));
        }
        let found = found.ok_or(Refused::Wrong { scheme })?;
        Ok((found, self.delivery(presented, &content)))
    }

    fn delivery(&self, presented: &Presented<'_>, content: &[u8]) -> Option<Delivery> {
        let body = presented.body;
        match &self.parts.id {
            DeliveryId::Signed(header) => {
                Some(Delivery::identified(presented.header(header)?.as_bytes(), body))
            }
            DeliveryId::Named(header) => {
                Some(Delivery::named(presented.header(header)?.as_bytes(), body))
            }
            DeliveryId::None => {
                self.parts.time.as_ref().map(|time| Delivery::timed(content, time.window()))
            }
        }
    }

    /// The signatures of the header: one, or several between blanks or commas while the sender rotates.
    fn signatures<'a>(&'a self, header: &'a str) -> impl Iterator<Item = Vec<u8>> + 'a {
        let prefix = self.parts.prefix.as_str();
        let separators: &[char] = if prefix.contains(',') { &[' '] } else { &[' ', ','] };
        header
            .split(separators)
            .filter(|candidate| !candidate.is_empty())
            .take(SIGNATURES_PER_REQUEST_MAX)
            .filter_map(move |candidate| candidate.strip_prefix(prefix))
            .filter_map(|text| match self.parts.encoding {
                Encoding::Hex => decode_hex(text),
                Encoding::Base64 => BASE64_STANDARD.decode(text).ok(),
                Encoding::HexOrBase64 => {
                    decode_hex(text).or_else(|| BASE64_STANDARD.decode(text).ok())
                }
            })
    }
}

/// The key that a secret is; nothing for one that belongs to another scheme of the same sender.
fn key(algorithm: Algorithm, form: KeyForm, secret: &Secret) -> Result<Option<Key>, Error> {
    /// Marks a public key of Standard Webhooks.
    const PUBLIC: &str = "whpk_";
    const NOT_BASE64: Error = Error::Signature { detail: "a secret is not base64" };
    let text = secret.expose();
    let hash = match algorithm {
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => hmac::HMAC_SHA256,
        Algorithm::Sha512 => hmac::HMAC_SHA512,
        Algorithm::Ed25519 => {
            let Some(text) = text.strip_prefix(PUBLIC) else { return Ok(None) };
            let key = BASE64_STANDARD.decode(text).map_err(|_| NOT_BASE64)?;
            if key.len() != signature::ED25519_PUBLIC_KEY_LEN {
                return Err(Error::Signature { detail: "a public key is not of 32 bytes" });
            }
            return Ok(Some(Key::Public(key)));
        }
    };
    match form {
        KeyForm::Text if text.is_empty() => Err(Error::Signature { detail: "a secret is empty" }),
        KeyForm::Text => Ok(Some(Key::Hash(Box::new(hmac::Key::new(hash, text.as_bytes()))))),
        KeyForm::Base64 if text.starts_with(PUBLIC) => Ok(None),
        KeyForm::Base64 => {
            let decoded = BASE64_STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text));
            let decoded = decoded.map_err(|_| NOT_BASE64)?;
            // `whsec_` alone would be a key that everybody has.
            if decoded.len() < KEY_BYTES_MIN {
                return Err(Error::Signature { detail: "a secret is of less than 16 bytes" });
            }
            Ok(Some(Key::Hash(Box::new(hmac::Key::new(hash, &decoded)))))
        }
    }
}

pub(super) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;

    const BODY: &str = r#"{"status":"firing","alerts":[]}"#;
    /// 2026-03-01T12:00:00Z, the time that the stamped signatures below were made with.
    const SIGNED_AT: i64 = 1_772_366_400;
    const SHA256_HEX: &str = "80a9b3dee69be8445f810d7f6dc9b81a85fca253b1e84d752fb90fef0a5b014f";

    fn parts(secrets: &[&str]) -> HmacParts {
        let secrets = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        HmacParts {
            scheme: "hmac",
            header: "X-Signature".to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            prefix: String::new(),
            content: SignedContent::body(),
            time: None,
            id: DeliveryId::None,
            key: KeyForm::Text,
            secrets: Secrets::new(secrets).expect("secrets"),
        }
    }

    fn stamped(content: &str, secrets: &[&str]) -> HmacParts {
        let time = SigningTime::new("X-Time", Duration::from_mins(5)).expect("a tolerance");
        HmacParts { content: content.parse().expect("content"), time: Some(time), ..parts(secrets) }
    }

    fn check(
        parts: HmacParts,
        headers: &[(&str, &str)],
        body: &str,
        expected: Result<usize, &str>,
    ) {
        let hmac = Hmac::new(parts).expect("a scheme");
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let address = IpAddr::from([127, 0, 0, 1]);
        let presented = Presented {
            headers: &headers,
            query: "",
            body: body.as_bytes(),
            address,
            certificate: None,
        };
        let got = hmac.verify(&presented, Timestamp::from_secs(SIGNED_AT + 60));
        assert_eq!(
            got.as_ref().map(|(position, _)| position).map_err(Refused::label),
            expected.as_ref().map_err(|label| *label),
            "{headers:?}"
        );
    }

    #[test]
    fn algorithms_encodings_and_prefixes() {
        let sha1 = "sha1=bc86047c7ab537c4c4cd70c6ad8fad07a6c3ff39";
        let sha512 = "140331f2d5403d39dc34d973382b3821d19535dec06e4d2ea55f922624412f2c7839c1dcdfffeb6ebac42c2e2b1f0f22839e3639d161449f22ae2299ab1aaed2";
        let base64 = "gKmz3uab6ERfgQ1/bcm4GoX8olOx6E11L7kP7wpbAU8=";
        let prefixed =
            |algorithm| HmacParts { algorithm, prefix: "sha1=".to_owned(), ..parts(&["s3cret"]) };
        check(parts(&["s3cret"]), &[("x-signature", SHA256_HEX)], BODY, Ok(0));
        check(parts(&["s3cret"]), &[("x-signature", &SHA256_HEX.to_uppercase())], BODY, Ok(0));
        check(prefixed(Algorithm::Sha1), &[("x-signature", sha1)], BODY, Ok(0));
        check(prefixed(Algorithm::Sha1), &[("x-signature", &sha1[5..])], BODY, Err("wrong"));
        let long = HmacParts { algorithm: Algorithm::Sha512, ..parts(&["s3cret"]) };
        check(long, &[("x-signature", sha512)], BODY, Ok(0));
        let encoded = HmacParts { encoding: Encoding::Base64, ..parts(&["s3cret"]) };
        check(encoded, &[("x-signature", base64)], BODY, Ok(0));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check(parts(&["s3cret"]), &[], BODY, Err("missing"));
        check(parts(&["s3cret"]), &[("x-signature", "")], BODY, Err("wrong"));
        check(parts(&["s3cret"]), &[("x-signature", "zz")], BODY, Err("wrong"));
        check(parts(&["s3cret"]), &[("x-signature", &SHA256_HEX[..62])], BODY, Err("wrong"));
        check(parts(&["s3cret"]), &[("x-signature", SHA256_HEX)], "{}", Err("wrong"));
        check(parts(&["other"]), &[("x-signature", SHA256_HEX)], BODY, Err("wrong"));
    }

    #[test]
    fn rotation_on_either_side() {
        check(parts(&["new", "s3cret"]), &[("x-signature", SHA256_HEX)], BODY, Ok(1));
        let both = format!("00ff,{SHA256_HEX}");
        check(parts(&["s3cret"]), &[("x-signature", &both)], BODY, Ok(0));
        let many = "00ff,".repeat(SIGNATURES_PER_REQUEST_MAX) + SHA256_HEX;
        check(parts(&["s3cret"]), &[("x-signature", &many)], BODY, Err("wrong"));
    }

    #[test]
    fn each_key_meets_all_signatures() {
        let key = Key::Hash(Box::new(hmac::Key::new(hmac::HMAC_SHA256, b"s3cret")));
        let tag = decode_hex(SHA256_HEX).expect("hexadecimal");
        let (short, other) = (tag[..31].to_vec(), vec![0; 32]);
        for (presented, expected) in [
            (vec![], false),
            (vec![other.clone(), short.clone()], false),
            (vec![other.clone(), short.clone(), tag.clone()], true),
            (vec![tag.clone(), other.clone(), short.clone()], true),
        ] {
            assert_eq!(key.fits(BODY.as_bytes(), &presented), expected, "{presented:?}");
        }
    }

    #[test]
    fn signed_times() {
        let grafana = || stamped("{timestamp}:{body}", &["s3cret"]);
        let signature =
            ("x-signature", "6dbb137113b614c7bda8c08bafde492fe1cb45594019874eafb0f60337e68e0d");
        check(grafana(), &[signature, ("x-time", "1772366400")], BODY, Ok(0));
        check(grafana(), &[signature, ("x-time", "1772366401")], BODY, Err("wrong"));
        check(grafana(), &[signature, ("x-time", "1772366000")], BODY, Err("replayed"));
        check(grafana(), &[signature, ("x-time", "1772366800")], BODY, Err("replayed"));
        check(grafana(), &[signature, ("x-time", "soon")], BODY, Err("signing_time"));
        check(grafana(), &[signature], BODY, Err("signing_time"));
        let slack =
            HmacParts { prefix: "v0=".to_owned(), ..stamped("v0:{timestamp}:{body}", &["s3cret"]) };
        let signature = "v0=66aaf302a5ebc8ff77a8279fa5b73922f85a4ae3edaef55e75feaf57338f164c";
        check(slack, &[("x-signature", signature), ("x-time", "1772366400")], BODY, Ok(0));
    }

    #[test]
    fn standard_webhooks() {
        let standard = |secret: &str| HmacParts {
            prefix: "v1,".to_owned(),
            encoding: Encoding::Base64,
            key: KeyForm::Base64,
            ..stamped("{webhook-id}.{timestamp}.{body}", &[secret])
        };
        let secret = "whsec_YSBrZXkgb2YgdHdlbnR5LWZvdXIgYnl0";
        let signature = "v1,AAAA v1,94R37Q8TC5ckCjUlwn1/NCfCMVTpTzGFB1jKRmr1mGI=";
        let headers =
            [("x-signature", signature), ("x-time", "1772366400"), ("webhook-id", "msg_1")];
        check(standard(secret), &headers, BODY, Ok(0));
        check(standard(secret), &headers[..2], BODY, Err("missing"));
        for secret in ["whsec_*", "whsec_", "whsec_MDEyMzQ1Njc4OWFiY2Rl"] {
            assert!(Hmac::new(standard(secret)).is_err(), "{secret}");
        }
        assert!(Hmac::new(standard("whsec_MDEyMzQ1Njc4OWFiY2RlZg==")).is_ok());
    }

    #[test]
    fn schemes_that_prove_nothing_are_not_built() {
        for content in ["", "{timestamp}", "{body}{body}", "{body", "{}{body}"] {
            assert!(content.parse::<SignedContent>().is_err(), "{content:?}");
        }
        let unsigned =
            HmacParts { content: SignedContent::body(), ..stamped("{timestamp}{body}", &["s"]) };
        assert!(Hmac::new(unsigned).is_err());
        let unheld = HmacParts { time: None, ..stamped("{timestamp}{body}", &["s"]) };
        assert!(Hmac::new(unheld).is_err());
        assert!(Hmac::new(HmacParts { header: "no header".to_owned(), ..parts(&["s"]) }).is_err());
        assert!(SigningTime::new("X-Time", Duration::ZERO).is_err());
        assert!(SigningTime::new("X-Time", Duration::from_hours(2)).is_err());
        assert!("md5".parse::<Algorithm>().is_err());
        assert!("base32".parse::<Encoding>().is_err());
    }
}
