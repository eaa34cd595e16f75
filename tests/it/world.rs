//! A running service, a receiver that remembers, and a client.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use alertbridge::app::{self, Data, RunningApp, Setup};
use alertbridge::config::{Environment, Layers, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore};

/// Nothing here takes longer unless it is broken.
pub const SOON: Duration = Duration::from_secs(20);

/// Waits for `future`, but not for ever.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future)
        .await
        .unwrap_or_else(|late| panic!("{what}: not within {} seconds ({late})", SOON.as_secs()))
}

/// A receiver: remembers what it was sent and answers as told.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    inner: Arc<Inner>,
}

struct Inner {
    got: Mutex<Vec<Got>>,
    answers: Mutex<VecDeque<u16>>,
    changed: Notify,
    /// Requests are answered while there are permits.
    gate: Semaphore,
    server: Mutex<Option<ServerHandle>>,
}

/// One request as it was received.
#[derive(Clone, Debug)]
pub struct Got {
    pub body: String,
}

impl Receiver {
    /// Listens on a free port.
    pub fn start() -> Self {
        let inner = Arc::new(Inner {
            got: Mutex::default(),
            answers: Mutex::default(),
            changed: Notify::new(),
            gate: Semaphore::new(1_000_000),
            server: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let data = web::Data::from(Arc::clone(&inner));
        let server = HttpServer::new(move || {
            App::new().app_data(data.clone()).default_service(web::to(receive))
        });
        let server = server.workers(1).disable_signals().listen(listener).expect("listen").run();
        *inner.server.lock().expect("not poisoned") = Some(server.handle());
        tokio::spawn(server);
        Self { url, inner }
    }

    /// The next requests are answered with these, later ones with 200.
    pub fn answer(&self, statuses: &[u16]) {
        self.inner.answers.lock().expect("not poisoned").extend(statuses);
    }

    /// Holds all answers back until [`Self::release`].
    pub async fn hold(&self) {
        self.inner.gate.acquire_many(1_000_000).await.expect("open").forget();
    }

    pub fn release(&self) {
        self.inner.gate.add_permits(1_000_000);
    }

    pub fn got(&self) -> Vec<Got> {
        self.inner.got.lock().expect("not poisoned").clone()
    }

    /// Waits for the `count`th request; returns all.
    pub async fn wait(&self, count: usize) -> Vec<Got> {
        soon(&format!("request {count} to the receiver"), async {
            loop {
                let changed = self.inner.changed.notified();
                let got = self.got();
                if got.len() >= count {
                    return got;
                }
                changed.await;
            }
        })
        .await
    }
}

async fn receive(inner: web::Data<Inner>, _: HttpRequest, body: String) -> HttpResponse {
    inner.got.lock().expect("not poisoned").push(Got { body });
    inner.changed.notify_one();
    let _permit = inner.gate.acquire().await.expect("open");
    let status = inner.answers.lock().expect("not poisoned").pop_front().unwrap_or(200);
    HttpResponse::build(status.try_into().expect("a status")).finish()
}

/// The service with all around it.
pub struct World {
    pub app: RunningApp,
    pub url: String,
    pub client: reqwest::Client,
    pub receiver: Receiver,
    pub folder: TempDir,
}

/// What a test wants other than the defaults.
#[derive(Default)]
pub struct Wish<'a> {
    /// The text of `routes.toml`; `{receiver}` is the URL of the fake receiver.
    pub routes: &'a str,
    /// Settings such as `server.api_token`.
    pub settings: &'a [(&'a str, &'a str)],
    /// Read the text from a file, which a reload reads again.
    pub file: bool,
}

/// A source of each auth that tests need, and one receiver.
pub const ROUTES: &str = r#"
[sources.am]
kind = "alertmanager"
auth = "none"

[receivers.hook]
kind = "webhook"
url = "{receiver}"
limit = { per_second = 10000, burst = 10000 }

[defaults]
receivers = ["hook"]
"#;

pub fn settings(folder: &Path, wished: &[(&str, &str)]) -> Settings {
    let empty = folder.join("alertbridge.toml");
    std::fs::write(&empty, "").expect("writable");
    let path = |name: &str| folder.join(name).display().to_string();
    let mut flags = vec![
        ("server.listen".to_owned(), "127.0.0.1:0".to_owned()),
        ("server.workers".to_owned(), "1".to_owned()),
        ("server.shutdown_timeout".to_owned(), "5s".to_owned()),
        ("store.path".to_owned(), path("data")),
        ("routes.path".to_owned(), path("routes.toml")),
        ("deliver.backoff_base".to_owned(), "10ms".to_owned()),
    ];
    flags.extend(wished.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let layers = Layers {
        file: Some(&empty),
        variables: &[],
        flags: &flags,
        environment: Environment::process(),
    };
    Settings::load(&layers).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

impl World {
    /// Starts the service with [`ROUTES`].
    pub async fn start() -> Self {
        Self::with(Wish { routes: ROUTES, ..Wish::default() }).await
    }

    pub async fn with(wish: Wish<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let receiver = Receiver::start();
        let routes = wish.routes.replace("{receiver}", &receiver.url);
        let mut setup = Setup::new(settings(folder.path(), wish.settings));
        setup.data = Data::Memory;
        if wish.file {
            std::fs::write(folder.path().join("routes.toml"), &routes).expect("writable");
        } else {
            setup.routes = Some(routes);
        }
        let app = app::start(setup).await.unwrap_or_else(|error| panic!("{}", error.explain()));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = app.url();
        Self { app, url, client, receiver, folder }
    }

    /// Posts JSON; returns status and answer.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.url)).body(body.to_string());
        self.send(request.header("content-type", "application/json")).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.client.get(format!("{}{path}", self.url))).await
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = soon("an answer", request.send()).await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The value of the sample that begins with `name`.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let text = text.as_str().expect("text");
        let line = text
            .lines()
            .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        let value = line.and_then(|line| line.rsplit(' ').next()).unwrap_or("0");
        value.parse().expect("a number")
    }

    /// Reads `path` until `check` likes the answer.
    pub async fn until(&self, path: &str, check: impl Fn(&Value) -> bool) -> Value {
        soon(path, async {
            loop {
                let (_, answer) = self.get(path).await;
                if check(&answer) {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

/// An alert as Alertmanager's webhook carries it.
pub fn one(name: &str, status: &str) -> Value {
    json!({
        "status": status, "fingerprint": name, "startsAt": "2026-03-01T10:00:00Z",
        "endsAt": if status == "resolved" { "2026-03-01T10:05:00Z" } else { "0001-01-01T00:00:00Z" },
        "labels": {"alertname": name, "severity": "critical", "instance": "db-1:9100"},
        "annotations": {"summary": format!("{name} is down")},
        "generatorURL": "http://prometheus.example/graph",
    })
}

/// An Alertmanager payload with `alerts`.
pub fn payload(alerts: &[Value]) -> Value {
    json!({
        "version": "4", "groupKey": "{}", "status": "firing", "receiver": "bridge",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://alertmanager.example", "alerts": alerts,
    })
}
