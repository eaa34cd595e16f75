//! `alertbridge serve`: runs until SIGTERM, then drains. SIGHUP reloads.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{self, RunningApp, Setup};
use crate::config::{Environment, Layers, Settings, setting_variables};
use crate::telemetry;

/// Takes alerts in and tells receivers, until SIGTERM. What `alertbridge` does without a command.
///
/// Without any configuration it listens on 127.0.0.1:8080, reads every source kind, and keeps notifications in its inbox.
/// SIGHUP or POST /-/reload take over routes.toml again.
///
/// Example: alertbridge serve --routes /etc/alertbridge/routes.toml --data /var/lib/alertbridge
#[derive(Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Process settings; without it, alertbridge.toml is read if it exists.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sources, receivers and routes [default: routes.toml, if it exists].
    #[arg(long, value_name = "FILE")]
    routes: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Directory of the store [default: data].
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// How log lines look: text or json [default: text].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Args {
    fn settings(&self) -> Result<Settings, crate::config::SettingsError> {
        let path = |path: &PathBuf| path.display().to_string();
        let flags: Vec<(String, String)> = [
            ("routes.path", self.routes.as_ref().map(path)),
            ("server.listen", self.listen.clone()),
            ("store.path", self.data.as_ref().map(path)),
            ("log.format", self.log_format.clone()),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
        Settings::load(&Layers {
            file: self.config.as_deref(),
            variables: &setting_variables(),
            flags: &flags,
            environment: Environment::process(),
        })
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let settings = match args.settings() {
        Ok(settings) => settings,
        Err(error) => {
            super::complain(error.render(false).trim_end());
            return Ok(ExitCode::from(2));
        }
    };
    telemetry::init(settings.log.format, &settings.log.level)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?
        .block_on(serve(settings))
}

async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    // Before anything else: a signal during the start must not end the process half way through.
    let signals = Signals::listen().context("listen for signals")?;
    let app = match app::start(Setup::new(settings)).await {
        Ok(app) => app,
        Err(error) => {
            super::complain(error.explain().trim_end());
            return Ok(ExitCode::from(2));
        }
    };
    match signals.until_stopped(app).await {
        Ok(()) => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            tracing::error!("stopped after a failure: {}", error.explain());
            Ok(ExitCode::FAILURE)
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn until_stopped(mut self, mut app: RunningApp) -> Result<(), app::Error> {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return app.stop().await,
                _ = self.interrupt.recv() => return app.stop().await,
                _ = self.hangup.recv() => reload(&app),
                ended = app.ended() => return ended,
            }
        }
    }
}

/// The reload logs how it went; signals go on being heard meanwhile.
fn reload(app: &RunningApp) {
    let reloads = app.reloads();
    tokio::spawn(async move { drop(reloads.ask().await) });
}
