//! `alertbridge test`: whether the routes do what their `[[test]]` entries expect.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::setup::{self, Files};
use crate::clock::{Clock, SystemClock};
use crate::config::{TestInput, Trial};

/// Runs the [[test]] entries of routes.toml and shows what became of each. `check`, `serve` and every reload run them too.
///
/// Exit code 0: all hold; 1: some fail; 2: could not run.
///
/// Example: alertbridge test --routes routes.toml
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let setup = setup::load(&args.files, false).map_err(setup::Error::into_anyhow)?;
    let file = setup.settings.routes.path.display().to_string();
    let trials = setup.routes.trials(SystemClock::default().now());
    let failed = trials.iter().filter(|trial| !trial.holds()).count();
    if args.json {
        let tests: Vec<Value> = trials.iter().map(|trial| report(&file, trial)).collect();
        let value = json!({"passed": trials.len() - failed, "failed": failed, "tests": tests});
        super::say(&serde_json::to_string_pretty(&value)?);
    } else {
        for trial in &trials {
            super::say(&render(&file, trial));
        }
        super::say(&format!("{} passed, {failed} failed", trials.len() - failed));
    }
    Ok(if failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// What a test puts in, in one line.
fn input(trial: &Trial<'_>) -> String {
    match &trial.test.input {
        TestInput::Payload(path) => {
            format!("payload {} from {}", path.display(), trial.test.source)
        }
        TestInput::Labels(labels) => {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            format!("labels {}", labels.join(" "))
        }
    }
}

fn render(file: &str, trial: &Trial<'_>) -> String {
    let word = if trial.holds() { "ok    " } else { "FAILED" };
    let mut out = format!("{word} {file}:{} {}", trial.test.line, input(trial));
    for miss in &trial.misses {
        // Writing to a string cannot fail.
        write!(out, "\n       {miss}").expect("a string takes all");
    }
    out
}

fn report(file: &str, trial: &Trial<'_>) -> Value {
    json!({
        "file": file, "line": trial.test.line, "input": input(trial), "ok": trial.holds(),
        "misses": trial.misses,
    })
}
