//! From a sender's post to the receiver.

use serde_json::json;

use crate::world::{ROUTES, Wish, World, one, payload};

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_told_and_so_is_its_end() {
    let world = World::start().await;
    let (status, receipt) = world.post("/hooks/am", &payload(&[one("disk", "firing")])).await;
    assert_eq!(status, 200, "{receipt}");
    assert_eq!(receipt["accepted"], 1);
    assert_eq!(receipt["incidents"], json!([1]));
    let got = world.receiver.wait(1).await;
    assert!(got[0].body.contains("disk is down"), "{got:?}");
    world.until("/api/v1/incidents/1", |whole| whole["told"][0]["state"] == "open").await;

    let (status, _) = world.post("/hooks/am", &payload(&[one("disk", "resolved")])).await;
    assert_eq!(status, 200);
    assert_eq!(world.receiver.wait(2).await.len(), 2);

    let whole =
        world.until("/api/v1/incidents/1", |whole| whole["told"][0]["state"] == "resolved").await;
    assert_eq!(whole["incident"]["state"], "resolved");
    assert_eq!(whole["members"][0]["alertname"], "disk");
    assert_eq!(whole["told"][0]["verdict"]["reason"], "up_to_date");
    let reasons: Vec<&str> = whole["history"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|it| it["reason"].as_str())
        .collect();
    assert!(reasons.starts_with(&["opened", "delivered", "resolved"]), "{reasons:?}");
    let (_, open) = world.get("/api/v1/incidents?open=true").await;
    assert_eq!(open["incidents"], json!([]));
    world.app.stop().await.expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_receiver_cannot_be_reached_its_fallback_is_told() {
    // Nothing listens on port 1.
    let routes = format!(
        "{}\n[receivers.down]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\n\
         fallback = {{ receiver = \"hook\", after = \"50ms\" }}\n",
        ROUTES.replace("receivers = [\"hook\"]", "receivers = [\"down\"]")
    );
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    world.post("/hooks/am", &payload(&[one("disk", "firing")])).await;
    assert!(world.receiver.wait(1).await[0].body.contains("disk is down"));
    let whole =
        world.until("/api/v1/incidents/1", |whole| whole["told"][1]["state"] == "open").await;
    assert_eq!(whole["told"][1]["via"], "down");
    assert_eq!(whole["told"][0]["state"], "never");
    world.post("/hooks/am", &payload(&[one("disk", "resolved")])).await;
    assert_eq!(world.receiver.wait(2).await.len(), 2, "it hears of the end too");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_is_silent() {
    let world = World::start().await;
    let same = payload(&[one("disk", "firing")]);
    for _ in 0..3 {
        assert_eq!(world.post("/hooks/am", &same).await.0, 200);
    }
    world.receiver.wait(1).await;
    // Another alert goes through the same lane after any repeat would have.
    world.post("/hooks/am", &payload(&[one("load", "firing")])).await;
    let got = world.receiver.wait(2).await;
    assert!(got[1].body.contains("load is down"), "{got:?}");
    assert!(world.metric("alertbridge_deduplicated_total").await >= 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_receiver_is_told_when_it_is_back() {
    let world = World::start().await;
    world.receiver.answer(&[500, 503]);
    world.post("/hooks/am", &payload(&[one("disk", "firing")])).await;
    assert_eq!(world.receiver.wait(3).await.len(), 3);
    world.until("/api/v1/incidents/1", |whole| whole["told"][0]["state"] == "open").await;
    assert!(world.metric("alertbridge_retries_total").await >= 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_alert_does_not_lose_the_good_ones() {
    let world = World::start().await;
    let alerts = [one("good", "firing"), json!({"status": "firing", "labels": "none"})];
    let (status, receipt) = world.post("/hooks/am", &payload(&alerts)).await;
    assert_eq!(status, 200, "{receipt}");
    assert_eq!((&receipt["accepted"], &receipt["rejected_count"]), (&json!(1), &json!(1)));
    assert_eq!(receipt["rejected"][0]["index"], 1);
    assert!(!receipt["rejected"][0]["reason"].as_str().expect("text").is_empty());
    assert!(world.receiver.wait(1).await[0].body.contains("good is down"));

    let (status, receipt) = world.post("/hooks/am", &payload(&alerts[1..])).await;
    assert_eq!(status, 400, "{receipt}");
    assert_eq!(receipt["error"]["code"], "no_alert_understood");
    assert_eq!(receipt["rejected"][0]["index"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_payload_is_split_and_answered_after_the_last_part() {
    let routes = format!("{ROUTES}group_by = []\n");
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    let alerts: Vec<_> = (0..2_500).map(|n| one(&format!("a{n}"), "firing")).collect();
    let (status, receipt) = world.post("/hooks/am", &payload(&alerts)).await;
    assert_eq!(status, 200);
    assert_eq!(receipt["accepted"], 2_500);
    assert_eq!(receipt["incidents"], json!([1]));
    let (_, list) = world.get("/api/v1/incidents").await;
    assert_eq!(list["incidents"][0]["firing"], 2_500);
    assert!((world.metric("alertbridge_commit_seconds_count").await - 3.0).abs() < f64::EPSILON);
}
