//! The root span of each request and its request id. Never the query, a credential in the path, or the body.
//!
//! The span is there at debug only: most requests log nothing, and to format it for each costs a twentieth of their time.
//! What is logged about a refused request names id, source and peer itself.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use aws_lc_rs::rand;
use tracing::Instrument as _;

use crate::limits::REQUEST_ID_CHARS_MAX;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps a request: gives it an id (the sender's, if that is sane) and a span, and returns the id to the sender.
pub async fn root(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = request_id(&request);
    let span = tracing::debug_span!(
        "request",
        id = id.to_str().unwrap_or(""),
        method = %request.method(),
        route = request.match_pattern().as_deref().unwrap_or("none"),
        source = tracing::field::Empty,
        peer = request.peer_addr().map(|addr| tracing::field::display(addr.ip())),
    );
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut response = next.call(request).instrument(span.clone()).await?;
    tracing::debug!(parent: &span, status = response.status().as_u16(), "answered");
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

fn request_id(request: &ServiceRequest) -> HeaderValue {
    request.headers().get(REQUEST_ID).filter(|id| is_sane(id)).cloned().unwrap_or_else(fresh_id)
}

/// Ids go into logs and answers, so only what cannot break either is taken over.
fn is_sane(id: &HeaderValue) -> bool {
    (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
        && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
}

/// Unique within the process and, by its random half, very likely among processes.
fn fresh_id() -> HeaderValue {
    static PROCESS: LazyLock<u32> = LazyLock::new(|| {
        let mut bytes = [0; 4];
        // Without randomness ids of two processes may look alike, which only makes logs harder to read.
        if rand::fill(&mut bytes).is_err() {
            bytes = std::process::id().to_be_bytes();
        }
        u32::from_be_bytes(bytes)
    });
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = (u64::from(*PROCESS) << 32) | u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
    let mut hex = [0; 16];
    for (at, digit) in hex.iter_mut().enumerate() {
        let nibble = (number >> (60 - 4 * at)) & 0xf;
        *digit = b"0123456789abcdef"[usize::try_from(nibble).unwrap_or(0)];
    }
    HeaderValue::from_bytes(&hex).expect("hexadecimal digits are valid in a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_ids_are_taken_over() {
        for (id, sane) in [
            ("7f3a-1", true),
            ("a.b:c_d", true),
            ("", false),
            ("with space", false),
            ("inject\"json", false),
            (&"x".repeat(65), false),
        ] {
            let value = HeaderValue::from_str(id).expect("header value");
            assert_eq!(is_sane(&value), sane, "{id}");
        }
    }

    #[test]
    fn fresh_ids_differ() {
        let (one, two) = (fresh_id(), fresh_id());
        assert_ne!(one, two);
        assert!(is_sane(&one) && one.len() == 16);
    }
}
