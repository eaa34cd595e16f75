//! What is kept of an attempt: ids, hashes, and the sent body without secrets.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::domain::{Fingerprint, Fingerprinter, Timestamp};
use crate::limits::{ATTEMPT_BODY_BYTES_MAX, ERROR_CHARS_MAX, RENDERED_BYTES_MAX};
use crate::secret::Secret;

/// Shorter secrets are not masked: they would hide half of every text.
const MASKED_BYTES_MIN: usize = 6;
const MASK: &str = "***";

/// `ab-<instance>-<number>`: the name of an incident in other systems.
pub(super) fn dedup_key(instance: &str, number: u64) -> String {
    format!("ab-{instance}-{number}")
}

/// The same for every attempt at the same news, so that receivers can drop what came twice. `repeats` is when it was
/// told before, where it is told again on purpose.
pub(super) fn message_id(
    instance: &str,
    number: u64,
    receiver: &str,
    seq: u32,
    repeats: Option<Timestamp>,
) -> String {
    let repeats = repeats.map_or_else(String::new, |at| at.as_micros().to_string());
    Fingerprint::of([instance, &number.to_string(), receiver, &seq.to_string(), &repeats])
        .to_string()
}

/// Tells equal bodies from different ones.
pub(super) fn body_hash(body: &[u8]) -> u64 {
    let mut fingerprint = Fingerprinter::default();
    fingerprint.field(body);
    fingerprint.finish().short()
}

/// Hides a receiver's secrets in texts that are kept or shown.
#[derive(Debug)]
pub struct Mask(Vec<Secret>);

impl Mask {
    /// Hides each of `secrets` as it is and as JSON, forms and paths write it.
    pub fn new(secrets: &[Secret]) -> Self {
        let mut forms = Vec::new();
        for secret in secrets.iter().map(Secret::expose) {
            if secret.len() < MASKED_BYTES_MIN {
                continue;
            }
            let json = serde_json::Value::from(secret).to_string();
            let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let path = form.replace('+', "%20");
            forms.extend([secret, json.trim_matches('"'), &form, &path].map(Secret::new));
        }
        forms.sort_by_key(|form| std::cmp::Reverse(form.expose().len()));
        forms.dedup();
        Self(forms)
    }

    /// `text` without secrets, cut to `ERROR_CHARS_MAX`.
    pub(super) fn error(&self, text: &str) -> String {
        self.hide(text.to_owned()).chars().take(ERROR_CHARS_MAX).collect()
    }

    /// The body without secrets, deflated (RFC 1951); empty where that is more than `ATTEMPT_BODY_BYTES_MAX`.
    pub(super) fn body(&self, body: &[u8]) -> Vec<u8> {
        if body.len() > RENDERED_BYTES_MAX {
            return Vec::new();
        }
        let hidden = match std::str::from_utf8(body) {
            Ok(text) => self.hide(text.to_owned()).into_bytes(),
            Err(_) => self.hide(String::from_utf8_lossy(body).into_owned()).into_bytes(),
        };
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        let packed = encoder.write_all(&hidden).and_then(|()| encoder.finish());
        packed.ok().filter(|packed| packed.len() <= ATTEMPT_BODY_BYTES_MAX).unwrap_or_default()
    }

    /// `text` with `***` in place of secrets.
    pub fn hide(&self, mut text: String) -> String {
        for secret in &self.0 {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), MASK);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn inflate(packed: &[u8]) -> String {
        let mut text = String::new();
        flate2::read::DeflateDecoder::new(packed).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn message_ids_name_the_news() {
        let id = message_id("lab", 7, "chat", 3, None);
        assert_eq!(id, message_id("lab", 7, "chat", 3, None));
        let again = message_id("lab", 7, "chat", 3, Some(Timestamp::from_secs(9)));
        assert_ne!(id, again, "a repeat is told on purpose");
        for other in [
            ("lab2", 7, "chat", 3),
            ("lab", 8, "chat", 3),
            ("lab", 7, "c", 3),
            ("lab", 7, "chat", 4),
        ] {
            assert_ne!(id, message_id(other.0, other.1, other.2, other.3, None), "{other:?}");
        }
        assert_eq!(dedup_key("lab", 7), "ab-lab-7");
    }

    #[test]
    fn secrets_are_hidden_in_every_spelling() {
        let mask = Mask::new(&[Secret::new("a \"quoted\" key"), Secret::new("short")]);
        let body = r#"{"key":"a \"quoted\" key","form":"a+%22quoted%22+key","path":"a%20%22quoted%22%20key","short":1}"#;
        let kept = inflate(&mask.body(body.as_bytes()));
        assert_eq!(kept, r#"{"key":"***","form":"***","path":"***","short":1}"#);
        assert_eq!(mask.error("bad a \"quoted\" key"), "bad ***");
    }

    #[test]
    fn a_secret_that_contains_another_goes_whole() {
        let mask = Mask::new(&[Secret::new("secret"), Secret::new("https://x/secret")]);
        assert_eq!(mask.error("post https://x/secret or secret"), "post *** or ***");
    }

    #[test]
    fn large_bodies_are_not_kept() {
        let mask = Mask::new(&[]);
        let noise: String = (0..2000).map(|n| message_id("lab", n, "chat", 1, None)).collect();
        assert!(mask.body(noise.as_bytes()).is_empty());
        let even = "a".repeat(100_000);
        assert_eq!(inflate(&mask.body(even.as_bytes())), even);
        assert_eq!(mask.error(&even).len(), ERROR_CHARS_MAX);
    }
}
