//! Splunk On-Call (formerly `VictorOps`) REST endpoint (Splunk On-Call documentation, "REST Endpoint Integration Guide").
//!
//! The key in the path is the credential; it is masked before the payload goes on.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};
use serde_json::{Value, json};

use super::{Visit, decoded, fault, random_uuid};
use crate::http::{Error, Shared};
use crate::ingest::Endpoint;
use crate::ingest::kinds::{Payload, read, tree};

const PREFIX: &str = "/integrations/generic/20131114/alert";
const TAKES: &str = "POST";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    for path in ["/{key}", "/{key}/{routing:.*}"] {
        let resource = web::resource(format!("{PREFIX}{path}")).route(web::post().to(alert));
        config.service(resource.default_service(web::to(other)));
    }
}

async fn other(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    let visit = Visit::new(Endpoint::SplunkOnCall, shared, request);
    visit.finish(Err(Error::Method { allowed: TAKES.to_owned() }), words)
}

async fn alert(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let mut visit = Visit::new(Endpoint::SplunkOnCall, shared, request);
    let outcome = take(&mut visit, payload).await;
    visit.finish(outcome, words)
}

async fn take(visit: &mut Visit, payload: web::Payload) -> Result<HttpResponse, Error> {
    let key = visit.request.match_info().get("key").map(decoded).unwrap_or_default();
    let source = visit.identify(Some(&key)).await?;
    let mut body = visit.read(payload, source.body_bytes_max).await?;
    let path = masked(visit.request.path());
    let whole = Payload {
        method: TAKES,
        path: &path,
        query: "",
        headers: &visit.headers,
        body: &body,
        received_at: visit.begun,
    };
    let tree = tree::parse(&whole).map_err(|error| visit.unreadable(error))?;
    let invalid = |text: &str| Error::Invalid { status: 400, faults: vec![fault(text)] };
    let Value::Object(mut fields) = tree else {
        return Err(invalid("Body is no JSON object"));
    };
    if read::get(&fields, "message_type").is_none() {
        return Err(invalid("Missing fields: message_type"));
    }
    let entity = match (read::get(&fields, "entity_id"), fields.get("entity_id")) {
        (Some(entity), _) => entity,
        (None, Some(Value::Array(_) | Value::Object(_))) => {
            return Err(invalid("Invalid fields: entity_id"));
        }
        (None, _) => {
            // The client has to learn the identity to send the recovery.
            let made = random_uuid();
            fields.insert("entity_id".to_owned(), Value::String(made.clone()));
            body = serde_json::to_vec(&fields).map(Into::into).unwrap_or(body);
            made
        }
    };
    visit.take_in(&source, &path, &body).await?;
    Ok(HttpResponse::Ok().json(json!({"result": "success", "entity_id": entity})))
}

/// The path without the key.
fn masked(path: &str) -> String {
    let rest = path.strip_prefix(PREFIX).unwrap_or("").trim_start_matches('/');
    let routing = rest.split_once('/').map_or("", |(_, routing)| routing.trim_end_matches('/'));
    if routing.is_empty() { format!("{PREFIX}/***") } else { format!("{PREFIX}/***/{routing}") }
}

/// A refusal as Splunk On-Call says it: `result` and `message`.
fn words(_: &Visit, error: &Error) -> HttpResponse {
    let message = match error {
        Error::Invalid { faults, .. } => faults.iter().map(|fault| fault.text.clone()).collect(),
        Error::Refused { .. } if error.status_code() == StatusCode::UNAUTHORIZED => {
            "Invalid API key".to_owned()
        }
        other => other.message(),
    };
    error.builder().json(json!({"result": "failure", "message": message}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_masked() {
        for (rest, expected) in [
            ("/4f2d/db%20team", "/***/db%20team"),
            ("/4f2d/a/b/", "/***/a/b"),
            ("/4f2d/", "/***"),
            ("/4f2d", "/***"),
        ] {
            assert_eq!(masked(&format!("{PREFIX}{rest}")), format!("{PREFIX}{expected}"));
        }
    }
}
