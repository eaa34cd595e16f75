//! Every sample incident through every sender to a stand-in of the vendors that judges like them.
//!
//! Runs only where the environment variable `ALERTBRIDGE_LAB` names the base URL of one; passes at once elsewhere.

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alertbridge::deliver::render::samples::{self, Sample};
use alertbridge::deliver::senders::{Action, Outcome, Request, Response, Sender};
use alertbridge::domain::Timestamp;
use serde_json::{Value, json};

#[tokio::test]
async fn every_sample_is_accepted_without_a_warning() {
    let Some(base) = std::env::var_os("ALERTBRIDGE_LAB") else { return };
    let base = base.to_string_lossy().trim_end_matches('/').to_owned();
    let client =
        reqwest::Client::builder().user_agent("alertbridge").no_proxy().build().expect("client");
    control(&client, &format!("{base}/_lab/reset"), None).await;
    let hooks = json!({ "hooks": { "signed": { "secret": support::SIGNING_SECRET } } });
    control(&client, &format!("{base}/_lab/config"), Some(hooks)).await;

    let mut faults = Vec::new();
    for (name, sender) in support::every_kind(&base) {
        for mut sample in samples::all().into_iter().chain([samples::huge()]) {
            shift(&mut sample);
            for plain in [None, Some("template slack: line 3: missing variable \"x\"")] {
                if let Err(fault) = tell(&client, sender.as_ref(), &sample, plain).await {
                    faults.push(format!(
                        "{name} {} plain={}: {fault}",
                        sample.name,
                        plain.is_some()
                    ));
                }
            }
        }
    }
    for filter in ["verdict=rejected", "warning=any"] {
        let records = control(&client, &format!("{base}/_lab/requests?{filter}"), None).await;
        let records = records["requests"]
            .as_array()
            .or_else(|| records.as_array())
            .cloned()
            .unwrap_or_default();
        for record in records {
            let told =
                format!("{} {} {}", record["destination"], record["reasons"], record["warnings"]);
            // Vendors take an acknowledge or resolve of what they do not know; each sample stands alone here.
            if !told.contains("pd_no_open_alert") {
                faults.push(told);
            }
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

/// Signatures are of the present, so the sample happens now.
#[expect(clippy::disallowed_methods, reason = "the stand-in compares with the real time")]
fn shift(sample: &mut Sample) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    sample.now = Timestamp::from_secs(i64::try_from(now.as_secs()).unwrap_or(0));
}

async fn tell(
    client: &reqwest::Client,
    sender: &dyn Sender,
    sample: &Sample,
    plain: Option<&str>,
) -> Result<(), String> {
    let mut news = sample.news();
    news.plain = plain;
    let action = sender.action(&news).map_err(|error| error.to_string())?;
    let Action::Http(request) = action else { return Ok(()) };
    let response = send(client, request).await;
    match sender.judge(&response, sample.now) {
        Outcome::Delivered { .. } => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

async fn send(client: &reqwest::Client, request: Request) -> Response {
    let method = reqwest::Method::from_bytes(request.method.as_bytes()).expect("method");
    let mut call = client.request(method, request.url.expose()).body(request.body);
    for (name, value) in &request.headers {
        call = call.header(name, value.expose());
    }
    let answer = call.send().await.expect("the stand-in answers");
    let status = answer.status().as_u16();
    let headers = answer.headers().iter();
    let headers = headers
        .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    Response { status, headers, body: answer.bytes().await.expect("body").to_vec() }
}

async fn control(client: &reqwest::Client, url: &str, body: Option<Value>) -> Value {
    let call = match body {
        Some(body) => {
            client.post(url).header("content-type", "application/json").body(body.to_string())
        }
        None if url.ends_with("/reset") => client.post(url),
        None => client.get(url),
    };
    let text = call.send().await.expect("control call").text().await.expect("text");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}
