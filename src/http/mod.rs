//! The surface: hooks, the API, metrics, health. [`routes`] is the list of everything that is served.

pub mod access;
mod api;
pub mod body;
pub mod error;
mod handshake;
pub mod health;
mod hooks;
mod ops;
pub mod reloads;
mod span;
pub mod tls;
mod vendor;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, ResponseError as _, web};
use arc_swap::ArcSwap;
use governor::DefaultDirectRateLimiter;
use ipnet::IpNet;
use tokio::sync::mpsc;

pub use access::Access;
pub use body::Budget;
pub use error::Error;
pub use health::{Health, Trouble};
pub use hooks::Sources;
pub use reloads::{Reloaded, Reloads};
pub use span::root;
pub use vendor::opsgenie::Requests;

use crate::clock::Clock;
use crate::domain::{Policy, RouteTable, Rules, Timestamp};
use crate::ingest;
use crate::ingest::auth::verifier::Verifier;
use crate::store::{self, Store};
use crate::telemetry::Metrics;

/// One version of the configuration, as requests see it: swapped as a whole.
pub struct Active {
    pub sources: Sources,
    pub routes: RouteTable,
    pub rules: Arc<Rules>,
}

impl Active {
    /// No sources; what stands until a configuration is there.
    pub fn nothing(now: Timestamp) -> Self {
        let policy = Arc::new(Policy::new("default", Vec::new()));
        let rules = Rules {
            policies: HashMap::new(),
            fallback: Arc::clone(&policy),
            traits: HashMap::new(),
            fallbacks: HashMap::new(),
            loaded_at: now,
        };
        Self {
            sources: Sources::new(),
            routes: RouteTable::root_only(policy),
            rules: Arc::new(rules),
        }
    }
}

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time in which a whole body must arrive.
    pub body_within: Duration,
    /// Time in which a payload must be committed; then 503, though it may be committed later.
    pub commit_within: Duration,
    /// Largest body after inflating.
    pub inflated_bytes_max: usize,
}

/// What all handlers share.
pub struct Shared {
    pub active: ArcSwap<Active>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub verifier: Verifier,
    pub budget: Arc<Budget>,
    pub limits: Limits,
    pub access: Access,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    pub health: Health,
    pub reloads: Reloads,
    /// Bounds the log lines about refused requests.
    pub refusals: DefaultDirectRateLimiter,
    /// What clients of the Opsgenie endpoint may ask about.
    pub opsgenie: Requests,
    /// Takes the error after which the process must end; a full channel means that one is there.
    pub fatal: mpsc::Sender<String>,
}

impl Shared {
    /// A store that failed for good ends the process: nothing it says from now on can be kept.
    fn notice_fatal(&self, error: &Error) {
        let (Error::Ingest { source: ingest::Error::Commit { source: store, .. }, .. }
        | Error::Store { source: store }) = error
        else {
            return;
        };
        if !store.is_transient() && !matches!(store, store::Error::Closed) {
            self.health.set(Trouble::StoreFailed, true);
            drop(self.fatal.try_send(error.chain()));
        }
    }
}

/// Every path of the server. Hooks come first: they are what most requests are for.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        // Some senders append an id of theirs to the URL.
        .service(
            web::resource(["/hooks/{source}", "/hooks/{source}/{rest:.*}"])
                .route(web::route().to(hooks::take)),
        )
        .configure(vendor::routes)
        .service(
            web::resource("/metrics")
                .route(web::get().to(ops::metrics))
                .default_service(get_only()),
        )
        .service(
            web::resource("/-/healthy")
                .route(web::get().to(ops::healthy))
                .route(web::head().to(ops::healthy))
                .default_service(get_only()),
        )
        .service(
            web::resource("/-/ready")
                .route(web::get().to(ops::ready))
                .route(web::head().to(ops::ready))
                .default_service(get_only()),
        )
        .service(
            web::resource("/-/reload")
                .route(web::post().to(ops::reload))
                .default_service(only("POST")),
        )
        .service(
            web::resource("/api/v1/incidents")
                .route(web::get().to(api::incidents))
                .default_service(get_only()),
        )
        .service(
            web::resource("/api/v1/incidents/{number}")
                .route(web::get().to(api::incident))
                .default_service(get_only()),
        )
        .service(
            web::resource("/api/v1/inbox")
                .route(web::get().to(api::inbox))
                .default_service(get_only()),
        )
        .default_service(web::to(nothing_here));
}

fn get_only() -> actix_web::Route {
    only("GET")
}

fn only(allowed: &'static str) -> actix_web::Route {
    web::to(move || async move { Error::Method { allowed: allowed.to_owned() }.error_response() })
}

async fn nothing_here() -> HttpResponse {
    Error::NotFound.error_response()
}
