//! `/metrics` and `/-/`: what operators and their machines ask.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::Shared;
use super::error::Error;
use crate::telemetry::metrics;

/// `GET /metrics`. Open to all who reach the port: names and figures, no content and no secrets.
pub async fn metrics(shared: web::Data<Shared>) -> HttpResponse {
    // A closed store has no counts: the rest is worth scraping all the same.
    if let Ok(counts) = shared.store.counts().await {
        shared.metrics.observe(&counts, shared.clock.now());
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, metrics::CONTENT_TYPE))
        .body(shared.metrics.render())
}

/// `GET /-/healthy`: the process answers. Restarting it would not help more.
pub async fn healthy() -> HttpResponse {
    HttpResponse::Ok().json(json!({"healthy": true}))
}

/// `GET /-/ready`: whether alerts are taken now, and if not, why.
pub async fn ready(shared: web::Data<Shared>) -> HttpResponse {
    match shared.health.trouble() {
        None => HttpResponse::Ok().json(json!({"ready": true})),
        Some(why) => {
            HttpResponse::ServiceUnavailable().json(json!({"ready": false, "reason": why}))
        }
    }
}

/// `POST /-/reload`: takes over the configuration files, or says why not and changes nothing.
pub async fn reload(
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    shared.access.check(&request)?;
    let done = shared.reloads.ask().await.map_err(|detail| Error::Reload { detail })?;
    Ok(HttpResponse::Ok().json(done))
}
