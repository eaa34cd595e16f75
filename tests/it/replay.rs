//! A request that was taken counts once, and one that was not can come again.

use alertbridge::clock::{Clock as _, SystemClock};
use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::world::{ROUTES, Wish, World, one, payload};

const SOURCES: &str = r#"
[sources.standard]
kind = "alertmanager"
auth = { standard-webhooks = "whsec_c29tZSBrZXkgb2YgdHdlbnR5LWZvdXI=" }

[sources.slack]
kind = "alertmanager"
auth = { slack = "slack-key" }
limit = { per_second = 0.001, burst = 2 }

[sources.github]
kind = "alertmanager"
auth = { github = "github-key" }

[sources.any]
kind = "auto"
auth = { github = "github-key" }

[sources.azure]
kind = "alertmanager"
auth = { entra = { tenant = "0d6c8d3a-1f7e-4c4b-9f5e-2a4b6c8d0e1f", audience = "x" } }
"#;

async fn world() -> World {
    let routes = format!("{SOURCES}{ROUTES}");
    World::with(Wish { routes: &routes, ..Wish::default() }).await
}

fn now() -> i64 {
    SystemClock::default().now().as_secs()
}

fn mac(key: &[u8], content: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, content.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn alert(name: &str) -> String {
    payload(&[one(name, "firing")]).to_string()
}

async fn standard(world: &World, id: &str, at: i64, body: &str) -> (u16, Value) {
    let signature = mac(b"some key of twenty-four", &format!("{id}.{at}.{body}"));
    let request = world.client.post(format!("{}/hooks/standard", world.url));
    let request = request
        .header("webhook-id", id)
        .header("webhook-timestamp", at.to_string())
        .header("webhook-signature", format!("v1,{}", BASE64_STANDARD.encode(signature)));
    world.send(request.body(body.to_owned())).await
}

async fn slack(world: &World, at: i64, body: &str) -> (u16, Value) {
    let signature = hex(&mac(b"slack-key", &format!("v0:{at}:{body}")));
    let request = world.client.post(format!("{}/hooks/slack", world.url));
    let request = request
        .header("x-slack-request-timestamp", at.to_string())
        .header("x-slack-signature", format!("v0={signature}"));
    world.send(request.body(body.to_owned())).await
}

async fn github(world: &World, id: &str, body: &str) -> (u16, Value) {
    github_to(world, "github", id, body).await
}

async fn github_to(world: &World, source: &str, id: &str, body: &str) -> (u16, Value) {
    let signature = hex(&mac(b"github-key", body));
    let request = world.client.post(format!("{}/hooks/{source}", world.url));
    let request = request
        .header("x-github-delivery", id)
        .header("x-hub-signature-256", format!("sha256={signature}"));
    world.send(request.body(body.to_owned())).await
}

fn check((status, answer): (u16, Value), expected: (u16, &str)) {
    let code = answer["error"]["code"].as_str();
    let replayed = answer["ignored"].as_str().filter(|it| it.starts_with("replayed"));
    let taken = (answer["accepted"] == 1).then_some("taken");
    let word = code.or(replayed.map(|_| "ignored")).or(taken).unwrap_or("");
    assert_eq!((status, word), expected, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_signed_counts_once() {
    let world = world().await;
    let (at, body) = (now(), alert("disk"));
    check(standard(&world, "msg_1", at, &body).await, (200, "taken"));
    check(standard(&world, "msg_1", at, &body).await, (200, "ignored"));
    // A retry is signed anew.
    check(standard(&world, "msg_1", at + 9, &body).await, (200, "ignored"));
    check(standard(&world, "msg_1", at, &alert("cpu")).await, (409, "replayed"));
    check(standard(&world, "msg_2", at, &alert("cpu")).await, (200, "taken"));
    check(standard(&world, "msg_3", at - 400, &body).await, (401, "not_authenticated"));
    let (_, incidents) = world.get("/api/v1/incidents").await;
    assert_eq!(incidents["incidents"].as_array().map(Vec::len), Some(2), "{incidents}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_taken_may_come_again() {
    let world = world().await;
    let at = now();
    let refused = json!({"version": "4", "alerts": "none"}).to_string();
    check(standard(&world, "msg_1", at, &refused).await, (400, "payload_not_understood"));
    check(standard(&world, "msg_1", at, &alert("disk")).await, (200, "taken"));
    check(standard(&world, "msg_1", at, &alert("disk")).await, (200, "ignored"));
}

/// After a correction of the routes or of the kind it may say more.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_to_nothing_or_not_to_all_may_come_again() {
    let drop = "[[route]]\nname = \"noise\"\nmatch = ['alertname = \"noise\"']\ndrop = \"noise\"\n";
    let routes = format!("{SOURCES}{ROUTES}{drop}");
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    let mixed = payload(&[one("disk", "firing"), json!("no alert")]).to_string();
    for body in [alert("noise"), mixed] {
        check(github(&world, "1", &body).await, (200, "taken"));
        check(github(&world, "1", &body).await, (200, "taken"));
    }
    let both = payload(&[one("noise", "firing"), one("cpu", "firing")]).to_string();
    let (status, answer) = github(&world, "2", &both).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(2)), "{answer}");
    check(github(&world, "2", &both).await, (200, "ignored"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_answered_as_the_kind_that_reads_it_does() {
    let world = world().await;
    let body = include_str!("../fixtures/icinga-notifications/firing.json");
    for _ in 0..2 {
        let (status, answer) = github_to(&world, "any", "1", body).await;
        assert_eq!(status, 204, "{answer}");
    }
    let (_, incidents) = world.get("/api/v1/incidents").await;
    assert_eq!(incidents["incidents"].as_array().map(Vec::len), Some(1), "{incidents}");
    check(github_to(&world, "any", "2", &alert("disk")).await, (200, "taken"));
    check(github_to(&world, "any", "2", &alert("disk")).await, (200, "ignored"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_time_counts_once_and_costs_no_rate() {
    let world = world().await;
    let (at, body) = (now(), alert("disk"));
    check(slack(&world, at, &body).await, (200, "taken"));
    for _ in 0..5 {
        check(slack(&world, at, &body).await, (200, "ignored"));
    }
    check(slack(&world, at + 1, &body).await, (200, "taken"));
    check(slack(&world, at + 2, &body).await, (503, "throttled"));
    check(slack(&world, at + 1, &body).await, (200, "ignored"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_not_signed_counts_with_its_body() {
    let world = world().await;
    check(github(&world, "1", &alert("disk")).await, (200, "taken"));
    check(github(&world, "1", &alert("disk")).await, (200, "ignored"));
    check(github(&world, "1", &alert("cpu")).await, (200, "taken"));
    check(github(&world, "2", &alert("disk")).await, (200, "taken"));
}

/// The URL that Twilio called is not the one that we see.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_makes_of_a_url_is_not_what_was_signed() {
    let routes =
        format!("[sources.sms]\nkind = \"generic\"\nauth = {{ twilio = \"key\" }}\n{ROUTES}");
    let settings = [("server.public_url", "https://alerts.example.com")];
    let world = World::with(Wish { routes: &routes, settings: &settings, ..Wish::default() }).await;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"key");
    let signed = "https://alerts.example.com/hooks/sms?x=1severityhightitledisk is full";
    let signature = BASE64_STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    for (body, expected) in [
        ("title=disk+is+full&severity=high", (200, "taken")),
        ("title=disk+is+empty&severity=high", (401, "not_authenticated")),
    ] {
        let request = world.client.post(format!("{}/hooks/sms?x=1", world.url));
        let request = request
            .header("x-twilio-signature", &signature)
            .header("content-type", "application/x-www-form-urlencoded");
        check(world.send(request.body(body)).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_the_body_or_the_url_are_found_there() {
    let routes = format!(
        "[sources.nrdp]\nkind = \"generic\"\nauth = {{ nrdp = \"key\" }}\n\
         [sources.events]\nkind = \"generic\"\nauth = {{ token = \"key\" }}\n{ROUTES}"
    );
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    for (path, body, expected) in [
        ("/hooks/nrdp", "token=key&title=disk&severity=high", (200, "taken")),
        ("/hooks/nrdp", "token=guess&title=disk", (401, "not_authenticated")),
        ("/hooks/nrdp", "title=disk", (401, "not_authenticated")),
        ("/hooks/events?access_token=key", "title=disk", (200, "taken")),
        ("/hooks/events?access_token=guess", "title=disk", (401, "not_authenticated")),
    ] {
        let request = world.client.post(format!("{}{path}", world.url)).body(body);
        check(world.send(request).await, expected);
    }
    let (_, incidents) = world.get("/api/v1/incidents").await;
    assert!(!incidents.to_string().contains("key"), "{incidents}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_a_token_costs_no_fetch() {
    let world = world().await;
    let request = |token: &str| {
        let request = world.client.post(format!("{}/hooks/azure", world.url));
        request.bearer_auth(token).body(alert("disk"))
    };
    for token in ["", "x", "e30.e30.x"] {
        check(world.send(request(token)).await, (401, "not_authenticated"));
    }
}
