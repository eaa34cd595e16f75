//! Keys and values of the embedded store. `docs/store.md` describes them for people.
//!
//! A value is one byte with the format version and then the record in postcard. Numbers in keys are big-endian, so that
//! what belongs together stands together and new records go to the end.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::{Alert, Body, Fingerprint, Head, Reason, Timestamp};
use crate::limits::RECORD_BYTES_MAX;

/// The newest format that this build reads, and the one it writes.
pub const FORMAT: u8 = 1;

pub const HEAD: u8 = b'h';
pub const MEMBER: u8 = b'm';
pub const BODY: u8 = b'b';
pub const ATTEMPT: u8 = b'a';
pub const HISTORY: u8 = b'l';
pub const KEPT: u8 = b'x';
pub const TOMBSTONE: u8 = b't';
pub const META: u8 = b'z';

/// The format of the whole store; also what tells a store from something else.
pub const META_FORMAT: &[u8] = b"zformat";
/// The instance id.
pub const META_INSTANCE: &[u8] = b"zinstance";
/// The next number of an incident, written when heads are pruned so that no number is given twice.
pub const META_NEXT: &[u8] = b"znext";
/// There while an import runs.
pub const META_IMPORTING: &[u8] = b"zimporting";

/// One appended record per commit batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The time of the first entry; the others follow in microseconds after it.
    pub at: Timestamp,
    /// Incident, microseconds after `at`, what happened.
    pub entries: Vec<(u64, i64, Reason)>,
}

/// A resolve of something that was never seen: what is older came late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The sender's time of the resolve.
    pub observed_at: Timestamp,
    /// When it came in.
    pub at: Timestamp,
}

/// What a record is if it is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    TooNew(u8),
    Damaged(String),
}

/// The stored form of `value`.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![FORMAT]).expect("records are plain data of known length")
}

/// The record in `bytes`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    let damaged = |detail: &str| Unreadable::Damaged(detail.to_owned());
    let (&format, rest) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
    if format > FORMAT {
        return Err(Unreadable::TooNew(format));
    }
    if format == 0 {
        return Err(damaged("its format is 0"));
    }
    match postcard::take_from_bytes(rest) {
        Ok((value, [])) => Ok(value),
        Ok((_, more)) => Err(Unreadable::Damaged(format!("{} bytes too many", more.len()))),
        Err(error) => Err(Unreadable::Damaged(error.to_string())),
    }
}

fn numbered(prefix: u8, number: u64, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(9 + rest.len());
    key.push(prefix);
    key.extend_from_slice(&number.to_be_bytes());
    key.extend_from_slice(rest);
    key
}

pub fn head_key(number: u64) -> Vec<u8> {
    numbered(HEAD, number, &[])
}

pub fn member_key(number: u64, ordinal: u32) -> Vec<u8> {
    numbered(MEMBER, number, &ordinal.to_be_bytes())
}

pub fn body_key(number: u64, ordinal: u32) -> Vec<u8> {
    numbered(BODY, number, &ordinal.to_be_bytes())
}

pub fn attempt_key(number: u64, receiver: &str) -> Vec<u8> {
    numbered(ATTEMPT, number, receiver.as_bytes())
}

pub fn history_key(sequence: u64) -> Vec<u8> {
    numbered(HISTORY, sequence, &[])
}

pub fn kept_key(sequence: u64) -> Vec<u8> {
    numbered(KEPT, sequence, &[])
}

pub fn tombstone_key(key: Fingerprint) -> Vec<u8> {
    let mut bytes = vec![TOMBSTONE];
    bytes.extend_from_slice(&key.0);
    bytes
}

/// The prefix of all records of one kind that belong to incident `number`.
pub fn of_incident(prefix: u8, number: u64) -> Vec<u8> {
    numbered(prefix, number, &[])
}

/// The number after the prefix of a key.
pub fn number_in(key: &[u8]) -> Option<u64> {
    key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)
}

/// The ordinal at the end of a member's or body's key.
pub fn ordinal_in(key: &[u8]) -> Option<u32> {
    key.get(9..).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
}

/// A key as people read it.
pub fn show(key: &[u8]) -> String {
    let Some(prefix) = key.first().filter(|byte| byte.is_ascii_lowercase()) else {
        return hex(key);
    };
    let prefix = char::from(*prefix);
    match (prefix, number_in(key)) {
        ('h' | 'l' | 'x', Some(number)) => format!("{prefix}/{number}"),
        ('m' | 'b', Some(number)) => {
            format!("{prefix}/{number}/{}", ordinal_in(key).unwrap_or_default())
        }
        ('a', Some(number)) => {
            format!("a/{number}/{}", String::from_utf8_lossy(key.get(9..).unwrap_or_default()))
        }
        ('z', _) => String::from_utf8_lossy(key).into_owned(),
        _ => hex(key),
    }
}

/// `bytes` in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// The stored form of a body, at most [`RECORD_BYTES_MAX`]: the longest values go first and leave a note.
pub fn encode_body(source: &str, alert: &Alert) -> Vec<u8> {
    let mut body = Body { source: source.to_owned(), alert: alert.clone() };
    let mut bytes = encode(&body);
    let mut dropped = 0_usize;
    while bytes.len() > RECORD_BYTES_MAX {
        dropped += drop_longest(&mut body.alert, bytes.len() - RECORD_BYTES_MAX);
        let note = format!("{dropped} of the longest values were dropped to fit the store");
        body.alert.annotations.insert("truncated".to_owned(), note);
        bytes = encode(&body);
    }
    bytes
}

/// Drops at least `excess` bytes if there is as much to drop. Returns how many values went.
fn drop_longest(alert: &mut Alert, excess: usize) -> usize {
    let (mut gone, mut dropped) = (0, 0);
    // A little more than the excess: the note itself needs room.
    while gone < excess + 64 {
        let longest = |labels: &crate::domain::Labels| {
            labels
                .iter()
                .filter(|(name, _)| *name != "truncated")
                .map(|(name, value)| (value.len() + name.len(), name.clone()))
                .max()
        };
        let (annotation, label) = (longest(&alert.annotations), longest(&alert.labels));
        let text = alert.text.as_ref().map_or(0, String::len);
        let link = alert.links.len() + alert.images.len();
        gone += match (annotation, label) {
            (Some((bytes, name)), other)
                if other.as_ref().is_none_or(|(more, _)| bytes >= *more) =>
            {
                alert.annotations.remove(&name);
                bytes
            }
            (_, Some((bytes, name))) => {
                alert.labels.remove(&name);
                bytes
            }
            _ if text > 0 => {
                alert.text = None;
                text
            }
            _ if link > 0 => {
                let image = alert.images.pop().map(|image| image.len());
                image.unwrap_or_else(|| alert.links.pop().map_or(1, |link| link.url.len()))
            }
            _ => {
                let short = |text: &str| text.chars().take(64).collect::<String>();
                alert.title = short(&alert.title);
                alert.resource = alert.resource.as_deref().map(short);
                alert.service = alert.service.as_deref().map(short);
                alert.env = alert.env.as_deref().map(short);
                alert.alertname = alert.alertname.as_deref().map(short);
                alert.key = short(&alert.key);
                alert.message_id = None;
                return dropped + 1;
            }
        };
        dropped += 1;
    }
    dropped
}

/// The stored form of a head, at most [`RECORD_BYTES_MAX`] as long as receivers leave room for it.
pub fn encode_head(head: &Head) -> Vec<u8> {
    let bytes = encode(head);
    if bytes.len() <= RECORD_BYTES_MAX {
        return bytes;
    }
    let mut head = head.clone();
    for (_, value) in &mut head.values {
        *value = value.chars().take(64).collect();
    }
    head.values.truncate(16);
    encode(&head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_shrink_and_say_so() {
        let mut alert = Alert::new("k", "t");
        for n in 0..300 {
            alert.labels.insert(format!("label_{n}"), "v".repeat(n * 3));
        }
        alert.annotations.insert("long".into(), "x".repeat(900));
        let bytes = encode_body("s", &alert);
        assert!(bytes.len() <= RECORD_BYTES_MAX);
        let body: Body = decode(&bytes).expect("own bytes");
        assert!(body.alert.annotations["truncated"].contains("dropped"));
        assert!(
            body.alert.labels.contains_key("label_1")
                && !body.alert.labels.contains_key("label_299")
        );
        assert_eq!(body.alert.title, "t");
    }

    #[test]
    fn hopeless_bodies_shrink_too() {
        let mut alert = Alert::new("k".repeat(20_000), "t".repeat(20_000));
        alert.text = Some("x".repeat(20_000));
        assert!(encode_body("s", &alert).len() <= RECORD_BYTES_MAX);
    }

    #[test]
    fn formats_are_told_apart() {
        let mut bytes = encode(&7_u64);
        assert_eq!(decode::<u64>(&bytes), Ok(7));
        bytes.push(0);
        assert!(matches!(decode::<u64>(&bytes), Err(Unreadable::Damaged(_))));
        bytes[0] = FORMAT + 1;
        assert_eq!(decode::<u64>(&bytes), Err(Unreadable::TooNew(FORMAT + 1)));
        assert!(matches!(decode::<u64>(&[]), Err(Unreadable::Damaged(_))));
    }

    #[test]
    fn keys_sort_by_number() {
        assert!(head_key(255) < head_key(256));
        assert!(member_key(1, u32::MAX) < member_key(2, 0));
        assert_eq!(show(&member_key(7, 3)), "m/7/3");
        assert_eq!(show(&attempt_key(7, "chat")), "a/7/chat");
    }
}
