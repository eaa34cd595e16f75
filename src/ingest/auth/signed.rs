//! What a sender signs, and when it signed it.

use std::str::FromStr;
use std::time::Duration;

use jiff::fmt::strtime;

use crate::domain::Timestamp;
use crate::limits::SIGNATURE_TOLERANCE_SECONDS_MAX;

use super::{Error, Presented, Refused};

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

    /// Whether the time of signing is part of it.
    pub(super) fn has_time(&self) -> bool {
        self.0.contains(&Part::Timestamp)
    }

    /// The bytes that were signed; nothing where a header of them is missing.
    pub(super) fn of(&self, presented: &Presented<'_>, timestamp: &str) -> Option<Vec<u8>> {
        let mut content = Vec::with_capacity(presented.body.len() + 64);
        for part in &self.0 {
            match part {
                Part::Literal(text) => content.extend_from_slice(text.as_bytes()),
                Part::Timestamp => content.extend_from_slice(timestamp.as_bytes()),
                Part::Body => content.extend_from_slice(presented.body),
                Part::Header(name) => {
                    content.extend_from_slice(presented.header(name)?.as_bytes());
                }
            }
        }
        Some(content)
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
    /// What stands before the time where the header is a list (`timestamp=`); else empty.
    prefix: &'static str,
    tolerance: Duration,
}

impl SigningTime {
    /// A header whose time may be up to `tolerance` away from now: more than zero, at most an hour.
    pub fn new(header: &str, tolerance: Duration) -> Result<Self, Error> {
        Self::in_list(header, "", tolerance)
    }

    /// The same in a header that is a comma list, behind `prefix`.
    pub(super) fn in_list(
        header: &str,
        prefix: &'static str,
        tolerance: Duration,
    ) -> Result<Self, Error> {
        if tolerance.is_zero() || tolerance.as_secs() > SIGNATURE_TOLERANCE_SECONDS_MAX {
            return Err(Error::Signature {
                detail: "the tolerance is not between a moment and an hour",
            });
        }
        Ok(Self { header: header_name(header)?, prefix, tolerance })
    }

    /// How long a request stays good: its time may lie ahead of ours as far as behind.
    pub(super) fn window(&self) -> Duration {
        self.tolerance * 2
    }

    /// The header's text, if the time in it is near enough.
    pub(super) fn read<'a>(
        &self,
        presented: &Presented<'a>,
        now: Timestamp,
    ) -> Result<&'a str, Refused> {
        let missing = || Refused::SigningTime { header: self.header.clone() };
        let found = presented.headers.iter().find(|(name, _)| *name == self.header);
        let text = found.map(|(_, value)| value.trim()).ok_or_else(missing)?;
        let text = if self.prefix.is_empty() {
            text
        } else {
            let mut members = text.split(',').map(str::trim);
            members.find_map(|member| member.strip_prefix(self.prefix)).ok_or_else(missing)?
        };
        let signed_at = signing_time(text).ok_or_else(missing)?;
        let away = now.since(signed_at).max(signed_at.since(now));
        if away > self.tolerance {
            return Err(Refused::Replayed { seconds: away.as_secs() });
        }
        Ok(text)
    }
}

/// Seconds or milliseconds since the epoch, RFC 3339, or the date of an HTTP header.
fn signing_time(text: &str) -> Option<Timestamp> {
    /// Larger numbers are milliseconds: as seconds this is the year 5138.
    const SECONDS_MAX: u64 = 100_000_000_000;
    match text.parse::<i64>() {
        Ok(number) if number.unsigned_abs() < SECONDS_MAX => Some(Timestamp::from_secs(number)),
        Ok(number) => Some(Timestamp::from_micros(number.saturating_mul(1_000))),
        Err(_) => Timestamp::parse_rfc3339(text).or_else(|| http_date(text)),
    }
}

/// `Thu, 07 Sep 2017 06:30:04 GMT` (RFC 9110, 5.6.7); Scalr writes no comma and `UTC`.
fn http_date(text: &str) -> Option<Timestamp> {
    let plain = text.replace(',', "");
    let plain = plain.strip_suffix("GMT").or_else(|| plain.strip_suffix("UTC"))?;
    let time = strtime::parse("%a %d %b %Y %H:%M:%S", plain.trim()).ok()?.to_datetime().ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_secs(time.timestamp().as_second()))
}

/// A header name in lower case.
pub(super) fn header_name(name: &str) -> Result<String, Error> {
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
    use super::*;

    #[test]
    fn times_of_signing() {
        for (text, expected) in [
            ("1504765804", Some(1_504_765_804)),
            ("1504765804000", Some(1_504_765_804)),
            ("2017-09-07T06:30:04Z", Some(1_504_765_804)),
            ("Thu, 07 Sep 2017 06:30:04 GMT", Some(1_504_765_804)),
            ("Thu 07 Sep 2017 06:30:04 UTC", Some(1_504_765_804)),
            ("Thu, 07 Sep 2017 06:30:04 +0200", None),
            ("Fri, 07 Sep 2017 06:30:04 GMT", None),
            ("", None),
            ("GMT", None),
            ("99999999999999999999", None),
            ("-1504765804", Some(-1_504_765_804)),
            ("-9223372036854775808", Some(-9_223_372_036_855)),
            ("9223372036854775807", Some(9_223_372_036_854)),
        ] {
            assert_eq!(signing_time(text).map(Timestamp::as_secs), expected, "{text:?}");
        }
    }
}
