//! Twilio's signature: over the URL that it called and the parameters that it sent.
//!
//! Facts: Twilio docs, "Webhooks security", and the validators of its helper libraries. HMAC-SHA1 keyed by the auth token,
//! base64, in `X-Twilio-Signature`. Signed is the URL with its query; for a form then each name and value, sorted by name,
//! where values of a repeated name are sorted and counted once. A JSON body is not signed itself: the URL carries its SHA-256
//! as `bodySHA256` (hex). Twilio may or may not write the default port.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::{constant_time, digest, hmac};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use url::Url;

use super::hmac::decode_hex;
use super::{Error, Presented, Refused, Secrets};

const SCHEME: &str = "twilio";

/// A source that Twilio calls.
#[derive(Clone, Debug)]
pub struct Twilio {
    /// The URL as given to Twilio without its query, with the default port and without it.
    urls: Vec<String>,
    secrets: Secrets,
}

impl Twilio {
    /// The `url` under which Twilio calls the source, whatever proxies make of it, and the auth token.
    pub fn new(url: &str, secrets: Secrets) -> Result<Self, Error> {
        const WRONG: Error = Error::Signature { detail: "the url is not an absolute http URL" };
        let parsed = Url::parse(url).map_err(|_| WRONG)?;
        let port = match parsed.scheme() {
            "https" => 443,
            "http" => 80,
            _ => return Err(WRONG),
        };
        let (url, _) = url.split_once(['?', '#']).unwrap_or((url, ""));
        let (scheme, rest) = url.split_once("://").ok_or(WRONG)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let bare = authority.strip_suffix(&format!(":{port}")).unwrap_or(authority);
        let mut urls = vec![format!("{scheme}://{authority}{path}")];
        // Only the default port may come and go; `parsed` has none where it is the default.
        if parsed.port().is_none() {
            urls =
                vec![format!("{scheme}://{bare}{path}"), format!("{scheme}://{bare}:{port}{path}")];
        }
        Ok(Self { urls, secrets })
    }

    /// The position of the token that signed the request.
    pub(super) fn verify(&self, presented: &Presented<'_>) -> Result<usize, Refused> {
        let missing = Refused::Missing { scheme: SCHEME };
        let wrong = Refused::Wrong { scheme: SCHEME };
        let header = presented.header("x-twilio-signature").ok_or(missing)?;
        let signature = BASE64_STANDARD.decode(header).map_err(|_| wrong.clone())?;
        let rest = match body_digest(presented.query) {
            Some(told) => {
                let own = digest::digest(&digest::SHA256, presented.body);
                let told = decode_hex(&told).unwrap_or_default();
                constant_time::verify_slices_are_equal(own.as_ref(), &told)
                    .map_err(|_| wrong.clone())?;
                String::new()
            }
            None => parameters(presented.body),
        };
        let query = if presented.query.is_empty() { "" } else { "?" };
        let mut found = None;
        for (position, secret) in self.secrets.iter().enumerate() {
            let key =
                hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
            for url in &self.urls {
                let content = [url, query, presented.query, &rest].concat();
                let fits = hmac::verify(&key, content.as_bytes(), &signature).is_ok();
                found = found.or(fits.then_some(position));
            }
        }
        found.ok_or(wrong)
    }
}

/// The digest of the body in the query.
fn body_digest(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "bodySHA256").map(|(_, value)| value.into_owned())
}

/// The parameters of a form as they are signed.
fn parameters(form: &[u8]) -> String {
    let mut sorted: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(form) {
        sorted.entry(name).or_default().insert(value);
    }
    let mut out = String::new();
    for (name, values) in sorted {
        for value in values {
            out.extend([&*name, &*value]);
        }
    }
    out
}
