//! `alertbridge check`: what is wrong with the configuration, by the code that `serve` starts with.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use super::setup::{self, Error, Files, Setup};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Report, settings};
use crate::http::error::chain;
use crate::http::tls;

/// Shows every problem of the configuration with its place. Connects to nothing.
///
/// Exit code 0: fine, perhaps with warnings; 1: errors, with --strict also warnings; 2: could not run.
///
/// Example: alertbridge check --routes routes.toml --strict
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    /// Unset variables and all warnings are findings.
    #[arg(long)]
    strict: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Default)]
struct Findings {
    /// For people.
    text: String,
    /// For machines.
    problems: Vec<Value>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    fn add(&mut self, report: &Report, colored: bool) {
        self.text.push_str(&report.render(colored));
        self.problems.extend(report.to_json().as_array().into_iter().flatten().cloned());
        self.errors += report.errors();
        self.warnings += report.warnings();
    }

    /// One that stands in no place of a file.
    fn add_line(&mut self, level: &str, message: &str) {
        self.text.extend([level, ": ", message, "\n"]);
        self.problems.push(json!({
            "file": null, "line": null, "column": null, "level": level,
            "word": "invalid_value", "message": message, "hint": null,
        }));
        *(if level == "error" { &mut self.errors } else { &mut self.warnings }) += 1;
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let colored = !args.json && std::io::stdout().is_terminal();
    let mut findings = Findings::default();
    let mut summary = None;
    match setup::load(&args.files, args.strict) {
        Ok(setup) => {
            summary = Some(summarize(&setup));
            listener(&setup, &mut findings);
            match setup.routes.tried(SystemClock::default().now()) {
                Ok(routes) => findings.add(&routes.warnings, colored),
                Err(report) => findings.add(&report, colored),
            }
        }
        Err(Error::Routes(config::Error::Invalid { report, .. })) => findings.add(&report, colored),
        Err(Error::Tables(reports)) => {
            for report in &reports {
                findings.add(report, colored);
            }
        }
        Err(Error::Settings(error)) if matches!(*error, settings::Error::Invalid { .. }) => {
            findings.text.push_str(&error.render(colored));
            findings.problems.extend(error.to_json().as_array().into_iter().flatten().cloned());
            findings.errors += findings.problems.len();
        }
        Err(Error::Templates(problems)) => {
            for message in &problems {
                findings.add_line("error", message);
            }
        }
        Err(error) => return Err(error).context("check the configuration"),
    }
    if args.json {
        let (errors, warnings) = (findings.errors, findings.warnings);
        let value = json!({"errors": errors, "warnings": warnings, "problems": findings.problems});
        super::say(&serde_json::to_string_pretty(&value)?);
    } else {
        if !findings.text.is_empty() {
            super::say(findings.text.trim_end());
            super::say("");
        }
        let counts = format!("{} errors, {} warnings", findings.errors, findings.warnings);
        super::say(&summary.map_or(counts.clone(), |summary| format!("{summary}; {counts}")));
    }
    let found = findings.errors > 0 || (args.strict && findings.warnings > 0);
    Ok(if found { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The files of TLS, and whether sources demand what the listener does not ask for.
fn listener(setup: &Setup, findings: &mut Findings) {
    let files = setup.settings.server.tls.as_ref();
    match files.map(tls::load) {
        Some(Ok(loaded)) => {
            let now = SystemClock::default().now();
            for message in loaded.warnings(now) {
                findings.add_line("warning", &message);
            }
        }
        Some(Err(error)) => findings.add_line("error", &chain(&error)),
        None => {}
    }
    if files.is_none_or(|files| files.client_ca.is_none())
        && let Some(error) = app::no_client_ca(&setup.routes)
    {
        findings.add_line("error", &chain(&error));
    }
}

fn summarize(setup: &Setup) -> String {
    let routes = &setup.routes;
    let path = &setup.settings.routes.path;
    let name = if path.exists() { path.display().to_string() } else { "built-in routes".into() };
    format!(
        "{name}: {} sources, {} receivers, {} routes, {} tests",
        routes.sources.len(),
        routes.receivers.len(),
        routes.table.routes().count() - 1,
        routes.tests.len()
    )
}
