//! The handshake of `CloudEvents` senders: may I send to this address? (HTTP 1.1 Web Hooks for Event Delivery, version 1.0.2,
//! section 4, "Abuse Protection". Azure Event Grid asks so where it delivers `CloudEvents`.)
//!
//! We answer at once, in the response. The other way, to visit the URL in `WebHook-Request-Callback`, is not taken: anybody who
//! may ask could have us visit any address.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use crate::ingest::Source;
use crate::limits::ORIGIN_BYTES_MAX;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// The kinds whose senders ask.
const KINDS: [&str; 3] = ["auto", "azure-monitor", "cloudevents"];

/// Who asks to send to `source`: a domain name. None if this is another request, and where the answer would be no: the answer
/// to any other `OPTIONS` is no consent.
pub(super) fn asked<'a>(request: &'a HttpRequest, source: &Source) -> Option<&'a HeaderValue> {
    if *request.method() != Method::OPTIONS || !KINDS.contains(&source.kind.name()) {
        return None;
    }
    let origin = request.headers().get(REQUEST_ORIGIN)?;
    let fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.*:".contains(byte);
    let sane = (1..=ORIGIN_BYTES_MAX).contains(&origin.len()) && origin.as_bytes().iter().all(fine);
    sane.then_some(origin)
}

/// The consent, with the rate that the source allows; `allow` are its methods.
pub(super) fn consent(origin: &HeaderValue, source: &Source, allow: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ALLOW, allow))
        .insert_header((ALLOWED_ORIGIN, origin.clone()))
        .insert_header((ALLOWED_RATE, rate(source.limit)))
        .finish()
}

/// Requests per minute, at least one, or an asterisk for a source without a limit.
fn rate(limit: Option<(f64, u32)>) -> String {
    limit.map_or_else(
        || "*".to_owned(),
        |(per_second, _)| {
            let per_minute = (per_second * 60.0).floor().max(1.0);
            format!("{per_minute:.0}")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_whole_requests_per_minute() {
        for (limit, expected) in [
            (None, "*"),
            (Some((50.0, 200)), "3000"),
            (Some((0.03, 1)), "1"),
            (Some((0.001, 1)), "1"),
            (Some((0.99, 1)), "59"),
            (Some((1_000_000.0, 1)), "60000000"),
        ] {
            assert_eq!(rate(limit), expected, "{limit:?}");
        }
    }
}
