//! Compatible endpoints: vendors' APIs answered in their place, so that a tool moves by changing one URL.
//!
//! Each submodule speaks one API: it finds what a client presents as its credential, says in the vendor's words what is
//! wrong with a request, and otherwise hands the payload to the same intake as `/hooks/{source}`, to the source whose
//! credential fits. What cannot be read is refused, never dropped: the client's own retry and error log are all that is
//! left of it then.

mod alertmanager;
pub(super) mod opsgenie;
mod pagerduty;
mod splunk_oncall;

use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;

use super::error::Fault;
use super::hooks::{self, NO_SOURCE};
use super::{Active, Error, Shared, body, tls};
use crate::domain::Timestamp;
use crate::ingest::auth::{Auth, Presented};
use crate::ingest::kinds::{self, Payload, tree};
use crate::ingest::{self, Endpoint, Receipt, Source};

/// Every path of the compatible endpoints.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    pagerduty::routes(config);
    opsgenie::routes(config);
    splunk_oncall::routes(config);
    alertmanager::routes(config);
}

/// One request to a compatible endpoint.
struct Visit {
    endpoint: Endpoint,
    shared: web::Data<Shared>,
    active: Arc<Active>,
    request: HttpRequest,
    /// As sent, names in lower case.
    headers: Vec<(String, String)>,
    begun: Timestamp,
    /// Whose credential was presented, once that is known.
    source: Option<Arc<Source>>,
    share: body::Share,
}

impl Visit {
    fn new(endpoint: Endpoint, shared: web::Data<Shared>, request: HttpRequest) -> Self {
        let active = shared.active.load_full();
        let headers = hooks::headers(&request);
        let (begun, share) = (shared.clock.now(), shared.budget.share());
        Self { endpoint, shared, active, request, headers, begun, source: None, share }
    }

    /// What clients of this API take for "later, please".
    fn busy(&self) -> u16 {
        match self.endpoint {
            Endpoint::PagerDuty | Endpoint::Opsgenie => 429,
            Endpoint::PagerDutyV1 => 403,
            Endpoint::SplunkOnCall | Endpoint::Alertmanager => 503,
        }
    }

    /// Finds the source by what the client presents and holds it to its rate. `credential` is what the API has as its
    /// key, taken like a bearer token; `None` means that the client's own headers say it.
    ///
    /// All sources of the endpoint are asked, so that time does not tell which credential came close. One without a
    /// credential comes last: it takes what fits no other.
    async fn identify(&mut self, credential: Option<&str>) -> Result<Arc<Source>, Error> {
        let headers = self.presenting(credential);
        let query = if credential.is_some() { "" } else { self.request.query_string() };
        let mut sources: Vec<&Arc<Source>> = self.sources().collect();
        sources.sort_by_key(|source| (matches!(source.profile.auth, Auth::None), &source.name));
        let mut found: Option<Arc<Source>> = None;
        let mut refused: Option<Error> = None;
        for source in sources {
            match self.asks(source, &headers, query).await {
                Ok(()) => found = found.or_else(|| Some(Arc::clone(source))),
                // A wrong credential says more than a wrong address: the latter may be another source's.
                Err(error) => {
                    let keeps = refused.as_ref().is_some_and(|it| it.meaning().status == 401);
                    refused = if keeps { refused } else { Some(error) };
                }
            }
        }
        let missing = Error::NotServed { kind: self.endpoint.kind() };
        let source = found.ok_or_else(|| refused.unwrap_or(missing))?;
        tracing::Span::current().record("source", &*source.name);
        self.source = Some(Arc::clone(&source));
        hooks::throttle(&source)?;
        Ok(source)
    }

    /// The sources that serve the endpoint.
    fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.active.sources.values().filter(|source| source.endpoint == Some(self.endpoint))
    }

    /// Whether any source serves the endpoint to the client's address: where the credential is in the body, nothing is
    /// read in vain.
    fn served(&self) -> Result<(), Error> {
        let mut refused = Error::NotServed { kind: self.endpoint.kind() };
        for source in self.sources() {
            match hooks::address(&self.shared, &self.request, &self.headers, source) {
                Ok(_) => return Ok(()),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Whether `source` takes requests with these headers.
    async fn asks(
        &self,
        source: &Source,
        headers: &[(String, String)],
        query: &str,
    ) -> Result<(), Error> {
        // Without the body its signature would be one of nothing, which fits any body.
        if source.profile.auth.needs_body() {
            return Err(Error::NotServed { kind: self.endpoint.kind() });
        }
        let address = hooks::address(&self.shared, &self.request, &self.headers, source)?;
        let certificate = tls::client(&self.request);
        let presented = Presented { headers, query, body: &[], address, certificate };
        hooks::authenticate(&self.shared, source, &presented, self.begun).await.map(drop)
    }

    fn presenting(&self, credential: Option<&str>) -> Vec<(String, String)> {
        let Some(credential) = credential else { return self.headers.clone() };
        let other = self.headers.iter().filter(|(name, _)| name != "authorization");
        let own = ("authorization".to_owned(), format!("Bearer {credential}"));
        other.cloned().chain([own]).collect()
    }

    /// Reads the body of a client that is known: `bytes_max` bounds it as received.
    async fn read(&mut self, payload: web::Payload, bytes_max: usize) -> Result<Bytes, Error> {
        self.read_within(payload, bytes_max, self.shared.limits.inflated_bytes_max).await
    }

    /// Reads the body of a client that nobody knows yet: `bytes_max` bounds it as received and after inflating.
    async fn read_unknown(
        &mut self,
        payload: web::Payload,
        bytes_max: usize,
    ) -> Result<Bytes, Error> {
        let inflated_max = bytes_max.min(self.shared.limits.inflated_bytes_max);
        self.read_within(payload, bytes_max, inflated_max).await
    }

    async fn read_within(
        &mut self,
        mut payload: web::Payload,
        bytes_max: usize,
        inflated_max: usize,
    ) -> Result<Bytes, Error> {
        let busy = self.busy();
        let failed = |source| Error::Body { busy, source };
        let limits = self.shared.limits;
        let raw = body::read(&mut payload, bytes_max, limits.body_within, &mut self.share);
        let raw = raw.await.map_err(failed)?;
        let encoding = self.request.headers().get(header::CONTENT_ENCODING);
        let encoding = encoding.map(header::HeaderValue::as_bytes);
        body::inflate(encoding, raw, inflated_max, &mut self.share).await.map_err(failed)
    }

    /// Commits `body`, sent to `path`, as a payload of `source`.
    async fn take_in(&self, source: &Source, path: &str, body: &[u8]) -> Result<Receipt, Error> {
        let payload = Payload {
            method: self.request.method().as_str(),
            path,
            query: self.request.query_string(),
            headers: &self.headers,
            body,
            received_at: self.begun,
        };
        hooks::take_in(&self.shared, &self.active, source, &payload).await
    }

    /// The tree of `body`, which must be a JSON object.
    fn object(&self, body: &[u8]) -> Result<serde_json::Map<String, Value>, Error> {
        let tree = tree::text(body).and_then(tree::json);
        match tree.map_err(|error| self.unreadable(error))? {
            Value::Object(map) => Ok(map),
            other => {
                let detail = format!("{} is no object", kinds::read::type_name(&other));
                let kind = self.endpoint.kind().to_owned();
                Err(self.unreadable(kinds::Error::Shape { kind, detail }))
            }
        }
    }

    fn unreadable(&self, source: kinds::Error) -> Error {
        let name = self.source.as_ref().map_or(NO_SOURCE, |source| &source.name);
        let source = ingest::Error::Normalize { from: name.into(), source };
        Error::Ingest { rejected: 400, busy: self.busy(), source }
    }

    /// Counts what came of the request; a failure is answered with `words`.
    fn finish(
        &self,
        outcome: Result<HttpResponse, Error>,
        words: impl FnOnce(&Self, &Error) -> HttpResponse,
    ) -> HttpResponse {
        match outcome {
            Ok(answer) => {
                self.shared.metrics.accepted(self.shared.clock.now().since(self.begun));
                answer
            }
            Err(error) => {
                let name = self.source.as_ref().map_or(NO_SOURCE, |source| &source.name);
                hooks::note_refusal(&self.shared, &self.request, name, &error);
                words(self, &error)
            }
        }
    }
}

/// A fault of the whole event.
fn fault(text: impl Into<String>) -> Fault {
    Fault { field: "", text: text.into() }
}

/// A segment of a path without its percent-encoding.
fn decoded(segment: &str) -> String {
    let pair = format!("v={}", segment.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// 128 random bits as 32 hexadecimal digits: an identity that nobody else chose.
fn random_id() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has randomness after start");
    bytes.iter().fold(String::with_capacity(32), |text, byte| text + &format!("{byte:02x}"))
}

/// A random id in the form of a version 4 UUID (RFC 9562, section 5.4).
fn random_uuid() -> String {
    let hex = random_id();
    let parts = [&hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]];
    format!("{}-{}-4{}-8{}-{}", parts[0], parts[1], parts[2], parts[3], parts[4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_as_paths() {
        for (segment, expected) in [
            ("disk%20full", "disk full"),
            ("db-7%2F%2Fvar%26x%3D1", "db-7//var&x=1"),
            ("a+b&c=d", "a+b&c=d"),
            ("%zz", "%zz"),
            ("", ""),
        ] {
            assert_eq!(decoded(segment), expected);
        }
    }

    #[test]
    fn ids_look_like_ids() {
        let uuid = random_uuid();
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(&uuid[14..15], "4");
        assert_ne!(uuid, random_uuid());
    }
}
