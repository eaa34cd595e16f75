//! What every receiver kind sends for the sample incidents (golden files), that its limits hold for any input, and what
//! it makes of its vendor's answers.

mod support;

use std::sync::Arc;

use alertbridge::deliver::render::Templates;
use alertbridge::deliver::render::samples::{self, Sample};
use alertbridge::deliver::senders::{self, Action, Outcome, Request, Response, Sender};
use alertbridge::deliver::sms;
use alertbridge::domain::{Link, Severity, State, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use support::{build, every_kind, params, secret, text};

const BASE: &str = "http://receivers.example.com";

/// What people would look at: method, URL, headers and the body in a readable form.
fn shown(action: &Action) -> String {
    let request = match action {
        Action::Keep(text) => return text.clone(),
        Action::Http(request) => request,
    };
    let mut out = format!("{} {}\n", request.method, request.url.expose());
    for (name, value) in &request.headers {
        out.extend([name, ": ", value.expose(), "\n"]);
    }
    out.push('\n');
    match serde_json::from_slice::<Value>(&request.body) {
        Ok(json) => out.push_str(&serde_json::to_string_pretty(&json).expect("JSON")),
        Err(_) => {
            for (name, value) in url::form_urlencoded::parse(&request.body) {
                out.extend([&name, " = ", &value, "\n"]);
            }
        }
    }
    out
}

#[test]
fn golden() {
    for (kind, sender) in every_kind(BASE) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(format!("fixtures/senders/{kind}"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            for sample in samples::all() {
                let action = sender.action(&sample.news()).expect("renders");
                insta::assert_snapshot!(sample.name, shown(&action));
            }
            let samples = samples::all();
            let mut news = samples[0].news();
            news.plain = Some("render slack for receiver sample: line 3: missing variable \"x\"");
            insta::assert_snapshot!("plain", shown(&sender.action(&news).expect("renders")));
        });
    }
}

/// The vendor's hard limits, whatever the incident.
fn check_limits(kind: &str, action: &Action) {
    let request = match action {
        Action::Keep(text) => {
            return assert!(text.len() <= 8 << 10, "inbox keeps {} bytes", text.len());
        }
        Action::Http(request) => request,
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let chars =
        |at: &str| body.pointer(at).and_then(Value::as_str).map_or(0, |text| text.chars().count());
    match kind {
        "slack" => {
            assert!(chars("/text") <= 4_000 && chars("/text") > 0);
            let blocks =
                body.pointer("/attachments/0/blocks").map_or(0, |b| b.to_string().chars().count());
            assert!(blocks <= 13_200, "{blocks} characters of blocks");
            assert!(!request_text(request).contains("<!") && !request_text(request).contains("<@"));
        }
        "pagerduty" => {
            assert!(request.body.len() <= 512_000);
            assert!(chars("/payload/summary") <= 1_024 && chars("/dedup_key") <= 255);
        }
        "teams" => assert!(request.body.len() <= 26 << 10, "{} bytes", request.body.len()),
        "discord" => {
            assert!(chars("/content") <= 2_000 && chars("/embeds/0/description") <= 4_096);
            let chars = embed_chars(&body["embeds"]);
            assert!(chars <= 6_000, "{chars} characters of embeds");
        }
        "ntfy" => assert!(body["message"].as_str().is_some_and(|text| text.len() <= 4_096)),
        "webhook" => assert!(request.body.len() <= 20_000),
        _ => {
            let sent = url::form_urlencoded::parse(&request.body)
                .find(|(name, _)| name == "Body")
                .expect("Body")
                .1;
            let most = if kind == "twilio-3" { 3 } else { 1 };
            assert!(sms::cost(&sent).segments <= most && !sent.is_empty(), "{sent}");
        }
    }
}

/// What Discord counts: the characters of the texts of all embeds, not their form in JSON.
fn embed_chars(embeds: &Value) -> usize {
    let counted = ["title", "description", "text", "name", "value"];
    match embeds {
        Value::Array(items) => items.iter().map(embed_chars).sum(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| match value.as_str() {
                Some(text) if counted.contains(&name.as_str()) => text.chars().count(),
                _ => embed_chars(value),
            })
            .sum(),
        _ => 0,
    }
}

/// The texts that Slack reads as markup.
fn request_text(request: &Request) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    body["text"].as_str().unwrap_or("").to_owned()
}

#[test]
fn the_largest_incident_fits_everywhere() {
    let huge = samples::huge();
    for (kind, sender) in every_kind(BASE) {
        let action = sender.action(&huge.news()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        check_limits(kind, &action);
        let shown = shown(&action).to_lowercase();
        assert!(shown.contains("1042") || kind == "pagerduty", "{kind} keeps the number");
        assert!(
            shown.contains("critical") && shown.contains("very long title"),
            "{kind} keeps severity and title"
        );
        assert!(
            kind.starts_with("twilio")
                || kind == "inbox"
                || shown.contains("alerts.example.com/incidents/1042"),
            "{kind} keeps the link"
        );
    }
}

/// The largest sample with any text in every place that a sender of alerts controls.
fn anything() -> impl Strategy<Value = Sample> {
    let word = || {
        prop_oneof![
            "\\PC{0,40}",
            any::<String>(),
            "[<>&*_`|@\\\\{}\\[\\]()#]{1,200}",
            "(\u{1F6A8}|\u{436}){0,900}"
        ]
    };
    let severity = prop::sample::select(Severity::ALL.to_vec());
    (word(), word(), word(), 1_usize..60, 0_usize..320, severity, any::<bool>()).prop_map(
        |(title, value, url, members, labels, severity, resolved)| {
            let mut sample = samples::huge();
            sample.snapshot.members.truncate(members);
            let head = &mut sample.snapshot.head;
            head.title.clone_from(&title);
            head.severity = severity;
            head.peak = severity;
            head.route.clone_from(&value);
            head.values = vec![(title.clone(), value.clone()); 20];
            if resolved {
                head.state = State::Resolved { at: sample.now };
            }
            for (_, body) in &mut sample.snapshot.members {
                let alert = &mut body.alert;
                alert.title.clone_from(&title);
                alert.text = Some(value.repeat(5));
                alert.resource = Some(value.clone());
                alert.labels =
                    (0..labels).map(|n| (format!("{n}{title}"), value.clone())).collect();
                alert.links.push(Link { name: value.clone(), url: url.clone() });
                alert
                    .links
                    .push(Link { name: title.clone(), url: format!("https://e.example/{url}") });
            }
            sample
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn limits_hold_for_any_input(sample in anything()) {
        for (kind, sender) in senders() {
            let action = sender.action(&sample.news()).unwrap_or_else(|error| panic!("{kind}: {error}"));
            if !(*kind == "pagerduty" && sample.snapshot.head.state.is_resolved()) {
                check_limits(kind, &action);
            }
            let mut news = sample.news();
            news.plain = Some("an error");
            prop_assert!(sender.action(&news).is_ok(), "{} plain", kind);
        }
    }
}

/// Built once: the property test uses them many times.
fn senders() -> &'static [(&'static str, Box<dyn Sender>)] {
    static SENDERS: std::sync::LazyLock<Vec<(&'static str, Box<dyn Sender>)>> =
        std::sync::LazyLock::new(|| every_kind(BASE));
    &SENDERS
}

/// The shape of an outcome without its text.
fn shape(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { remember: None } => "delivered".to_owned(),
        Outcome::Delivered { remember: Some(kept) } => format!("delivered {kept}"),
        Outcome::Retry { maybe, .. } => format!("retry maybe={maybe}"),
        Outcome::Wait { after: Some(after), .. } => format!("wait {}", after.as_secs()),
        Outcome::Wait { after: None, .. } => "wait".to_owned(),
        Outcome::Reject { why, .. } => format!("{why:?}").to_lowercase(),
    }
}

#[test]
fn answers() {
    #[rustfmt::skip]
    let rows = [
        ("slack", 200, "ok", "delivered"),
        ("slack", 200, "<html>", "retry maybe=true"),
        ("slack", 400, "invalid_blocks", "rendering"),
        ("slack", 400, "invalid_payload", "rendering"),
        ("slack", 400, "no_text", "rendering"),
        ("slack", 403, "invalid_token", "credential"),
        ("slack", 403, "action_prohibited", "credential"),
        ("slack", 404, "no_service", "gone"),
        ("slack", 404, "channel_not_found", "gone"),
        ("slack", 410, "channel_is_archived", "gone"),
        ("slack", 429, "", "wait 30"),
        ("slack", 500, "rollup_error", "retry maybe=false"),
        ("pagerduty", 202, r#"{"status":"success"}"#, "delivered"),
        ("pagerduty", 400, r#"{"status":"invalid event","errors":["'payload.summary' is missing or blank"]}"#, "rendering"),
        ("pagerduty", 400, r#"{"errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#, "credential"),
        ("pagerduty", 404, "", "other"),
        ("pagerduty", 429, "", "wait 30"),
        ("pagerduty", 502, "", "retry maybe=true"),
        ("teams", 202, "", "delivered"),
        ("teams", 400, r#"{"error":{"code":"InvalidRequestContent"}}"#, "rendering"),
        ("teams", 401, r#"{"error":{"code":"DirectApiAuthorizationRequired"}}"#, "credential"),
        ("teams", 404, r#"{"error":{"code":"WorkflowNotFound"}}"#, "gone"),
        ("teams", 502, r#"{"error":{"code":"NoResponse"}}"#, "retry maybe=true"),
        ("twilio", 201, r#"{"sid":"SM1"}"#, "delivered"),
        ("twilio", 401, r#"{"code":20003}"#, "credential"),
        ("twilio", 400, r#"{"code":21211}"#, "gone"),
        ("twilio", 400, r#"{"code":21610}"#, "gone"),
        ("twilio", 400, r#"{"code":21617}"#, "rendering"),
        ("twilio", 400, r#"{"code":21606}"#, "other"),
        ("twilio", 429, r#"{"code":20429}"#, "wait 30"),
        ("twilio", 429, r#"{"code":21611}"#, "wait 30"),
        ("twilio", 503, "", "retry maybe=false"),
        ("webhook", 204, "", "delivered"),
        ("webhook", 302, "", "other"),
        ("webhook", 410, "", "gone"),
        ("webhook", 504, "", "retry maybe=true"),
        ("discord", 200, r#"{"id":"998"}"#, r#"delivered {"id":"998"}"#),
        ("discord", 400, r#"{"code":50035}"#, "rendering"),
        ("discord", 401, r#"{"code":50027}"#, "credential"),
        ("discord", 404, r#"{"code":10015}"#, "gone"),
        ("discord", 404, r#"{"code":10008}"#, "other"),
        ("discord", 429, r#"{"retry_after":64.5}"#, "wait 64"),
        ("ntfy", 200, r#"{"id":"x","event":"message"}"#, "delivered"),
        ("ntfy", 200, "<html>login</html>", "retry maybe=true"),
        ("ntfy", 403, r#"{"code":40301}"#, "credential"),
        ("ntfy", 507, "", "wait 30"),
    ];
    for (kind, status, body, want) in rows {
        let (_, sender) = senders().iter().find(|(name, _)| *name == kind).expect("kind");
        let headers = vec![("retry-after".to_owned(), "30".to_owned())];
        let response = Response { status, headers, body: body.as_bytes().to_vec() };
        let outcome = sender.judge(&response, Timestamp::from_secs(0));
        assert_eq!(shape(&outcome), want, "{kind} {status} {body}");
    }
}

#[test]
fn refuses_wrong_parameters_without_showing_them() {
    let templates = Arc::new(Templates::builtin());
    let sid = || ("account_sid", text("AC0123456789abcdef0123456789abcdef"));
    let rows = [
        ("slack", params([("url", secret("topsecret"))]), "url: is no absolute URL"),
        ("slack", params([("url", secret("ftp://topsecret/"))]), "url: is no http"),
        ("slack", params([("url", secret("https://u:topsecret@h/"))]), "url: has a user name"),
        (
            "slack",
            params([("url", secret("https://h/topsecret")), ("template", text("twilio"))]),
            "template: there is no",
        ),
        (
            "teams",
            params([("url", secret("https://a.webhook.office.com/topsecret"))]),
            "switched off",
        ),
        ("pagerduty", params([("routing_key", secret(" topsecret"))]), "routing_key: is empty"),
        (
            "pagerduty",
            params([("routing_key", secret("k")), ("unknown_severity", text("P1"))]),
            "unknown_severity",
        ),
        ("twilio", params([sid(), ("to", text("+4915112345678"))]), "auth_token: give either"),
        (
            "twilio",
            params([sid(), ("to", text("01511")), ("auth_token", secret("topsecret"))]),
            "to: is no number",
        ),
        (
            "webhook",
            params([("url", secret("https://h/")), ("secret", secret("topsecret"))]),
            "secret: is not",
        ),
        ("webhook", params([("url", secret("https://h/")), ("method", text("TRACE"))]), "method:"),
        (
            "webhook",
            params([("url", secret("https://h/")), ("template", text("none"))]),
            "there is no template",
        ),
        (
            "ntfy",
            params([("topic", text("t")), ("authorization", secret("a\r\ntopsecret"))]),
            "not visible ASCII",
        ),
    ];
    for (kind, params, want) in rows {
        let Err(error) = build(kind, &params, &templates) else {
            panic!("{kind}: {want} was accepted")
        };
        assert!(error.to_string().contains(want), "{kind}: {error}");
        assert!(!error.to_string().contains("topsecret"), "{kind}: {error}");
    }
}

#[test]
fn every_kind_is_documented() {
    let docs = include_str!("../docs/receivers.md");
    for kind in senders::kinds() {
        assert!(
            docs.contains(&format!("## {}\n", kind.name)),
            "docs/receivers.md has no section {}",
            kind.name
        );
        for param in kind.params {
            assert!(
                docs.contains(&format!("`{}`", param.name)),
                "{}: {} is not documented",
                kind.name,
                param.name
            );
        }
    }
}
