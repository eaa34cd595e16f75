//! The command line: one command a file. stdout is data, stderr is talk; exit 0 fine, 1 findings, 2 could not run.

mod check;
mod demo;
mod explain;
mod explain_render;
mod explain_text;
mod serve;
mod setup;
mod store;
mod test;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The bridge between monitors and people.
#[derive(Debug, Parser)]
#[command(name = "alertbridge", version, about, args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: alertbridge --listen 127.0.0.1:8080 --data /var/lib/alertbridge")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Demo(demo::Args),
    Explain(explain::Args),
    Serve(serve::Args),
    Store(store::Args),
    Test(test::Args),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Store(args)) => store::run(&args),
        Some(Command::Test(args)) => test::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stderr, reason = "stderr is where the command line talks")]
fn complain(message: &str) {
    eprintln!("alertbridge: {message}");
}

/// Prints one line of data. A reader that has seen enough, such as `head`, is no failure.
fn say(line: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}")
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        complain(&format!("write to standard output: {error}"));
    }
}
