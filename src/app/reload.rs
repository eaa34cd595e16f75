//! Takes over the configuration files while everything runs: all of it, or nothing.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::Error;
use super::load::{self, Defaults};
use crate::config::{self, Catalog, Environment, Options, Paths, Routes};
use crate::deliver::Lanes;
use crate::deliver::render::Templates;
use crate::http::Shared;
use crate::http::reloads::{Ask, Draining, Reloaded};

/// Reads `routes.toml` and the templates, from where they were found at the start.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) files: Paths,
    /// Fixed text instead of the file.
    pub(super) text: Option<String>,
}

impl Reader {
    /// Reads and checks. Blocks on the disk.
    pub(super) fn read(&self) -> Result<Routes, Error> {
        let folder = Some(&*self.files.templates).filter(|folder| folder.is_dir());
        let templates = Templates::load(folder).map_err(|problems| Error::Templates {
            problems: problems.iter().map(ToString::to_string).collect(),
        })?;
        let catalog = Catalog::with_tables(&self.files.sources).map_err(|mut reports| {
            let (path, report) = reports.swap_remove(0);
            Error::Routes { source: config::Error::Invalid { path, report } }
        })?;
        let catalog = Catalog { templates: Arc::new(templates), ..catalog };
        let options =
            Options { catalog: &catalog, environment: Environment::process(), strict: true };
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

/// Serves requests for a reload, one after the other.
pub(super) struct Reloader {
    pub(super) reader: Reader,
    pub(super) shared: Arc<Shared>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) defaults: Defaults,
}

impl Reloader {
    /// Runs until `stop` is true.
    pub(super) async fn run(self, mut asked: mpsc::Receiver<Ask>, mut stop: watch::Receiver<bool>) {
        loop {
            let ask = tokio::select! {
                ask = asked.recv() => ask,
                _ = stop.wait_for(|stop| *stop) => None,
            };
            let Some(answer) = ask else { return };
            let done = self.reload().await;
            let now = self.shared.clock.now();
            self.shared.metrics.reloaded(done.is_ok(), now);
            let done = done.map_err(|error| error.explain());
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
        let routes = tokio::task::spawn_blocking(move || reader.read())
            .await
            .map_err(|error| Error::Fatal { reason: error.to_string() })??;
        let now = self.shared.clock.now();
        let before = self.shared.active.load_full();
        let loaded = load::build(&routes, Some(&before), &self.defaults, &self.shared.metrics, now)
            .map_err(|source| Error::Load { source })?;
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
            warnings: loaded.warnings,
        };
        for receiver in self.lanes.adopt(loaded.lanes) {
            if !reloaded.draining.iter().any(|one| *one.receiver == *receiver) {
                self.lanes.retire(&receiver);
                self.shared.metrics.forget_receiver(&receiver);
            }
        }
        self.shared.active.store(Arc::new(loaded.active));
        Ok(reloaded)
    }
}
