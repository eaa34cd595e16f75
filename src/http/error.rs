//! What failures mean to clients, dashboards and `docs/errors.md`: status, stable code, metric label.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::json;

use super::body;
use crate::ingest::auth::Refused;
use crate::ingest::{self, kinds};
use crate::limits::ANSWER_LIST_MAX;
use crate::store;

/// Everything a request can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no source is called {name:?}")]
    UnknownSource { name: String },
    #[error("nothing is served here")]
    NotFound,
    /// A compatible endpoint without a source.
    #[error("no source serves this endpoint: configure one of the kind {kind}")]
    NotServed { kind: &'static str },
    /// What a compatible endpoint finds wrong, in the words of the vendor.
    #[error("event is invalid: {}", listed(faults))]
    Invalid { status: u16, faults: Vec<Fault> },
    #[error("incident {number} is not kept")]
    UnknownIncident { number: u64 },
    #[error("this takes {allowed}")]
    Method { allowed: String },
    #[error("{detail}")]
    Query { detail: String },
    #[error("content type must be application/json")]
    ContentType,
    /// Says no more than that: details help attackers. The log names the reason.
    #[error("request is not authenticated")]
    Unauthenticated { detail: String },
    /// The sender did not prove who it is, or may not send from there.
    #[error("request is refused by the source")]
    Refused { source: Refused },
    /// A built-in source, asked from elsewhere.
    #[error("built-in sources answer only this machine: configure one under [sources]")]
    NotLocal,
    /// SNS asks to confirm a topic that is not in the list of the source.
    #[error("topic {topic:?} is not in the topics of the source: nothing was visited")]
    UnknownTopic { topic: String },
    #[error("{detail}")]
    Forbidden { detail: &'static str },
    #[error("source sends more than its limit")]
    Throttled { busy: u16, after_seconds: u64 },
    /// It may be committed later: sending it again changes nothing then.
    #[error("commit takes too long")]
    TooBusy { busy: u16 },
    #[error("read request body")]
    Body { busy: u16, source: body::Error },
    #[error("{source}")]
    Ingest { rejected: u16, busy: u16, source: ingest::Error },
    #[error("subscription was not confirmed")]
    Handshake { detail: String },
    #[error("{source}")]
    Store { source: store::Error },
    #[error("configuration was not taken over")]
    Reload { detail: String },
}

/// One thing that is wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field as the vendor calls it; empty for the whole.
    pub field: &'static str,
    /// What the vendor says of it.
    pub text: String,
}

fn listed(faults: &[Fault]) -> String {
    let texts: Vec<String> =
        faults.iter().map(|fault| format!("{} {}", fault.field, fault.text)).collect();
    texts.join("; ").trim().to_owned()
}

/// One row of `docs/errors.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    pub status: StatusCode,
    /// Stable: clients may depend on it. It is the label `reason` of `alertbridge_rejected_total` too.
    pub code: &'static str,
    /// Seconds after which trying again makes sense.
    pub retry_after: Option<u64>,
}

const fn meaning(status: StatusCode, code: &'static str) -> Meaning {
    Meaning { status, code, retry_after: None }
}

impl Meaning {
    const fn after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl Error {
    /// What this failure means.
    pub fn meaning(&self) -> Meaning {
        match self {
            Self::UnknownSource { .. } => meaning(StatusCode::NOT_FOUND, "unknown_source"),
            Self::NotFound => meaning(StatusCode::NOT_FOUND, "not_found"),
            Self::NotServed { .. } => meaning(StatusCode::NOT_FOUND, "endpoint_not_served"),
            Self::Invalid { status, .. } => meaning(self::status(*status), "event_invalid"),
            Self::UnknownIncident { .. } => meaning(StatusCode::NOT_FOUND, "unknown_incident"),
            Self::Method { .. } => meaning(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Query { .. } => meaning(StatusCode::BAD_REQUEST, "bad_query"),
            Self::ContentType => {
                meaning(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_not_json")
            }
            Self::Unauthenticated { .. } => meaning(StatusCode::UNAUTHORIZED, "not_authenticated"),
            Self::Forbidden { .. } => meaning(StatusCode::FORBIDDEN, "forbidden"),
            Self::Refused { source } => refused(source),
            Self::NotLocal => meaning(StatusCode::FORBIDDEN, "not_local"),
            Self::UnknownTopic { .. } => meaning(StatusCode::FORBIDDEN, "unknown_topic"),
            Self::Throttled { busy, after_seconds } => {
                meaning(status(*busy), "throttled").after(*after_seconds)
            }
            Self::TooBusy { busy } => meaning(status(*busy), "busy").after(1),
            Self::Body { busy, source } => unread(source, *busy),
            Self::Ingest { rejected, busy, source } => not_taken(source, *rejected, *busy),
            Self::Handshake { .. } => meaning(StatusCode::SERVICE_UNAVAILABLE, "not_confirmed"),
            Self::Store { source } => store_failed(source, 503),
            Self::Reload { .. } => meaning(StatusCode::UNPROCESSABLE_ENTITY, "reload_refused"),
        }
    }

    /// What the log says: the whole chain, which may be more than the answer does.
    pub fn chain(&self) -> String {
        match self {
            Self::Unauthenticated { detail } | Self::Handshake { detail } => {
                format!("{self}: {detail}")
            }
            other => chain(other),
        }
    }

    /// What the client is told: causes that are about its own request, never those about our machine.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Body { source, .. } => source.to_string(),
            Self::Ingest { source: ingest::Error::Normalize { source, .. }, .. } => {
                source.to_string()
            }
            Self::Ingest { source: ingest::Error::Commit { .. }, .. } => {
                "alerts could not be stored".to_owned()
            }
            // The operator must learn the topic to allow it; it is no secret. Neither is that an id was used twice.
            Self::Refused { source: source @ (Refused::Topic { .. } | Refused::IdReused) } => {
                source.to_string()
            }
            Self::Store { .. } => "store could not be read".to_owned(),
            Self::Reload { detail } => format!("{self}: {detail}"),
            other => other.to_string(),
        }
    }
}

fn refused(error: &Refused) -> Meaning {
    match error.status() {
        401 => meaning(StatusCode::UNAUTHORIZED, "not_authenticated"),
        409 => meaning(StatusCode::CONFLICT, "replayed"),
        503 => match error {
            Refused::NoKey { .. } => {
                meaning(StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable").after(60)
            }
            _ => meaning(StatusCode::SERVICE_UNAVAILABLE, "certificate_unavailable"),
        },
        _ => match error {
            Refused::Topic { .. } => meaning(StatusCode::FORBIDDEN, "unknown_topic"),
            _ => meaning(StatusCode::FORBIDDEN, "not_allowed"),
        },
    }
}

fn unread(error: &body::Error, busy: u16) -> Meaning {
    match error {
        body::Error::TooLarge { .. } => meaning(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        body::Error::InflatesTooLarge { .. } => {
            meaning(StatusCode::PAYLOAD_TOO_LARGE, "body_inflates_too_large")
        }
        body::Error::TooSlow { .. } => meaning(StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
        body::Error::Broken { .. } => meaning(StatusCode::BAD_REQUEST, "body_broken"),
        body::Error::UnknownEncoding { .. } => {
            meaning(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding_unknown")
        }
        body::Error::Inflate { .. } => meaning(StatusCode::BAD_REQUEST, "body_not_inflatable"),
        body::Error::NoRoom { .. } => meaning(status(busy), "busy").after(1),
    }
}

fn not_taken(error: &ingest::Error, rejected: u16, busy: u16) -> Meaning {
    match error {
        ingest::Error::Normalize { source: kinds::Error::TooLarge { .. }, .. } => {
            meaning(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large")
        }
        ingest::Error::Normalize { .. } => meaning(status(rejected), "payload_not_understood"),
        ingest::Error::NothingReadable { .. } => meaning(status(rejected), "no_alert_understood"),
        ingest::Error::Commit { source, .. } => store_failed(source, busy),
    }
}

fn store_failed(error: &store::Error, busy: u16) -> Meaning {
    match error {
        store::Error::Busy { .. } => meaning(status(busy), "busy").after(1),
        // These are about us, not about the sender's rate: always a server error.
        store::Error::DiskLow { .. } => {
            meaning(StatusCode::SERVICE_UNAVAILABLE, "disk_low").after(30)
        }
        store::Error::Closed => meaning(StatusCode::SERVICE_UNAVAILABLE, "shutting_down").after(5),
        _ => meaning(StatusCode::INTERNAL_SERVER_ERROR, "store_failed"),
    }
}

fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

impl Error {
    /// The answer without a body: its status and what the protocol wants besides.
    pub(super) fn builder(&self) -> HttpResponseBuilder {
        let Meaning { status, retry_after, .. } = self.meaning();
        let mut answer = HttpResponseBuilder::new(status);
        if let Some(seconds) = retry_after {
            answer.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        match self {
            Self::Method { allowed } => {
                answer.insert_header((header::ALLOW, allowed.as_str()));
            }
            Self::Unauthenticated { .. } | Self::Refused { .. }
                if status == StatusCode::UNAUTHORIZED =>
            {
                answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            // The rest of the body was not read, so the connection cannot carry another request.
            Self::Body { .. } => {
                answer.force_close();
            }
            _ => {}
        }
        answer
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.meaning().status
    }

    fn error_response(&self) -> HttpResponse {
        let mut body = json!({"error": {"code": self.meaning().code, "message": self.message()}});
        if let Self::Ingest { source: ingest::Error::NothingReadable { rejected }, .. } = self {
            let list: Vec<_> = rejected
                .iter()
                .take(ANSWER_LIST_MAX)
                .map(|one| json!({"index": one.index, "reason": one.reason}))
                .collect();
            body["accepted"] = json!(0);
            body["rejected"] = json!(list);
            body["rejected_count"] = json!(rejected.len());
        }
        self.builder().json(body)
    }
}

/// An error and its causes on one line. `#[error("{source}")]` prints its cause already: it is not repeated.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.ends_with(&line) {
            text = format!("{text}: {line}");
        }
        cause = error.source();
    }
    text
}

/// A query string that cannot be read, as our own error.
pub fn bad_query(error: impl fmt::Display) -> Error {
    Error::Query { detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let product = include_str!("error.rs").split("#[cfg(test)]").next().unwrap_or("");
        let codes: Vec<&str> = product
            .split("StatusCode::")
            .skip(1)
            .chain(product.split("status(").skip(1))
            .filter_map(|text| text.split('"').nth(1))
            .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            .collect();
        assert!(codes.contains(&"unknown_source") && codes.contains(&"throttled"), "{codes:?}");
        let documented = include_str!("../../docs/errors.md");
        for code in codes {
            assert!(documented.contains(&format!("`{code}`")), "{code} is not in docs/errors.md");
        }
    }

    #[test]
    fn our_trouble_stays_with_us() {
        let source =
            store::Error::Backend { operation: "commit", source: "disk /dev/sdb is broken".into() };
        let error = Error::Ingest {
            rejected: 400,
            busy: 503,
            source: ingest::Error::Commit { from: "am".into(), source },
        };
        assert_eq!(error.meaning().status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error.message(), "alerts could not be stored");
        assert!(error.chain().ends_with("disk /dev/sdb is broken"), "{}", error.chain());
    }
}
