//! Stand-ins for the receivers' APIs: one small server that answers as the vendors do and remembers what it got.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

/// A receiver of the story: its name in the routes, the vendor, and the first part of its path.
const VENDORS: [(&str, &str, &str); 4] = [
    ("oncall", "PagerDuty", "/pagerduty"),
    ("phone", "Twilio", "/twilio"),
    ("chat", "Slack", "/slack"),
    ("team", "Teams", "/teams"),
];

/// One request to a stand-in.
#[derive(Clone, Debug)]
pub(super) struct Got {
    /// The receiver's name in the routes.
    pub(super) receiver: &'static str,
    pub(super) vendor: &'static str,
    /// What it was answered.
    pub(super) status: u16,
    pub(super) body: String,
}

#[derive(Default)]
struct Inner {
    got: Mutex<Vec<Got>>,
    failed: AtomicBool,
    messages: AtomicU64,
}

/// The server of all stand-ins.
pub(super) struct Receivers {
    /// Its base URL.
    pub(super) url: String,
    inner: Arc<Inner>,
    server: ServerHandle,
}

impl Receivers {
    /// Listens on a free port of this machine.
    pub(super) fn start() -> std::io::Result<Self> {
        let inner = Arc::new(Inner::default());
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let data = web::Data::from(Arc::clone(&inner));
        let server = HttpServer::new(move || {
            App::new().app_data(data.clone()).default_service(web::to(receive))
        });
        let server =
            server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { url, inner, server: handle })
    }

    /// What came since the last call, by receiver in the order of the routes, then in order of arrival.
    pub(super) fn take(&self) -> Vec<Got> {
        let mut got = self.inner.got.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = std::mem::take(&mut *got);
        taken.sort_by_key(|got| VENDORS.iter().position(|vendor| vendor.0 == got.receiver));
        taken
    }

    pub(super) async fn stop(self) {
        self.server.stop(false).await;
    }
}

async fn receive(inner: web::Data<Inner>, request: HttpRequest, body: String) -> HttpResponse {
    let of = |path: &str| request.path().starts_with(path);
    let Some((receiver, vendor, _)) = VENDORS.into_iter().find(|(_, _, path)| of(path)) else {
        return HttpResponse::NotFound().finish();
    };
    let answer = answer(&inner, vendor, &body);
    let got = Got { receiver, vendor, status: answer.status().as_u16(), body };
    inner.got.lock().unwrap_or_else(PoisonError::into_inner).push(got);
    answer
}

/// What the vendor answers. PagerDuty is down for the first request, so that a retry is seen.
fn answer(inner: &Inner, vendor: &str, body: &str) -> HttpResponse {
    match vendor {
        "PagerDuty" if !inner.failed.swap(true, Ordering::Relaxed) => {
            HttpResponse::ServiceUnavailable().finish()
        }
        "PagerDuty" => {
            let event: Value = serde_json::from_str(body).unwrap_or_default();
            HttpResponse::Accepted().json(json!({
                "status": "success", "message": "Event processed", "dedup_key": event["dedup_key"],
            }))
        }
        "Twilio" => {
            let number = inner.messages.fetch_add(1, Ordering::Relaxed);
            let sid = format!("SM{number:032x}");
            HttpResponse::Created().json(json!({"sid": sid, "status": "queued"}))
        }
        "Teams" => HttpResponse::Accepted().finish(),
        _ => HttpResponse::Ok().body("ok"),
    }
}
