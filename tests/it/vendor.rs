//! The compatible endpoints: what clients of other products send, and what they are answered.

use std::io::Write as _;

use aws_lc_rs::hmac;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{ROUTES, Wish, World};

const SOURCES: &str = r#"
[sources.pd]
kind = "pagerduty-events-v2"
auth = { token = ["pd-key-0123456789abcdef012345", "pd-key-old"] }

[sources.pd-other]
kind = "pagerduty-events-v2"
auth = { token = "pd-other-key" }
limit = { per_second = 0.001, burst = 1 }

[sources.pd-old]
kind = "pagerduty-events-v1"
auth = { token = "v1-key" }

[sources.ops]
kind = "opsgenie-alert-api"
auth = { token = "ops-key" }

[sources.victor]
kind = "splunk-oncall-rest"
auth = { token = "vo/key" }

[sources.prom]
kind = "prometheus"
auth = { basic = { user = "prom", password = "pass-word" } }

[sources.ruler]
kind = "prometheus"
auth = { token = "ruler-token" }
"#;

async fn world() -> World {
    let routes = format!("{SOURCES}{ROUTES}");
    World::with(Wish { routes: &routes, ..Wish::default() }).await
}

/// Sends and compares status and answer; only the keys of `expected` count.
async fn check(
    world: &World,
    (method, path, authorization): (Method, &str, &str),
    body: &str,
    expected: (u16, Value),
) -> Value {
    let request = world.client.request(method, format!("{}{path}", world.url));
    let request = request.header("content-type", "application/json").body(body.to_owned());
    let request = match authorization {
        "" => request,
        value => request.header("authorization", value),
    };
    let (status, answer) = world.send(request).await;
    let seen = match &expected.1 {
        Value::Object(keys) => keys.keys().map(|key| (key.clone(), answer[key].clone())).collect(),
        _ => answer.clone(),
    };
    assert_eq!((status, &seen), (expected.0, &expected.1), "{path} {body}: {answer}");
    answer
}

async fn post(world: &World, path: &str, body: &Value, expected: (u16, Value)) -> Value {
    check(world, (Method::POST, path, ""), &body.to_string(), expected).await
}

/// State and title of every incident, oldest first.
async fn incidents(world: &World) -> Vec<(String, String)> {
    let (_, answer) = world.get("/api/v1/incidents").await;
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let list = answer["incidents"].as_array().cloned().unwrap_or_default();
    list.iter().rev().map(|one| (text(&one["state"]), text(&one["title"]))).collect()
}

fn event(key: &str, action: &str, dedup: Option<&str>) -> Value {
    let payload = json!({"summary": "Disk is full", "source": "db-7", "severity": "error"});
    let mut event = json!({"routing_key": key, "event_action": action});
    if action == "trigger" {
        event["payload"] = payload;
    }
    if let Some(dedup) = dedup {
        event["dedup_key"] = json!(dedup);
    }
    event
}

const PD: &str = "pd-key-0123456789abcdef012345";

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_events_open_and_close() {
    let world = world().await;
    let taken = |key: &str| {
        (202, json!({"status": "success", "message": "Event processed", "dedup_key": key}))
    };
    let path = "/v2/enqueue";
    post(&world, path, &event(PD, "trigger", Some("db-7/disk")), taken("db-7/disk")).await;
    post(&world, path, &event("pd-key-old", "acknowledge", Some("db-7/disk")), taken("db-7/disk"))
        .await;
    assert_eq!(incidents(&world).await, [("acknowledged".to_owned(), "Disk is full".to_owned())]);
    post(&world, path, &event(PD, "resolve", Some("db-7/disk")), taken("db-7/disk")).await;
    // Without an open alert it is accepted and opens nothing.
    post(&world, path, &event(PD, "resolve", Some("unknown")), taken("unknown")).await;
    assert_eq!(incidents(&world).await, [("resolved".to_owned(), "Disk is full".to_owned())]);

    // A trigger without a key is answered with one that resolves it.
    let made = post(&world, path, &event(PD, "trigger", None), (202, json!({}))).await;
    let made = made["dedup_key"].as_str().expect("a key").to_owned();
    let other = post(&world, path, &event(PD, "trigger", None), (202, json!({}))).await;
    assert_ne!(other["dedup_key"], json!(made));
    post(&world, path, &event(PD, "resolve", Some(&made)), taken(&made)).await;
    let states: Vec<String> = incidents(&world).await.into_iter().map(|it| it.0).collect();
    assert_eq!(states, ["resolved", "resolved", "open"]);

    let change = json!({"routing_key": PD, "payload": {"summary": "Deployed 4.2", "source": "ci"}});
    let processed = json!({"status": "success", "message": "Change event processed"});
    post(&world, "/v2/change/enqueue", &change, (202, processed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_refuses_in_its_words() {
    let world = world().await;
    let invalid = |errors: Value| {
        (
            400,
            json!({"status": "invalid event", "message": "Event object is invalid", "errors": errors}),
        )
    };
    let path = "/v2/enqueue";
    let mut wrong = event(PD, "trigger", None);
    wrong["payload"]["severity"] = json!("page");
    let words = "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')";
    post(&world, path, &wrong, invalid(json!([words]))).await;
    post(
        &world,
        path,
        &event(PD, "resolve", None),
        invalid(json!(["'dedup_key' is missing or blank"])),
    )
    .await;
    post(&world, path, &event("pd-key", "trigger", None), invalid(json!(["Invalid routing key"])))
        .await;
    post(
        &world,
        path,
        &json!({"event_action": "resolve", "dedup_key": "k"}),
        invalid(json!(["'routing_key' is missing or blank"])),
    )
    .await;
    let broken = check(
        &world,
        (Method::POST, path, ""),
        "{\"routing_key\":",
        (400, json!({"status": "Unrecognized object"})),
    )
    .await;
    assert_eq!(broken["errors"][0], "JSON parse error");
    check(&world, (Method::POST, path, ""), "[]", (400, json!({"status": "Unrecognized object"})))
        .await;
    check(&world, (Method::GET, path, ""), "", (405, json!({"status": "method not allowed"})))
        .await;
    let large = "x".repeat((512 << 10) + 1);
    check(&world, (Method::POST, path, ""), &large, (413, json!({"status": "payload too large"})))
        .await;
    post(&world, path, &event("pd-other-key", "trigger", None), (202, json!({}))).await;
    let throttled = (429, json!({"status": "throttle exceeded"}));
    post(&world, path, &event("pd-other-key", "trigger", None), throttled).await;
    assert_eq!(incidents(&world).await.len(), 1, "refused events leave nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_keys_may_stand_elsewhere_and_be_older() {
    let world = world().await;
    let mut bare = event("", "trigger", Some("a"));
    bare.as_object_mut().expect("an object").remove("routing_key");
    let request = world.client.post(format!("{}/v2/enqueue", world.url));
    let request = request.header("x-routing-key", "pd-key-old").body(bare.to_string());
    assert_eq!(world.send(request).await.0, 202);
    post(&world, "/integration/pd-key-old/enqueue", &bare, (202, json!({"dedup_key": "a"}))).await;
    let old =
        json!({"service_key": "v1-key", "event_type": "trigger", "description": "Disk of web-3"});
    let path = "/generic/2010-04-15/create_event.json";
    let taken = post(&world, path, &old, (200, json!({"status": "success"}))).await;
    let key = taken["incident_key"].clone();
    let end = json!({"service_key": "v1-key", "event_type": "resolve", "incident_key": key});
    post(&world, path, &end, (200, json!({"status": "success", "incident_key": key}))).await;
    let wrong = json!({"service_key": "v1-key", "event_type": "trigger"});
    let errors = json!({"errors": ["Description is missing or blank"]});
    post(&world, path, &wrong, (400, errors)).await;
    let other = json!({"service_key": PD, "event_type": "trigger", "description": "x"});
    post(&world, path, &other, (400, json!({"errors": ["Invalid service key"]}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opsgenie_alerts_open_and_close() {
    let world = world().await;
    let key = "GenieKey ops-key";
    let ask = async |method: Method, path: &str, body: Value, expected: (u16, Value)| {
        check(&world, (method, path, key), &body.to_string(), expected).await
    };
    let taken = || (202, json!({"result": "Request will be processed"}));
    let alert = json!({"message": "CPU of web-3", "alias": "web-3/cpu", "priority": "P2"});
    let answer = ask(Method::POST, "/v2/alerts", alert, taken()).await;
    assert!(answer["took"].is_number(), "{answer}");
    let id = answer["requestId"].as_str().expect("an id");
    let done =
        ask(Method::GET, &format!("/v2/alerts/requests/{id}"), json!({}), (200, json!({}))).await;
    assert_eq!(
        (&done["data"]["success"], &done["data"]["alias"]),
        (&json!(true), &json!("web-3/cpu"))
    );
    let alias = "web-3%2Fcpu";
    for action in ["notes", "acknowledge", "close"] {
        let path = format!("/v2/alerts/{alias}/{action}?identifierType=alias");
        ask(Method::POST, &path, json!({"note": "seen", "user": "on call"}), taken()).await;
    }
    assert_eq!(incidents(&world).await, [("resolved".to_owned(), "CPU of web-3".to_owned())]);

    // Without an alias the request says by which id to close it; close needs no body.
    let answer =
        ask(Method::POST, "/v2/alerts", json!({"message": "Queue is long"}), taken()).await;
    let id = answer["requestId"].as_str().expect("an id");
    let done =
        ask(Method::GET, &format!("/v2/alerts/requests/{id}"), json!({}), (200, json!({}))).await;
    let made = done["data"]["alertId"].as_str().expect("an id").to_owned();
    check(&world, (Method::POST, &format!("/v2/alerts/{made}/close"), key), "", taken()).await;
    let states: Vec<String> = incidents(&world).await.into_iter().map(|it| it.0).collect();
    assert!(states.iter().all(|state| state == "resolved"), "{states:?}");
    let jsm = json!({"message": "Cache is cold", "alias": "cache"});
    ask(Method::POST, "/jsm/ops/integration/v2/alerts", jsm, taken()).await;
    ask(
        Method::DELETE,
        "/jsm/ops/integration/v2/alerts/cache?identifierType=alias",
        json!({}),
        taken(),
    )
    .await;
    let states: Vec<String> = incidents(&world).await.into_iter().map(|it| it.0).collect();
    assert!(states.iter().all(|state| state == "resolved"), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn opsgenie_refuses_in_its_words() {
    let world = world().await;
    let key = "GenieKey ops-key";
    let post = (Method::POST, "/v2/alerts", key);
    let invalid = "Request body is not processable. Please check the errors.";
    let errors = json!({"message": invalid, "errors": {"message": "Message can not be empty."}});
    check(&world, post.clone(), "{\"alias\": \"x\"}", (422, errors)).await;
    let answer = check(&world, post.clone(), "{", (400, json!({}))).await;
    assert!(answer["requestId"].is_string() && answer["took"].is_number(), "{answer}");
    let refused = || (401, json!({"message": "Could not authenticate"}));
    for key in ["GenieKey other", "Basic b3BzOms=", ""] {
        check(&world, (Method::POST, "/v2/alerts", key), "{\"message\": \"x\"}", refused()).await;
    }
    let unknown = (404, json!({"message": "Request not found. It might not be processed, yet."}));
    check(&world, (Method::GET, "/v2/alerts/requests/nothing", key), "", unknown).await;
    check(&world, (Method::POST, "/v2/alerts/a/explode", key), "{}", (404, json!({}))).await;
    check(&world, (Method::GET, "/v2/alerts", key), "", (405, json!({}))).await;
    let errors = json!({"errors": {"identifierType": "should be one of [ id, alias, tiny ]"}});
    let wrong = "/v2/alerts/a/close?identifierType=name";
    check(&world, (Method::POST, wrong, key), "{}", (422, errors)).await;
    assert!(incidents(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_oncall_alerts_open_and_close() {
    let world = world().await;
    let path = "/integrations/generic/20131114/alert/vo%2Fkey/database";
    let mut body = json!({
        "message_type": "CRITICAL", "entity_id": "disk/db-7.example.com",
        "entity_display_name": "Disk of db-7 is full", "state_message": "97 %",
    });
    let taken = || (200, json!({"result": "success", "entity_id": "disk/db-7.example.com"}));
    post(&world, path, &body, taken()).await;
    let (_, one) = world.get("/api/v1/incidents/1").await;
    assert_eq!(one["members"][0]["labels"]["routing_key"], "database", "{one}");
    assert!(!one.to_string().contains("vo/key"), "{one}");
    body["message_type"] = json!("recovery");
    post(&world, path, &body, taken()).await;
    assert_eq!(
        incidents(&world).await,
        [("resolved".to_owned(), "Disk of db-7 is full".to_owned())]
    );
    let made = post(&world, path, &json!({"message_type": "warning"}), (200, json!({}))).await;
    assert_eq!(made["entity_id"].as_str().map(str::len), Some(36), "{made}");
    let missing = json!({"result": "failure", "message": "Missing fields: message_type"});
    post(&world, path, &json!({"entity_id": "x"}), (400, missing)).await;
    let refused = json!({"result": "failure", "message": "Invalid API key"});
    let other = "/integrations/generic/20131114/alert/other/database";
    post(&world, other, &body, (401, refused)).await;
    check(&world, (Method::GET, path, ""), "", (405, json!({"result": "failure"}))).await;
    assert_eq!(incidents(&world).await.len(), 2, "what was refused opens nothing");
}

fn ruled(name: &str, ends_at: &str) -> Value {
    json!({
        "labels": {"alertname": name, "instance": "db-7:9100", "severity": "critical"},
        "annotations": {"summary": format!("{name} of db-7")}, "startsAt": "2026-03-01T10:00:00Z",
        "endsAt": ends_at, "generatorURL": "http://prometheus.example/graph",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_sends_as_to_alertmanager() {
    let world = world().await;
    let basic = "Basic cHJvbTpwYXNzLXdvcmQ=";
    let v2 = (Method::POST, "/api/v2/alerts", basic);
    let v1 = (Method::POST, "/api/v1/alerts", "Bearer ruler-token");
    let firing = json!([ruled("Disk", "2999-01-01T00:00:00Z")]).to_string();
    let resolved = json!([ruled("Disk", "2026-03-01T10:05:00Z")]).to_string();
    check(&world, v2.clone(), &firing, (200, json!(""))).await;
    check(&world, v2.clone(), &resolved, (200, json!(""))).await;
    let title = "Disk of db-7 (db-7:9100)".to_owned();
    assert_eq!(incidents(&world).await, [("resolved".to_owned(), title)]);
    check(&world, v1.clone(), &firing, (200, json!({"status": "success"}))).await;
    check(&world, v2.clone(), "[]", (200, json!(""))).await;
    check(&world, v2.clone(), "{}", (400, json!({"code": 400}))).await;
    check(&world, v1, "{}", (400, json!({"status": "error", "errorType": "bad_data"}))).await;
    // What can be read is taken, the rest is named.
    let mixed = json!([ruled("Load", "2999-01-01T00:00:00Z"), {"labels": {}}]).to_string();
    let answer = check(&world, v2, &mixed, (400, json!({"code": 400}))).await;
    assert!(answer["message"].as_str().is_some_and(|it| it.starts_with("alert 1: ")), "{answer}");
    for authorization in ["", "Bearer other", "Basic cHJvbTpvdGhlcg=="] {
        let other = (Method::POST, "/api/v2/alerts", authorization);
        check(&world, other, &firing, (401, json!({"code": 401}))).await;
    }
    check(&world, (Method::GET, "/api/v2/alerts", basic), "", (405, json!({"code": 405}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_a_credential_serves_only_if_it_says_so() {
    let check = async |endpoint: &str, allow: &str, expected: u16| {
        let routes = format!(
            "[sources.open]\nkind = \"pagerduty-events-v2\"\nauth = \"none\"\n{endpoint}\nallow = [{allow}]\n{ROUTES}"
        );
        let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
        let (status, answer) = world.post("/v2/enqueue", &event("whatever", "trigger", None)).await;
        assert_eq!(status, expected, "{endpoint} {allow}: {answer}");
        answer
    };
    let answer = check("", "", 404).await;
    let text = answer["message"].as_str().expect("text");
    assert!(text.contains("pagerduty-events-v2"), "{text}");
    check("endpoint = \"pagerduty\"", "", 202).await;
    check("endpoint = \"pagerduty\"", "\"127.0.0.0/8\"", 202).await;
    check("endpoint = \"pagerduty\"", "\"203.0.113.0/24\"", 403).await;
}

/// The signature of nothing would fit any body.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_signs_bodies_serves_no_endpoint() {
    let routes = format!(
        "[sources.signed]\nkind = \"pagerduty-events-v2\"\n\
         auth = {{ hmac = {{ secret = \"s3cret\", header = \"x-signature\" }} }}\n{ROUTES}"
    );
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"s3cret");
    let tag = hmac::sign(&key, b"");
    let hex = tag.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let request = world.client.post(format!("{}/v2/enqueue", world.url));
    let request = request.header("x-signature", hex);
    let (status, answer) =
        world.send(request.body(event("any", "trigger", Some("a")).to_string())).await;
    assert_eq!(status, 404, "{answer}");
    assert!(incidents(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_not_read() {
    let routes = format!(
        "[sources.ops]\nkind = \"opsgenie-alert-api\"\nauth = {{ token = \"k\" }}\n{ROUTES}"
    );
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    for path in [
        "/v2/enqueue",
        "/v2/change/enqueue",
        "/integration/k/enqueue",
        "/generic/2010-04-15/create_event.json",
    ] {
        check(&world, (Method::POST, path, ""), "{", (404, json!({}))).await;
    }
}

/// Nobody is known before the body is read.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_inflates_to_no_more_than_an_event() {
    let world = world().await;
    for (blanks, expected) in [(400 << 10, 202), (600 << 10, 413)] {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let event = event(PD, "trigger", Some("a")).to_string() + &" ".repeat(blanks);
        encoder.write_all(event.as_bytes()).expect("write to memory");
        let request = world.client.post(format!("{}/v2/enqueue", world.url));
        let request = request.header("content-encoding", "gzip");
        let body = encoder.finish().expect("finish in memory");
        let (status, answer) = world.send(request.body(body)).await;
        assert_eq!(status, expected, "{answer}");
        let inflates = answer.to_string().contains("inflates to more than 524288 bytes");
        assert_eq!(inflates, expected == 413, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_a_credential_goes_there_and_the_rest_to_the_open_source() {
    let open =
        "[sources.open]\nkind = \"prometheus\"\nauth = \"none\"\nendpoint = \"alertmanager\"\n";
    let routes = format!("{open}{SOURCES}{ROUTES}");
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    for (name, authorization, source) in [
        ("One", "Bearer ruler-token", "ruler"),
        ("Two", "Bearer other", "open"),
        ("Three", "", "open"),
    ] {
        let body = json!([ruled(name, "2999-01-01T00:00:00Z")]).to_string();
        let request = (Method::POST, "/api/v2/alerts", authorization);
        check(&world, request, &body, (200, json!(""))).await;
        let number = incidents(&world).await.len();
        let (_, one) = world.get(&format!("/api/v1/incidents/{number}")).await;
        let member = &one["members"][0];
        assert_eq!((&member["alertname"], &member["source"]), (&json!(name), &json!(source)));
    }
}
