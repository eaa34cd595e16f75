//! Opsgenie Alert API (Opsgenie documentation, "Alert API"; opsgenie/opsgenie-oas, `definitions/alert.yaml`), and the
//! same API below `/jsm/ops/integration` as Jira Service Management has it.
//!
//! The real API answers before it works; clients that want to know ask for the request by its id. Here the work is done
//! by then. The id of an alert is its alias: whoever has either, or neither and asks, comes to the same alert.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};
use serde_json::{Value, json};

use super::{Visit, decoded, random_uuid};
use crate::domain::Timestamp;
use crate::http::error::Fault;
use crate::http::{Error, Shared};
use crate::ingest::Endpoint;
use crate::ingest::kinds::read;
use crate::limits::OPSGENIE_REQUESTS_MAX;

/// Longest alias ("Alert API", Create Alert).
const ALIAS_CHARS_MAX: usize = 512;
/// What can be done to an alert, and what its request says afterwards.
const ACTIONS: [(&str, &str); 16] = [
    ("close", "Closed alert"),
    ("acknowledge", "Acknowledged alert"),
    ("unacknowledge", "Unacknowledged alert"),
    ("notes", "Added note"),
    ("snooze", "Snoozed alert"),
    ("escalate", "Escalated to next"),
    ("assign", "Assigned ownership"),
    ("responders", "Added responder"),
    ("teams", "Added team"),
    ("tags", "Changed tags"),
    ("details", "Changed details"),
    ("actions", "Executed action"),
    ("message", "Updated message"),
    ("description", "Updated description"),
    ("priority", "Updated priority"),
    ("attachments", "Added attachment"),
];

/// The requests that clients may ask for: the newest, in memory only. After a restart they are unknown, which clients
/// take for "not yet" and give up on; the alerts themselves are on disk.
#[derive(Debug, Default)]
pub struct Requests(Mutex<VecDeque<Done>>);

/// A request that was worked off.
#[derive(Clone, Debug)]
struct Done {
    id: String,
    source: Arc<str>,
    alias: String,
    action: String,
    said: &'static str,
    at: Timestamp,
}

impl Requests {
    fn note(&self, done: Done) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() >= OPSGENIE_REQUESTS_MAX {
            list.pop_front();
        }
        list.push_back(done);
    }

    fn find(&self, source: &str, id: &str) -> Option<Done> {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.iter().rev().find(|done| done.id == id && &*done.source == source).cloned()
    }
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    for prefix in ["", "/jsm/ops/integration"] {
        let at = |path: &str| web::resource(format!("{prefix}/v2/alerts{path}"));
        let not = |allowed: &'static str| {
            let refuse = move |shared, request| {
                let visit = Visit::new(Endpoint::Opsgenie, shared, request);
                let error = Error::Method { allowed: allowed.to_owned() };
                std::future::ready(visit.finish(Err(error), words))
            };
            web::to(refuse)
        };
        let changes = |resource: actix_web::Resource| {
            resource
                .route(web::post().to(act))
                .route(web::put().to(act))
                .route(web::patch().to(act))
                .route(web::delete().to(act))
                .default_service(not("POST, PUT, PATCH, DELETE"))
        };
        config
            .service(at("").route(web::post().to(create)).default_service(not("POST")))
            .service(
                at("/requests/{request}").route(web::get().to(status)).default_service(not("GET")),
            )
            .service(at("/{alert}").route(web::delete().to(act)).default_service(not("DELETE")))
            .service(changes(at("/{alert}/{action}")))
            .service(changes(at("/{alert}/{action}/{name}")));
    }
}

/// `POST /v2/alerts`.
async fn create(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let mut visit = Visit::new(Endpoint::Opsgenie, shared, request);
    let outcome = take(&mut visit, payload).await;
    visit.finish(outcome, words)
}

/// Everything that is done to an alert that is there.
async fn act(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let mut visit = Visit::new(Endpoint::Opsgenie, shared, request);
    let outcome = change(&mut visit, payload).await;
    visit.finish(outcome, words)
}

/// `GET /v2/alerts/requests/{request}`.
async fn status(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    let mut visit = Visit::new(Endpoint::Opsgenie, shared, request);
    let outcome = look_up(&mut visit).await;
    visit.finish(outcome, words)
}

async fn take(visit: &mut Visit, payload: web::Payload) -> Result<HttpResponse, Error> {
    let source = visit.identify(key(visit).as_deref()).await?;
    let mut body = visit.read(payload, source.body_bytes_max).await?;
    let mut fields = visit.object(&body)?;
    if read::get(&fields, "message").is_none() {
        return Err(invalid("message", "Message can not be empty."));
    }
    let id = random_uuid();
    let alias = match (read::get(&fields, "alias"), fields.get("alias")) {
        (Some(alias), _) => alias,
        (None, Some(Value::Array(_) | Value::Object(_))) => {
            return Err(invalid("alias", "Alias should be a string."));
        }
        (None, _) => {
            // As there: the id of the alert, which the client learns from its request.
            fields.insert("alias".to_owned(), Value::String(id.clone()));
            body = serde_json::to_vec(&fields).map(Into::into).unwrap_or(body);
            id.clone()
        }
    };
    check_alias(&alias)?;
    visit.take_in(&source, visit.request.path(), &body).await?;
    Ok(accepted(visit, id, alias, "Create", "Created alert"))
}

async fn change(visit: &mut Visit, payload: web::Payload) -> Result<HttpResponse, Error> {
    let source = visit.identify(key(visit).as_deref()).await?;
    let parts = visit.request.match_info();
    let segment = |name| parts.get(name).map(decoded).filter(|text| !text.trim().is_empty());
    let (alias, action) = (segment("alert"), segment("action"));
    let (name, said) = match &action {
        None => ("delete", "Deleted alert"),
        Some(action) => {
            let known = ACTIONS.into_iter().find(|(known, _)| known == action);
            known.ok_or(Error::NotFound)?
        }
    };
    let Some(alias) = alias else { return Err(invalid("identifier", "is empty")) };
    check_alias(&alias)?;
    let queries = url::form_urlencoded::parse(visit.request.query_string().as_bytes());
    let mut types = queries.filter(|(name, _)| name == "identifierType");
    if types.any(|(_, value)| !["id", "tiny", "alias"].contains(&&*value)) {
        return Err(invalid("identifierType", "should be one of [ id, alias, tiny ]"));
    }
    let body = visit.read(payload, source.body_bytes_max).await?;
    // Who closed it and why may be said or not.
    let body = if body.trim_ascii().is_empty() { web::Bytes::from_static(b"{}") } else { body };
    visit.object(&body)?;
    visit.take_in(&source, visit.request.path(), &body).await?;
    Ok(accepted(visit, random_uuid(), alias, name, said))
}

async fn look_up(visit: &mut Visit) -> Result<HttpResponse, Error> {
    let source = visit.identify(key(visit).as_deref()).await?;
    let id = visit.request.match_info().get("request").unwrap_or("");
    let done = visit.shared.opsgenie.find(&source.name, id).ok_or(Error::NotFound)?;
    Ok(HttpResponse::Ok().json(json!({
        "data": {
            "success": true, "isSuccess": true, "status": done.said, "action": done.action,
            "processedAt": done.at.to_string(), "integrationId": &*source.name,
            "alertId": done.alias, "alias": done.alias,
        },
        "took": took(visit), "requestId": done.id,
    })))
}

/// `Authorization: GenieKey <key>`; anything else is for the source to judge.
fn key(visit: &Visit) -> Option<String> {
    let header = visit.request.headers().get(header::AUTHORIZATION)?;
    let (scheme, key) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("geniekey").then(|| key.trim().to_owned())
}

fn invalid(field: &'static str, text: &str) -> Error {
    Error::Invalid { status: 422, faults: vec![Fault { field, text: text.to_owned() }] }
}

fn check_alias(alias: &str) -> Result<(), Error> {
    if alias.chars().count() <= ALIAS_CHARS_MAX {
        return Ok(());
    }
    Err(invalid("alias", "Alias should be at most 512 characters long."))
}

fn accepted(
    visit: &Visit,
    id: String,
    alias: String,
    action: &str,
    said: &'static str,
) -> HttpResponse {
    let answer = json!({
        "result": "Request will be processed", "took": took(visit), "requestId": id,
    });
    if let Some(source) = &visit.source {
        let (source, at) = (Arc::clone(&source.name), visit.begun);
        visit.shared.opsgenie.note(Done { id, source, alias, action: action.to_owned(), said, at });
    }
    HttpResponse::Accepted().json(answer)
}

/// Seconds since the request came.
fn took(visit: &Visit) -> f64 {
    visit.shared.clock.now().since(visit.begun).as_secs_f64()
}

/// A refusal as Opsgenie says it: `message`, `errors` by field, `took` and `requestId`.
fn words(visit: &Visit, error: &Error) -> HttpResponse {
    let message = match error {
        Error::Invalid { .. } => {
            "Request body is not processable. Please check the errors.".to_owned()
        }
        Error::Refused { .. }
            if error.status_code() == actix_web::http::StatusCode::UNAUTHORIZED =>
        {
            "Could not authenticate".to_owned()
        }
        Error::Throttled { .. } => "You are making too many requests!".to_owned(),
        Error::NotFound if visit.request.match_info().get("request").is_some() => {
            "Request not found. It might not be processed, yet.".to_owned()
        }
        other => other.message(),
    };
    let mut body = json!({"message": message, "took": took(visit), "requestId": random_uuid()});
    if let Error::Invalid { faults, .. } = error {
        body["errors"] = faults.iter().map(|it| (it.field.to_owned(), json!(it.text))).collect();
    }
    error.builder().json(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_requests_are_known_and_each_to_its_source() {
        let requests = Requests::default();
        for n in 0..=OPSGENIE_REQUESTS_MAX {
            let (id, source) = (format!("r{n}"), Arc::from("ops"));
            let (alias, action) = ("disk".to_owned(), "Create".to_owned());
            let at = Timestamp::default();
            requests.note(Done { id, source, alias, action, said: "Created alert", at });
        }
        assert!(requests.find("ops", "r0").is_none());
        assert_eq!(requests.find("ops", "r1").map(|done| done.alias).as_deref(), Some("disk"));
        assert!(requests.find("other", "r1").is_none());
    }
}
