//! sled 0.34.7, used so that what is answered survives a power cut (`docs/adr/0001-sled.md` has the reasons).

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FlockOperation;

use super::Error;
use super::kv::{Kv, KvError, Pair, Size, Span, Writes};

/// Segments of this size keep leaves with the largest values out of the files that sled never syncs.
const SEGMENT_BYTES: usize = 4 << 20;

/// A directory with a sled database. One process at a time.
pub struct SledKv {
    tree: sled::Db,
    /// Our own descriptor of sled's data file: its `flush` does not reach the disk, `sync_data` on this one does.
    file: File,
    directory: PathBuf,
}

impl SledKv {
    /// Opens the database in `directory`, or makes one. Leaves a damaged one as it is.
    pub fn open(directory: &Path, cache_bytes: u64) -> Result<Self, Error> {
        let failed = |source| Error::Open { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(|error| failed(error.into()))?;
        wait_until_free(directory)?;
        prepare(directory).map_err(|error| failed(error.into()))?;
        let config = sled::Config::new()
            .path(directory)
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(cache_bytes);
        // sled panics on some damage instead of saying so.
        let tree = match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(tree)) => tree,
            Ok(Err(error)) => return Err(failed(explain(&error).into())),
            Err(_) => return Err(failed(RUNBOOK.into())),
        };
        let file = File::open(directory.join("db")).map_err(|error| failed(error.into()))?;
        // The names of new files live in the directory: without this a power cut could take the file away.
        File::open(directory)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| failed(error.into()))?;
        Ok(Self { tree, file, directory: directory.to_owned() })
    }
}

/// How often, and how long apart, a lock is tried again: two seconds in all.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

const RUNBOOK: &str = "the database is damaged; stop, keep a copy of the directory, then follow the runbook in docs/store.md: \
     remove snap.*.generating, then snap.*, then import the last export into a new directory";

fn explain(error: &sled::Error) -> String {
    match error {
        sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => {
            "in use by another process".to_owned()
        }
        sled::Error::Corruption { .. } => format!("{error}; {RUNBOOK}"),
        other => other.to_string(),
    }
}

/// A process that is just ending, and sled's own threads after a close, hold the lock a moment longer.
fn wait_until_free(directory: &Path) -> Result<(), Error> {
    for _ in 0..LOCK_TRIES {
        if refuse_if_in_use(directory).is_ok() {
            break;
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    refuse_if_in_use(directory)
}

/// sled locks its file too, but only after it touched the directory.
fn refuse_if_in_use(directory: &Path) -> Result<(), Error> {
    let failed = |source| Error::Open { path: directory.to_owned(), source };
    let file = match File::open(directory.join("db")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error.into())),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(failed("in use by another process".into())),
        Err(error) => Err(failed(io::Error::from(error).into())),
    }
}

/// Removes what an interrupted open left behind, and refuses values outside of the synced file.
fn prepare(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    let blobs = directory.join("blobs");
    let filled = match fs::read_dir(&blobs) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if filled {
        return Err(io::Error::other(format!(
            "{} is not empty: its files would not survive a power cut",
            blobs.display()
        )));
    }
    Ok(())
}

fn shared(error: impl std::error::Error + Send + Sync + 'static) -> KvError {
    Arc::new(error)
}

impl Kv for SledKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.tree.get(key).map_err(shared)?.map(|value| value.to_vec()))
    }

    fn scan(&self, span: &Span, limit: usize) -> Result<Vec<Pair>, KvError> {
        if span.from >= span.to {
            return Ok(Vec::new());
        }
        let range = self.tree.range(span.from.clone()..span.to.clone());
        let pair = |item: Result<(sled::IVec, sled::IVec), sled::Error>| {
            item.map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(shared)
        };
        if span.backwards {
            range.rev().take(limit).map(pair).collect()
        } else {
            range.take(limit).map(pair).collect()
        }
    }

    fn apply_durably(&mut self, writes: Writes) -> Result<(), KvError> {
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.tree.apply_batch(batch).map_err(shared)?;
        self.tree.flush().map_err(shared)?;
        self.file.sync_data().map_err(shared)
    }

    fn size(&self) -> Result<Size, KvError> {
        let disk =
            rustix::fs::statvfs(&self.directory).map_err(|error| shared(io::Error::from(error)))?;
        Ok(Size {
            used_bytes: self.tree.size_on_disk().map_err(shared)?,
            free_bytes: Some(disk.f_bavail.saturating_mul(disk.f_frsize)),
        })
    }
}
