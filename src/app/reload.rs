//! Takes over the configuration files while everything runs: all of it, or nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::Error;
use super::load::{self, Defaults};
use crate::config::{self, Catalog, Environment, Options, Paths, Routes, Settings};
use crate::deliver::Lanes;
use crate::deliver::render::Templates;
use crate::domain::Timestamp;
use crate::http::Shared;
use crate::http::reloads::{Ask, Draining, Reloaded};
use crate::http::tls::{self, Tls};

/// Reads `routes.toml` and the templates, from where they were found at the start.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) files: Paths,
    /// Fixed text instead of the file.
    pub(super) text: Option<String>,
    /// Where senders reach this bridge.
    pub(super) public_url: Option<String>,
}

impl Reader {
    /// Reads the files of `settings`, or `text` instead of the routes.
    pub(super) fn new(settings: &Settings, text: Option<String>) -> Self {
        let public_url = settings.server.public_url.clone();
        Self { files: settings.routes.clone(), text, public_url }
    }

    /// Reads, checks, and runs the tests of the file. `now` is when the payloads of tests arrive. Blocks on the disk.
    pub(super) fn read(&self, now: Timestamp) -> Result<Routes, Error> {
        let path = self.files.path.clone();
        self.routes()?
            .tried(now)
            .map_err(|report| Error::Routes { source: config::Error::Invalid { path, report } })
    }

    fn routes(&self) -> Result<Routes, Error> {
        let folder = Some(&*self.files.templates).filter(|folder| folder.is_dir());
        let templates = Templates::load(folder).map_err(|problems| Error::Templates {
            problems: problems.iter().map(ToString::to_string).collect(),
        })?;
        let catalog = Catalog::with_tables(&self.files.sources, &self.files.receivers);
        let catalog = catalog.map_err(|mut reports| {
            let (path, report) = reports.swap_remove(0);
            Error::Routes { source: config::Error::Invalid { path, report } }
        })?;
        let catalog = Catalog { templates: Arc::new(templates), ..catalog };
        let options = Options {
            catalog: &catalog,
            environment: Environment::process(),
            strict: true,
            public_url: self.public_url.as_deref(),
        };
        let path: &Path = &self.files.path;
        if let Some(text) = &self.text {
            return Routes::parse(path, text, &options).map_err(|report| Error::Routes {
                source: config::Error::Invalid { path: path.to_owned(), report },
            });
        }
        if !self.files.chosen && !path.exists() {
            return Ok(Routes::builtin(&catalog));
        }
        Routes::load(path, &options).map_err(|source| Error::Routes { source })
    }
}

/// Between two looks whether receivers that are gone have closed what they opened.
const LOOK_AT_DRAINING: Duration = Duration::from_mins(1);

/// Serves requests for a reload, one after the other.
pub(super) struct Reloader {
    pub(super) reader: Reader,
    pub(super) shared: Arc<Shared>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) defaults: Defaults,
    pub(super) tls: Option<Arc<Tls>>,
}

impl Reloader {
    /// Runs until `stop` is true.
    pub(super) async fn run(self, mut asked: mpsc::Receiver<Ask>, mut stop: watch::Receiver<bool>) {
        let mut looks = interval(LOOK_AT_DRAINING);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut draining: Vec<String> = Vec::new();
        loop {
            let ask = tokio::select! {
                ask = asked.recv() => Some(ask),
                _ = looks.tick(), if !draining.is_empty() => None,
                () = stopped(&mut stop) => return,
            };
            let Some(ask) = ask else {
                draining = self.look_at(draining).await;
                continue;
            };
            let Some(answer) = ask else { return };
            let done = self.reload().await;
            let now = self.shared.clock.now();
            self.shared.metrics.reloaded(done.is_ok(), now);
            let done = done.map_err(|error| error.explain());
            if let Ok(done) = &done {
                draining = done.draining.iter().map(|one| one.receiver.clone()).collect();
            }
            match &done {
                Ok(_) => tracing::info!("configuration was reloaded"),
                Err(error) => tracing::error!("configuration was not taken over: {error}"),
            }
            // Who asked may have gone.
            drop(answer.send(done));
        }
    }

    /// Everything that can fail comes first; from the store's answer on nothing fails.
    async fn reload(&self) -> Result<Reloaded, Error> {
        let reader = self.reader.clone();
        let now = self.shared.clock.now();
        let files = self.tls.as_ref().map(|tls| tls.files().clone());
        let (certificate, routes) = tokio::task::spawn_blocking(move || {
            let loaded = files.as_ref().map(tls::load).transpose();
            let loaded = loaded.map_err(|source| Error::Tls { source })?;
            Ok((loaded, reader.read(now)?))
        })
        .await
        .map_err(|error| Error::Fatal { reason: error.to_string() })??;
        let now = self.shared.clock.now();
        let before = self.shared.active.load_full();
        let loaded = load::build(&routes, Some(&before), &self.defaults, &self.shared.metrics, now)
            .map_err(|source| Error::Load { source })?;
        let mut warnings = loaded.warnings;
        warnings.extend(certificate.iter().flat_map(|certificate| certificate.warnings(now)));
        let rules = Arc::clone(&loaded.active.rules);
        let gone = self.shared.store.adopt(rules, now).await;
        let gone = gone.map_err(|source| Error::Store { source })?;
        let reloaded = Reloaded {
            sources: loaded.active.sources.len(),
            receivers: loaded.lanes.len(),
            routes: loaded.active.routes.routes().count(),
            draining: gone
                .into_iter()
                .map(|(receiver, open)| Draining { receiver, open })
                .collect(),
            warnings,
        };
        for receiver in self.lanes.adopt(loaded.lanes) {
            if !reloaded.draining.iter().any(|one| *one.receiver == *receiver) {
                self.retire(&receiver);
            }
        }
        self.shared.active.store(Arc::new(loaded.active));
        if let (Some(tls), Some(certificate)) = (&self.tls, certificate) {
            tls.adopt(certificate);
            self.shared.metrics.certificate(tls.expires());
        }
        Ok(reloaded)
    }

    /// Ends lanes of receivers that are gone and have closed what they opened. Returns those that have not.
    async fn look_at(&self, mut draining: Vec<String>) -> Vec<String> {
        let rules = Arc::clone(&self.shared.active.load().rules);
        let gone = self.shared.store.adopt(rules, self.shared.clock.now()).await;
        // A store that broke says so itself, and ends the process.
        let Ok(gone) = gone else { return draining };
        draining.retain(|receiver| {
            let open = gone.iter().any(|(name, _)| name == receiver);
            if !open {
                tracing::info!(receiver, "nothing is open any more at a receiver that is gone");
                self.retire(receiver);
            }
            open
        });
        draining
    }

    fn retire(&self, receiver: &str) {
        self.lanes.retire(receiver);
        self.shared.metrics.forget_receiver(receiver);
    }
}

/// Waits until `stop` is true or its sender is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
