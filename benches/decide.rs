//! Cost of a routing decision by the number of routes: with equalities it must stay flat, with patterns it may grow.

use std::hint::black_box;
use std::sync::Arc;

use alertbridge::domain::{Alert, Matcher, Policy, Route, RouteTable};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn table(count: usize, matcher: impl Fn(usize) -> String) -> RouteTable {
    let policy = |name: String| Arc::new(Policy::new(name, vec!["inbox".into()]));
    let route = |at| {
        let team = Matcher::parse(&matcher(at)).expect("a matcher");
        let severity = Matcher::parse("severity >= \"warning\"").expect("a matcher");
        Route { matchers: vec![team, severity], ..Route::new(policy(format!("route-{at}"))) }
    };
    let root = Route::new(policy("default".into()));
    RouteTable::new(root, (0..count).map(route).collect()).expect("a tree")
}

fn alert(count: usize) -> Alert {
    let mut alert = Alert::new("1f0c8f9e", "Latency is high");
    alert.severity = alertbridge::domain::Severity::Critical;
    for at in 0..12 {
        alert.labels.insert(format!("label-{at}"), format!("value-{at}"));
    }
    // The last route: the worst case of a walk.
    alert.labels.insert("team".into(), format!("team-{}", count - 1));
    alert
}

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for count in [10, 100, 1_000] {
        let alert = alert(count);
        let equal = table(count, |at| format!("team = \"team-{at}\""));
        let pattern = table(count, |at| format!("team =~ \"team-{at}(-.*)?\""));
        for (name, table) in [("equality", &equal), ("pattern", &pattern)] {
            assert_eq!(
                &*table.decide("prom", &alert).joins[0].policy.route,
                format!("route-{}", count - 1)
            );
            group.bench_with_input(BenchmarkId::new(name, count), table, |bencher, table| {
                bencher.iter(|| table.decide(black_box("prom"), black_box(&alert)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
