//! Keyed hashes over the body: the header, algorithm, encoding, prefix and signed content are the sender's.
//!
//! Known senders in these terms: Grafana signs `{body}` or `{timestamp}:{body}` (hex, SHA-256), Slack
//! `v0:{timestamp}:{body}` with prefix `v0=`, Standard Webhooks `{webhook-id}.{timestamp}.{body}` (base64, prefix `v1,`,
//! key `whsec_` + base64), GitHub `{body}` with prefix `sha256=`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::domain::Timestamp;
use crate::limits::{SIGNATURE_TOLERANCE_SECONDS_MAX, SIGNATURES_PER_REQUEST_MAX};
use crate::secret::Secret;

use super::{Error, Presented, Refused, Secrets};

/// The hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Old, but HMAC with it still stands; some senders offer nothing else.
    Sha1,
    Sha256,
    Sha512,
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

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Timestamp,
    Header(String),
    Body,
}

/// What is signed: text with `{body}`, `{timestamp}` and `{header-name}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedContent(Vec<Part>);

impl SignedContent {
    /// The body alone.
    pub fn body() -> Self {
        Self(vec![Part::Body])
    }
}

impl FromStr for SignedContent {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, opened)) = rest.split_once('{') {
            let (name, after) = opened
                .split_once('}')
                .ok_or(Error::Signature { detail: "a brace is not closed" })?;
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(match name {
                "body" => Part::Body,
                "timestamp" => Part::Timestamp,
                "" => return Err(Error::Signature { detail: "a name in braces is empty" }),
                header => Part::Header(header.to_ascii_lowercase()),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        if parts.iter().filter(|part| **part == Part::Body).count() != 1 {
            return Err(Error::Signature {
                detail: "the signed content must have {body} exactly once",
            });
        }
        Ok(Self(parts))
    }
}

/// The header with the time of signing, and how far from now it may be, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningTime {
    /// Lower-case header name.
    header: String,
    tolerance: Duration,
}

impl SigningTime {
    /// A header whose time may be up to `tolerance` away from now: more than zero, at most an hour.
    pub fn new(header: &str, tolerance: Duration) -> Result<Self, Error> {
        if tolerance.is_zero() || tolerance.as_secs() > SIGNATURE_TOLERANCE_SECONDS_MAX {
            return Err(Error::Signature {
                detail: "the tolerance is not between a moment and an hour",
            });
        }
        Ok(Self { header: header_name(header)?, tolerance })
    }

    /// The header's text, if the time in it is near enough.
    fn read<'a>(&self, presented: &Presented<'a>, now: Timestamp) -> Result<&'a str, Refused> {
        let missing = || Refused::SigningTime { header: self.header.clone() };
        let found = presented.headers.iter().find(|(name, _)| *name == self.header);
        let text = found.map(|(_, value)| value.trim()).ok_or_else(missing)?;
        let signed_at = signing_time(text).ok_or_else(missing)?;
        let away = now.since(signed_at).max(signed_at.since(now));
        if away > self.tolerance {
            return Err(Refused::Replayed { seconds: away.as_secs() });
        }
        Ok(text)
    }
}

/// Seconds or milliseconds since the epoch, or RFC 3339.
fn signing_time(text: &str) -> Option<Timestamp> {
    /// Larger numbers are milliseconds: as seconds this is the year 5138.
    const SECONDS_MAX: i64 = 100_000_000_000;
    match text.parse::<i64>() {
        Ok(number) if number.abs() < SECONDS_MAX => Some(Timestamp::from_secs(number)),
        Ok(number) => Some(Timestamp::from_micros(number.saturating_mul(1_000))),
        Err(_) => Timestamp::parse_rfc3339(text),
    }
}

/// The parts of a signature scheme, before they are checked.
#[derive(Clone, Debug)]
pub struct HmacParts {
    /// The header with the signature.
    pub header: String,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    /// What stands before each signature, such as `sha256=`; may be empty.
    pub prefix: String,
    pub content: SignedContent,
    /// Needed when the content has `{timestamp}`, and only then.
    pub time: Option<SigningTime>,
    pub key: KeyForm,
    pub secrets: Secrets,
}

/// A checked signature scheme.
#[derive(Clone)]
pub struct Hmac {
    parts: HmacParts,
    /// One for each live secret.
    keys: Vec<hmac::Key>,
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
        let stamped = parts.content.0.contains(&Part::Timestamp);
        if stamped && parts.time.is_none() {
            return Err(Error::Signature { detail: "{timestamp} needs the header that holds it" });
        }
        if !stamped && parts.time.is_some() {
            return Err(Error::Signature {
                detail: "a time that is not signed stops no replay: add {timestamp}",
            });
        }
        let keys = parts.secrets.iter().map(|secret| key(parts.algorithm, parts.key, secret));
        let keys = keys.collect::<Result<_, _>>()?;
        Ok(Self { parts: HmacParts { header, ..parts }, keys })
    }

    /// The position of the secret that signed the request.
    pub(super) fn verify(
        &self,
        presented: &Presented<'_>,
        now: Timestamp,
    ) -> Result<usize, Refused> {
        let header =
            presented.header(&self.parts.header).ok_or(Refused::Missing { scheme: "hmac" })?;
        let timestamp =
            self.parts.time.as_ref().map(|time| time.read(presented, now)).transpose()?;
        let content = self.content(presented, timestamp.unwrap_or(""))?;
        let signatures: Vec<Vec<u8>> = self.signatures(header).collect();
        // Every key meets every signature, whichever fits.
        let mut found = None;
        for (position, key) in self.keys.iter().enumerate() {
            for signature in &signatures {
                let fits = hmac::verify(key, &content, signature).is_ok();
                found = found.or(fits.then_some(position));
            }
        }
        found.ok_or(Refused::Wrong { scheme: "hmac" })
    }

    fn content(&self, presented: &Presented<'_>, timestamp: &str) -> Result<Vec<u8>, Refused> {
        let mut content = Vec::with_capacity(presented.body.len() + 64);
        for part in &self.parts.content.0 {
            match part {
                Part::Literal(text) => content.extend_from_slice(text.as_bytes()),
                Part::Timestamp => content.extend_from_slice(timestamp.as_bytes()),
                Part::Body => content.extend_from_slice(presented.body),
                Part::Header(name) => {
                    let value =
                        presented.header(name).ok_or(Refused::Missing { scheme: "hmac" })?;
                    content.extend_from_slice(value.as_bytes());
                }
            }
        }
        Ok(content)
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
            })
    }
}

fn key(algorithm: Algorithm, form: KeyForm, secret: &Secret) -> Result<hmac::Key, Error> {
    let algorithm = match algorithm {
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => hmac::HMAC_SHA256,
        Algorithm::Sha512 => hmac::HMAC_SHA512,
    };
    let text = secret.expose();
    match form {
        KeyForm::Text => Ok(hmac::Key::new(algorithm, text.as_bytes())),
        KeyForm::Base64 => {
            let decoded = BASE64_STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text));
            let key = decoded.map_err(|_| Error::Signature { detail: "a secret is not base64" })?;
            Ok(hmac::Key::new(algorithm, &key))
        }
    }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect())
}

/// A header name in lower case.
fn header_name(name: &str) -> Result<String, Error> {
    let fine =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if fine {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(Error::Signature { detail: "a header name is not one" })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const BODY: &str = r#"{"status":"firing","alerts":[]}"#;
    /// 2026-03-01T12:00:00Z, the time that the stamped signatures below were made with.
    const SIGNED_AT: i64 = 1_772_366_400;
    const SHA256_HEX: &str = "80a9b3dee69be8445f810d7f6dc9b81a85fca253b1e84d752fb90fef0a5b014f";

    fn parts(secrets: &[&str]) -> HmacParts {
        let secrets = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        HmacParts {
            header: "X-Signature".to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            prefix: String::new(),
            content: SignedContent::body(),
            time: None,
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
            got.as_ref().map_err(Refused::label),
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
        assert!(Hmac::new(standard("whsec_*")).is_err());
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
