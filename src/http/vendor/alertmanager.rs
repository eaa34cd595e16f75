//! The part of Alertmanager's API that Prometheus and other rulers use: `POST /api/v2/alerts`, and `/api/v1/alerts` of
//! those from before (prometheus/alertmanager, `api/v2/openapi.yaml`).
//!
//! A ruler drops what it gets any other status than 2xx for and comes again within a minute with what still fires. So a
//! batch is taken as far as it can be read, and refused by name for the rest, as Alertmanager does.

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};
use serde_json::json;

use super::{Visit, fault};
use crate::http::{Error, Shared};
use crate::ingest::{self, Endpoint};

/// Which version of the API: they answer differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    for (path, version) in [("/api/v2/alerts", Version::Two), ("/api/v1/alerts", Version::One)] {
        let serve = move |shared: web::Data<Shared>, request: HttpRequest, body: web::Payload| {
            alerts(version, shared, request, body)
        };
        let other = move |shared: web::Data<Shared>, request: HttpRequest| async move {
            let visit = Visit::new(Endpoint::Alertmanager, shared, request);
            let refused = Err(Error::Method { allowed: "POST".to_owned() });
            visit.finish(refused, |_, error| version.refusal(error))
        };
        let resource = web::resource(path).route(web::post().to(serve));
        config.service(resource.default_service(web::to(other)));
    }
}

async fn alerts(
    version: Version,
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let mut visit = Visit::new(Endpoint::Alertmanager, shared, request);
    let outcome = take(&mut visit, payload).await.map(|()| version.accepted());
    visit.finish(outcome, |_, error| version.refusal(error))
}

async fn take(visit: &mut Visit, payload: web::Payload) -> Result<(), Error> {
    let source = visit.identify(None).await?;
    let body = visit.read(payload, source.body_bytes_max).await?;
    let receipt = visit.take_in(&source, visit.request.path(), &body).await?;
    if receipt.rejected_count == 0 {
        return Ok(());
    }
    let reasons = receipt.rejected.iter();
    let faults = reasons.map(|it| fault(format!("alert {}: {}", it.index, it.reason))).collect();
    Err(Error::Invalid { status: 400, faults })
}

impl Version {
    fn accepted(self) -> HttpResponse {
        match self {
            Self::One => HttpResponse::Ok().json(json!({"status": "success"})),
            Self::Two => HttpResponse::Ok().finish(),
        }
    }

    fn refusal(self, error: &Error) -> HttpResponse {
        let status = error.status_code();
        let message = match error {
            Error::Invalid { faults, .. } => {
                let texts: Vec<&str> = faults.iter().map(|fault| fault.text.as_str()).collect();
                texts.join("; ")
            }
            Error::Ingest { source: ingest::Error::NothingReadable { rejected }, .. } => {
                let texts = rejected.iter().take(crate::limits::ANSWER_LIST_MAX);
                let texts = texts.map(|it| format!("alert {}: {}", it.index, it.reason));
                texts.collect::<Vec<_>>().join("; ")
            }
            other => other.message(),
        };
        let mut answer = error.builder();
        match self {
            Self::One => {
                let kind = if status.is_client_error() { "bad_data" } else { "server_error" };
                answer.json(json!({"status": "error", "errorType": kind, "error": message}))
            }
            Self::Two => answer.json(json!({"code": status.as_u16(), "message": message})),
        }
    }
}
