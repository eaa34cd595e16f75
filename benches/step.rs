//! What folding one alert into an incident and judging a receiver costs: the pure core without store and HTTP.

use std::hint::black_box;
use std::sync::Arc;

use alertbridge::domain::{
    Fingerprint, Fresh, Join, Observation, Policy, Severity, Signal, Slot, Timestamp, Touch,
    Traits, open, step, wanted,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn seen(severity: Severity) -> Observation {
    Observation {
        severity,
        title: "the database of the checkout is out of CPU".into(),
        observed_at: None,
        message: None,
        body: 1,
        expiry: None,
        notice: false,
        by: None,
    }
}

fn bench(c: &mut Criterion) {
    let now = Timestamp::from_secs(1_790_000_000);
    let policy = Arc::new(Policy::new("db", vec![Arc::from("chat"), Arc::from("pager")]));
    let join = Join {
        policy: Arc::clone(&policy),
        group: Fingerprint([1; 16]),
        was: Vec::new(),
        values: Vec::new(),
    };
    let fresh = Fresh { number: 1, previous: None };
    let touch = |signal| [Touch { slot: 0, signal }];
    let fire = touch(Signal::Fire(seen(Severity::Warning)));
    let slots = || vec![Slot::new(Fingerprint([2; 16]), None)];
    let opened = step(open(fresh, &join, false, now), slots(), &fire, &policy, now, now);
    let again = |signal| {
        let touches = touch(signal);
        let opened = opened.clone();
        let policy = Arc::clone(&policy);
        move || {
            step(opened.head.clone(), opened.slots.clone(), black_box(&touches), &policy, now, now)
        }
    };
    c.bench_function("step/open", |b| {
        b.iter(|| {
            step(open(fresh, &join, false, now), slots(), black_box(&fire), &policy, now, now)
        });
    });
    c.bench_function("step/repeat", |b| b.iter(again(Signal::Fire(seen(Severity::Warning)))));
    c.bench_function("step/rise", |b| b.iter(again(Signal::Fire(seen(Severity::Critical)))));
    c.bench_function("step/resolve", |b| b.iter(again(Signal::Resolve(seen(Severity::Warning)))));
    c.bench_function("wanted", |b| {
        let told = &opened.head.told[0];
        b.iter(|| wanted(black_box(&opened.head), told, &policy, Traits::CHAT, now, now));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
