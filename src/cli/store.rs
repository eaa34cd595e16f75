//! `alertbridge store`: checks, saves and restores the data directory while no server uses it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::clock::{Clock, SystemClock};
use crate::domain::{Policy, Rules, Timestamp};
use crate::store::{self, Bell, Embedded, Error, SledKv, SledOptions, Upkeep};

/// Memory for pages of the database: these commands read everything once.
const CACHE_BYTES: u64 = 32 << 20;

/// Checks, saves and restores the data of a server that is stopped.
///
/// Example: alertbridge store export --data /var/lib/alertbridge backup.jsonl
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Reads every record and prints what is wrong with it; exit 1 if anything is.
    ///
    /// Example: alertbridge store verify --data /var/lib/alertbridge
    Verify(Place),
    /// Writes every record as a line of JSON with a checksum.
    ///
    /// Example: alertbridge store export --data /var/lib/alertbridge backup.jsonl
    Export(Place),
    /// Reads an export into a new, empty directory.
    ///
    /// Example: alertbridge store import --data /var/lib/alertbridge-new backup.jsonl
    Import(Place),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The export; standard input or output without it.
    file: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Verify(place) => verify(place),
        Action::Export(place) => export(place),
        Action::Import(place) => import(place),
    }
}

/// Opens what is there; a missing or empty directory is not made into a store.
fn open(directory: &Path) -> anyhow::Result<SledKv> {
    if !directory.join("db").is_file() {
        bail!("there is no store in {}", directory.display());
    }
    Ok(SledKv::open(directory, CACHE_BYTES)?)
}

fn verify(place: &Place) -> anyhow::Result<ExitCode> {
    if place.file.is_some() {
        bail!("verify takes no file");
    }
    let kv = open(&place.data)?;
    let problems =
        store::verify(Box::new(kv)).map_err(anyhow::Error::msg).context("verify store")?;
    for problem in &problems {
        super::say(problem);
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn export(place: &Place) -> anyhow::Result<ExitCode> {
    let kv = open(&place.data)?;
    let mut out: Box<dyn Write> = match &place.file {
        // Never over an earlier export: it may be the only good one.
        Some(path) => {
            Box::new(File::create_new(path).with_context(|| format!("create {}", path.display()))?)
        }
        None => Box::new(io::stdout().lock()),
    };
    let mut buffer = BufWriter::new(&mut out);
    let mut written = Ok(());
    let records = store::export(Box::new(kv), &mut |line| {
        if written.is_ok() {
            written = writeln!(buffer, "{line}");
        }
    })?;
    written.and_then(|()| buffer.flush()).context("write the export")?;
    drop(buffer);
    if let Some(path) = &place.file {
        let synced = File::open(path).and_then(|file| file.sync_all());
        synced.with_context(|| format!("sync {}", path.display()))?;
    }
    super::complain(&format!("{records} records exported"));
    Ok(ExitCode::SUCCESS)
}

struct Silent;

impl Bell for Silent {
    fn ring(&self, _receiver: &str) {}

    fn timer(&self) {}
}

fn import(place: &Place) -> anyhow::Result<ExitCode> {
    let filled = place.data.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if filled {
        return Err(Error::NotEmpty).with_context(|| place.data.display().to_string());
    }
    let input: Box<dyn BufRead + Send> = match &place.file {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
            Box::new(BufReader::new(file))
        }
        None => Box::new(BufReader::new(io::stdin())),
    };
    let rules = Rules {
        policies: HashMap::new(),
        fallback: Arc::new(Policy::new("import", Vec::new())),
        traits: HashMap::new(),
        fallbacks: HashMap::new(),
        loaded_at: Timestamp::default(),
    };
    let options = SledOptions { cache_bytes: CACHE_BYTES, ..SledOptions::default() };
    let now = SystemClock::default().now();
    let store = Embedded::open_sled(
        &place.data,
        options,
        Arc::new(rules),
        Arc::new(Silent),
        now,
        String::new(),
    )?;
    let mut failed = None;
    let mut lines = input.lines().map_while(|line| line.map_err(|error| failed = Some(error)).ok());
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().context("start a runtime")?;
    let imported = runtime.block_on(store.import(&mut lines));
    if let Some(error) = failed {
        return Err(error).context("read the export");
    }
    super::complain(&format!("{} records imported", imported?));
    Ok(ExitCode::SUCCESS)
}
