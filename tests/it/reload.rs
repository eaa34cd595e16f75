//! A reload is atomic: all of the file, or nothing of it.

use serde_json::json;

use crate::world::{ROUTES, Wish, World, one, payload};

async fn write(world: &World, routes: &str) -> (u16, serde_json::Value) {
    let routes = routes.replace("{receiver}", &world.receiver.url);
    std::fs::write(world.folder.path().join("routes.toml"), routes).expect("writable");
    world.post("/-/reload", &json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_changes_nothing_and_says_where() {
    let world = World::with(Wish { routes: ROUTES, file: true, ..Wish::default() }).await;
    let bad = format!("{}\nrecievers = 5\n", ROUTES.replace("sources.am", "sources.other"));
    let (status, answer) = write(&world, &bad).await;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("reload_refused")), "{answer}");
    let text = answer["error"]["message"].as_str().expect("text");
    assert!(text.contains("routes.toml:") && text.contains("did you mean `receivers`"), "{text}");
    assert!(world.metric("alertbridge_config_reload_ok").await < 0.5);

    let alert = payload(&[one("disk", "firing")]);
    assert_eq!(world.post("/hooks/am", &alert).await.0, 200, "the old sources stay");
    assert_eq!(world.post("/hooks/other", &alert).await.0, 404);

    let (status, answer) = write(&world, &ROUTES.replace("sources.am", "sources.other")).await;
    assert_eq!((status, &answer["sources"]), (200, &json!(1)), "{answer}");
    assert_eq!(world.post("/hooks/am", &alert).await.0, 404);
    assert_eq!(world.post("/hooks/other", &alert).await.0, 200);
    assert!(world.metric("alertbridge_config_reload_ok").await > 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_test_of_the_routes_refuses_them() {
    let world = World::with(Wish { routes: ROUTES, file: true, ..Wish::default() }).await;
    let test =
        "[[test]]\npayload = \"disk.json\"\nsource = \"am\"\nexpect = { severity = \"info\" }\n";
    let body = payload(&[one("disk", "firing")]).to_string();
    std::fs::write(world.folder.path().join("disk.json"), body).expect("writable");
    let (status, answer) = write(&world, &format!("{ROUTES}{test}")).await;
    assert_eq!(status, 422, "{answer}");
    let text = answer["error"]["message"].as_str().expect("text");
    let line = ROUTES.lines().count() + 1;
    assert!(text.contains(&format!("routes.toml:{line}:1")), "{text}");
    assert!(text.contains("expected severity \"info\", got \"critical\""), "{text}");
    let (status, answer) =
        write(&world, &format!("{ROUTES}{}", test.replace("info", "critical"))).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_hears_of_the_end() {
    let world = World::with(Wish { routes: ROUTES, file: true, ..Wish::default() }).await;
    world.post("/hooks/am", &payload(&[one("disk", "firing")])).await;
    world.receiver.wait(1).await;
    world.until("/api/v1/incidents/1", |whole| whole["told"][0]["state"] == "open").await;

    let (status, answer) = write(
        &world,
        &ROUTES
            .replace("[\"hook\"]", "[\"inbox\"]")
            .replace("[receivers.hook]", "[receivers.other]"),
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["draining"], json!([{"receiver": "hook", "open": 1}]));
    world.post("/hooks/am", &payload(&[one("load", "firing")])).await;
    world.post("/hooks/am", &payload(&[one("disk", "resolved")])).await;
    let got = world.receiver.wait(2).await;
    assert!(got[1].body.contains("disk is down"), "no news but the end: {got:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_does_not_refill_rate_limits() {
    let limit = "auth = \"none\"\nlimit = { per_second = 0.01, burst = 1 }";
    let routes = ROUTES.replace("auth = \"none\"", limit);
    let world = World::with(Wish { routes: &routes, file: true, ..Wish::default() }).await;
    let alert = payload(&[one("disk", "firing")]);
    assert_eq!(world.post("/hooks/am", &alert).await.0, 200);
    assert_eq!(world.post("/-/reload", &json!({})).await.0, 200);
    assert_eq!(world.post("/hooks/am", &alert).await.0, 503);
}
