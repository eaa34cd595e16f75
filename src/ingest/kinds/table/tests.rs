//! What the engine does with tables and with the mistakes in them.

use serde_json::{Value, json};

use super::*;
use crate::domain::{Life, Severity, Status, Timestamp};
use crate::ingest::kinds::normalize;

fn read(table: &str, body: &Value) -> Result<Normalized, Error> {
    let table = Table::parse(table, "test.toml").expect(table);
    let body = body.to_string();
    let headers = [("x-event".to_owned(), "Ping".to_owned())];
    let payload = Payload {
        method: "POST",
        path: "/",
        query: "",
        headers: &headers,
        body: body.as_bytes(),
        received_at: Timestamp::from_secs(1_700_000_000),
    };
    normalize(&TableKind(table), &payload)
}

fn one(table: &str, body: &Value) -> Alert {
    let normalized = read(table, body).expect("readable");
    assert_eq!(normalized.rejected, []);
    normalized.alerts.into_iter().next().expect("an alert")
}

/// Wrong tables: what the first problem is about, its message and its hint.
#[rustfmt::skip]
const WRONG: &[(&str, &str, &str, &str)] = &[
        (
            "key = \"/a\"\ntitel = \"/b\"\ntitle = \"/b\"",
            "titel",
            "unknown key `titel`",
            "did you mean `title`?",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nauth = [\"bearer\", \"gitub\"]",
            "\"gitub\"",
            "unknown authentication profile \"gitub\"",
            "did you mean `github`?",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nauth = \"carrier-pigeon\"",
            "\"carrier-pigeon\"",
            "unknown authentication profile",
            "known: standard-webhooks,",
        ),
        ("title = \"/b\"", "t", "`key` is missing", "the fields that name"),
        (
            "key = \"a\"\ntitle = \"/b\"",
            "\"a\"",
            "\"a\" is neither a pointer nor a template",
            "a pointer begins",
        ),
        ("key = 5\ntitle = \"/b\"", "5", "`key` is integer, not text", ""),
        ("key = \"/a\"\ntitle = \"{{#if}\"", "\"{{#if}\"", "", ""),
        ("key = \"/a\"\ntitle = \"{{> x}}\"", "\"{{> x}}\"", "partials", ""),
        (
            "key = \"/a\"\ntitle = \"/b\"\nstatus = { from = \"/s\", default = \"resolved\" }",
            "\"resolved\"",
            "an unknown status must not mean resolved",
            "a word nobody listed",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nstatus = { from = \"/s\", firing = \"x\", resolved = \"X\" }",
            "\"X\"",
            "\"X\" is listed twice",
            "",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nseverity = \"criticl\"",
            "\"criticl\"",
            "unknown severity",
            "did you mean `critical`?",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nseverity = { critical = \"x\" }",
            "{ critical = \"x\" }",
            "`from` is missing",
            "from =",
        ),
        ("key = \"/a\"\ntitle = \"/b\"\nalerts = \"$[\"", "\"$[\"", "", ""),
        (
            "key = \"/a\"\ntitle = \"/b\"\nlife = \"ever\"",
            "\"ever\"",
            "unknown life",
            "known: resolves",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nobserved_at = { from = \"/t\", format = \"iso\" }",
            "\"iso\"",
            "unknown time format",
            "known: auto",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nobserved_at = { from = \"/t\", zone = \"Mars\" }",
            "\"Mars\"",
            "",
            "a name such as",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nexpires_after = \"soon\"",
            "\"soon\"",
            "\"soon\" is no duration",
            "write it like",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nrecognize = [{ at = \"/x\", equals = \"a\", missing = true }]",
            "{ at",
            "only one of",
            "write two rules",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nrecognize = [{ equals = \"a\" }]",
            "{ equals",
            "`at` is missing",
            "",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nignore = { at = \"/x\" }",
            "{ at",
            "`reason` is missing",
            "",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nlabels = { sets = {} }",
            "sets",
            "unknown key `sets`",
            "did you mean `set`?",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nanswers = { busy = { status = 99 } }",
            "99",
            "`status` is no HTTP status",
            "",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nmethods = \"FETCH\"",
            "\"FETCH\"",
            "unknown method",
            "known: POST",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\notherwise = \"guess\"",
            "\"guess\"",
            "unknown value",
            "known: reject, ignore",
        ),
        ("key = \"@labels\"\ntitle = \"@labels/a\"", "\"@labels/a\"", "only `key`", "name the place"),
        ("absent = '('\nkey = \"/a\"\ntitle = \"/b\"", "'('", "regex parse error", "the syntax"),
        (
            "key = \"/a\"\ntitle = { from = \"/b\" }",
            "{ from",
            "a field is neither",
            "a pointer begins",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nstatus = { when = \"/x\" }",
            "{ when",
            "`is` is missing",
            "is =",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nseverity = { from = \"/x\", at_least = { error = \"7\" } }",
            "\"7\"",
            "`error` is string, not a number",
            "",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nanswer = { body = \"/c\" }",
            "k",
            "`answer` needs `ignored`",
            "only a shape",
        ),
        (
            "decode = { at = \"/x\", as = \"rot13\" }\nkey = \"/a\"\ntitle = \"/b\"",
            "\"rot13\"",
            "unknown encoding",
            "as = json",
        ),
        (
            "key = \"/a\"\ntitle = \"/b\"\nrecognize = { at = \"/x\", is = \"list\" }",
            "\"list\"",
            "unknown type",
            "known: array",
        ),
        ("[[shape]]\nkey = \"/a\"\ntitle = \"/b\"\n[x]", "x", "unknown key `x`", "known keys"),
        ("key = ", "", "", ""),
];

#[test]
fn problems_have_a_place_and_a_hint() {
    for (source, place, message, hint) in WRONG {
        let problems = Table::parse(source, "test.toml").expect_err(source);
        let first = &problems[0];
        assert!(source[first.span.clone()].starts_with(place), "{source}: {first:?}");
        assert!(first.message.contains(message), "{source}: {first:?}");
        assert!(first.hint.as_deref().unwrap_or("").contains(hint), "{source}: {first:?}");
    }
    let all = Table::parse("key = 5\ntitle = 6\nlife = 7\nx = 8", "test.toml");
    assert_eq!(all.expect_err("four mistakes").len(), 4, "every problem is collected");
}

#[test]
fn a_table_inside_another_file_keeps_its_places() {
    let file =
        "[sources.a]\nkind = \"generic\"\ntable = { key = \"/k\", tilte = \"/t\", title = \"/t\" }";
    let document = DeTable::parse(file).expect("valid");
    let source = document.get_ref().iter().next().expect("sources").1.get_ref();
    let item = source.get("a").and_then(|it| it.get_ref().get("table")).expect("table");
    let table = item.get_ref().as_table().expect("a table");
    let problems = Table::from_toml(table, item.span(), "a").expect_err("a mistake");
    assert_eq!(&file[problems[0].span.clone()], "tilte");
}

#[test]
fn a_table_without_places_points_at_its_source() {
    let value: toml::Value =
        toml::from_str("key = \"/k\"\ntilte = \"/t\"\ntitle = \"/t\"").expect("TOML");
    let problems = Table::from_value(&value, 5..9, "a").expect_err("a mistake");
    assert_eq!((problems[0].span.clone(), problems.len()), (5..9, 1));
}

/// The example of the documentation does what it says.
#[test]
fn the_documented_example_works() {
    let docs = include_str!("../../../../docs/sources.md");
    let (_, rest) = docs.split_once("```toml\n# sources/boiler.toml").expect("the example");
    let (example, _) = rest.split_once("```").expect("its end");
    let (_, table) = example.split_once('\n').expect("the first line is a comment");
    let body = json!({"site": "hq", "events": [
        {"id": 7, "what": "Pressure", "bar": 9.1, "state": "ALARM", "at": 1_772_359_200},
        {"id": 8, "what": "Pressure", "state": "TEST"},
    ]});
    let alert = one(table, &body);
    assert_eq!(alert.title, "Pressure at hq: 9.1 bar");
    assert_eq!((alert.key.as_str(), alert.severity), ("hq|7", Severity::Critical));
    assert_eq!(alert.labels["event_id"], "7");
    assert_eq!(alert.observed_at, Some(Timestamp::from_secs(1_772_359_200)));
}

#[test]
fn lists_are_found_by_pointer_and_by_path() {
    let body = json!({"site": "hq", "data": {"items": [
        {"id": 1, "name": "a", "bad": true}, {"name": "b"}, {"id": 3, "name": "c", "bad": true},
    ]}});
    let by_pointer = "alerts = \"/data/items\"\nkey = \"/id\"\ntitle = \"{{#if name}}{{name}} at {{@root.site}}{{/if}}\"";
    let normalized = read(by_pointer, &body).expect("readable");
    let titles: Vec<&str> = normalized.alerts.iter().map(|it| it.title.as_str()).collect();
    assert_eq!(titles, ["a at hq", "c at hq"]);
    assert_eq!(normalized.alerts[1].index, 2);
    assert_eq!(normalized.rejected[0].index, 1);
    assert!(normalized.rejected[0].reason.starts_with("no key"));
    let by_path = "alerts = \"$.data.items[?@.bad == true]\"\nkey = [\"@root/site\", \"/id\"]\ntitle = \"/name\"";
    let keys: Vec<String> =
        read(by_path, &body).expect("readable").alerts.into_iter().map(|it| it.key).collect();
    assert_eq!(keys, ["hq|1", "hq|3"]);
    let missing = read("alerts = \"/none\"\nkey = \"/id\"\ntitle = \"/name\"", &body);
    assert_eq!(
        missing.expect_err("no list").to_string(),
        "payload is not one of test: /none is missing, not an array"
    );
}

#[test]
fn words_decide_status_and_severity() {
    let table = r#"
        key = "/id"
        title = ["/title", { text = "untitled" }]
        status = [
          { from = "/closed_at", present = "resolved" },
          { from = "/state", firing = "bad", acknowledged = "seen", resolved = ["good", "Recovered*"], notice = "hint" },
        ]
        severity = { from = ["/sev", "/team"], error = "2", default = "warning" }
        ends_at = "/until"
        expires_after = "90m"
    "#;
    let rows = [
        (json!({"state": " BAD ", "sev": "2"}), Status::Firing, Severity::Error),
        (json!({"state": "recovered by hand"}), Status::Resolved, Severity::Warning),
        (
            json!({"state": "whatever", "sev": "team-a", "team": "critical"}),
            Status::Firing,
            Severity::Critical,
        ),
        (json!({"state": "seen"}), Status::Acknowledged, Severity::Warning),
        (json!({"state": "hint"}), Status::Notice, Severity::Warning),
        (
            json!({"closed_at": "2024-01-01T00:00:00Z", "state": "bad"}),
            Status::Resolved,
            Severity::Warning,
        ),
        (json!({"closed_at": null}), Status::Firing, Severity::Warning),
    ];
    for (mut body, status, severity) in rows {
        body["id"] = json!(7);
        let alert = one(table, &body);
        assert_eq!((alert.status, alert.severity), (status, severity), "{body}");
        let life = if status == Status::Notice { Life::Event } else { Life::Resolves };
        assert_eq!(alert.life, life, "{body}");
        assert_eq!(alert.title, "untitled");
        assert_eq!(alert.expires_after.map(|it| it.as_secs()), Some(5_400));
    }
}

#[test]
fn labels_are_copied_from_everywhere() {
    let table = r#"
        key = "/id"
        title = "/id"
        links = { runbook = ["/bad_url", "/url"], silence = "/bad_url" }
        images = "/image"
        [labels]
        copy = "/labels"
        except = ["secret"]
        tags = ["/tags", "/tag_line"]
        pairs = { at = "/dims", name = "k", value = "v" }
        set = { who = "@header/x-event", both = "{{id}}-{{labels.a}}" }
    "#;
    let body = json!({
        "id": 1, "labels": {"a": "A", "n": 5, "null": null, "deep": {"x": 1}, "secret": "s"},
        "tags": ["team:db", "urgent", "odd:a:b"], "tag_line": "x:y, later",
        "dims": [{"k": "cpu", "v": 3}, {"v": 4}, "junk"],
        "url": "https://example.com/r", "bad_url": "?a=b", "image": "https://example.com/i.png",
    });
    let alert = one(table, &body);
    let expected = [
        ("a", "A"),
        ("both", "1-A"),
        ("cpu", "3"),
        ("n", "5"),
        ("odd", "a:b"),
        ("tags", "urgent, later"),
        ("team", "db"),
        ("who", "Ping"),
        ("x", "y"),
    ];
    let labels: Vec<(&str, &str)> =
        alert.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(labels, expected);
    assert_eq!(alert.links.len(), 1);
    assert_eq!(alert.links[0].url, "https://example.com/r");
    assert_eq!(alert.images, ["https://example.com/i.png"]);
}

#[test]
fn shapes_are_tried_in_order_and_the_rest_is_refused_or_guessed() {
    let shapes = r#"
        [[shape]]
        name = "one"
        recognize = [{ at = "/type", starts_with = "one." }, { at = "/old", missing = true }]
        ignore = { at = "/type", equals = "one.ping", reason = "a ping" }
        key = "/id"
        title = { text = "first" }
        [[shape]]
        name = "two"
        recognize = [{ at = "@header/x-event", equals = ["pong", "ping"] }, "/id"]
        key = "/id"
        title = { text = "second" }
    "#;
    assert_eq!(one(shapes, &json!({"id": 1, "type": "ONE.down"})).title, "first");
    assert_eq!(one(shapes, &json!({"id": 1, "type": "one.down", "old": 1})).title, "second");
    let ping = read(shapes, &json!({"id": 1, "type": "one.ping"})).expect("fine");
    assert_eq!((ping.alerts.len(), ping.ignored.as_deref()), (0, Some("a ping")));
    let refused = read(shapes, &json!({"title": "x"})).expect_err("no shape").to_string();
    assert_eq!(
        refused,
        "payload is not one of test: one needs /type with a certain value; two needs /id"
    );
    let guessing = format!("otherwise = \"generic\"\n{shapes}");
    assert_eq!(one(&guessing, &json!({"title": "x"})).title, "x");
}

#[test]
fn conditions_tell_status_and_severity() {
    let table = r#"
        absent = 'n/a|\$[A-Z]+'
        key = ["/id", "@labels"]
        title = [{ from = "/title", remove = '^\[[^\]]*\]\s*' }]
        text = "{{#if unset}}wrong{{else}}not set{{/if}}"
        resource = { from = ["/none", "/title"], match = 'on (\S+)' }
        status = [
          { when = [{ at = "/ok", equals = "true" }, { at = "/muted", equals = "true", not = true }], is = "resolved" },
          { when = { any = [{ at = "/title", starts_with = "[ack" }, { all = ["/a", "/b"] }] }, is = "acknowledged" },
          { from = "/state", firing = "bad" },
        ]
        severity = [
          { from = "/level", at_least = { critical = 12, error = 7.5 } },
          { from = "/priority", at_most = { critical = 1, warning = 3 }, default = "info" },
        ]
        labels = { copy = "@item", except = ["_*", "id", "title"] }
    "#;
    #[rustfmt::skip]
    let rows = [
        (json!({"ok": true}), Status::Resolved, Severity::Info),
        (json!({"ok": true, "muted": true, "level": "12"}), Status::Firing, Severity::Critical),
        (json!({"a": 1, "b": 2, "level": 7.5}), Status::Acknowledged, Severity::Error),
        (json!({"a": 1, "level": 7, "priority": 3}), Status::Firing, Severity::Warning),
        (json!({"state": "Recovered", "priority": "0"}), Status::Resolved, Severity::Critical),
        (json!({"state": "closed", "level": "n/a"}), Status::Firing, Severity::Info),
    ];
    for (mut body, status, severity) in rows {
        body["id"] = json!(7);
        body["title"] = json!("[P1] Disk full on db-7");
        body["_private"] = json!("x");
        body["unset"] = json!("$NAME");
        let alert = one(table, &body);
        assert_eq!((alert.status, alert.severity), (status, severity), "{body}");
        assert_eq!((&*alert.title, alert.text.as_deref()), ("Disk full on db-7", Some("not set")));
        assert_eq!(alert.resource.as_deref(), Some("db-7"));
        assert!(!alert.labels.contains_key("_private") && !alert.labels.contains_key("unset"));
        let labels: Vec<String> =
            alert.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(alert.key, format!("7|{}", labels.join(",")), "{body}");
    }
}

#[test]
fn what_is_inside_is_decoded_first() {
    let table = r#"
        decode = [
          { at = "/message/data", as = "base64", whole = true },
          { at = "/inner", as = "json" },
          { at = "/xml", as = "xml" },
        ]
        key = "/id"
        title = ["/inner/title", "/xml/alert/title", "/inner"]
    "#;
    let rows = [
        (json!({"id": 1, "inner": "{\"title\": \"json\"}"}), "json"),
        (json!({"id": 1, "inner": "{broken"}), "{broken"),
        (json!({"id": 1, "xml": "<alert><title>xml</title></alert>"}), "xml"),
        // {"id": 2, "inner": "{\"title\": \"deep\"}"} in base64
        (
            json!({"message": {"data": "eyJpZCI6IDIsICJpbm5lciI6ICJ7XCJ0aXRsZVwiOiBcImRlZXBcIn0ifQ=="}}),
            "deep",
        ),
    ];
    for (body, title) in rows {
        assert_eq!(one(table, &body).title, title, "{body}");
    }
}

#[test]
fn what_is_no_alert_is_answered() {
    let table = r#"
        otherwise = "ignore"
        [[shape]]
        recognize = { at = "/type", equals = "url_verification" }
        ignored = "a handshake"
        answer = { body = "/challenge", type = "text/plain" }
        [[shape]]
        recognize = "/id"
        key = "/id"
        title = "/title"
    "#;
    let read = |body: Value| read(table, &body).expect("readable");
    let handshake = read(json!({"type": "url_verification", "challenge": "c-1"}));
    assert_eq!((handshake.alerts.len(), handshake.ignored.as_deref()), (0, Some("a handshake")));
    let media_type = "text/plain".to_owned();
    let expected = Handshake::Answer { status: 200, media_type, body: "c-1".to_owned() };
    assert_eq!(handshake.handshake, Some(expected));
    let long = read(json!({"type": "url_verification", "challenge": "é".repeat(5_000)}));
    let Some(Handshake::Answer { body, .. }) = long.handshake else { panic!("an answer") };
    assert!(body.len() <= crate::limits::ANSWER_BYTES_MAX);
    assert_eq!(read(json!({"id": 1, "title": "x"})).alerts.len(), 1);
    let other = read(json!({"type": "comment"}));
    assert_eq!((other.alerts.len(), other.ignored.is_some()), (0, true));
}

#[test]
fn tables_recognize_their_sender() {
    let seen = |table: &str, body: Value| {
        let kind = TableKind(Table::parse(table, "test.toml").expect(table));
        let headers = [("x-vendor-event".to_owned(), "alert".to_owned())];
        let payload = Payload {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body: b"",
            received_at: Timestamp::from_secs(1_700_000_000),
        };
        kind.recognizes(&Seen { payload: &payload, tree: &body })
    };
    let shape = "key = \"/id\"\ntitle = \"/id\"\nrecognize = [\"/id\", \"/what\"]";
    assert_eq!(seen(shape, json!({"id": 1, "what": 2})), Some(Sign::Shape));
    assert_eq!(seen(shape, json!({"id": 1})), None);
    assert_eq!(seen(&format!("auto = false\n{shape}"), json!({"id": 1, "what": 2})), None);
    let header = format!("auto = \"@header/x-vendor-event\"\n{shape}");
    assert_eq!(seen(&header, json!({})), Some(Sign::Header));
    let anything = "key = \"/id\"\ntitle = \"/id\"";
    assert_eq!(seen(anything, json!({"id": 1})), None, "a table without rules knows nothing");
}

/// What stands around a list is read for each of its alerts: uncut, a megabyte would become ten thousand of them.
#[test]
fn what_surrounds_a_list_is_copied_no_further_than_it_matters() {
    let table = r#"
        alerts = "/events"
        key = ["@root/name", "/id"]
        title = ["{{@root.name}}: {{id}}"]
        text = "@root/name"
        links = { source = "@root/name" }
        [labels]
        tags = "@root/tags"
        set = { name = "@root/name", list = "@root/list" }
    "#;
    let table = TableKind(Table::parse(table, "test.toml").expect("a good table"));
    let long = "x".repeat(1 << 20);
    let body = json!({
        "name": long, "tags": "y,".repeat(1 << 19), "list": vec!["z"; 1 << 15],
        "events": (0..1_000).map(|id| json!({"id": id})).collect::<Vec<_>>(),
    });
    let body = body.to_string();
    let payload = Payload {
        method: "POST",
        path: "/",
        query: "",
        headers: &[],
        body: body.as_bytes(),
        received_at: Timestamp::default(),
    };
    // The kind itself, not what `normalize` cuts afterwards.
    let read = table.normalize(&payload).expect("readable");
    let bytes: usize = read
        .alerts
        .iter()
        .map(|alert| alert.title.len() + alert.labels.values().map(String::len).sum::<usize>())
        .sum();
    assert_eq!(read.alerts.len(), 1_000);
    assert!(bytes < 8 << 20, "{bytes} bytes");
}

/// Quadratic, this would take minutes.
#[test]
fn tags_that_never_end_are_text() {
    let body = json!({"id": 1, "html": "<a".repeat(1 << 18)});
    let alert = one("key = \"/id\"\ntitle = \"{{plain html}}\"", &body);
    assert!(alert.title.starts_with("<a<a"));
}
