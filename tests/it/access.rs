//! Who may use the API, and what the machines of operators ask.

use alertbridge::app::{self, Data, Setup};

use crate::world::{ROUTES, Wish, World, settings};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_only_this_machine_as_itself() {
    let world = World::start().await;
    let check = async |headers: &[(&str, &str)], expected: u16| {
        let mut request = world.client.get(format!("{}/api/v1/incidents", world.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert_eq!(world.send(request).await.0, expected, "{headers:?}");
    };
    check(&[], 200).await;
    check(&[("host", "rebound.example")], 403).await;
    check(&[("x-forwarded-for", "127.0.0.1")], 403).await;
    check(&[("origin", "https://evil.example")], 403).await;
    let text = world.client.post(format!("{}/-/reload", world.url)).body("now");
    assert_eq!(world.send(text.header("content-type", "text/plain")).await.0, 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_whoever_presents_it() {
    let settings = [("server.api_token", "api-token-1")];
    let world = World::with(Wish { routes: ROUTES, settings: &settings, ..Wish::default() }).await;
    let get = || world.client.get(format!("{}/api/v1/inbox", world.url));
    assert_eq!(world.send(get()).await.0, 401);
    assert_eq!(world.send(get().bearer_auth("api-token-2")).await.0, 401);
    assert_eq!(world.send(get().bearer_auth("api-token-1")).await.0, 200);
    assert_eq!(world.get("/metrics").await.0, 200);
    assert_eq!(world.get("/-/ready").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_needs_a_token() {
    let folder = tempfile::tempdir().expect("a directory");
    let start = async |wished: &[(&str, &str)]| {
        let mut setup = Setup::new(settings(folder.path(), wished));
        setup.routes = Some(ROUTES.replace("{receiver}", "http://127.0.0.1:9/"));
        setup.data = Data::Memory;
        app::start(setup).await
    };
    let refused = start(&[("server.listen", "0.0.0.0:0")]).await.err().expect("refused");
    assert!(refused.explain().contains("server.api_token"), "{}", refused.explain());
    let listen = [("server.listen", "0.0.0.0:0"), ("server.api_token", "api-token-1")];
    let app = start(&listen).await.unwrap_or_else(|error| panic!("{}", error.explain()));
    app.stop().await.expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_bounded() {
    let world = World::start().await;
    for (path, status) in [
        ("/api/v1/incidents?limit=1000", 200),
        ("/api/v1/incidents?limit=1001", 400),
        ("/api/v1/incidents?limit=0", 400),
        ("/api/v1/incidents?lmit=5", 400),
        ("/api/v1/incidents/first", 400),
        ("/api/v1/incidents/77", 404),
    ] {
        assert_eq!(world.get(path).await.0, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn healthy_and_ready() {
    let world = World::start().await;
    assert_eq!(world.get("/-/healthy").await.0, 200);
    let (status, answer) = world.get("/-/ready").await;
    assert_eq!((status, &answer["ready"]), (200, &serde_json::json!(true)));
}
