//! Who may send, how, and what is answered.

use serde_json::{Value, json};

use crate::world::{ROUTES, Wish, World, one, payload};

const SOURCES: &str = r#"
[sources.token]
kind = "alertmanager"
auth = { token = ["new-token", "old-token"] }

[sources.basic]
kind = "alertmanager"
auth = { basic = { user = "prom", password = "pass-word" } }

[sources.signed]
kind = "alertmanager"
auth = { hmac = { secret = "signing-key", header = "X-Signature", prefix = "sha256=" } }

[sources.elsewhere]
kind = "alertmanager"
auth = "none"
allow = ["203.0.113.0/24"]

[sources.sns]
kind = "aws-sns"
topics = ["arn:aws:sns:eu-west-1:123456789012:alarms"]

[sources.generic]
kind = "generic"
auth = "none"

[sources.any]
kind = "auto"
auth = "none"
"#;

async fn world() -> World {
    let routes = format!("{SOURCES}{ROUTES}");
    World::with(Wish {
        routes: &routes,
        settings: &[("server.trusted_proxies", "127.0.0.1")],
        ..Wish::default()
    })
    .await
}

async fn check(world: &World, path: &str, headers: &[(&str, &str)], expected: (u16, &str)) {
    let body = payload(&[one("disk", "firing")]).to_string();
    let mut request = world.client.post(format!("{}{path}", world.url)).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (status, answer) = world.send(request).await;
    let code = answer["error"]["code"].as_str().unwrap_or("");
    assert_eq!((status, code), expected, "{path} {headers:?}: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_prove_who_they_are() {
    let world = world().await;
    let refused = (401, "not_authenticated");
    check(&world, "/hooks/token?auth=new-token", &[], (200, "")).await;
    check(&world, "/hooks/token", &[("authorization", "Bearer old-token")], (200, "")).await;
    check(&world, "/hooks/token?auth=other", &[], refused).await;
    check(&world, "/hooks/token", &[], refused).await;
    check(&world, "/hooks/basic", &[("authorization", "Basic cHJvbTpwYXNzLXdvcmQ=")], (200, ""))
        .await;
    check(&world, "/hooks/basic", &[("authorization", "Basic cHJvbTp3cm9uZw==")], refused).await;
    check(&world, "/hooks/signed", &[("x-signature", "sha256=00")], refused).await;
    check(&world, "/hooks/nobody", &[], (404, "unknown_source")).await;
    check(&world, "/hooks/elsewhere", &[], (403, "not_allowed")).await;
    // The test's own address is a trusted proxy here.
    check(&world, "/hooks/elsewhere", &[("x-forwarded-for", "203.0.113.9")], (200, "")).await;
    check(
        &world,
        "/hooks/elsewhere",
        &[("x-forwarded-for", "203.0.113.9, 198.51.100.1")],
        (403, "not_allowed"),
    )
    .await;
    let (_, incidents) = world.get("/api/v1/incidents").await;
    let sources = incidents["incidents"].as_array().map_or(0, Vec::len);
    assert_eq!(sources, 3, "refused requests leave nothing: {incidents}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_bodies_are_taken() {
    let world = world().await;
    let body = payload(&[one("disk", "firing")]).to_string();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"signing-key");
    let tag = aws_lc_rs::hmac::sign(&key, body.as_bytes());
    let hex = tag.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let request = world.client.post(format!("{}/hooks/signed", world.url));
    let (status, answer) =
        world.send(request.header("x-signature", format!("sha256={hex}")).body(body)).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_topic_is_named_and_nothing_is_visited() {
    let world = world().await;
    let message = json!({
        "Type": "SubscriptionConfirmation", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37", "TopicArn": "arn:aws:sns:eu-west-1:999999999999:stranger",
        "Message": "confirm", "SubscribeURL": world.receiver.url,
        "Timestamp": "2026-03-01T10:00:00.000Z", "SignatureVersion": "2", "Signature": "AAAA",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
    });
    let (status, answer) = world.post("/hooks/sns", &message).await;
    assert_eq!((status, &answer["error"]["code"]), (403, &json!("unknown_topic")), "{answer}");
    let text = answer["error"]["message"].as_str().expect("text");
    assert!(text.contains("arn:aws:sns:eu-west-1:999999999999:stranger"), "{text}");
    assert!(world.receiver.got().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn methods() {
    let world = world().await;
    let ask = async |method: reqwest::Method, path: &str| {
        let request = world.client.request(method, format!("{}{path}", world.url));
        let answer = request.send().await.expect("an answer");
        let allow = answer.headers().get("allow").and_then(|it| it.to_str().ok()).unwrap_or("");
        (answer.status().as_u16(), allow.to_owned())
    };
    let post = "POST, HEAD, OPTIONS".to_owned();
    assert_eq!(ask(reqwest::Method::GET, "/hooks/am").await, (405, post.clone()));
    assert_eq!(ask(reqwest::Method::PUT, "/hooks/am").await, (405, post.clone()));
    assert_eq!(ask(reqwest::Method::HEAD, "/hooks/am").await, (200, String::new()));
    assert_eq!(ask(reqwest::Method::OPTIONS, "/hooks/am").await, (204, post));
    assert_eq!(ask(reqwest::Method::HEAD, "/hooks/nobody").await.0, 404);
    assert_eq!(
        ask(reqwest::Method::GET, "/hooks/generic?title=disk&severity=critical").await.0,
        200
    );
    assert_eq!(ask(reqwest::Method::DELETE, "/api/v1/incidents").await, (405, "GET".to_owned()));
    assert_eq!(ask(reqwest::Method::GET, "/-/reload").await, (405, "POST".to_owned()));
    assert_eq!(ask(reqwest::Method::GET, "/nothing").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_with_a_reason() {
    let world = world().await;
    for (body, code) in [
        ("{\"version\": \"4\", \"alerts\": [", "payload_not_understood"),
        ("\"disk\"", "payload_not_understood"),
        ("\u{0}\u{1}", "payload_not_understood"),
        ("", "payload_not_understood"),
    ] {
        let request = world.client.post(format!("{}/hooks/am", world.url)).body(body);
        let (status, answer) = world.send(request).await;
        assert_eq!(
            (status, answer["error"]["code"].as_str()),
            (400, Some(code)),
            "{body}: {answer}"
        );
        assert_ne!(answer["error"]["message"], Value::Null);
    }
    assert!((world.metric("alertbridge_rejected_total").await - 4.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_says_which_kind_it_took_or_why_it_cannot() {
    let world = world().await;
    let rule = json!({"ruleId": 7, "ruleName": "Disk", "ruleUrl": "https://g.example.com/d/7", "state": "alerting"});
    let check = json!({
        "check_id": 12, "check_name": "Shop", "check_type": "HTTP", "previous_state": "UP",
        "current_state": "DOWN", "importance_level": "HIGH",
    });
    let stranger = json!({"summary": "Pump 4 is dry", "site": "north"});
    for (body, kind) in [(&rule, "grafana"), (&check, "pingdom"), (&stranger, "generic")] {
        let (status, answer) = world.post("/hooks/any", body).await;
        assert_eq!((status, &answer["kind"]), (200, &json!(kind)), "{answer}");
        assert_eq!(answer["accepted"], 1, "{answer}");
    }
    let mut both = rule.clone();
    let members = both.as_object_mut().expect("an object");
    members.extend(check.as_object().expect("an object").clone());
    let (status, answer) = world.post("/hooks/any", &both).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("payload_not_understood")));
    let text = answer["error"]["message"].as_str().expect("text");
    assert!(text.contains("grafana, pingdom: set the kind of the source"), "{text}");
    // A source of one kind names none.
    let (_, answer) = world.post("/hooks/generic", &stranger).await;
    assert_eq!(answer.get("kind"), None, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_come_back() {
    let world = world().await;
    let ask = async |id: &str| {
        let request =
            world.client.get(format!("{}/-/healthy", world.url)).header("x-request-id", id);
        let answer = request.send().await.expect("an answer");
        answer.headers()["x-request-id"].to_str().expect("text").to_owned()
    };
    assert_eq!(ask("from-the-sender").await, "from-the-sender");
    assert_ne!(ask("not sane").await, "not sane");
}
