//! What answers mean where a receiver's own contract says nothing else, and what of them may be shown.

use std::time::Duration;

use serde_json::Value;

use super::{Outcome, Rejection, Response};
use crate::deliver::clean;
use crate::domain::Timestamp;
use crate::limits::{ERROR_EXCERPT_CHARS_MAX, RETRY_AFTER_SECONDS_MAX};
use crate::secret::Secret;

/// The general rules of HTTP receivers by status alone.
///
/// 502 and 504 come from something in between, so the receiver may have done it all the same. Redirects are never
/// followed with a body: a moved webhook is a fault of the configuration.
pub fn by_status(response: &Response, now: Timestamp, secrets: &[&Secret]) -> Outcome {
    let error = describe(response, secrets);
    let after = retry_after(response, now);
    match response.status {
        200..=299 => Outcome::Delivered { remember: None },
        300..=399 => Outcome::Reject {
            why: Rejection::Other,
            error: format!("redirects{}", target(response)),
        },
        429 => Outcome::Wait { after, error },
        408 | 425 | 500..=599 => {
            Outcome::Retry { after, maybe: matches!(response.status, 502 | 504), error }
        }
        401 | 403 => Outcome::Reject { why: Rejection::Credential, error },
        404 | 410 => Outcome::Reject { why: Rejection::Gone, error },
        400 | 413 | 422 => Outcome::Reject { why: Rejection::Rendering, error },
        _ => Outcome::Reject { why: Rejection::Other, error },
    }
}

/// How long the answer asks to wait: the larger of the header and the JSON forms of Slack, Discord (`retry_after`) and
/// Telegram (`parameters.retry_after`). At least a second, at most [`RETRY_AFTER_SECONDS_MAX`].
pub fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    let header = response.header("retry-after").and_then(|value| header_seconds(value, now));
    let body = json(response).and_then(|body| {
        ["/retry_after", "/parameters/retry_after"].iter().find_map(|at| body.pointer(at)?.as_f64())
    });
    header.into_iter().chain(body).reduce(f64::max).map(wait_seconds)
}

/// Seconds as a wait, within bounds.
pub fn wait_seconds(seconds: f64) -> Duration {
    let max = Duration::from_secs(RETRY_AFTER_SECONDS_MAX);
    Duration::try_from_secs_f64(seconds)
        .unwrap_or(Duration::ZERO)
        .clamp(Duration::from_secs(1), max)
}

/// `Retry-After` is delay-seconds or an HTTP date (RFC 9110 section 10.2.3).
fn header_seconds(value: &str, now: Timestamp) -> Option<f64> {
    if let Ok(seconds) = value.trim().parse::<f64>() {
        return seconds.is_finite().then_some(seconds);
    }
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let at = parser.parse_timestamp(value.trim()).ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()).since(now).as_secs_f64())
}

/// The body as JSON, if it is.
pub fn json(response: &Response) -> Option<Value> {
    serde_json::from_slice(&response.body).ok()
}

/// The status and the beginning of the body, without secrets: `HTTP 400: invalid_blocks`.
pub fn describe(response: &Response, secrets: &[&Secret]) -> String {
    let said = excerpt(&String::from_utf8_lossy(&response.body), secrets);
    if said.is_empty() {
        format!("HTTP {}", response.status)
    } else {
        format!("HTTP {}: {said}", response.status)
    }
}

/// The beginning of what a receiver said, on one line, with every secret and every URL struck out.
pub fn excerpt(said: &str, secrets: &[&Secret]) -> String {
    let mut said = clean::line(said);
    for secret in secrets.iter().filter(|secret| secret.expose().len() >= 4) {
        said = said.replace(secret.expose(), "***");
        // Servers like to repeat the path that was asked for: for webhooks it is the credential.
        if let Ok(url) = url::Url::parse(secret.expose()) {
            let path = url.path();
            if path.len() >= 8 {
                said = said.replace(path, "***");
            }
        }
    }
    while let Some(at) = said.find("https://").or_else(|| said.find("http://")) {
        let end =
            said[at..].find([' ', '"', '\'', '<', '>']).map_or(said.len(), |length| at + length);
        said.replace_range(at..end, "(link)");
    }
    clean::cut(&said, ERROR_EXCERPT_CHARS_MAX).into_owned()
}

/// The host that a redirect names: enough to find the fault, no credential.
fn target(response: &Response) -> String {
    response
        .header("location")
        .and_then(|location| url::Url::parse(location).ok())
        .and_then(|url| url.host_str().map(|host| format!(" to host {host}")))
        .unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An answer with one header and a body.
    pub(in crate::deliver::senders) fn answer(
        status: u16,
        header: Option<(&str, &str)>,
        body: &str,
    ) -> Response {
        Response {
            status,
            headers: header.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    /// The shape of an outcome without its error text.
    pub(in crate::deliver::senders) fn shape(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Delivered { remember } => {
                format!("delivered {}", remember.as_deref().unwrap_or("-"))
            }
            Outcome::Retry { after, maybe, .. } => {
                format!("retry {:?} {}", after.map(|a| a.as_secs()), maybe)
            }
            Outcome::Wait { after, .. } => format!("wait {:?}", after.map(|a| a.as_secs())),
            Outcome::Reject { why, .. } => format!("reject {why:?}"),
        }
    }

    #[test]
    fn reads_waits() {
        let now = Timestamp::parse_rfc3339("2026-11-21T10:00:00Z").expect("valid");
        let rows = [
            (Some("5"), "", Some(5)),
            (Some("0"), "", Some(1)),
            (Some("99999"), "", Some(3600)),
            (Some("Sat, 21 Nov 2026 10:00:30 GMT"), "", Some(30)),
            (Some("Sat, 21 Nov 2026 09:00:00 GMT"), "", Some(1)),
            (Some("soon"), "", None),
            (Some("NaN"), "", None),
            (None, r#"{"retry_after": 7.5}"#, Some(7)),
            (Some("2"), r#"{"parameters": {"retry_after": 9}}"#, Some(9)),
            (None, "{", None),
        ];
        for (header, body, want) in rows {
            let response = answer(429, header.map(|value| ("retry-after", value)), body);
            assert_eq!(
                retry_after(&response, now).map(|after| after.as_secs()),
                want,
                "{header:?} {body}"
            );
        }
    }

    #[test]
    fn judges_by_status() {
        let rows = [
            (200, "delivered -"),
            (302, "reject Other"),
            (400, "reject Rendering"),
            (401, "reject Credential"),
            (403, "reject Credential"),
            (404, "reject Gone"),
            (408, "retry None false"),
            (410, "reject Gone"),
            (418, "reject Other"),
            (429, "wait None"),
            (500, "retry None false"),
            (502, "retry None true"),
            (503, "retry None false"),
            (504, "retry None true"),
        ];
        for (status, want) in rows {
            let outcome = by_status(&answer(status, None, ""), Timestamp::from_secs(0), &[]);
            assert_eq!(shape(&outcome), want, "{status}");
        }
    }

    #[test]
    fn errors_show_no_secret() {
        let url = Secret::new("https://hooks.example.com/services/T0/B0/topsecret");
        let body = "no /services/T0/B0/topsecret at https://hooks.example.com/services/T0/B0/topsecret\nhere";
        let said = describe(&answer(404, None, body), &[&url]);
        assert_eq!(said, "HTTP 404: no *** at *** here");
        let location = ("location", "https://other.example.com/services/topsecret");
        let outcome = by_status(&answer(301, Some(location), ""), Timestamp::from_secs(0), &[&url]);
        assert!(
            matches!(&outcome, Outcome::Reject { error, .. } if error == "redirects to host other.example.com")
        );
    }
}
