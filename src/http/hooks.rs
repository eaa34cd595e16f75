//! `/hooks/{source}`: the door for alerts.
//!
//! A request is authenticated before it is parsed (before its body is read where the credential is not in the body), and
//! answered only after the commit, in the words its sender understands.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError as _, web};
use governor::clock::{Clock as _, DefaultClock};

use super::error::{Error, chain};
use super::span::REQUEST_ID;
use super::{Active, Shared, access, body, handshake, tls};
use crate::domain::Timestamp;
use crate::ingest::auth::replay::{Delivery, Seen};
use crate::ingest::auth::sns::SubscribeUrl;
use crate::ingest::auth::{Presented, Refused, Verified, client_address, verifier};
use crate::ingest::kinds::table::Answer;
use crate::ingest::kinds::{Handshake, Payload};
use crate::ingest::{self, Context, Kind, Receipt, Source};

/// Label of requests for which no source was found: names that anybody can make up are no labels.
pub(super) const NO_SOURCE: &str = "";

/// Takes a payload in, or says why not.
pub async fn take(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let begun = shared.clock.now();
    let active = shared.active.load_full();
    let name = request.match_info().get("source").unwrap_or("");
    let Some(source) = active.sources.get(name) else {
        return refuse(&shared, &request, NO_SOURCE, &Error::UnknownSource { name: shown(name) });
    };
    tracing::Span::current().record("source", &*source.name);
    if let Some(origin) = handshake::asked(&request, source) {
        return match asks(&shared, &request, source, begun).await {
            Ok(()) => handshake::consent(origin, source, allowed(source)),
            Err(error) => refuse(&shared, &request, &source.name, &error),
        };
    }
    if let Some(answer) = probe(&request, source) {
        return answer;
    }
    match process(&shared, &active, source, &request, payload, begun).await {
        Ok(answer) => {
            shared.metrics.accepted(shared.clock.now().since(begun));
            answer
        }
        Err(error) => {
            let ours = refuse(&shared, &request, &source.name, &error);
            let answers = source.kind.answers();
            let prescribed = [&answers.rejected, &answers.busy]
                .into_iter()
                .filter(|answer| answer.status == ours.status().as_u16())
                .find_map(in_its_words);
            prescribed.unwrap_or(ours)
        }
    }
}

/// Whether who asks to send to `source` may: its credential counts, its rate does not.
async fn asks(
    shared: &Shared,
    request: &HttpRequest,
    source: &Source,
    now: Timestamp,
) -> Result<(), Error> {
    let headers = headers(request);
    let address = address(shared, request, &headers, source)?;
    let (query, certificate) = (request.query_string(), tls::client(request));
    let presented = Presented { headers: &headers, query, body: &[], address, certificate };
    authenticate(shared, source, &presented, now).await.map(drop)
}

/// Answers what carries no alerts: the probes with which some senders check a URL.
fn probe(request: &HttpRequest, source: &Source) -> Option<HttpResponse> {
    let allow = (header::ALLOW, allowed(source));
    match *request.method() {
        Method::HEAD => Some(HttpResponse::Ok().finish()),
        Method::OPTIONS => Some(HttpResponse::NoContent().insert_header(allow).finish()),
        _ => None,
    }
}

fn allowed(source: &Source) -> String {
    format!("{}, HEAD, OPTIONS", source.kind.methods().join(", "))
}

async fn process(
    shared: &Shared,
    active: &Active,
    source: &Source,
    request: &HttpRequest,
    mut payload: web::Payload,
    now: Timestamp,
) -> Result<HttpResponse, Error> {
    if !source.kind.methods().contains(&request.method().as_str()) {
        return Err(Error::Method { allowed: allowed(source) });
    }
    let headers = headers(request);
    let address = address(shared, request, &headers, source)?;
    let presented = |body| Presented {
        headers: &headers,
        query: request.query_string(),
        body,
        address,
        certificate: tls::client(request),
    };
    let signed = source.profile.auth.needs_body();
    if !signed {
        authenticate(shared, source, &presented(&[]), now).await?;
        throttle(source)?;
    }
    let busy = source.kind.answers().busy.status;
    let failed = |error| Error::Body { busy, source: error };
    let mut share = shared.budget.share();
    let raw =
        body::read(&mut payload, source.body_bytes_max, shared.limits.body_within, &mut share);
    let raw = raw.await.map_err(failed)?;
    let (mut delivery, mut replay) = (None, false);
    if signed {
        delivery = authenticate(shared, source, &presented(&raw), now).await?.delivery().copied();
        replay = is_replay(shared, source, delivery.as_ref(), now)?;
        // Only `auto` has to read it again to know what its sender is answered.
        if replay && !matches!(source.kind, Kind::Auto(_)) {
            return answer(shared, source, replayed()).await;
        }
        if !replay {
            throttle(source)?;
        }
    }
    let encoding =
        request.headers().get(header::CONTENT_ENCODING).map(header::HeaderValue::as_bytes);
    let body = body::inflate(encoding, raw, shared.limits.inflated_bytes_max, &mut share)
        .await
        .map_err(failed)?;
    let payload = Payload {
        method: request.method().as_str(),
        path: request.path(),
        query: request.query_string(),
        headers: &headers,
        body: &body,
        received_at: now,
    };
    if replay {
        let reader = source.kind.reader(&payload).ok().flatten();
        let answers = reader.map(|kind| kind.answers().clone());
        return answer(shared, source, Receipt { answers, ..replayed() }).await;
    }
    let receipt = take_in(shared, active, source, &payload).await?;
    // A question gets its answer each time, and after a correction of the configuration the same payload may say more.
    let delivery = delivery.filter(|_| receipt.is_final());
    let answer = answer(shared, source, receipt).await?;
    if let Some(delivery) = delivery.filter(|_| answer.status().is_success()) {
        shared.verifier.replays.taken(&source.name, &delivery, now);
    }
    Ok(answer)
}

/// Normalizes and commits an authenticated payload within the time that a request may take.
pub(super) async fn take_in(
    shared: &Shared,
    active: &Active,
    source: &Source,
    payload: &Payload<'_>,
) -> Result<Receipt, Error> {
    // Of the kind `auto`, as the kind that it takes would answer; asked only when something fails.
    let answers = || {
        let reader = source.kind.reader(payload).ok().flatten();
        let answers = reader.map_or(source.kind.answers(), |kind| kind.answers());
        (answers.rejected.status, answers.busy.status)
    };
    let context = Context {
        ledger: &*shared.store,
        routes: &active.routes,
        clock: &*shared.clock,
        metrics: &shared.metrics,
    };
    let taken = ingest::accept(&context, source, payload);
    let taken = tokio::time::timeout(shared.limits.commit_within, taken)
        .await
        .map_err(|_| Error::TooBusy { busy: answers().1 })?;
    let receipt = taken.map_err(|error| {
        let (rejected, busy) = answers();
        Error::Ingest { rejected, busy, source: error }
    })?;
    if receipt.rejected_count > 0 {
        shared.metrics.rejected(&source.name, "alert_not_understood", receipt.rejected_count);
    }
    Ok(receipt)
}

/// Whether the very same was taken before. A sender repeats what it had no answer for, so that is fine and has no effect.
fn is_replay(
    shared: &Shared,
    source: &Source,
    delivery: Option<&Delivery>,
    now: Timestamp,
) -> Result<bool, Error> {
    let replays = &shared.verifier.replays;
    match delivery.map(|delivery| replays.look(&source.name, delivery, now)) {
        None | Some(Seen::New) => Ok(false),
        Some(Seen::Again) => Ok(true),
        Some(Seen::Other) => Err(Error::Refused { source: Refused::IdReused }),
    }
}

/// What a replay is answered: it was taken, and nothing came of it this time.
fn replayed() -> Receipt {
    let reason = "replayed: this request was taken before, nothing was changed";
    Receipt { ignored: Some(reason.to_owned()), ..Receipt::default() }
}

/// Lower-case names. What is no text stays, marked: a dropped `X-Forwarded-For` would make its sender the proxy itself.
pub(super) fn headers(request: &HttpRequest) -> Vec<(String, String)> {
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// The client's address, where the source takes requests from it at all.
pub(super) fn address(
    shared: &Shared,
    request: &HttpRequest,
    headers: &[(String, String)],
    source: &Source,
) -> Result<IpAddr, Error> {
    // Only Unix sockets have no peer address, and we listen on none.
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |addr| addr.ip());
    let client = client_address(peer, headers, &shared.trusted_proxies);
    // Also no page of a browser on this machine: it would name another host or origin.
    if source.loopback_only && access::local(request.headers(), Some(peer)).is_err() {
        return Err(Error::NotLocal);
    }
    Ok(client)
}

/// Checks the credential.
pub(super) async fn authenticate(
    shared: &Shared,
    source: &Source,
    presented: &Presented<'_>,
    now: Timestamp,
) -> Result<Verified, Error> {
    let failed = |error: &verifier::Error| {
        tracing::warn!(error = chain(error), "what proves the sender was not fetched");
    };
    let verified = shared.verifier.verify(&source.profile, presented, now, failed).await;
    verified.map_err(|refused| Error::Refused { source: refused })
}

/// Checks the rate: after the credential and replays, so that only the sender itself uses up its limit.
pub(super) fn throttle(source: &Source) -> Result<(), Error> {
    let Some(limiter) = &source.limiter else { return Ok(()) };
    limiter.check().map_err(|until| {
        let wait = until.wait_time_from(DefaultClock::default().now());
        // Rounded up: who comes a moment early is refused again.
        Error::Throttled {
            busy: source.kind.answers().busy.status,
            after_seconds: wait.as_secs() + 1,
        }
    })
}

async fn answer(shared: &Shared, source: &Source, receipt: Receipt) -> Result<HttpResponse, Error> {
    match &receipt.handshake {
        Some(Handshake::Answer { status, media_type, body }) => {
            return Ok(builder(*status)
                .insert_header((header::CONTENT_TYPE, media_type.as_str()))
                .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .body(body.clone()));
        }
        Some(Handshake::SnsSubscription { topic, url }) => {
            let url = SubscribeUrl::parse(url, &source.topics)
                .ok_or_else(|| Error::UnknownTopic { topic: shown(topic) })?;
            shared
                .verifier
                .confirm(&url)
                .await
                .map_err(|error| Error::Handshake { detail: chain(&error) })?;
            tracing::info!(source = %source.name, topic, "confirmed a subscription");
        }
        None => {}
    }
    let answers = receipt.answers.as_ref().unwrap_or(source.kind.answers());
    let answer = if receipt.rejected_count > 0 { &answers.partly } else { &answers.accepted };
    Ok(in_its_words(answer).unwrap_or_else(|| builder(answer.status).json(&receipt)))
}

fn builder(status: u16) -> HttpResponseBuilder {
    HttpResponseBuilder::new(StatusCode::from_u16(status).unwrap_or(StatusCode::OK))
}

/// The answer with the body that the kind prescribes, if it does.
fn in_its_words(answer: &Answer) -> Option<HttpResponse> {
    if answer.body.is_empty() {
        return None;
    }
    let json = answer.body.starts_with(['{', '[', '"']);
    let media = if json { "application/json" } else { "text/plain; charset=utf-8" };
    let mut builder = builder(answer.status);
    Some(builder.insert_header((header::CONTENT_TYPE, media)).body(answer.body.to_string()))
}

/// Counts, logs and answers a refusal.
fn refuse(shared: &Shared, request: &HttpRequest, source: &str, error: &Error) -> HttpResponse {
    note_refusal(shared, request, source, error);
    error.error_response()
}

/// Counts and logs a refusal: the one place.
pub(super) fn note_refusal(shared: &Shared, request: &HttpRequest, source: &str, error: &Error) {
    shared.notice_fatal(error);
    let meaning = error.meaning();
    shared.metrics.rejected(source, meaning.code, 1);
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or("");
    let peer = request.peer_addr().map(|address| tracing::field::display(address.ip()));
    // Without it nobody could tell which subject to allow.
    let client = tls::client(request).map(|shown| tracing::field::display(shown.subject()));
    let code = meaning.code;
    // What others did not give us was logged where it failed; strangers can bring it about as often as they like.
    let ours = !matches!(error, Error::Refused { .. });
    if ours && meaning.status.is_server_error() {
        tracing::error!(id, source, peer, client, code, error = error.chain(), "request failed");
    } else if shared.refusals.check().is_ok() {
        tracing::info!(id, source, peer, client, code, error = error.chain(), "request refused");
    }
}

/// A name that came with the request, cut for logs and answers.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// A source is shared by the snapshots of the configuration that have it unchanged.
pub type Sources = std::collections::HashMap<String, Arc<Source>>;

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use actix_web::test::TestRequest;

    use super::*;

    /// A dropped header would make the client the trusted proxy itself.
    #[test]
    fn a_forwarded_address_that_is_no_text_stays() {
        let name = HeaderName::from_static("x-forwarded-for");
        let value = HeaderValue::from_bytes(b"\xff, 203.0.113.9").expect("bytes are allowed");
        let request = TestRequest::default().insert_header((name, value)).to_http_request();
        let headers = headers(&request);
        assert_eq!(headers, [("x-forwarded-for".to_owned(), "\u{fffd}, 203.0.113.9".to_owned())]);
        let proxies = ["10.0.0.0/8".parse().expect("a network")];
        let client = client_address("10.0.0.1".parse().expect("an address"), &headers, &proxies);
        assert_eq!(client.to_string(), "203.0.113.9");
    }
}
