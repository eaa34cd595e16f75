//! What reading a payload costs: each kind over its fixtures, beside parsing the same bytes as JSON and nothing else,
//! and beside the Pingdom table written by hand.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use alertbridge::domain::{Alert, Severity, Status, Timestamp};
use alertbridge::ingest::kinds::{self, Normalized, Payload, SourceKind, bound};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;

fn payload(body: &[u8]) -> Payload<'_> {
    let received_at = Timestamp::from_secs(1_780_272_000);
    Payload { method: "POST", path: "/", query: "", headers: &[], body, received_at }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    fs::read(path).expect("the fixture is there")
}

/// A group of 100 alerts made of the firing fixture.
fn hundred() -> Vec<u8> {
    let mut group: Value =
        serde_json::from_slice(&fixture("alertmanager/firing.json")).expect("JSON");
    let alerts = group["alerts"].as_array_mut().expect("an array");
    let first = alerts[0].clone();
    for n in 1..100 {
        let mut alert = first.clone();
        alert["fingerprint"] = Value::String(format!("{n:016x}"));
        alert["labels"]["instance"] = Value::String(format!("db-{n}:9100"));
        alerts.push(alert);
    }
    group.to_string().into_bytes()
}

/// What a module for Pingdom would do, field by field.
fn by_hand(body: &[u8]) -> Alert {
    let tree: Value = serde_json::from_slice(body).expect("JSON");
    let text = |pointer: &str| tree.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let name = text("/check_name").unwrap_or_default();
    let state = text("/current_state").unwrap_or_default();
    let description = text("/description").unwrap_or_default();
    let mut alert =
        Alert::new(tree["check_id"].to_string(), format!("{name} {state}: {description}"));
    alert.status = if state == "UP" { Status::Resolved } else { Status::Firing };
    alert.severity = if text("/importance_level").as_deref() == Some("LOW") {
        Severity::Warning
    } else {
        Severity::Critical
    };
    alert.text = text("/long_description");
    alert.resource = text("/check_params/hostname");
    alert.alertname = Some(name);
    alert.observed_at = tree["state_changed_timestamp"].as_i64().map(Timestamp::from_secs);
    for label in ["check_type", "importance_level"] {
        alert.labels.extend(text(&format!("/{label}")).map(|it| (label.to_owned(), it)));
    }
    for tag in tree["tags"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let (name, value) = tag.split_once(':').unwrap_or(("tags", tag));
        alert.labels.insert(name.to_owned(), value.to_owned());
    }
    for (name, pointer) in
        [("probe", "/first_probe/location"), ("second_probe", "/second_probe/location")]
    {
        alert.annotations.extend(text(pointer).map(|it| (name.to_owned(), it)));
    }
    bound::alert(alert)
}

fn normalize(kind: &dyn SourceKind, body: &[u8]) -> Normalized {
    kinds::normalize(kind, &payload(body)).expect("a good fixture")
}

fn bench(criterion: &mut Criterion) {
    let cases = [
        ("alertmanager", fixture("alertmanager/firing.json")),
        ("alertmanager", hundred()),
        ("grafana", fixture("grafana/firing.json")),
        ("generic", fixture("generic/firing.json")),
        ("generic", fixture("pingdom/firing.json")),
        ("newrelic", fixture("newrelic/firing.json")),
        ("pingdom", fixture("pingdom/firing.json")),
        ("site24x7", fixture("site24x7/firing.json")),
    ];
    for (kind, body) in &cases {
        let source = kinds::find(kind).expect("built in");
        let mut group = criterion.benchmark_group(format!("{kind}/{}B", body.len()));
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("normalize", |it| it.iter(|| normalize(source, black_box(body))));
        group.bench_function("parse-json-only", |it| {
            it.iter(|| serde_json::from_slice::<Value>(black_box(body)).expect("JSON"));
        });
        if *kind == "pingdom" {
            group.bench_function("by-hand", |it| it.iter(|| by_hand(black_box(body))));
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
