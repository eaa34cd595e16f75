//! What every target does with its bytes.

use alertbridge::domain::Timestamp;
use alertbridge::ingest::kinds::table::{Table, TableKind};
use alertbridge::ingest::kinds::{self, Payload, SourceKind};
use alertbridge::limits::{KEY_BYTES_MAX, LABELS_MAX, TITLE_CHARS_MAX};

/// The bit of a query without a body.
const IS_GET: u8 = 4;

/// Reads `data` as one of the built-in kinds: two bytes choose it, the
/// next how it was sent, the rest is the body.
///
/// # Panics
///
/// Panics if the kind does, or if an alert is over its limits.
pub fn run(data: &[u8]) {
    let Some((&[high, low], rest)) = data.split_first_chunk() else { return };
    let kinds = kinds::builtin();
    let at = usize::from(u16::from_be_bytes([high, low]));
    normalize(kinds[at % kinds.len()], rest);
}

/// What [`run`] reads as the kind at `at` of the list, sent as the extension of `name` says.
pub fn seed(at: usize, name: &str, body: &[u8]) -> Vec<u8> {
    let how = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("form") => 1,
        Some("xml") => 2,
        Some("txt") => 3,
        Some("query") => IS_GET,
        _ => 0,
    };
    let [high, low] = u16::try_from(at).expect("fewer kinds than that").to_be_bytes();
    [&[high, low, how], body].concat()
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
    let is_get = how & IS_GET != 0;
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
