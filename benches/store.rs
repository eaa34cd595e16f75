//! What a commit costs: unique and repeated alerts, in memory and on disk, alone and 64 at once; and opening again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use alertbridge::domain::{Alert, Fingerprint, Join, Policy, Rules, Severity, Timestamp, Traits};
use alertbridge::store::{Bell, Embedded, Intake, Ledger, Records, Routed, SledOptions, Store};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::try_join_all;
use tokio::runtime::Runtime;

struct Silent;

impl Bell for Silent {
    fn ring(&self, _receiver: &str) {}

    fn timer(&self) {}
}

fn rules() -> Arc<Rules> {
    let policy = Arc::new(Policy::new("all", vec!["chat".into()]));
    Arc::new(Rules {
        policies: HashMap::from([("all".into(), policy.clone())]),
        fallback: policy,
        traits: HashMap::from([("chat".into(), Traits::CHAT)]),
        fallbacks: HashMap::new(),
        loaded_at: Timestamp::default(),
    })
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_800_000_000)
}

/// An alert of the size that monitors send.
fn intake(rules: &Rules, number: u64) -> Intake {
    let mut alert =
        Alert::new(format!("key-{number}"), format!("disk of host-{number} is almost full"));
    alert.severity = Severity::Error;
    alert.text = Some("The volume /var/lib/data has less than 10% of its space left. ".repeat(3));
    for name in ["cluster", "namespace", "pod", "instance", "job", "team", "region", "alertname"] {
        alert.labels.insert(name.to_owned(), format!("{name}-{}", number % 97));
    }
    let group = Fingerprint::of(["all", &alert.key]);
    let join = Join { policy: rules.fallback.clone(), group, was: vec![], values: vec![] };
    let alerts = vec![Routed { alert, joins: vec![join], dropped: false }];
    Intake { source: "bench".into(), alerts, now: now() }
}

fn commits(criterion: &mut Criterion, name: &str, store: &dyn Store) {
    let (runtime, rules) = (Runtime::new().expect("runtime"), rules());
    let mut group = criterion.benchmark_group(name);
    let mut next = 0;
    for at_once in [1_u64, 64] {
        group.throughput(Throughput::Elements(at_once));
        let commit = |from: u64| {
            let all = (from..from + at_once).map(|number| store.commit(intake(&rules, number)));
            runtime.block_on(try_join_all(all)).expect("taken");
        };
        group.bench_function(BenchmarkId::new("unique", at_once), |bench| {
            bench.iter(|| {
                commit(next);
                next += at_once;
            });
        });
        group.bench_function(BenchmarkId::new("repeated", at_once), |bench| {
            bench.iter(|| commit(0));
        });
    }
    group.finish();
}

fn on_memory(criterion: &mut Criterion) {
    let store = Embedded::in_memory(rules(), Arc::new(Silent), now(), "bench".into());
    commits(criterion, "memory", &*store.expect("open"));
}

fn on_disk(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let options = SledOptions { free_bytes_min: 0, ..SledOptions::default() };
    let bell = Arc::new(Silent);
    let store =
        Embedded::open_sled(directory.path(), options, rules(), bell, now(), "bench".into());
    commits(criterion, "sled", &*store.expect("open"));
}

/// Opens a store with 100,000 open incidents.
fn restart(criterion: &mut Criterion) {
    const INCIDENTS: u64 = 100_000;
    let directory = tempfile::tempdir().expect("temporary directory");
    let open = || {
        let options = SledOptions { free_bytes_min: 0, ..SledOptions::default() };
        let bell = Arc::new(Silent);
        let opened =
            Embedded::open_sled(directory.path(), options, rules(), bell, now(), "bench".into());
        opened.expect("open")
    };
    let (runtime, rules, store) = (Runtime::new().expect("runtime"), rules(), open());
    for from in (0..INCIDENTS).step_by(1000) {
        let all = (from..from + 1000).map(|number| store.commit(intake(&rules, number)));
        runtime.block_on(try_join_all(all)).expect("taken");
    }
    drop(store);
    let mut group = criterion.benchmark_group("restart");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("100000 open incidents", |bench| {
        bench.iter(|| {
            let store = open();
            assert_eq!(runtime.block_on(store.counts()).expect("counts").open, INCIDENTS);
        });
    });
    group.finish();
}

criterion_group!(benches, on_memory, on_disk, restart);
criterion_main!(benches);
