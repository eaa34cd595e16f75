//! What one notification costs before it leaves: gathering the facts, rendering, fitting.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use alertbridge::deliver::render::{Templates, samples};
use alertbridge::deliver::senders::{self, ParamValue, Params};
use alertbridge::secret::Secret;
use criterion::{Criterion, criterion_group, criterion_main};

fn render(c: &mut Criterion) {
    let templates = Arc::new(Templates::builtin());
    let secret = |value: &str| ParamValue::Secret(Secret::new(value));
    let rows = [
        ("slack", vec![("url", secret("https://hooks.example.com/services/T/B/x"))]),
        ("teams", vec![("url", secret("https://flows.example.com/invoke?sig=x"))]),
        ("pagerduty", vec![("routing_key", secret("0123456789abcdef0123456789abcdef"))]),
        ("webhook", vec![("url", secret("https://hooks.example.com/in"))]),
        ("inbox", vec![]),
    ];
    let all = samples::all();
    let named = |name: &str| all.iter().find(|sample| sample.name == name).expect("sample").clone();
    let incidents = [named("open"), named("group"), samples::huge()];
    for (kind, params) in rows {
        let params: BTreeMap<_, _> =
            params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let kind = senders::find(kind).expect("kind");
        let sender = (kind.build)("bench", &Params(params), &templates).expect("sender");
        for sample in &incidents {
            let news = sample.news();
            c.bench_function(&format!("render/{}/{}", kind.name, sample.name), |b| {
                b.iter(|| sender.action(black_box(&news)));
            });
        }
    }
}

criterion_group!(benches, render);
criterion_main!(benches);
