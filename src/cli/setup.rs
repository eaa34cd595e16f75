//! What most commands begin with: settings, the kinds there are, and the routes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::settings::{self, Layers, Settings};
use crate::config::{self, Catalog, Environment, Options, Report, Routes};
use crate::deliver::render::Templates;

/// Which configuration a command uses.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Files {
    /// Process settings; without it alertbridge.toml, if there is one.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Sources, receivers and routes; without it the file that the settings name.
    #[arg(long, value_name = "FILE")]
    pub(super) routes: Option<PathBuf>,
}

/// A configuration that can be used. Its routes may have warnings.
pub(super) struct Setup {
    pub(super) settings: Settings,
    pub(super) routes: Routes,
    /// The kinds that the configuration may name.
    pub(super) catalog: Catalog,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("settings")]
    Settings(#[source] Box<settings::Error>),
    #[error("{} tables of kinds have problems", .0.len())]
    Tables(Vec<Report>),
    #[error("templates have {} problems", .0.len())]
    Templates(Vec<String>),
    #[error("routes")]
    Routes(#[from] config::Error),
}

/// Reads everything as `serve` does. `strict` makes unset variables errors.
pub(super) fn load(files: &Files, strict: bool) -> Result<Setup, Error> {
    let mut flags = Vec::new();
    if let Some(routes) = &files.routes {
        flags.push(("routes.path".to_owned(), routes.display().to_string()));
    }
    load_with(files.config.as_deref(), &flags, strict)
}

/// The same with any settings as flags.
pub(super) fn load_with(
    config: Option<&Path>,
    flags: &[(String, String)],
    strict: bool,
) -> Result<Setup, Error> {
    let environment = Environment::process();
    let variables = config::setting_variables();
    let settings =
        Settings::load(&Layers { file: config, variables: &variables, flags, environment })
            .map_err(|error| Error::Settings(Box::new(error)))?;
    let folder = Some(&*settings.routes.templates).filter(|folder| folder.is_dir());
    let templates = Templates::load(folder)
        .map_err(|problems| Error::Templates(problems.iter().map(ToString::to_string).collect()))?;
    let (sources, receivers) = (&settings.routes.sources, &settings.routes.receivers);
    let catalog = Catalog::with_tables(sources, receivers).map_err(|reports| {
        Error::Tables(reports.into_iter().map(|(_, report)| report).collect())
    })?;
    let catalog = Catalog { templates: Arc::new(templates), ..catalog };
    let public_url = settings.server.public_url.as_deref();
    let options = Options { catalog: &catalog, environment, strict, public_url };
    let routes = Routes::load_or_builtin(&settings.routes, &options)?;
    Ok(Setup { settings, routes, catalog })
}

impl Error {
    /// The error with its problems as lines for people.
    pub(super) fn into_anyhow(self) -> anyhow::Error {
        let shown = match &self {
            Self::Settings(error) if matches!(**error, settings::Error::Invalid { .. }) => {
                error.render(false)
            }
            Self::Tables(reports) => reports.iter().map(|report| report.render(false)).collect(),
            Self::Routes(config::Error::Invalid { report, .. }) => report.render(false),
            Self::Templates(problems) => problems.join("\n"),
            _ => return self.into(),
        };
        anyhow::anyhow!("the configuration has errors\n\n{}", shown.trim_end())
    }
}
