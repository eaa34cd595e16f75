//! Every source kind against payloads of our own making and against what breaks parsers.
//!
//! `tests/fixtures/<kind>/<case>.<json|form|query|xml|txt>`, beside it `<case>.headers.json` where headers matter and
//! `<case>.alerts.json`, what the kind must read in it. The headers `:method` and `:path` (with a query) say how it was sent. `ALERTBRIDGE_BLESS=1 cargo test --test kinds` writes the latter.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use alertbridge::domain::{Alert, Timestamp};
use alertbridge::ingest::kinds::{self, Error, Normalized, Payload, SourceKind};
use serde_json::{Value, json};

/// 2026-06-01: when all fixtures arrive.
const RECEIVED_AT_SECONDS: i64 = 1_780_272_000;

struct Case {
    name: String,
    file: PathBuf,
    headers: Vec<(String, String)>,
    method: String,
    path: String,
    body: Vec<u8>,
}

impl Case {
    fn is_query(&self) -> bool {
        self.file.extension().is_some_and(|extension| extension == "query")
    }

    fn normalize(&self, kind: &dyn SourceKind, body: &[u8]) -> Result<Normalized, Error> {
        let text = String::from_utf8_lossy(body);
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let (method, query, body) = if self.is_query() {
            ("GET", text.trim(), &b""[..])
        } else {
            (self.method.as_str(), query, body)
        };
        let payload = Payload {
            method,
            path,
            query,
            headers: &self.headers,
            body,
            received_at: Timestamp::from_secs(RECEIVED_AT_SECONDS),
        };
        kinds::normalize(kind, &payload)
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn files(kind: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(fixtures().join(kind)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    files
}

fn is_companion(file: &Path) -> bool {
    let name = file.file_name().expect("a file").to_string_lossy();
    name.ends_with(".alerts.json") || name.ends_with(".headers.json")
}

fn cases(kind: &str) -> Vec<Case> {
    let files = files(kind).into_iter().filter(|file| !is_companion(file));
    files
        .map(|file| {
            let content_type = match file.extension().and_then(|it| it.to_str()) {
                Some("form") => "application/x-www-form-urlencoded",
                Some("xml") => "application/xml",
                Some("txt") => "text/plain",
                _ => "application/json",
            };
            let mut headers = vec![("content-type".to_owned(), content_type.to_owned())];
            if let Ok(text) = fs::read_to_string(file.with_extension("headers.json")) {
                let map: serde_json::Map<String, Value> =
                    serde_json::from_str(&text).expect("headers are an object");
                for (name, value) in map {
                    let name = name.to_ascii_lowercase();
                    headers.retain(|(known, _)| *known != name);
                    headers.push((name, value.as_str().expect("a header is text").to_owned()));
                }
            }
            let mut pseudo = |name: &str, usual: &str| {
                let at = headers.iter().position(|(known, _)| known == name);
                at.map_or_else(|| usual.to_owned(), |at| headers.remove(at).1)
            };
            let (method, path) = (pseudo(":method", "POST"), pseudo(":path", "/hooks/fixture"));
            let name = file.strip_prefix(fixtures()).expect("inside").display().to_string();
            let body = fs::read(&file).expect("readable");
            Case { name, file, headers, method, path, body }
        })
        .collect()
}

/// What people compare: times as text, empty fields left out.
fn golden(normalized: &Result<Normalized, Error>) -> Value {
    let normalized = match normalized {
        Ok(normalized) => normalized,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let mut shown = json!({
        "alerts": normalized.alerts.iter().map(golden_alert).collect::<Vec<_>>(),
        "rejected": normalized.rejected.iter()
            .map(|it| json!({"index": it.index, "reason": it.reason})).collect::<Vec<_>>(),
        "ignored": normalized.ignored,
        "handshake": normalized.handshake.as_ref().map(|it| format!("{it:?}")),
    });
    strip(&mut shown);
    shown
}

fn golden_alert(alert: &Alert) -> Value {
    let mut shown = serde_json::to_value(alert).expect("alerts are plain data");
    for (field, at) in [
        ("observed_at", alert.observed_at),
        ("started_at", alert.started_at),
        ("ends_at", alert.ends_at),
    ] {
        shown[field] = json!(at.map(|at| at.to_string()));
    }
    shown["links"] = alert.links.iter().map(|link| json!([link.name, link.url])).collect();
    strip(&mut shown);
    shown
}

fn strip(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    if let Value::Object(map) = value {
        map.retain(|_, value| !is_empty(value));
    }
}

#[test]
fn fixtures_read_as_their_goldens_say() {
    let bless = std::env::var_os("ALERTBRIDGE_BLESS").is_some();
    let mut wrong = Vec::new();
    for kind in kinds::builtin() {
        for case in cases(kind.name()) {
            let read = golden(&case.normalize(*kind, &case.body));
            let file = case.file.with_extension("alerts.json");
            if bless {
                let text = serde_json::to_string_pretty(&read).expect("JSON") + "\n";
                fs::write(&file, text).expect("writable");
            }
            let expected = fs::read_to_string(&file).unwrap_or_else(|_| "null".to_owned());
            let expected: Value = serde_json::from_str(&expected).expect("goldens are JSON");
            if read != expected {
                wrong.push(format!("{}:\n{read:#}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "not as the golden says:\n{}", wrong.join("\n"));
}

#[test]
fn every_kind_has_its_cases_and_no_golden_is_left_over() {
    let mut wrong = Vec::new();
    for kind in kinds::builtin() {
        let cases = cases(kind.name());
        for needed in needed(*kind, &cases) {
            if !cases.iter().any(|case| case.name.contains(needed)) {
                wrong.push(format!("{}: no {needed} payload", kind.name()));
            }
        }
        let stems: BTreeSet<PathBuf> =
            cases.iter().map(|case| case.file.with_extension("")).collect();
        if stems.len() < cases.len() {
            wrong.push(format!("{}: two payloads would share a golden", kind.name()));
        }
        for file in files(kind.name()).iter().filter(|file| is_companion(file)) {
            if !stems.contains(&file.with_extension("").with_extension("")) {
                wrong.push(format!("{}: belongs to no payload", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What must be among the cases: what fires and what resolves where the kind knows such, and something odd.
fn needed(kind: &dyn SourceKind, cases: &[Case]) -> Vec<&'static str> {
    let mut needed = vec!["odd"];
    let has_alerts = |case: &Case| {
        case.normalize(kind, &case.body).is_ok_and(|normalized| !normalized.alerts.is_empty())
    };
    if cases.iter().any(has_alerts) {
        needed.push("firing");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("sources/{}.toml", kind.name()));
    let table = fs::read_to_string(path);
    let resolves = |table: String| {
        let plain = table.replace(' ', "");
        plain.contains("resolved=") || plain.contains("=\"resolved\"")
    };
    if table.map_or(true, resolves) {
        needed.push("resolved");
    }
    needed
}

#[test]
fn firing_and_resolved_payloads_share_their_keys() {
    let mut pairs = 0;
    for kind in kinds::builtin() {
        let cases = cases(kind.name());
        for resolved in cases.iter().filter(|case| case.name.contains("resolved")) {
            let partner = resolved.name.replace("resolved", "firing");
            let stem = |name: &str| name.rsplit_once('.').map(|(stem, _)| stem.to_owned());
            let Some(firing) = cases.iter().find(|case| stem(&case.name) == stem(&partner)) else {
                continue;
            };
            let keys = |case: &Case| -> Vec<String> {
                let read = case.normalize(*kind, &case.body).expect("a good payload");
                read.alerts.into_iter().map(|alert| alert.key).collect()
            };
            assert_eq!(keys(firing), keys(resolved), "{} / {}", firing.name, resolved.name);
            pairs += 1;
        }
    }
    assert!(pairs >= kinds::builtin().len() / 2, "only {pairs} pairs");
}

/// What holds for any bytes: no panic, a clear error or alerts within limits.
fn check(kind: &dyn SourceKind, case: &Case, body: &[u8]) -> Result<Normalized, Error> {
    let read = case.normalize(kind, body);
    match &read {
        Ok(normalized) => {
            for alert in &normalized.alerts {
                assert!(!alert.key.is_empty() && !alert.title.is_empty(), "{}", case.name);
                assert!(alert.title.chars().count() <= alertbridge::limits::TITLE_CHARS_MAX);
                assert!(alert.labels.len() <= alertbridge::limits::LABELS_MAX, "{}", case.name);
            }
            assert!(normalized.rejected.iter().all(|it| !it.reason.is_empty()), "{}", case.name);
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() > 20 && message.len() < 2_000, "{}: {message}", case.name);
        }
    }
    read
}

/// Every `stride`-th place of a body, so that large fixtures take no longer than small ones.
fn places(length: usize) -> impl Iterator<Item = usize> {
    const PLACES_MAX: usize = 100;
    (0..length).step_by(length.div_ceil(PLACES_MAX).max(1))
}

#[test]
fn auto_takes_no_payload_for_that_of_another_vendor() {
    /// Formats that another sender speaks, too: `ElastAlert`'s alerter for `PagerTree`, PRTG's script for Grafana `OnCall`,
    /// Alertmanager's webhook at GitLab, the bodies of Alertmanager's API.
    const SAME: [(&str, &str); 4] = [
        ("elastalert", "pagertree-webhook"),
        ("prtg", "grafana"),
        ("gitlab-alert-endpoint", "alertmanager"),
        ("alertmanager", "prometheus"),
    ];
    // All of AWS read alike, whichever of them is asked.
    let family = |kind: &str| kind.split('-').next().filter(|it| *it == "aws").map(str::to_owned);
    let auto = kinds::find("auto").expect("it is built in");
    let (mut known, mut all, mut wrong) = (0, 0, Vec::new());
    for kind in kinds::builtin().iter().filter(|kind| !matches!(kind.name(), "auto" | "generic")) {
        for case in cases(kind.name()) {
            all += 1;
            match case.normalize(auto, &case.body) {
                Ok(read) => {
                    let taken = read.taken.expect("auto says what it took").kind;
                    let is_family =
                        family(&taken).is_some() && family(&taken) == family(kind.name());
                    let is_same = SAME.contains(&(kind.name(), &*taken));
                    if taken == kind.name() || is_family || is_same {
                        known += 1;
                    } else if taken != "generic" {
                        wrong.push(format!("{} was taken for {taken}", case.name));
                    }
                }
                Err(Error::Ambiguous { candidates }) => {
                    wrong.push(format!("{} may be one of {candidates:?}", case.name));
                }
                Err(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(known * 3 > all * 2, "only {known} of {all} are recognized");
}

#[test]
fn truncated_payloads_are_refused() {
    for kind in kinds::builtin() {
        for case in cases(kind.name()) {
            let whole = case.body.trim_ascii();
            let is_json = serde_json::from_slice::<Value>(whole).is_ok();
            for end in places(whole.len()) {
                let read = check(*kind, &case, &whole[..end]);
                if is_json && !case.is_query() {
                    assert!(read.is_err(), "{} cut at {end} was taken", case.name);
                }
            }
        }
    }
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    for kind in kinds::builtin() {
        for case in cases(kind.name()).into_iter().filter(|case| !case.is_query()) {
            for at in places(case.body.len()) {
                for bad in [&b"\xff"[..], b"\xc3\x28", b"\x00", b"\xed\xa0\x80"] {
                    let mut body = case.body.clone();
                    body.splice(at..at, bad.iter().copied());
                    let read = check(*kind, &case, &body);
                    assert!(bad == b"\x00" || read.is_err(), "{} at {at}", case.name);
                }
            }
        }
    }
}

#[test]
fn values_of_wrong_types_never_panic() {
    let wrong = [
        json!(null),
        json!(0),
        json!(-1.5e300),
        json!(u64::MAX),
        json!(true),
        json!(""),
        json!("\u{0}\u{202e}x"),
        json!([]),
        json!([[null, {"a": []}]]),
        json!({}),
        json!({"a": {"b": 1}}),
    ];
    for kind in kinds::builtin() {
        for case in cases(kind.name()) {
            let Ok(tree) = serde_json::from_slice::<Value>(&case.body) else { continue };
            for pointer in pointers(&tree) {
                for value in &wrong {
                    let mut changed = tree.clone();
                    *changed.pointer_mut(&pointer).expect("it is there") = value.clone();
                    drop(check(*kind, &case, changed.to_string().as_bytes()));
                }
            }
        }
    }
}

/// The places of all values in a tree.
fn pointers(tree: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), tree)];
    while let Some((pointer, value)) = open.pop() {
        match value {
            Value::Object(map) => open.extend(map.iter().map(|(name, value)| {
                (format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), value)
            })),
            Value::Array(items) => {
                open.extend(
                    items.iter().enumerate().map(|(at, value)| (format!("{pointer}/{at}"), value)),
                );
            }
            _ => {}
        }
        found.push(pointer);
    }
    found
}

#[test]
fn payloads_of_other_senders_never_panic() {
    let all: Vec<Case> = kinds::builtin().iter().flat_map(|kind| cases(kind.name())).collect();
    for kind in kinds::builtin() {
        for case in &all {
            drop(check(*kind, case, &case.body));
        }
    }
}

#[test]
fn huge_and_deep_payloads_are_bounded() {
    let deep =
        |open: &str, close: &str| format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
    let many = |item: &str| format!("[{}{item}]", format!("{item},").repeat(20_000));
    let long = "x".repeat(256 << 10);
    let bodies = [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("<a>", "</a>"),
        deep("{\"alerts\":[", "]}"),
        many("{}"),
        many(r#"{"labels":{"alertname":"a"},"title":"b"}"#),
        format!(r#"{{"alerts":{}}}"#, many(r#"{"labels":{"alertname":"a"},"title":"b"}"#)),
        format!(r#"{{"title":"{long}","status":"{long}","{long}":"{long}","id":"{long}"}}"#),
        format!(r#"{{"alerts":[{{"labels":{{"alertname":"{long}"}},"fingerprint":"{long}"}}]}}"#),
        format!("a={long}&{long}"),
        format!("<a {long}=\"1\">{long}</a>"),
        long.clone(),
    ];
    for kind in kinds::builtin() {
        for case in cases(kind.name()).iter().filter(|case| !case.is_query()).take(1) {
            for body in &bodies {
                drop(check(*kind, case, body.as_bytes()));
            }
        }
    }
}
