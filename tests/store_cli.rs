//! `alertbridge store` as an operator meets it: output, exit codes, and what it leaves alone.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use alertbridge::domain::{Alert, Fingerprint, Join, Policy, Rules, Timestamp};
use alertbridge::store::{Bell, Embedded, Intake, Ledger, Routed, SledOptions};
use assert_cmd::Command;

struct Silent;

impl Bell for Silent {
    fn ring(&self, _receiver: &str) {}

    fn timer(&self) {}
}

/// A data directory with one open incident.
fn fill(directory: &Path) {
    let policy = Arc::new(Policy::new("all", vec!["chat".into()]));
    let rules = Rules {
        policies: HashMap::new(),
        fallback: policy.clone(),
        traits: HashMap::new(),
        fallbacks: HashMap::new(),
        loaded_at: Timestamp::default(),
    };
    let options = SledOptions { free_bytes_min: 0, ..SledOptions::default() };
    let now = Timestamp::from_secs(1_800_000_000);
    let store =
        Embedded::open_sled(directory, options, Arc::new(rules), Arc::new(Silent), now, "i".into())
            .expect("open");
    let join = Join { policy, group: Fingerprint::of(["all"]), was: vec![], values: vec![] };
    let alert = Alert::new("db", "db is broken");
    let alerts = vec![Routed { alert, joins: vec![join], dropped: false }];
    let intake = Intake { source: "s".into(), alerts, now };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    runtime.block_on(store.commit(intake)).expect("taken");
}

/// Runs `alertbridge store ...`; exit code, stdout, stderr.
fn store(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("alertbridge")
        .expect("built")
        .arg("store")
        .args(arguments)
        .output()
        .expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("exits"), text(output.stdout), text(output.stderr))
}

#[test]
fn data_goes_out_and_comes_back() {
    let root = tempfile::tempdir().expect("temporary directory");
    let path = |name: &str| root.path().join(name).to_str().expect("text").to_owned();
    let (data, copy, file) = (path("data"), path("copy"), path("backup.jsonl"));
    fill(Path::new(&data));
    assert_eq!(store(&["verify", "--data", &data]), (0, String::new(), String::new()));
    let (code, _, talk) = store(&["export", "--data", &data, &file]);
    assert_eq!(code, 0, "{talk}");
    let (code, _, talk) = store(&["export", "--data", &data, &file]);
    assert_eq!(code, 2, "an earlier export is kept: {talk}");
    let (code, _, talk) = store(&["import", "--data", &copy, &file]);
    assert_eq!(code, 0, "{talk}");
    let (_, lines, _) = store(&["export", "--data", &copy]);
    assert_eq!(lines, std::fs::read_to_string(&file).expect("read"));
    let (code, _, talk) = store(&["import", "--data", &copy, &file]);
    assert_eq!(code, 2, "a store is not imported over: {talk}");
}

#[test]
fn problems_are_findings_and_nothing_is_made_up() {
    let root = tempfile::tempdir().expect("temporary directory");
    let path = |name: &str| root.path().join(name).to_str().expect("text").to_owned();
    let (none, half, file) = (path("none"), path("half"), path("cut.jsonl"));
    for action in ["verify", "export"] {
        let (code, out, talk) = store(&[action, "--data", &none]);
        assert_eq!((code, out.as_str()), (2, ""), "{talk}");
        assert!(talk.contains("there is no store in"), "{talk}");
        assert!(!Path::new(&none).exists());
    }
    let data = path("data");
    fill(Path::new(&data));
    let (_, lines, _) = store(&["export", "--data", &data]);
    let cut: Vec<&str> = lines.lines().take(3).collect();
    std::fs::write(&file, cut.join("\n")).expect("write");
    let (code, _, talk) = store(&["import", "--data", &half, &file]);
    assert_eq!(code, 2, "{talk}");
    let (code, out, talk) = store(&["verify", "--data", &half]);
    assert_eq!(code, 1, "{talk}");
    assert!(out.contains("an import did not finish"), "{out}");
}
