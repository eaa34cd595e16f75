//! Whole files through the reader: what is accepted means what it says, what is wrong is shown as in the golden files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::*;
use crate::deliver::render::Templates;
use crate::deliver::senders::{
    Action, News, Outcome, Param, ParamError, ParamType, Params, RenderError, Response, Sender,
};
use crate::domain::{Alert, Grouping, Severity, Tell, Timestamp, Timing, Traits};
use crate::ingest::Kind;
use crate::ingest::auth::{Auth, Evidence, Presented};
use crate::secret::Secret;

/// A sender that says nothing: these tests are about its keys.
struct Mute;

impl Sender for Mute {
    fn action(&self, _: &News<'_>) -> Result<Action, RenderError> {
        Ok(Action::Keep(String::new()))
    }

    fn judge(&self, _: &Response, _: Timestamp) -> Outcome {
        Outcome::Delivered { remember: None }
    }

    fn credential(&self) -> u64 {
        0
    }
}

fn build(_: &str, params: &Params, _: &Arc<Templates>) -> Result<Box<dyn Sender>, ParamError> {
    if params.integer("segments").is_some_and(|segments| segments > 10) {
        let message = "at most 10".into();
        return Err(ParamError { param: "segments", message, hint: None });
    }
    Ok(Box::new(Mute))
}

const fn param(name: &'static str, of: ParamType, required: bool) -> Param {
    Param { name, of, required, doc: "" }
}

/// Made once: compiling templates takes longer than all tests here.
fn catalog() -> &'static Catalog {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(make_catalog);
    &CATALOG
}

fn make_catalog() -> Catalog {
    const SLACK: &[Param] = &[param("url", ParamType::Url, true)];
    const PAGER: &[Param] = &[param("routing_key", ParamType::Secret, true)];
    const SMS: &[Param] = &[
        param("token", ParamType::Secret, true),
        param("to", ParamType::List, true),
        param("segments", ParamType::Integer, false),
    ];
    const WEBHOOK: &[Param] = &[
        param("url", ParamType::Url, true),
        param("method", ParamType::Text, false),
        param("headers", ParamType::Map, false),
        param("table", ParamType::Any, false),
    ];
    let kind = |name, params, traits| SenderKind {
        name,
        about: "",
        params,
        traits,
        rate: (1.0, 5),
        build: &build,
    };
    Catalog {
        senders: vec![
            kind("inbox", &[], Traits::CHAT),
            kind("slack", SLACK, Traits::CHAT),
            kind("pagerduty", PAGER, Traits::PAGER),
            kind("sms", SMS, Traits::SMS),
            kind("webhook", WEBHOOK, Traits::CHAT),
        ],
        ..Catalog::builtin()
    }
}

fn variable(name: &str) -> Option<String> {
    match name {
        "HOOK_TOKEN" => Some("token-from-environment".into()),
        "SLACK_URL" => Some("https://hooks.example.com/services/T/B/x".into()),
        _ => None,
    }
}

fn file(path: &Path) -> std::io::Result<String> {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("pd-key") => Ok("key-from-file\n".into()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    }
}

fn parse(text: &str, strict: bool) -> Result<Routes, Report> {
    let environment = Environment { variable: &variable, file: &file };
    Routes::parse(
        Path::new("routes.toml"),
        text,
        &Options { catalog: catalog(), environment, strict, public_url: None },
    )
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/routes")
}

/// Every `NAME.toml` is shown as in `NAME.txt`; with `UPDATE_GOLDEN` set that file is written anew.
#[test]
fn problems_are_shown_as_in_the_golden_files() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(fixtures()).expect("fixtures") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        count += 1;
        let text = std::fs::read_to_string(&path).expect("readable");
        let strict = text.starts_with("# strict");
        let tried = parse(&text, strict).and_then(|routes| routes.tried(Timestamp::from_secs(0)));
        let report = tried.map_or_else(|report| report, |routes| routes.warnings);
        let shown = report.render(false);
        assert!(!shown.contains("s3cret"), "{} shows a secret:\n{shown}", path.display());
        assert!(!report.to_json().to_string().contains("s3cret"), "{}", path.display());
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &shown).expect("writable");
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if shown != expected {
            wrong.push(format!("{}:\n{shown}", path.display()));
        }
    }
    assert!(count >= 10, "only {count} fixtures");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_problem_word_is_in_a_golden_file_and_in_the_documentation() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let docs = std::fs::read_to_string(docs).expect("docs/errors.md");
    let golden: String = std::fs::read_dir(fixtures())
        .expect("fixtures")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .map(|path| std::fs::read_to_string(path).expect("readable"))
        .collect();
    for word in Word::ALL {
        assert!(golden.contains(&format!("[{}]", word.as_str())), "{word:?} in no golden file");
        assert!(docs.contains(&format!("`{}`", word.as_str())), "{word:?} not in docs/errors.md");
    }
}

const EXAMPLE: &str = r#"
[sources.azure-prod]
kind  = "azure-monitor"
auth  = { token = ["${HOOK_TOKEN}", "file:pd-key"] }
allow = ["20.0.0.0/8", "192.0.2.7"]
limit = { per_second = 50, burst = 200 }

[receivers.oncall-db]
kind        = "pagerduty"
routing_key = "file:pd-key"
notices     = true

[receivers.chat-db]
kind     = "slack"
url      = "${SLACK_URL}"
limit    = { per_second = 1.5 }
template = "slack"
fallback = { receiver = "sms", after = "10m" }
send_resolved = false
max_age  = "1d"

[receivers.sms]
kind  = "sms"
token = "${HOOK_TOKEN}"
to    = ["+15550100"]
tells = ["open", "rise"]
repeat = true

[defaults]
receivers  = ["inbox"]
group_wait = "10s"

[[route]]
name      = "db-eu"
parent    = "db"
match     = ['region = "eu"']
group_by  = []
repeat_interval = "1h"

[[route]]
name      = "db"
was       = ["database"]
match     = ['severity >= "error"', 'team =~ "db|storage"']
group_by  = ["alertname", "cluster"]
receivers = ["oncall-db", "chat-db"]
timing    = "grid"

[[route]]
name = "noise"
match = ['alertname = "InfoInhibitor"']
drop = "not for people"

[[test]]
labels = { team = "db", severity = "critical", region = "eu" }
source = "azure-prod"
expect = { route = "db-eu", receivers = ["oncall-db", "chat-db"], severity = "critical" }
"#;

fn example() -> Routes {
    parse(EXAMPLE, true).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

#[test]
fn reads_sources_and_receivers() {
    let routes = example();
    let warned = routes.warnings.problems().iter().all(|problem| problem.word == Word::WeakAuth);
    assert!(warned, "{}", routes.warnings.render(false));
    let source = &routes.sources["azure-prod"];
    assert_eq!(source.profile.auth.as_str(), "token");
    assert_eq!(source.profile.allow.networks()[1].to_string(), "192.0.2.7/32");
    let presented = Presented {
        headers: &[],
        query: "auth=key-from-file",
        body: b"",
        address: "192.0.2.7".parse().expect("an address"),
        certificate: None,
    };
    let verified = source.profile.verify(&presented, &Evidence::NOTHING, Timestamp::from_secs(0));
    assert_eq!(verified.expect("the second token").secret(), 1);
    assert_eq!(source.limit, Some(Limit { per_second: 50.0, burst: 200 }));
    assert!(!source.loopback_only);

    assert!(routes.receivers.contains_key(INBOX));
    let pager = &routes.receivers["oncall-db"];
    assert_eq!(pager.params.secret("routing_key").map(Secret::expose), Some("key-from-file"));
    assert!(pager.traits.notices && pager.traits.closes);
    let chat = &routes.receivers["chat-db"];
    assert_eq!(chat.limit, Limit { per_second: 1.5, burst: 2 });
    assert_eq!(chat.traits.max_age, Duration::from_hours(24));
    assert!(!chat.traits.tells.contains(Tell::Resolved));
    assert!(!chat.traits.tells.contains(Tell::PartialResolve));
    assert!(chat.traits.tells.contains(Tell::Joined));
    let fallback = chat.fallback.as_ref().expect("given");
    assert_eq!((&*fallback.receiver, fallback.after), ("sms", Duration::from_mins(10)));
    let sms = &routes.receivers["sms"];
    let told: Vec<Tell> =
        Tell::ALL.into_iter().filter(|tell| sms.traits.tells.contains(*tell)).collect();
    assert_eq!(told, [Tell::Open, Tell::Rise, Tell::Repeat]);
    assert!(!format!("{routes:?}").contains("key-from-file"));
}

#[test]
fn routes_inherit() {
    let routes = example();
    let named = |name: &str| {
        let route = routes.table.routes().find(|route| &*route.policy.route == name);
        route.unwrap_or_else(|| panic!("no route {name}"))
    };
    let db = named("db");
    assert_eq!(db.policy.group_wait, Duration::from_secs(10));
    assert_eq!(db.policy.timing, Timing::Grid);
    assert!(matches!(&db.grouping, Grouping::By(names) if names.len() == 2));
    let eu = named("db-eu");
    assert_eq!(eu.policy.receivers, db.policy.receivers);
    assert_eq!(eu.policy.timing, Timing::Grid);
    assert_eq!(eu.policy.repeat_interval, Duration::from_hours(1));
    assert_eq!(eu.grouping, Grouping::One);
    assert_eq!(named("noise").policy.receivers, [INBOX.into()]);

    let rules = routes.rules(Timestamp::from_secs(1));
    assert_eq!(&*rules.policy("database").route, "db");
    assert_eq!(&*rules.policy("gone").route, ROOT);
    assert!(rules.traits("oncall-db").notices);
    assert!(rules.traits("gone").draining);
    let after = Duration::from_mins(10);
    let expected = crate::domain::Fallback { receiver: "sms".into(), after };
    assert_eq!(rules.fallbacks, [("chat-db".into(), expected)].into());
}

#[test]
fn tests_are_kept() {
    let routes = example();
    let [test] = &routes.tests[..] else { panic!("{:?}", routes.tests) };
    assert_eq!((test.source.as_str(), test.expect.route.as_deref()), ("azure-prod", Some("db-eu")));
    assert_eq!(EXAMPLE.lines().nth(test.line - 1), Some("[[test]]"));
    let alert = test.input.alert().expect("labels");
    assert_eq!(alert.severity, Severity::Critical);
    let decision = routes.table.decide(&test.source, &alert);
    assert_eq!(&*decision.joins[0].policy.route, "db-eu");
}

#[test]
fn tests_are_run() {
    let routes = example();
    assert!(routes.trials(Timestamp::from_secs(0)).iter().all(Trial::holds));
    let directory = tempfile::tempdir().expect("a directory");
    let payload = r#"{"title": "Disk full", "severity": "critical", "id": "7"}"#;
    std::fs::write(directory.path().join("payload.json"), payload).expect("writable");
    let text = |expected: &str| {
        format!(
            "[sources.own]\nkind = \"generic\"\nauth = \"none\"\n[defaults]\nreceivers = [\"inbox\"]\n\
             [[test]]\npayload = \"payload.json\"\nsource = \"own\"\nexpect = {{ {expected} }}\n"
        )
    };
    // Beside the file, wherever that is.
    let path = directory.path().join("routes.toml");
    let options = Options {
        catalog: catalog(),
        environment: Environment::empty(),
        strict: true,
        public_url: None,
    };
    let misses = |expected: &str| {
        let routes = Routes::parse(&path, &text(expected), &options);
        let routes = routes.unwrap_or_else(|report| panic!("{}", report.render(false)));
        routes.trials(Timestamp::from_secs(0)).remove(0).misses
    };
    assert_eq!(misses("severity = \"critical\", title = \"Disk full\""), [] as [String; 0]);
    assert_eq!(misses("severity = \"info\""), ["expected severity \"info\", got \"critical\""]);
    assert_eq!(misses("env = \"prod\""), ["expected env \"prod\", got \"\""]);
}

#[test]
fn works_without_a_file() {
    let routes = Routes::builtin(catalog());
    assert!(routes.sources["alertmanager"].loopback_only);
    let decision = routes.table.decide("alertmanager", &Alert::new("k", "t"));
    assert_eq!(decision.joins[0].policy.receivers, [INBOX.into()]);
    assert!(routes.receivers.contains_key(INBOX));
    // A file that only routes gets the same sources.
    let routes = parse("[defaults]\nreceivers = [\"inbox\"]", true).expect("valid");
    assert!(routes.sources["alertmanager"].loopback_only);
}

#[test]
fn signatures() {
    let text = r#"
[sources.a]
kind = "generic"
auth = { hmac = { secret = "${HOOK_TOKEN}", header = "X-Signature", prefix = "sha1=", algorithm = "sha1", encoding = "base64", timestamp_header = "X-Time", tolerance = "1m" } }
[sources.b]
kind = "generic"
auth = { basic = { user = "u", password = "${HOOK_TOKEN}" } }
[sources.c]
kind = "aws-sns"
topics = ["arn:aws:sns:eu-west-1:123456789012:alarms"]
[sources.d]
kind = "generic"
auth = "none"
table = { alerts = "/items", key = "/id", title = "/name" }
[defaults]
receivers = ["inbox"]
"#;
    let routes = parse(text, true).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let hmac = format!("{:?}", routes.sources["a"].profile.auth);
    for part in ["x-signature", "Sha1", "Base64", "sha1=", "x-time", "60s", "Timestamp"] {
        assert!(hmac.contains(part), "{part} is not in {hmac}");
    }
    assert_eq!(routes.sources["b"].profile.auth.as_str(), "basic");
    assert!(matches!(&routes.sources["c"].profile.auth, Auth::Sns(_)));
    assert!(matches!(&routes.sources["d"].kind, Kind::Table(_)));
    assert!(matches!(&routes.sources["b"].kind, Kind::BuiltIn(kind) if kind.name() == "generic"));
}

const OWN_KIND: &str = r#"
about  = "our own pager"
traits = "pager"

[params.url]
type     = "url"
required = true

[request]
template = "ntfy"

[params.topic]
type    = "text"
default = "x"
"#;

/// A directory with tables of receiver kinds, and what becomes of it.
fn with_receivers(files: &[(&str, &str)]) -> Result<Catalog, String> {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).expect("writable");
    }
    let catalog = Catalog::with_tables(Path::new("nowhere"), directory.path());
    catalog.map_err(|reports| {
        let shown: String = reports.iter().map(|(_, report)| report.render(false)).collect();
        shown.replace(&directory.path().display().to_string(), "receivers")
    })
}

#[test]
fn own_receiver_kinds_are_tables() {
    let files = [("own.toml", OWN_KIND), ("discord.toml", OWN_KIND), ("README.md", "[")];
    let catalog = with_receivers(&files).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(catalog.sender("discord").expect("replaced").about, "our own pager");
    assert_eq!(catalog.senders.len(), Catalog::builtin().senders.len() + 1);
    let text = "[receivers.own]\nkind = \"own\"\nurl = \"${SLACK_URL}\"\n\
                [defaults]\nreceivers = [\"own\"]\n";
    let environment = Environment { variable: &variable, file: &file };
    let options = Options { catalog: &catalog, environment, strict: true, public_url: None };
    let routes = Routes::parse(Path::new("routes.toml"), text, &options)
        .unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert!(routes.receivers["own"].traits.closes, "it has the traits of a pager");
}

#[test]
fn problems_of_own_receiver_kinds_have_places() {
    let long = "#".repeat(300 << 10);
    let rows = [
        ("a.toml", "about = \"x\"\nabut = 1", "receivers/a.toml:2:1"),
        ("a.toml", "[params.url]\ntype = \"link\"", "\"link\" is none of secret, url"),
        ("a.toml", "", "params.url is missing"),
        ("inbox.toml", OWN_KIND, "`inbox` is built in"),
        ("a.toml", &long, "larger than"),
    ];
    for (name, text, expected) in rows {
        let problems = with_receivers(&[(name, text), ("fine.toml", OWN_KIND)]).err();
        let problems = problems.unwrap_or_else(|| panic!("{expected}: there are none"));
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
}

#[test]
fn strange_files_do_not_panic() {
    for text in [
        "sources = 1",
        "receivers = []",
        "route = {}",
        "defaults = 5",
        "[[sources]]",
        "[[defaults]]",
        "sources.a = 1",
        "receivers.a = 1",
        "route = [1, {}, []]",
        "test = [1, {}]",
        "[sources.a]",
        "[receivers.a]",
        "[receivers.a]\nkind = 5",
        "[sources.a]\nauth = {}",
        "\u{feff}",
        "a",
        "[",
        "[sources.\"\"]",
        "[defaults]\nreceivers = [[1]]",
        "x = 99999999999999999999",
        "é = 'ü'",
        "[[route]]\nname = \"a\"\nparent = \"a\"",
        "[sources.a]\nauth = { token = [] }",
        "[sources.a]\nauth = { hmac = { secret = \"x\", header = 1 } }",
    ] {
        if let Err(report) = parse(text, true) {
            assert!(report.errors() > 0, "{text}");
            assert!(!report.render(true).is_empty(), "{text}");
        }
    }
}
