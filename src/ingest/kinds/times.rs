//! Ways in which the clouds write a time, beyond those of [`super::when`]. A time without a zone is UTC.

use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::domain::Timestamp;

use super::when::Format;

/// Formats without a zone: US order with and without AM/PM (Azure), the Unix `date` style
/// (Elastic Beanstalk, `CodeDeploy`), Java's medium style (`CodeBuild`).
const FORMATS: &[&str] = &[
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M:%S",
    "%a %b %d %H:%M:%S UTC %Y",
    "%a %b %d %H:%M:%S GMT %Y",
    "%b %d, %Y %I:%M:%S %p",
];

/// Vendors' samples and empty fields carry the epoch; nothing real is observed before 1990.
const EARLIEST: Timestamp = Timestamp::from_secs(631_152_000);

/// Reads a time in any of the known ways; placeholders such as the epoch are nothing.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let usual = Format::Auto.read(&Value::from(text));
    usual.or_else(|| civil(text)).or_else(|| rfc1123(text)).filter(|at| *at >= EARLIEST)
}

fn civil(text: &str) -> Option<Timestamp> {
    let civil = FORMATS.iter().find_map(|format| DateTime::strptime(format, text).ok())?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

/// "Wed, 01 Aug 2018 06:27:57 GMT", also where the weekday is wrong as in AWS Health's documentation.
fn rfc1123(text: &str) -> Option<Timestamp> {
    static PARSER: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    PARSER.parse_timestamp(text).ok().map(|at| Timestamp::from_micros(at.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_known_way() {
        for (text, expected) in [
            ("2019-02-15T23:53:45.093+0000", "2019-02-15T23:53:45.093Z"),
            ("2022-11-07T12:01:33.0481234Z", "2022-11-07T12:01:33.048123Z"),
            ("2021-11-16T08:27:36.1836909+00:00", "2021-11-16T08:27:36.18369Z"),
            ("2018-03-08 18:47:46.562", "2018-03-08T18:47:46.562Z"),
            ("3/22/2019 1:36:31 PM", "2019-03-22T13:36:31Z"),
            ("03/22/2019 13:36:31", "2019-03-22T13:36:31Z"),
            ("Sun Jul 24 20:37:10 UTC 2016", "2016-07-24T20:37:10Z"),
            ("Sep 1, 2017 4:12:29 PM", "2017-09-01T16:12:29Z"),
            ("Sat, 05 Jun 2016 15:10:09 GMT", "2016-06-05T15:10:09Z"),
            ("1547740800", "2019-01-17T16:00:00Z"),
            ("1547740800123", "2019-01-17T16:00:00.123Z"),
        ] {
            assert_eq!(read(text).map(|at| at.to_string()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn placeholders_are_no_time() {
        for text in [
            "yyyy-mm-ddThh:mm:ssZ",
            "1970-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "",
            "0",
            "null",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
