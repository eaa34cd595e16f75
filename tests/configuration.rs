//! The commands that read a configuration, as a user runs them.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs in an empty directory, without variables that are settings.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::cargo_bin("alertbridge").expect("built");
    command.current_dir(directory.path()).args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ALERTBRIDGE__") {
            command.env_remove(name);
        }
    }
    let output = command.output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("ends by itself"), text(output.stdout), text(output.stderr))
}

fn write(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("routes.toml");
    std::fs::write(&path, text).expect("writable");
    (directory, path)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn check_accepts_the_example_and_nothing_at_all() {
    let example = root().join("routes.toml");
    let (code, out, err) = run(&["check", "--strict", "--routes", path(&example)]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("3 routes, 1 tests; 0 errors, 0 warnings"), "{out}");
    let (code, out, _) = run(&["check"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn check_says_how_it_went() {
    let (_keep, wrong) = write("[defaults]\nreceivers = [\"inbx\"]\ntiming = \"gird\"\n");
    let (code, out, _) = run(&["check", "--routes", path(&wrong)]);
    assert_eq!(code, 1);
    assert!(out.contains("routes.toml:2:14") && out.contains("did you mean `grid`?"), "{out}");
    let (code, out, _) = run(&["check", "--json", "--routes", path(&wrong)]);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, json["errors"].as_u64()), (1, Some(2)));
    assert_eq!(json["problems"][0]["line"], 2);
    assert_eq!(json["problems"][0]["word"], "unknown_name");

    let warned = "[sources.a]\nkind = \"generic\"\nauth = { token = \"${NOT_SET}\" }\n\
                  [defaults]\nreceivers = [\"inbox\"]\n";
    let (_keep, warned) = write(warned);
    assert_eq!(run(&["check", "--routes", path(&warned)]).0, 0);
    assert_eq!(run(&["check", "--strict", "--routes", path(&warned)]).0, 1);

    let (code, out, err) = run(&["check", "--routes", "missing.toml"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("missing.toml"), "{err}");
}

#[test]
fn tests_of_routes_are_run() {
    let example = root().join("routes.toml");
    let (code, out, err) = run(&["test", "--routes", path(&example)]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.ends_with("1 passed, 0 failed\n"), "{out}");

    let text = "[defaults]\nreceivers = [\"inbox\"]\n\
                [[test]]\nlabels = { team = \"db\" }\nexpect = { route = \"default\" }\n\
                [[test]]\nlabels = { team = \"db\" }\nexpect = { dropped = true }\n";
    let (_keep, routes) = write(text);
    let (code, out, _) = run(&["test", "--routes", path(&routes)]);
    assert_eq!(code, 1);
    let place = |line: u32| format!("{}:{line} labels team=\"db\"\n", path(&routes));
    assert!(out.contains(&format!("ok     {}", place(3))), "{out}");
    assert!(out.contains(&format!("FAILED {}", place(6))), "{out}");
    assert!(out.contains("expected dropped true, got false\n1 passed, 1 failed"), "{out}");

    let (code, out, _) = run(&["test", "--json", "--routes", path(&routes)]);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &json["failed"], &json["tests"][1]["line"]), (1, &1.into(), &6.into()));

    let (code, out, _) = run(&["check", "--routes", path(&routes)]);
    assert_eq!(code, 1);
    assert!(out.contains("error[test_failed]") && out.contains("routes.toml:6:1"), "{out}");
    let (code, out, _) = run(&["check", "--json", "--routes", path(&routes)]);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &json["problems"][0]["line"]), (1, &6.into()));

    let (code, _, err) = run(&["serve", "--listen", "127.0.0.1:0", "--routes", path(&routes)]);
    assert_eq!(code, 2);
    assert!(err.contains("routes.toml:6:1") && err.contains("got false"), "{err}");
    // What is to be explained are failing tests, too.
    assert_eq!(explain(&["--routes", path(&routes)]).0, 0);
}

const PAYLOAD: &str = r#"{"title": "Disk full", "severity": "critical", "team": "db", "id": "7"}"#;

fn explain(arguments: &[&str]) -> (i32, String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let payload = directory.path().join("payload.json");
    std::fs::write(&payload, PAYLOAD).expect("writable");
    let mut all = vec!["explain", "--kind", "generic"];
    all.extend(arguments);
    all.push(path(&payload));
    run(&all)
}

#[test]
fn explain_needs_no_configuration() {
    let (code, out, err) = explain(&["--json"]);
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&out).expect("JSON");
    let route = &json["alerts"][0]["routes"][0];
    assert_eq!(route["route"], "default");
    assert_eq!(route["receivers"], serde_json::json!(["inbox"]));
    assert_eq!(route["incident"].as_str().map(str::len), Some(32));
    assert_eq!(route["reason"], "no route matched");
}

#[test]
fn explain_takes_path_and_query_as_they_were_sent() {
    let (directory, _) = write("");
    let payload = directory.path().join("close.json");
    std::fs::write(&payload, "{}").expect("writable");
    let sent = "/v2/alerts/db-7%2Fdisk/close?identifierType=alias";
    let kind = ["explain", "--json", "--kind", "opsgenie-alert-api"];
    let (code, out, err) = run(&[&kind[..], &["--path", sent, path(&payload)]].concat());
    let json: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    assert_eq!((code, json["alerts"][0]["key"].as_str()), (0, Some("db-7/disk")), "{out}");
    assert_eq!(json["alerts"][0]["status"], "resolved");
}

#[test]
fn explain_gives_the_reason_of_every_route() {
    let routes = "[defaults]\nreceivers = [\"inbox\"]\n\
                  [[route]]\nname = \"web\"\nmatch = ['team = \"web\"']\n\
                  [[route]]\nname = \"db\"\nmatch = ['team = \"db\"']\ngroup_by = [\"team\"]\n\
                  [[route]]\nname = \"late\"\n";
    let (_keep, routes) = write(routes);
    let (code, out, err) = explain(&["--json", "--routes", path(&routes)]);
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&out).expect("JSON");
    let alert = &json["alerts"][0];
    assert_eq!(alert["routes"][0]["route"], "db");
    assert_eq!(alert["routes"][0]["values"]["team"], "db");
    let trace = alert["trace"].as_array().expect("a list");
    let reasons: Vec<&str> = trace.iter().filter_map(|step| step["reason"].as_str()).collect();
    assert_eq!(
        reasons,
        [
            "matched, taken by db",
            "team = \"web\" does not match the value \"db\"",
            "matched team = \"db\"",
            "not reached: earlier sibling db matched",
        ]
    );
    let (code, out, _) = explain(&["--routes", path(&routes)]);
    assert_eq!(code, 0);
    assert!(out.contains("late: not reached: earlier sibling db matched"), "{out}");
    assert!(out.contains("because  matched team = \"db\""), "{out}");
}

const RENDERED: &str = r#"
[receivers.pager]
kind = "pagerduty"
routing_key = "0123456789abcdef0123456789abcdef"
[receivers.chat]
kind = "slack"
url = "https://hooks.slack.com/services/T0AB/B0AB/abcdefghijkl"
[receivers.phone]
kind = "twilio"
account_sid = "AC0123456789abcdef0123456789abcdef"
auth_token = "fedcba9876543210"
from = "+15005550006"
to = "+15550100002"
[receivers.hook]
kind = "webhook"
url = "https://hooks.example:8443/in?key=abc"
[receivers.quiet]
kind = "webhook"
url = "https://hooks.example:8443/in?key=abc"
secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
tells = ["resolved"]
[defaults]
receivers = ["pager", "chat", "phone", "hook", "quiet", "inbox"]
"#;

/// Nothing of these may be in any output.
const SECRETS: [&str; 6] = [
    "0123456789abcdef0123456789abcdef",
    "T0AB",
    "abcdefghijkl",
    "fedcba9876543210",
    "key=abc",
    "MDEyMzQ1",
];

#[test]
fn explain_renders_what_each_receiver_would_be_sent() {
    let (_keep, routes) = write(RENDERED);
    let (code, out, err) = explain(&["--render", "--json", "--routes", path(&routes)]);
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&out).expect("JSON");
    let all = json["alerts"][0]["notifications"].as_array().expect("a list");
    let of = |name: &str| all.iter().find(|one| one["receiver"] == name).expect("there");
    assert_eq!(all.len(), 6);
    let pager = &of("pager")["request"];
    assert_eq!((&pager["method"], &of("pager")["why"]), (&"POST".into(), &"open".into()));
    assert_eq!(pager["url"], "https://events.pagerduty.com/***");
    assert_eq!(pager["body"]["routing_key"], "***");
    assert_eq!(pager["body"]["payload"]["severity"], "critical");
    assert_eq!(of("chat")["request"]["url"], "https://hooks.slack.com/***");
    let text = of("chat")["request"]["body"]["text"].as_str().expect("a text");
    assert!(text.contains("*CRITICAL*") && text.contains("Disk full"), "{text}");
    assert_eq!(of("phone")["request"]["body"]["To"], "+15550100002");
    assert_eq!(
        (&of("quiet")["request"], of("quiet")["reason"].as_str()),
        (&Value::Null, Some("not_wanted"))
    );
    assert_eq!(of("hook")["request"]["url"], "https://hooks.example:8443/***");
    let kept = of("inbox")["request"]["text"].as_str().expect("a text");
    assert!(kept.starts_with("CRITICAL  Disk full"), "{kept}");

    let (code, text, _) = explain(&["--render", "--routes", path(&routes)]);
    assert_eq!(code, 0);
    for line in [
        "  pager (pagerduty) would be sent (open): POST https://events.pagerduty.com/***",
        "      \"routing_key\": \"***\",",
        "  quiet (webhook) would be told nothing: not_wanted",
        "  inbox (inbox) would keep (open):",
        "    CRITICAL  Disk full",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    for secret in SECRETS {
        assert!(!out.contains(secret) && !text.contains(secret), "{secret}");
    }
    let (_, without, _) = explain(&["--json", "--routes", path(&routes)]);
    assert!(!without.contains("notifications"));
}

#[test]
fn explain_renders_the_end_and_tells_a_group_once() {
    let payload = root().join("src/cli/demo/payloads/alertmanager-two-resolved.json");
    let (_keep, routes) = write("[defaults]\nreceivers = [\"inbox\"]\ngroup_by = [\"cluster\"]\n");
    let arguments = ["explain", "--kind", "alertmanager", "--render", "--json", "--routes"];
    let (code, out, err) = run(&[&arguments[..], &[path(&routes), path(&payload)]].concat());
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&out).expect("JSON");
    let first = &json["alerts"][0]["notifications"][0];
    let text = first["request"]["text"].as_str().expect("a text");
    assert_eq!(first["why"], "resolved");
    assert!(text.contains("Resolved after 8m (2 resolved)"), "{text}");
    let second = &json["alerts"][1]["notifications"][0];
    assert_eq!((&second["request"], second["with_alert"].as_u64()), (&Value::Null, Some(0)));
}

#[test]
fn explain_renders_the_inbox_without_a_configuration() {
    let (code, out, err) = explain(&["--render"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("inbox (inbox) would keep (open):\n    CRITICAL  Disk full"), "{out}");
}

#[test]
fn every_command_has_an_example() {
    for command in [
        &["--help"][..],
        &["check", "--help"],
        &["demo", "--help"],
        &["explain", "--help"],
        &["serve", "--help"],
        &["store", "--help"],
        &["store", "verify", "--help"],
        &["store", "export", "--help"],
        &["store", "import", "--help"],
    ] {
        let (code, out, _) = run(command);
        assert!(code == 0 && out.contains("Example: alertbridge "), "{command:?}: {out}");
    }
}
