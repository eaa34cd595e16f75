//! Where a time is found and how it is written.

use super::parse::field;
use super::reader::{Problem, Section, problem};
use super::shape::Time;
use crate::ingest::kinds::when;

/// The time under `key`.
pub(super) fn read(
    section: &Section<'_, '_>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<Time> {
    let item = section.get(key)?;
    if !item.get_ref().is_table() {
        let from = field(item, key, problems);
        return Some(Time { from, resolved: None, format: when::Format::Auto });
    }
    let inner = super::reader::section(item, key, problems)?;
    inner.only(&["from", "resolved", "format", "zone"], problems);
    let mut one = |key: &str| inner.get(key).map(|item| field(item, key, problems));
    let (from, resolved) = (one("from"), one("resolved"));
    let format = format(&inner, problems);
    Some(Time { from: from.unwrap_or_default(), resolved, format })
}

fn format(section: &Section<'_, '_>, problems: &mut Vec<Problem>) -> when::Format {
    use when::Unit;
    let zone = match section.text("zone", problems).map(jiff::tz::TimeZone::get) {
        None => jiff::tz::TimeZone::UTC,
        Some(Ok(zone)) => zone,
        Some(Err(error)) => {
            let span = section.get("zone").map_or(section.span.clone(), toml::Spanned::span);
            problems.push(problem(span, error.to_string(), "a name such as Europe/Berlin"));
            jiff::tz::TimeZone::UTC
        }
    };
    match section.text("format", problems) {
        None | Some("auto" | "rfc3339") => when::Format::Auto,
        Some("unix_s") => when::Format::Unix(Unit::Seconds),
        Some("unix_ms") => when::Format::Unix(Unit::Millis),
        Some("unix_us") => when::Format::Unix(Unit::Micros),
        Some("unix_ns") => when::Format::Unix(Unit::Nanos),
        Some(pattern) if pattern.contains('%') => {
            when::Format::Pattern { pattern: pattern.to_owned(), zone }
        }
        Some(other) => {
            let span = section.get("format").map_or(section.span.clone(), toml::Spanned::span);
            let hint = "known: auto, rfc3339, unix_s, unix_ms, unix_us, unix_ns, or a pattern such \
                        as %Y-%m-%d %H:%M:%S";
            problems.push(problem(span, format!("unknown time format {other:?}"), hint));
            when::Format::Auto
        }
    }
}
