//! Times as senders write them. A zero time (year 1, the epoch) means "not set" everywhere and reads as none.

use jiff::civil;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::domain::Timestamp;

/// How a sender writes a time.
#[derive(Clone, Debug, Default)]
pub enum Format {
    /// RFC 3339 and its usual deviations, or seconds to nanoseconds since the epoch by size.
    #[default]
    Auto,
    /// A number of these units since the epoch, also as text.
    Unix(Unit),
    /// A `strptime` pattern; read in this zone if the pattern has no offset.
    Pattern { pattern: String, zone: TimeZone },
}

/// The unit of a number since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    const fn per_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Millis => 1e3,
            Self::Micros => 1e6,
            Self::Nanos => 1e9,
        }
    }

    /// By size: until the year 5138 the ranges do not meet.
    fn of(number: f64) -> Self {
        match number.abs() {
            size if size < 1e11 => Self::Seconds,
            size if size < 1e14 => Self::Millis,
            size if size < 1e17 => Self::Micros,
            _ => Self::Nanos,
        }
    }
}

impl Format {
    /// The time that `value` names; nothing if it is no time or a zero time.
    pub fn read(&self, value: &Value) -> Option<Timestamp> {
        let at = match (self, value) {
            (Self::Auto, Value::Number(number)) => unix(number.as_f64()?, None),
            (Self::Auto, Value::String(text)) => auto(text.trim()),
            (Self::Unix(unit), Value::Number(number)) => unix(number.as_f64()?, Some(*unit)),
            (Self::Unix(unit), Value::String(text)) => unix(text.trim().parse().ok()?, Some(*unit)),
            (Self::Pattern { pattern, zone }, Value::String(text)) => {
                by_pattern(pattern, zone, text.trim())
            }
            _ => None,
        }?;
        (at > Timestamp::default()).then_some(at)
    }
}

fn unix(number: f64, unit: Option<Unit>) -> Option<Timestamp> {
    /// Seconds until the end of the year 9999: what RFC 3339 can print.
    const SECONDS_MAX: f64 = 253_402_207_200.0;
    const MICROS_PER_SECOND: f64 = 1e6;
    let seconds = number / unit.unwrap_or(Unit::of(number)).per_second();
    if !seconds.is_finite() || !(0.0..=SECONDS_MAX).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range: checked against SECONDS_MAX")]
    let micros = (seconds * MICROS_PER_SECOND).round() as i64;
    Some(Timestamp::from_micros(micros))
}

fn auto(text: &str) -> Option<Timestamp> {
    if text.is_empty() {
        return None;
    }
    if let Some(at) = Timestamp::parse_rfc3339(text) {
        return Some(at);
    }
    if let Ok(number) = text.parse::<f64>() {
        return unix(number, None);
    }
    // Go prints its monotonic clock behind the time.
    let text = text.split_once(" m=").map_or(text, |(before, _)| before);
    // `... +0000 UTC` (Go), `... UTC`, `... (UTC)`: the offset counts where there is one.
    let plain = text.strip_suffix("(UTC)").or_else(|| text.strip_suffix("UTC")).map(str::trim_end);
    let text = plain.unwrap_or(text);
    // Without an offset: vendors that leave it out mean UTC.
    if let Ok(naive) = text.parse::<civil::DateTime>() {
        return at_zone(naive, &TimeZone::UTC);
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()));
    }
    ["%Y-%m-%d %H:%M:%S%.f %z", "%Y-%m-%dT%H:%M:%S%.f%z"]
        .into_iter()
        .find_map(|pattern| by_pattern(pattern, &TimeZone::UTC, text))
}

fn by_pattern(pattern: &str, zone: &TimeZone, text: &str) -> Option<Timestamp> {
    let parsed = jiff::fmt::strtime::parse(pattern, text).ok()?;
    if let Ok(at) = parsed.to_timestamp() {
        return Some(Timestamp::from_micros(at.as_microsecond()));
    }
    let naive = parsed
        .to_datetime()
        .or_else(|_| parsed.to_date().map(|date| date.to_datetime(civil::Time::midnight())))
        .ok()?;
    at_zone(naive, zone)
}

fn at_zone(naive: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let at = zone.to_timestamp(naive).ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(format: &Format, value: &Value, expected: Option<&str>) {
        let read = format.read(value).map(|at| at.to_string());
        assert_eq!(read.as_deref(), expected, "{value}");
    }

    #[test]
    fn reads_what_senders_write() {
        let rows = [
            (json!("2024-05-06T07:08:09.1234567Z"), Some("2024-05-06T07:08:09.123456Z")),
            (json!("2018-11-04T22:43:58.283995108+01:00"), Some("2018-11-04T21:43:58.283995Z")),
            (json!("2019-07-30T10:36:59+0100"), Some("2019-07-30T09:36:59Z")),
            (json!("2016-01-01T01:01:01"), Some("2016-01-01T01:01:01Z")),
            (json!("2020-05-21 02:58:07.829 +0000 UTC"), Some("2020-05-21T02:58:07.829Z")),
            (json!("2020-05-21 02:58:07.5 +0200 UTC m=+3.1"), Some("2020-05-21T00:58:07.5Z")),
            (json!("2020-05-21 02:58:07 UTC"), Some("2020-05-21T02:58:07Z")),
            (json!("2020-05-21 02:58:07 (UTC)"), Some("2020-05-21T02:58:07Z")),
            (json!("Thu, 21 May 2020 02:58:07 GMT"), Some("2020-05-21T02:58:07Z")),
            (json!("2020-05-21 02:58:07"), Some("2020-05-21T02:58:07Z")),
            (json!(1_457_939_434), Some("2016-03-14T07:10:34Z")),
            (json!("1457939434"), Some("2016-03-14T07:10:34Z")),
            (json!(1_605_133_931_151_i64), Some("2020-11-11T22:32:11.151Z")),
            (json!(1_605_133_931_151_000_i64), Some("2020-11-11T22:32:11.151Z")),
            (json!(1_605_133_931_151_000_000_i64), Some("2020-11-11T22:32:11.151Z")),
            (json!(1_457_939_434.5), Some("2016-03-14T07:10:34.5Z")),
            (json!("0001-01-01T00:00:00Z"), None),
            (json!("1970-01-01T00:00:00Z"), None),
            (json!(0), None),
            (json!(-5), None),
            (json!(1e300), None),
            (json!("July 30"), None),
            (json!(""), None),
            (json!(null), None),
            (json!({"at": 1}), None),
        ];
        for (value, expected) in rows {
            check(&Format::Auto, &value, expected);
        }
    }

    #[test]
    fn reads_what_the_table_names() {
        let berlin = TimeZone::get("Europe/Berlin").expect("bundled");
        let pattern = |pattern: &str, zone| Format::Pattern { pattern: pattern.to_owned(), zone };
        check(&Format::Unix(Unit::Millis), &json!("1000"), Some("1970-01-01T00:00:01Z"));
        check(&Format::Unix(Unit::Seconds), &json!("soon"), None);
        check(
            &pattern("%d.%m.%Y %H:%M:%S", berlin),
            &json!("01.07.2024 12:00:00"),
            Some("2024-07-01T10:00:00Z"),
        );
        check(
            &pattern("%Y-%m-%d %H:%M:%S %z", TimeZone::UTC),
            &json!("2024-07-01 12:00:00 +0300"),
            Some("2024-07-01T09:00:00Z"),
        );
        check(&pattern("%Y-%m-%d", TimeZone::UTC), &json!(5), None);
    }
}
