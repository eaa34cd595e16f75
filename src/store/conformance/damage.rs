//! What the embedded store does when its bytes are wrong or fail.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::kv::{Pair, Size, Span, Writes};
use super::super::record;
use super::*;

fn open(kv: Box<dyn Kv>, fatal: Fatal) -> Result<Arc<Embedded>, Error> {
    Embedded::over(
        kv,
        fatal,
        Arc::new(rules()),
        Arc::new(Ear::default()),
        Timestamp::from_secs(1),
        "i".into(),
    )
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(future)
}

fn intake(key: &str) -> Intake {
    let policy = rules().policies["own"].clone();
    let group = Fingerprint::of(["own", key]);
    let join = Join { policy, group, was: vec![], values: vec![] };
    let routed = Routed { alert: firing(key, Severity::Error), joins: vec![join], dropped: false };
    Intake { source: "s".into(), alerts: vec![routed], now: Timestamp::from_secs(2) }
}

/// A map that fails from the n-th write on.
struct Failing {
    inner: MemKv,
    left: u32,
}

impl Kv for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.inner.get(key)
    }

    fn scan(&self, span: &Span, limit: usize) -> Result<Vec<Pair>, KvError> {
        self.inner.scan(span, limit)
    }

    fn apply_durably(&mut self, writes: Writes) -> Result<(), KvError> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| -> KvError { Arc::new(std::io::Error::other("the disk is gone")) })?;
        self.inner.apply_durably(writes)
    }

    fn size(&self) -> Result<Size, KvError> {
        self.inner.size()
    }
}

#[test]
fn a_failed_write_closes_the_store() {
    let inner = MemKv::default();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let fatal: Fatal = Box::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    // The first write makes the store, the second takes one alert.
    let store = open(Box::new(Failing { inner: inner.clone(), left: 2 }), fatal).expect("open");
    run(async {
        store.commit(intake("a")).await.expect("taken");
        let before = inner.pairs();
        let (one, two) =
            futures_util::future::join(store.commit(intake("b")), store.commit(intake("c"))).await;
        assert!(matches!(one, Err(Error::Backend { .. })), "{one:?}");
        assert!(matches!(two, Err(Error::Backend { .. } | Error::Closed)), "{two:?}");
        assert!(matches!(store.commit(intake("d")).await, Err(Error::Closed)));
        assert!(matches!(store.counts().await, Err(Error::Closed)));
        assert_eq!(inner.pairs(), before);
    });
    drop(store);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let store = open(Box::new(inner), Box::new(|_| ())).expect("open");
    assert_eq!(run(store.counts()).expect("counts").open, 1);
}

/// A store with one open incident, with `key` replaced by `value`.
fn spoiled(key: &[u8], value: Option<Vec<u8>>) -> MemKv {
    let kv = MemKv::default();
    let store = open(Box::new(kv.clone()), Box::new(|_| ())).expect("open");
    run(store.commit(intake("a"))).expect("taken");
    drop(store);
    kv.clone().apply_durably([(key.to_vec(), value)].into()).expect("memory");
    kv
}

/// What is wrong, where, what stands there instead, and whether it is too new rather than damaged.
type Case<'a> = (&'a str, &'a [u8], Option<Vec<u8>>, bool);

#[test]
fn foreign_and_damaged_data_is_refused_and_left_alone() {
    let newer = || Some(vec![record::FORMAT + 1, 1, 2]);
    let head = record::head_key(1);
    let cases: [Case; 6] = [
        ("newer store", record::META_FORMAT, newer(), true),
        ("newer head", &head, newer(), true),
        ("damaged head", &head, Some(vec![1, 2, 3]), false),
        ("no head", &head, None, false),
        ("no format", record::META_FORMAT, None, false),
        ("half an import", record::META_IMPORTING, Some(vec![1, 1]), false),
    ];
    for (case, key, value, too_new) in cases {
        let kv = spoiled(key, value);
        let before = kv.pairs();
        let error = open(Box::new(kv.clone()), Box::new(|_| ())).err().expect(case);
        assert_eq!(matches!(error, Error::TooNew { .. }), too_new, "{case}: {error}");
        assert_eq!(matches!(error, Error::Damaged { .. }), !too_new, "{case}: {error}");
        assert_eq!(kv.pairs(), before, "{case}");
        let problems = verify(Box::new(kv)).expect("readable");
        assert!(!problems.is_empty(), "{case}");
    }
}

#[test]
fn verify_finds_what_does_not_fit() {
    for key in [record::body_key(1, 0), record::member_key(1, 0)] {
        assert!(!verify(Box::new(spoiled(&key, None))).expect("readable").is_empty());
    }
    assert_eq!(verify(Box::new(spoiled(b"unused", None))).expect("readable"), [] as [String; 0]);
}

#[test]
fn a_damaged_incident_does_not_hold_up_others() {
    let kv = MemKv::default();
    let store = open(Box::new(kv.clone()), Box::new(|_| ())).expect("open");
    run(async {
        store.commit(intake("a")).await.expect("taken");
        kv.clone().apply_durably([(record::head_key(1), Some(vec![1]))].into()).expect("memory");
        let end = Intake {
            alerts: vec![Routed { alert: resolved("a"), joins: vec![], dropped: false }],
            ..intake("a")
        };
        let (failed, taken) =
            futures_util::future::join(store.commit(end), store.commit(intake("b"))).await;
        assert!(matches!(failed, Err(Error::Damaged { .. })), "{failed:?}");
        assert_eq!(taken.expect("taken")[0].reason, Reason::Opened);
    });
}

fn sled_at(path: &Path, free_bytes_min: u64) -> Result<Arc<Embedded>, Error> {
    let options = SledOptions { cache_bytes: 4 << 20, free_bytes_min, ..SledOptions::default() };
    let bell = Arc::new(Ear::default());
    Embedded::open_sled(path, options, Arc::new(rules()), bell, Timestamp::from_secs(1), "i".into())
}

#[test]
fn leftovers_of_an_interrupted_open_are_removed() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = sled_at(directory.path(), 0).expect("open");
    run(store.commit(intake("a"))).expect("taken");
    drop(store);
    let leftover = directory.path().join("snap.0000000000000ABC.generating");
    std::fs::write(&leftover, b"half a snapshot").expect("write");
    let store = sled_at(directory.path(), 0).expect("open");
    assert_eq!(run(store.counts()).expect("counts").open, 1);
    assert!(!leftover.exists());
}

#[test]
fn one_process_at_a_time() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let _store = sled_at(directory.path(), 0).expect("open");
    let leftover = directory.path().join("snap.0000000000000ABC.generating");
    std::fs::write(&leftover, b"somebody is writing this").expect("write");
    let Err(Error::Open { source, .. }) = sled_at(directory.path(), 0) else {
        panic!("opened twice")
    };
    assert_eq!(source.to_string(), "in use by another process");
    assert!(leftover.exists(), "nothing is removed under a running server");
}

#[test]
fn unsynced_blobs_and_garbage_are_refused() {
    let directory = tempfile::tempdir().expect("temporary directory");
    drop(sled_at(directory.path(), 0).expect("open"));
    std::fs::create_dir_all(directory.path().join("blobs")).expect("directory");
    let blob = directory.path().join("blobs/17");
    std::fs::write(&blob, b"large").expect("write");
    let error = sled_at(directory.path(), 0).err().expect("refused");
    assert!(matches!(error, Error::Open { .. }), "{error}");
    std::fs::remove_file(blob).expect("remove");
    sled_at(directory.path(), 0).expect("open");
    let before = std::fs::read(directory.path().join("db")).expect("read");
    std::fs::write(directory.path().join("snap.0000000000FFFFFF"), b"not a snapshot")
        .expect("write");
    let error = sled_at(directory.path(), 0).err().expect("refused");
    let Error::Open { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains("docs/store.md"), "{source}");
    let after = std::fs::read(directory.path().join("db")).expect("read");
    assert!(before == after, "what is damaged is not touched");
}

#[test]
fn a_full_disk_is_refused_early() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = sled_at(directory.path(), u64::MAX).expect("open");
    run(async {
        assert!(matches!(store.commit(intake("a")).await, Err(Error::DiskLow { .. })));
        assert_eq!(store.wake(Timestamp::from_secs(3)).await.expect("the flow goes on"), None);
    });
}
