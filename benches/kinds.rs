//! What all kinds cost: loading the tables, reading every fixture beside parsing the same bytes as JSON and nothing else,
//! and tables beside the modules that were written by hand for the same payloads. Prints ratios; asserts nothing.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alertbridge::domain::Timestamp;
use alertbridge::ingest::kinds::table::{Table, TableKind};
use alertbridge::ingest::kinds::{self, Payload, SourceKind};
use serde_json::Value;

/// How long one figure is measured.
const EACH: Duration = Duration::from_millis(30);

/// What the module `grafana` reads in a dashboard alert.
const DASHBOARD: &str = r#"
recognize = ["/ruleId", "/state"]
key       = ["/orgId", "/ruleId"]
title     = ["/ruleName", "/title"]
text      = "/message"
alertname = "/ruleName"
resource  = ["/tags/instance", "/tags/host", "/evalMatches/0/tags/instance", "/evalMatches/0/tags/host"]
status    = { from = "/state", firing = ["alerting", "no_data"], resolved = "ok", notice = ["paused", "pending"] }
severity  = { from = ["/tags/severity", "/tags/priority"] }
labels    = { copy = "/tags", set = { rule_id = "/ruleId", dashboard_id = "/dashboardId", panel_id = "/panelId", org_id = "/orgId" } }
annotations = { pairs = { at = "/evalMatches", name = "metric", value = "value" } }
links     = { source = "/ruleUrl" }
images    = "/imageUrl"
"#;

/// What the module `alertmanager` reads.
const GROUP: &str = r#"
alerts    = "/alerts"
recognize = ["/alerts", "/groupKey"]
key       = [["/fingerprint", "@labels"]]
title     = ["{{labels.alertname}}: {{annotations.summary}} ({{labels.pod}})", "/labels/alertname"]
text      = ["/annotations/description", "/annotations/message"]
alertname = "/labels/alertname"
resource  = ["/labels/instance", "/labels/pod", "/labels/node", "/labels/host", "/generatorURL"]
service   = ["/labels/service", "/labels/app", "/labels/job"]
env       = ["/labels/env", "/labels/environment", "/labels/stage"]
status    = { from = ["/status", "@root/status"], firing = "firing", resolved = "resolved" }
severity  = { from = ["/labels/severity", "/labels/level", "/labels/priority", "/annotations/severity"] }
observed_at = { from = "/startsAt", resolved = "/endsAt" }
started_at  = "/startsAt"
labels      = { copy = "/labels" }
annotations = { copy = "/annotations" }
links       = { runbook = "/annotations/runbook_url", dashboard = "/annotations/dashboard_url", source = "/generatorURL", alertmanager = "@root/externalURL" }
"#;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    loading();
    beside_modules();
    every_kind();
}

#[expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds for one call: the best of several rounds, because the machine is shared.
fn nanos(mut work: impl FnMut()) -> f64 {
    const ROUNDS: u32 = 5;
    let mut calls = 1_u32;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        loop {
            let begun = now();
            for _ in 0..calls {
                work();
            }
            let took = begun.elapsed();
            if took >= EACH / ROUNDS {
                best = best.min(took.as_secs_f64() * 1e9 / f64::from(calls));
                break;
            }
            calls = calls.saturating_mul(2);
        }
    }
    best
}

fn loading() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sources");
    let texts: Vec<(String, String)> = files(&folder)
        .into_iter()
        .filter_map(|path| Some((path.display().to_string(), fs::read_to_string(path).ok()?)))
        .collect();
    let took = nanos(|| {
        for (name, text) in &texts {
            black_box(Table::parse(text, name).expect("built-in tables are tested"));
        }
    });
    println!("reading and compiling {} tables as files: {:.1} ms", texts.len(), took / 1e6);
    // A process asks the tables it needs; `auto` asks all.
    let body = b"{\"nobody\": \"knows this\"}";
    let begun = now();
    read(kinds::find("auto").expect("built in"), body, &[]);
    println!(
        "first payload of `auto`, which reads all tables: {:.1} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
    let again = nanos(|| read(kinds::find("auto").expect("built in"), body, &[]));
    println!("every further one: {:.1} us", again / 1e3);
}

fn beside_modules() {
    println!(
        "\n{:<44} {:>10} {:>10} {:>6}",
        "table beside module", "table us", "module us", "ratio"
    );
    let group = fixture("alertmanager/firing.json");
    let cases = [
        ("grafana", DASHBOARD, fixture("grafana/legacy-firing.json")),
        ("alertmanager", GROUP, hundred(&group)),
        ("alertmanager", GROUP, group),
    ];
    for (name, text, body) in cases {
        let table = TableKind(Table::parse(text, name).expect("a good table"));
        let module = kinds::find(name).expect("built in");
        let (table, module) =
            (nanos(|| read(&table, &body, &[])), nanos(|| read(module, &body, &[])));
        let case = format!("{name}, {} bytes", body.len());
        let ratio = table / module;
        println!("{case:<44} {:>10.1} {:>10.1} {ratio:>6.2}", table / 1e3, module / 1e3);
    }
}

fn every_kind() {
    println!("\n{:<44} {:>10} {:>10} {:>6}", "payload", "us", "JSON us", "ratio");
    let (mut all, mut ratios) = (Vec::new(), Vec::new());
    for kind in kinds::builtin() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind.name());
        let mut worst: Option<(f64, f64, String)> = None;
        for path in files(&folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_payload = path.extension().is_some_and(|it| it == "json")
                && !path
                    .with_extension("")
                    .extension()
                    .is_some_and(|it| it == "alerts" || it == "headers");
            let Some(body) = fs::read(&path).ok().filter(|_| is_payload) else { continue };
            let headers = headers(&path);
            let json = nanos(|| {
                black_box(serde_json::from_slice::<Value>(&body).ok());
            });
            let took = nanos(|| read(*kind, &body, &headers));
            all.push(took);
            ratios.push(took / json);
            if worst.as_ref().is_none_or(|(slowest, ..)| took > *slowest) {
                worst = Some((took, json, format!("{}/{name}", kind.name())));
            }
        }
        if let Some((took, json, name)) = worst {
            println!("{name:<44} {:>10.1} {:>10.1} {:>6.1}", took / 1e3, json / 1e3, took / json);
        }
    }
    println!(
        "\nmedian of {} payloads: {:.1} us, {:.1} times parsing them as JSON",
        all.len(),
        median(&mut all) / 1e3,
        median(&mut ratios)
    );
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn read(kind: &dyn SourceKind, body: &[u8], headers: &[(String, String)]) {
    let received_at = Timestamp::from_secs(1_780_272_000);
    let payload =
        Payload { method: "POST", path: "/hooks/bench", query: "", headers, body, received_at };
    black_box(kinds::normalize(kind, black_box(&payload)).ok());
}

fn headers(payload: &Path) -> Vec<(String, String)> {
    let Ok(text) = fs::read_to_string(payload.with_extension("headers.json")) else {
        return Vec::new();
    };
    let map: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("an object");
    map.into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().unwrap_or("").to_owned()))
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    fs::read(path).expect("the fixture is there")
}

/// A group of 100 alerts made of one.
fn hundred(group: &[u8]) -> Vec<u8> {
    let mut group: Value = serde_json::from_slice(group).expect("JSON");
    let alerts = group["alerts"].as_array_mut().expect("an array");
    let first = alerts[0].clone();
    for n in 1..100 {
        let mut alert = first.clone();
        alert["fingerprint"] = Value::String(format!("{n:016x}"));
        alerts.push(alert);
    }
    group.to_string().into_bytes()
}
