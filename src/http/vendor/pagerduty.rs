//! PagerDuty Events API v2 and v1 (PagerDuty developer documentation, "Events API v2" and "Events API v1").
//!
//! The routing key stands in the body, so the body is read before anybody is known: at most 512 KB, as there, also after
//! inflating, and only where a source serves the endpoint. The words of the errors are those that clients of the real API have in their logs.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};
use serde_json::{Map, Value, json};

use super::{Visit, decoded, fault, random_id};
use crate::http::error::Fault;
use crate::http::{Error, Shared, body};
use crate::ingest::kinds::read;
use crate::ingest::{self, Endpoint};
use crate::limits::PAGERDUTY_EVENT_BYTES_MAX;

/// Longest `dedup_key`.
const KEY_CHARS_MAX: usize = 255;
const ACTIONS: [&str; 3] = ["trigger", "acknowledge", "resolve"];
const SEVERITIES: [&str; 4] = ["critical", "warning", "error", "info"];

/// What a path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Alert,
    Change,
    V1,
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let paths = [
        ("/v2/enqueue", Form::Alert),
        ("/integration/{key}/enqueue", Form::Alert),
        ("/v2/change/enqueue", Form::Change),
        ("/integration/{key}/change/enqueue", Form::Change),
        ("/generic/2010-04-15/create_event.json", Form::V1),
    ];
    for (path, form) in paths {
        let serve = move |shared: web::Data<Shared>, request: HttpRequest, body: web::Payload| {
            enqueue(form, shared, request, body)
        };
        let other = move |shared: web::Data<Shared>, request: HttpRequest| async move {
            let visit = Visit::new(form.endpoint(), shared, request);
            visit.finish(Err(Error::Method { allowed: "POST".to_owned() }), words)
        };
        let resource = web::resource(path).route(web::post().to(serve));
        config.service(resource.default_service(web::to(other)));
    }
}

async fn enqueue(
    form: Form,
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let mut visit = Visit::new(form.endpoint(), shared, request);
    let outcome = event(form, &mut visit, payload).await;
    visit.finish(outcome, words)
}

async fn event(
    form: Form,
    visit: &mut Visit,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    visit.served()?;
    let mut body = visit.read_unknown(payload, PAGERDUTY_EVENT_BYTES_MAX).await?;
    let mut event = visit.object(&body)?;
    let Some(key) = routing_key(form, visit, &event) else {
        let faults = [fault(form.missing(form.key_field()))].into_iter().chain(form.faults(&event));
        return Err(invalid(faults.collect()));
    };
    let source = visit.identify(Some(&key)).await?;
    check_size(visit, body.len(), source.body_bytes_max)?;
    let faults = form.faults(&event);
    if !faults.is_empty() {
        return Err(invalid(faults));
    }
    let field = form.identity_field();
    if form != Form::Change && read::get(&event, field).is_none() {
        // The client has to learn the key to resolve by it.
        event.insert(field.to_owned(), Value::String(random_id()));
        body = serde_json::to_vec(&event).map(Into::into).unwrap_or(body);
    }
    let path = visit.request.path().to_owned();
    let path = if path.starts_with("/integration/") { form.path() } else { &path };
    visit.take_in(&source, path, &body).await?;
    Ok(form.accepted(read::get(&event, field).as_deref()))
}

fn check_size(visit: &Visit, bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(Error::Body { busy: visit.busy(), source: body::Error::TooLarge { bytes_max } })
}

/// In the body, else in a header, else in the path.
fn routing_key(form: Form, visit: &Visit, event: &Map<String, Value>) -> Option<String> {
    let header = || visit.request.headers().get("x-routing-key")?.to_str().ok().map(str::to_owned);
    let segment = || visit.request.match_info().get("key").map(decoded);
    let key = read::get(event, form.key_field()).or_else(header).or_else(segment);
    key.filter(|key| !key.trim().is_empty())
}

fn invalid(faults: Vec<Fault>) -> Error {
    Error::Invalid { status: 400, faults }
}

impl Form {
    const fn endpoint(self) -> Endpoint {
        match self {
            Self::Alert | Self::Change => Endpoint::PagerDuty,
            Self::V1 => Endpoint::PagerDutyV1,
        }
    }

    const fn key_field(self) -> &'static str {
        match self {
            Self::Alert | Self::Change => "routing_key",
            Self::V1 => "service_key",
        }
    }

    const fn identity_field(self) -> &'static str {
        match self {
            Self::Alert | Self::Change => "dedup_key",
            Self::V1 => "incident_key",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Alert => "/v2/enqueue",
            Self::Change => "/v2/change/enqueue",
            Self::V1 => "/generic/2010-04-15/create_event.json",
        }
    }

    /// v2 names fields as they are, v1 as prose.
    fn missing(self, field: &str) -> String {
        if self != Self::V1 {
            return format!("'{field}' is missing or blank");
        }
        let mut words = field.replace('_', " ");
        words[..1].make_ascii_uppercase();
        format!("{words} is missing or blank")
    }

    /// Everything that is wrong with an event besides its routing key.
    fn faults(self, event: &Map<String, Value>) -> Vec<Fault> {
        match self {
            Self::Alert => alert_faults(event),
            Self::Change => change_faults(event),
            Self::V1 => old_faults(event),
        }
    }

    /// The answer to an event that is on disk now.
    fn accepted(self, key: Option<&str>) -> HttpResponse {
        match self {
            Self::Alert => HttpResponse::Accepted()
                .json(json!({"status": "success", "message": "Event processed", "dedup_key": key})),
            Self::Change => HttpResponse::Accepted()
                .json(json!({"status": "success", "message": "Change event processed"})),
            Self::V1 => HttpResponse::Ok().json(
                json!({"status": "success", "message": "Event processed", "incident_key": key}),
            ),
        }
    }
}

fn alert_faults(event: &Map<String, Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let action = read::get(event, "event_action");
    match action.as_deref() {
        None => faults.push(fault(Form::Alert.missing("event_action"))),
        Some(action) if !ACTIONS.contains(&action) => faults.push(fault(
            "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')",
        )),
        Some(_) => {}
    }
    match (read::get(event, "dedup_key"), action.as_deref()) {
        (Some(key), _) if key.chars().count() > KEY_CHARS_MAX => {
            faults.push(fault("'dedup_key' is too long (maximum is 255 characters)"));
        }
        (None, Some("acknowledge" | "resolve")) => {
            faults.push(fault(Form::Alert.missing("dedup_key")));
        }
        // A list or an object names nothing; to make up a key in its place would lose the resolve.
        (None, _) if is_there(event.get("dedup_key")) => {
            faults.push(fault("'dedup_key' is invalid (must be a string)"));
        }
        _ => {}
    }
    if action.as_deref() == Some("trigger") {
        let Some(Value::Object(payload)) = event.get("payload") else {
            faults.push(fault(Form::Alert.missing("payload")));
            return faults;
        };
        let missing = ["summary", "source", "severity"].into_iter();
        let missing = missing.filter(|field| read::get(payload, field).is_none());
        faults.extend(missing.map(|it| fault(Form::Alert.missing(&format!("payload.{it}")))));
        let severity = read::get(payload, "severity");
        if severity.is_some_and(|word| !SEVERITIES.contains(&word.as_str())) {
            faults.push(fault(
                "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')",
            ));
        }
    }
    faults
}

fn is_there(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.is_array() || value.is_object())
}

fn change_faults(event: &Map<String, Value>) -> Vec<Fault> {
    let field = match event.get("payload") {
        Some(Value::Object(payload)) if read::get(payload, "summary").is_some() => return vec![],
        Some(Value::Object(_)) => "payload.summary",
        _ => "payload",
    };
    vec![fault(Form::Change.missing(field))]
}

fn old_faults(event: &Map<String, Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let kind = read::get(event, "event_type");
    let mut need = |field: &str| {
        if read::get(event, field).is_none() {
            faults.push(fault(Form::V1.missing(field)));
        }
    };
    match kind.as_deref() {
        Some("trigger") => need("description"),
        Some("acknowledge" | "resolve") => need("incident_key"),
        Some(_) => faults.push(fault("Event type is invalid")),
        None => need("event_type"),
    }
    if is_there(event.get("incident_key")) {
        faults.push(fault("Incident key is invalid"));
    }
    faults
}

/// A refusal as PagerDuty says it: `status`, `message`, `errors`.
fn words(visit: &Visit, error: &Error) -> HttpResponse {
    let refused = |code: StatusCode, status: &str, message: &str, errors: Vec<String>| {
        error
            .builder()
            .status(code)
            .json(json!({"status": status, "message": message, "errors": errors}))
    };
    let invalid = |errors| {
        let code = StatusCode::BAD_REQUEST;
        refused(code, "invalid event", "Event object is invalid", errors)
    };
    let code = error.status_code();
    let message = error.message();
    match error {
        Error::Invalid { faults, .. } => {
            invalid(faults.iter().map(|fault| fault.text.clone()).collect())
        }
        Error::Refused { .. } if code == StatusCode::UNAUTHORIZED => {
            let v1 = visit.endpoint == Endpoint::PagerDutyV1;
            let what = if v1 { "Invalid service key" } else { "Invalid routing key" };
            invalid(vec![what.to_owned()])
        }
        Error::Ingest { source: ingest::Error::Normalize { .. }, .. }
            if code == StatusCode::BAD_REQUEST =>
        {
            let errors = vec!["JSON parse error".to_owned(), message.clone()];
            refused(code, "Unrecognized object", &message, errors)
        }
        Error::Throttled { .. } => {
            let later = "Requests for this service are arriving too quickly. Please retry later.";
            refused(code, "throttle exceeded", later, vec![message])
        }
        _ => {
            let reason = code.canonical_reason().unwrap_or("error").to_lowercase();
            refused(code, &reason, &message, vec![message.clone()])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: Form, event: Value, expected: &[&str]) {
        let Value::Object(event) = event else { panic!("{event} is no object") };
        let texts: Vec<String> = form.faults(&event).into_iter().map(|fault| fault.text).collect();
        assert_eq!(texts, expected, "{event:?}");
    }

    #[test]
    fn events_lack_what_the_real_api_wants() {
        let fine = json!({"summary": "s", "source": "h", "severity": "error"});
        check(Form::Alert, json!({"event_action": "trigger", "payload": fine}), &[]);
        check(Form::Alert, json!({"event_action": "resolve", "dedup_key": "k"}), &[]);
        check(Form::Alert, json!({"event_action": "acknowledge", "dedup_key": 7}), &[]);
        check(Form::Alert, json!({}), &["'event_action' is missing or blank"]);
        check(
            Form::Alert,
            json!({"event_action": "resolve", "dedup_key": " "}),
            &["'dedup_key' is missing or blank"],
        );
        check(
            Form::Alert,
            json!({"event_action": "trigger", "payload": {"summary": "", "severity": "page"}}),
            &[
                "'payload.summary' is missing or blank",
                "'payload.source' is missing or blank",
                "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')",
            ],
        );
        check(
            Form::Alert,
            json!({"event_action": "trigger", "dedup_key": ["k"], "payload": "s"}),
            &["'dedup_key' is invalid (must be a string)", "'payload' is missing or blank"],
        );
        check(
            Form::Alert,
            json!({"event_action": "resolve", "dedup_key": "k".repeat(256)}),
            &["'dedup_key' is too long (maximum is 255 characters)"],
        );
        check(Form::Change, json!({"payload": {"summary": "s"}}), &[]);
        check(Form::Change, json!({"payload": {}}), &["'payload.summary' is missing or blank"]);
        check(Form::V1, json!({"event_type": "trigger", "description": "d"}), &[]);
        check(Form::V1, json!({}), &["Event type is missing or blank"]);
        check(Form::V1, json!({"event_type": "resolve"}), &["Incident key is missing or blank"]);
        check(Form::V1, json!({"event_type": "open"}), &["Event type is invalid"]);
    }
}
