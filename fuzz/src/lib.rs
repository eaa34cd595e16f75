//! What every target does with its bytes.

use alertbridge::domain::Timestamp;
use alertbridge::ingest::kinds::table::{Table, TableKind};
use alertbridge::ingest::kinds::{self, Payload, SourceKind};
use alertbridge::limits::{KEY_BYTES_MAX, LABELS_MAX, TITLE_CHARS_MAX};

/// Reads `data` as `kind` would. The first byte chooses how it was sent, the rest is the body.
///
/// # Panics
///
/// Panics if the kind does, or if an alert is over its limits.
pub fn run(kind: &str, data: &[u8]) {
    let kind = kinds::find(kind).expect("targets are named after kinds");
    normalize(kind, data);
}

/// Reads the first half of `data` as a table and the second half with it.
pub fn run_table(data: &[u8]) {
    let (table, body) = data.split_at(data.len() / 2);
    if let Ok(text) = std::str::from_utf8(table)
        && let Ok(table) = Table::parse(text, "fuzz.toml")
    {
        normalize(&TableKind(table), body);
    }
}

fn normalize(kind: &dyn SourceKind, data: &[u8]) {
    let (&how, body) = data.split_first().unwrap_or((&0, &[]));
    let content_type = match how & 3 {
        0 => "application/json",
        1 => "application/x-www-form-urlencoded",
        2 => "application/xml",
        _ => "text/plain",
    };
    let text = String::from_utf8_lossy(body);
    let is_get = how & 4 != 0;
    let headers = [("content-type".to_owned(), content_type.to_owned())];
    let payload = Payload {
        method: if is_get { "GET" } else { "POST" },
        path: "/hooks/fuzz",
        query: if is_get { &text } else { "" },
        headers: &headers,
        body: if is_get { &[] } else { body },
        received_at: Timestamp::from_secs(1_780_272_000),
    };
    let Ok(normalized) = kinds::normalize(kind, &payload) else { return };
    for alert in normalized.alerts {
        assert!(!alert.key.is_empty() && alert.key.len() <= KEY_BYTES_MAX);
        assert!(!alert.title.is_empty() && alert.title.chars().count() <= TITLE_CHARS_MAX);
        assert!(alert.labels.len() <= LABELS_MAX);
    }
}
