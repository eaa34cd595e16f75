//! The embedded store: one committer thread over four calls. Callers send it work and wait for the answer.
//!
//! The thread takes what is waiting, runs each operation against what the batch staged before it, makes the batch durable
//! once, and only then answers. An operation that fails is answered alone. When the bytes fail, the whole batch fails,
//! the store is closed and the process is told to end: after such an error nobody knows what is on disk.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::core::Core;
use super::disk::SledKv;
use super::intake;
use super::kv::{Kv, MemKv};
use super::observe::Marks;
use super::{
    AlertOutcome, Answer, Bell, Claim, Error, Intake, Ledger, Settlement, Started, Store, flow,
    open, staged,
};
use crate::domain::{Reason, Rules, Timestamp};
use crate::limits::{COMMIT_BATCH_MAX, COMMIT_QUEUE_MAX};

/// Called once when the store broke: the process should end, so that a supervisor starts it again.
pub type Fatal = Box<dyn Fn(&Error) + Send>;

/// Settings of a store on disk.
pub struct SledOptions {
    /// Memory for pages of the database.
    pub cache_bytes: u64,
    /// New alerts are refused while less than this is free on the disk.
    pub free_bytes_min: u64,
    pub fatal: Fatal,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, free_bytes_min: 256 << 20, fatal: Box::new(|_| ()) }
    }
}

type Reply = Box<dyn FnOnce(Result<(), Error>) + Send>;
type Job = Box<dyn FnOnce(&mut Core) -> Reply + Send>;

/// A store inside this process.
pub struct Embedded {
    /// `None` only while it is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    committer: Option<JoinHandle<()>>,
    instance: String,
}

impl Embedded {
    /// A store in a directory, made if it is not there. `fresh_instance` is kept if the store is new.
    pub fn open_sled(
        directory: &Path,
        options: SledOptions,
        rules: Arc<Rules>,
        bell: Arc<dyn Bell>,
        now: Timestamp,
        fresh_instance: String,
    ) -> Result<Arc<Self>, Error> {
        let kv = Box::new(SledKv::open(directory, options.cache_bytes)?);
        let core = Core::new(kv, directory.to_owned(), rules, bell, options.free_bytes_min, now);
        Self::run(core, options.fatal, now, fresh_instance)
    }

    /// A store that is gone when the process ends.
    pub fn in_memory(
        rules: Arc<Rules>,
        bell: Arc<dyn Bell>,
        now: Timestamp,
        fresh_instance: String,
    ) -> Result<Arc<Self>, Error> {
        Self::over(Box::new(MemKv::default()), Box::new(|_| ()), rules, bell, now, fresh_instance)
    }

    /// A store over any four calls.
    pub fn over(
        kv: Box<dyn Kv>,
        fatal: Fatal,
        rules: Arc<Rules>,
        bell: Arc<dyn Bell>,
        now: Timestamp,
        fresh_instance: String,
    ) -> Result<Arc<Self>, Error> {
        let core = Core::new(kv, PathBuf::from("memory"), rules, bell, 0, now);
        Self::run(core, fatal, now, fresh_instance)
    }

    fn run(
        mut core: Core,
        fatal: Fatal,
        now: Timestamp,
        fresh_instance: String,
    ) -> Result<Arc<Self>, Error> {
        open::claim(&mut core, fresh_instance)?;
        open::rebuild(&mut core, now)?;
        core.ring();
        let instance = core.instance.clone();
        let (jobs, waiting) = mpsc::channel(COMMIT_QUEUE_MAX);
        let committer = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer(core, waiting, &fatal))
            .map_err(|error| Error::Backend { operation: "start", source: error.into() })?;
        Ok(Arc::new(Self { jobs: Some(jobs), committer: Some(committer), instance }))
    }

    /// Runs `work` in the committer; the answer comes when what it staged is durable.
    pub(super) fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core) -> Result<T, Error> + Send + 'static,
    ) -> Answer<'_, T> {
        let (job, answer) = job(work);
        Box::pin(async move {
            let jobs = self.jobs.as_ref().ok_or(Error::Closed)?;
            jobs.send(job).await.map_err(|_| Error::Closed)?;
            answer.await.unwrap_or(Err(Error::Closed))
        })
    }

    /// The same, but refuses at once when too much is waiting.
    fn call_or_refuse<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core) -> Result<T, Error> + Send + 'static,
    ) -> Answer<'_, T> {
        let (job, answer) = job(work);
        let sent = self.jobs.as_ref().ok_or(Error::Closed).and_then(|jobs| {
            jobs.try_send(job).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Busy { queued: COMMIT_QUEUE_MAX },
                mpsc::error::TrySendError::Closed(_) => Error::Closed,
            })
        });
        Box::pin(async move {
            sent?;
            answer.await.unwrap_or(Err(Error::Closed))
        })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.jobs = None;
        let here = std::thread::current().id();
        if let Some(committer) = self.committer.take().filter(|it| it.thread().id() != here) {
            // A panic of the committer was reported when it happened.
            drop(committer.join());
        }
    }
}

fn job<T: Send + 'static>(
    work: impl FnOnce(&mut Core) -> Result<T, Error> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, Error>>) {
    let (sender, answer) = oneshot::channel();
    let job: Job = Box::new(move |core| {
        let done = work(core);
        Box::new(move |durable| {
            // Whoever asked may have gone.
            drop(sender.send(durable.and(done)));
        })
    });
    (job, answer)
}

fn committer(mut core: Core, mut waiting: mpsc::Receiver<Job>, fatal: &Fatal) {
    let worked = catch_unwind(AssertUnwindSafe(|| work(&mut core, &mut waiting)));
    waiting.close();
    match worked {
        Ok(Ok(())) => {}
        Ok(Err(error)) => fatal(&error),
        // The panic itself is already printed.
        Err(_) => fatal(&Error::Closed),
    }
}

fn work(core: &mut Core, waiting: &mut mpsc::Receiver<Job>) -> Result<(), Error> {
    while let Some(first) = waiting.blocking_recv() {
        let mut replies = vec![first(core)];
        while replies.len() < COMMIT_BATCH_MAX
            && let Ok(next) = waiting.try_recv()
        {
            replies.push(next(core));
        }
        if let Err(error) = core.apply() {
            for reply in replies {
                reply(Err(staged::backend("commit", error.clone())));
            }
            return Err(staged::backend("commit", error));
        }
        core.ring();
        for reply in replies {
            reply(Ok(()));
        }
    }
    Ok(())
}

impl Ledger for Embedded {
    fn commit(&self, intake: Intake) -> Answer<'_, Vec<AlertOutcome>> {
        let marks: Vec<Marks> =
            intake.alerts.iter().map(|routed| Marks::of(&intake.source, &routed.alert)).collect();
        self.call_or_refuse(move |core| intake::commit(core, &intake, &marks))
    }

    fn wake(&self, now: Timestamp) -> Answer<'_, Option<Timestamp>> {
        self.call(move |core| flow::wake(core, now))
    }

    fn claim(
        &self,
        receiver: Arc<str>,
        limit: usize,
        lease: Duration,
        now: Timestamp,
    ) -> Answer<'_, Vec<Claim>> {
        self.call(move |core| Ok(core.lanes.claim(&receiver, limit, lease, now)))
    }

    fn release(&self, claims: Vec<Claim>) -> Answer<'_, ()> {
        self.call(move |core| {
            flow::release(core, &claims);
            Ok(())
        })
    }

    fn start(&self, claim: Claim, now: Timestamp) -> Answer<'_, Option<Started>> {
        self.call(move |core| flow::start(core, &claim, now))
    }

    fn settle(&self, settlement: Settlement) -> Answer<'_, Reason> {
        self.call(move |core| flow::settle(core, &settlement))
    }

    fn adopt(&self, rules: Arc<Rules>, now: Timestamp) -> Answer<'_, Vec<(String, u64)>> {
        Box::pin(async move {
            self.call(move |core| {
                flow::adopt(core, rules);
                Ok(())
            })
            .await?;
            let (mut from, mut gone) = (Some(0), BTreeMap::new());
            while let Some(next) = from {
                (from, gone) = self
                    .call(move |core| {
                        let from = flow::adopt_page(core, next, &mut gone, now)?;
                        Ok((from, gone))
                    })
                    .await?;
            }
            Ok(gone.into_iter().collect())
        })
    }
}

impl Store for Embedded {
    fn instance(&self) -> &str {
        &self.instance
    }
}
