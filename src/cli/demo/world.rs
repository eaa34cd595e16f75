//! A bridge, its receivers, and what can be asked of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::clock::StoryClock;
use super::receivers::Receivers;
use super::show::{self, Shown};
use super::story::{LASTS, Step};
use crate::app::{self, Data, RunningApp};
use crate::clock::Clock;
use crate::config::{Catalog, Environment, Layers, Options, Routes, Settings};
use crate::deliver::client::{Client, ClientConfig, Transport};
use crate::deliver::senders::{Request, Response};
use crate::domain::{Head, Rules, Wanted, Why, wanted};
use crate::secret::Secret;
use crate::store::{Filter, IncidentRecord};

const ROUTES: &str = include_str!("routes.toml");
/// Nothing in the story takes longer unless it is broken.
const SOON: Duration = Duration::from_secs(20);
/// More incidents than the story has.
const INCIDENTS_MAX: usize = 100;

/// A directory of its own that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let mut bytes = [0; 8];
        aws_lc_rs::rand::fill(&mut bytes).ok().context("get random bytes")?;
        let name = format!("alertbridge-demo-{:016x}", u64::from_be_bytes(bytes));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the directory of temporary files.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Everything of the story.
pub(super) struct World {
    pub(super) url: String,
    pub(super) routes: Routes,
    pub(super) clock: Arc<StoryClock>,
    rules: Rules,
    app: RunningApp,
    receivers: Receivers,
    client: Client,
    settled: Arc<Notify>,
    /// The last inbox entry that was shown.
    kept: Option<u64>,
    /// Last: the store is closed before its directory goes.
    _folder: Folder,
}

impl World {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let receivers = Receivers::start().context("start stand-ins for receivers")?;
        let text = ROUTES.replace("{receivers}", &receivers.url);
        let catalog = Catalog::builtin();
        let options = Options {
            catalog: &catalog,
            environment: Environment::empty(),
            strict: true,
            public_url: None,
        };
        let routes = Routes::parse(Path::new("routes.toml"), &text, &options)
            .map_err(|report| anyhow::anyhow!("{}", report.render(false)))?;
        let clock = Arc::new(StoryClock::new(LASTS));
        let settled = Arc::new(Notify::new());
        let heard = Arc::clone(&settled);
        let setup = app::Setup {
            routes: Some(text),
            data: Data::Directory,
            clock: clock.clone(),
            printer: Arc::new(|_, _| {}),
            observer: Some(Arc::new(move |_| heard.notify_one())),
            ..app::Setup::new(settings(&folder.0)?)
        };
        let app = app::start(setup).await.map_err(|error| anyhow::anyhow!(error.explain()))?;
        Ok(Self {
            url: app.url(),
            rules: routes.rules(clock.now()),
            routes,
            clock,
            app,
            receivers,
            client: Client::new(&ClientConfig::default()).context("set up the client")?,
            settled,
            kept: None,
            _folder: folder,
        })
    }

    /// Posts `payload` as `step` says.
    pub(super) async fn post(&self, step: &Step, payload: &str) -> anyhow::Result<Response> {
        let mut headers =
            vec![("content-type".to_owned(), Secret::new("application/json; charset=utf-8"))];
        headers.extend(step.proof.header().map(|v| ("authorization".to_owned(), Secret::new(v))));
        let query = step.proof.query();
        let request = Request {
            method: "POST",
            url: Secret::new(format!("{}/hooks/{}{query}", self.url, step.source)),
            headers,
            body: payload.as_bytes().to_vec(),
        };
        let sent = self.client.send(&request, SOON).await;
        sent.with_context(|| format!("post to source {}", step.source))
    }

    /// The incidents, oldest first.
    pub(super) async fn heads(&self) -> anyhow::Result<Vec<Head>> {
        let filter = Filter { limit: INCIDENTS_MAX, ..Filter::default() };
        let mut heads = self.app.store().incidents(filter).await.context("list incidents")?;
        heads.sort_by_key(|head| head.number);
        Ok(heads)
    }

    /// All that is kept of an incident.
    pub(super) async fn incident(&self, number: u64) -> anyhow::Result<Option<IncidentRecord>> {
        self.app.store().incident(number).await.context("read an incident")
    }

    /// Waits until every receiver knows all it wants to know.
    pub(super) async fn quiet(&self) -> anyhow::Result<()> {
        let waiting = async {
            while !self.is_quiet().await? {
                self.settled.notified().await;
            }
            Ok(())
        };
        let late = || format!("receivers were not told within {} seconds", SOON.as_secs());
        timeout(SOON, waiting).await.with_context(late)?
    }

    async fn is_quiet(&self) -> anyhow::Result<bool> {
        let now = self.clock.now();
        let heads = self.heads().await?;
        Ok(heads.iter().all(|head| {
            let policy = self.rules.policy(&head.route);
            head.told.iter().all(|told| {
                let traits = self.rules.traits(&told.receiver);
                let verdict = wanted(head, told, policy, traits, self.rules.loaded_at, now);
                told.maybe.is_none()
                    && told.retry.is_none()
                    && matches!(verdict, Wanted::Nothing(_) | Wanted::At(_, Why::Repeat))
            })
        }))
    }

    /// The next event of a delivery.
    pub(super) async fn event(&self) {
        self.settled.notified().await;
    }

    /// What receivers were told since the last call.
    pub(super) async fn told(&mut self) -> anyhow::Result<Vec<Shown>> {
        let mut told: Vec<Shown> = self.receivers.take().iter().map(show::request).collect();
        let mut kept = self.app.store().inbox(INCIDENTS_MAX).await.context("read the inbox")?;
        kept.retain(|kept| Some(kept.sequence) > self.kept);
        kept.sort_by_key(|kept| kept.sequence);
        self.kept = kept.last().map(|kept| kept.sequence).or(self.kept);
        show::mark_retries(&mut told);
        told.extend(kept.iter().map(|kept| show::inbox(&kept.receiver, &kept.text)));
        Ok(told)
    }

    /// Stops everything in order.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let Self { app, receivers, _folder: folder, .. } = self;
        let stopped = app.stop().await;
        receivers.stop().await;
        drop(folder);
        stopped.context("stop the bridge")
    }
}

/// Settings that no file or variable of the user's changes.
fn settings(folder: &Path) -> anyhow::Result<Settings> {
    let empty = folder.join("alertbridge.toml");
    std::fs::write(&empty, "").with_context(|| format!("write {}", empty.display()))?;
    let path = |name: &str| folder.join(name).display().to_string();
    let flags = [
        ("server.listen", "127.0.0.1:0".to_owned()),
        ("server.workers", "1".to_owned()),
        ("server.shutdown_timeout", "3s".to_owned()),
        ("store.path", path("data")),
        ("store.min_free_bytes", "0".to_owned()),
        ("routes.path", path("routes.toml")),
        ("routes.templates", path("templates")),
        ("routes.sources", path("sources")),
        ("routes.receivers", path("receivers")),
        ("deliver.backoff_base", "200ms".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    let layers = Layers {
        file: Some(&empty),
        variables: &[],
        flags: &flags,
        environment: Environment::empty(),
    };
    Settings::load(&layers).map_err(|error| anyhow::anyhow!("{}", error.render(false)))
}
