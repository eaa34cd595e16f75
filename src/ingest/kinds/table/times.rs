//! Where a time is found and how it is written.

use super::choices::field;
use super::late::Problems;
use super::reader::{Section, problem};
use super::shape::Time;
use crate::ingest::kinds::when;

/// The time under `key`.
pub(super) fn read(section: &Section<'_, '_>, key: &str, problems: &mut Problems) -> Option<Time> {
    let item = section.get(key)?;
    if !item.get_ref().is_table() {
        let from = field(item, key, problems);
        return Some(Time { from, resolved: None, formats: vec![when::Format::Auto] });
    }
    let inner = super::reader::section(item, key, problems)?;
    inner.only(&["from", "resolved", "format", "zone"], problems);
    let mut one = |key: &str| inner.get(key).map(|item| field(item, key, problems));
    let (from, resolved) = (one("from"), one("resolved"));
    let formats = formats(&inner, problems);
    Some(Time { from: from.unwrap_or_default(), resolved, formats })
}

fn formats(section: &Section<'_, '_>, problems: &mut Problems) -> Vec<when::Format> {
    let zone = match section.text("zone", problems).map(jiff::tz::TimeZone::get) {
        None => jiff::tz::TimeZone::UTC,
        Some(Ok(zone)) => zone,
        Some(Err(error)) => {
            let span = section.get("zone").map_or(section.span.clone(), toml::Spanned::span);
            problems.push(problem(span, error.to_string(), "a name such as Europe/Berlin"));
            jiff::tz::TimeZone::UTC
        }
    };
    let written = section.texts("format", problems);
    if written.is_empty() {
        return vec![when::Format::Auto];
    }
    let formats = written.iter().filter_map(|word| {
        let found = format(word.get_ref(), &zone);
        if found.is_none() {
            let hint = "known: auto, rfc3339, unix_s, unix_ms, unix_us, unix_ns, or a pattern such \
                        as %Y-%m-%d %H:%M:%S";
            let message = format!("unknown time format {:?}", word.get_ref());
            problems.push(problem(word.span(), message, hint));
        }
        found
    });
    formats.collect()
}

fn format(word: &str, zone: &jiff::tz::TimeZone) -> Option<when::Format> {
    use when::Unit;
    Some(match word {
        "auto" | "rfc3339" => when::Format::Auto,
        "unix_s" => when::Format::Unix(Unit::Seconds),
        "unix_ms" => when::Format::Unix(Unit::Millis),
        "unix_us" => when::Format::Unix(Unit::Micros),
        "unix_ns" => when::Format::Unix(Unit::Nanos),
        pattern if pattern.contains('%') => {
            when::Format::Pattern { pattern: pattern.to_owned(), zone: zone.clone() }
        }
        _ => return None,
    })
}
