//! May I send to this address? The question of `CloudEvents` senders, and what it is answered.

use reqwest::Method;

use crate::world::{ROUTES, Wish, World, soon};

const SOURCES: &str = r#"
[sources.grid]
kind = "azure-monitor"
auth = { token = "grid-token" }
limit = { per_second = 2, burst = 10 }

[sources.open]
kind = "azure-monitor"
auth = "none"

[sources.elsewhere]
kind = "azure-monitor"
auth = "none"
allow = ["203.0.113.0/24"]
"#;

/// Status, allowed origin, allowed rate and allowed methods of the answer.
type Answered = (u16, Option<String>, Option<String>, Option<String>);

async fn ask(world: &World, path: &str, headers: &[(&str, &str)]) -> Answered {
    let mut request = world.client.request(Method::OPTIONS, format!("{}{path}", world.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = soon("an answer", request.send()).await.expect("an answer");
    let header = |name: &str| {
        answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
    };
    let (origin, rate) = (header("webhook-allowed-origin"), header("webhook-allowed-rate"));
    (answer.status().as_u16(), origin, rate, header("allow"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_send_is_told_so() {
    let routes = format!("{SOURCES}{ROUTES}");
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    let origin = ("webhook-request-origin", "eventemitter.example.com");
    let consent = |rate: &str| {
        let methods = Some("POST, HEAD, OPTIONS".to_owned());
        (200, Some(origin.1.to_owned()), Some(rate.to_owned()), methods)
    };
    let visit = ("webhook-request-callback", &*world.receiver.url);
    let rate = ("webhook-request-rate", "1000");
    assert_eq!(ask(&world, "/hooks/grid?auth=grid-token", &[origin]).await, consent("120"));
    let bearer = ("authorization", "Bearer grid-token");
    assert_eq!(ask(&world, "/hooks/grid", &[origin, bearer, rate]).await, consent("120"));
    assert_eq!(ask(&world, "/hooks/open", &[origin, rate, visit]).await, consent("*"));

    let no = |status| (status, None, None, None);
    assert_eq!(ask(&world, "/hooks/grid", &[origin]).await, no(401));
    assert_eq!(ask(&world, "/hooks/grid?auth=other", &[origin]).await, no(401));
    assert_eq!(ask(&world, "/hooks/elsewhere", &[origin]).await, no(403));
    assert_eq!(ask(&world, "/hooks/nobody", &[origin]).await, no(404));

    // No consent: the plain answer to the method.
    let plain = (204, None, None, Some("POST, HEAD, OPTIONS".to_owned()));
    assert_eq!(ask(&world, "/hooks/am", &[origin]).await, plain, "its senders never ask");
    assert_eq!(ask(&world, "/hooks/open", &[]).await, plain);
    let odd = ("webhook-request-origin", "not a name");
    assert_eq!(ask(&world, "/hooks/open", &[odd]).await, plain);
    let long = "x".repeat(254);
    assert_eq!(ask(&world, "/hooks/open", &[("webhook-request-origin", &long)]).await, plain);
    assert!(world.receiver.got().is_empty(), "nothing is visited");
}
