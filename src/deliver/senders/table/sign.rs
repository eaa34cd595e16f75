//! Signatures by the Standard Webhooks specification, symmetric form `v1`.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::Timestamp;
use crate::secret::Secret;

/// The key in a `whsec_` secret: base64 of 24 to 64 random bytes.
pub(in crate::deliver::senders) fn key(secret: &Secret) -> Result<Vec<u8>, &'static str> {
    let encoded = secret.expose().strip_prefix("whsec_").unwrap_or(secret.expose());
    let key = STANDARD.decode(encoded.trim()).map_err(|_| "is not base64 (whsec_...)")?;
    if (24..=64).contains(&key.len()) { Ok(key) } else { Err("is not 24 to 64 bytes long") }
}

/// The three headers. The id is the same on every retry, the timestamp is this attempt's.
pub(super) fn headers(
    key: &[u8],
    message_id: &str,
    now: Timestamp,
    body: &[u8],
) -> [(String, Secret); 3] {
    // The id must have no point, because points separate what is signed.
    let id = message_id.replace('.', "-");
    let timestamp = now.as_secs().to_string();
    let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        signing.update(part);
    }
    let signature = format!("v1,{}", STANDARD.encode(signing.sign().as_ref()));
    [
        ("webhook-id".to_owned(), Secret::new(id)),
        ("webhook-timestamp".to_owned(), Secret::new(timestamp)),
        ("webhook-signature".to_owned(), Secret::new(signature)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected value was computed with Python's `hmac` over the same bytes.
    #[test]
    fn signs_id_timestamp_and_body() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let key = key(&secret).expect("valid");
        let at = Timestamp::from_secs(1_614_265_330);
        let headers = headers(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
        assert_eq!(headers[1].1.expose(), "1614265330");
        assert_eq!(headers[2].1.expose(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn refuses_weak_or_broken_secrets() {
        for bad in ["", "whsec_", "whsec_!!", "whsec_c2hvcnQ="] {
            assert!(key(&Secret::new(bad)).is_err(), "{bad}");
        }
    }
}
