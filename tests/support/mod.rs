//! Receivers of every kind that point at one server, and helpers to look at what they send.

use std::collections::BTreeMap;
use std::sync::Arc;

use alertbridge::deliver::render::Templates;
use alertbridge::deliver::senders::{self, ParamError, ParamValue, Params, Sender};
use alertbridge::secret::Secret;

/// A `webhook` secret: base64 of 24 bytes.
pub const SIGNING_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

/// Short forms of parameter values.
pub fn text(value: &str) -> ParamValue {
    ParamValue::Text(value.to_owned())
}

pub fn secret(value: impl Into<String>) -> ParamValue {
    ParamValue::Secret(Secret::new(value))
}

/// The parameters of `pairs`.
pub fn params<const N: usize>(pairs: [(&str, ParamValue); N]) -> Params {
    Params(BTreeMap::from(pairs.map(|(name, value)| (name.to_owned(), value))))
}

/// A receiver of `kind`.
pub fn build(
    kind: &str,
    params: &Params,
    templates: &Arc<Templates>,
) -> Result<Box<dyn Sender>, ParamError> {
    let kind = senders::find(kind).expect("a built-in kind");
    (kind.build)("sample", params, templates)
}

/// One receiver of every kind whose vendor is at `base`, by a name for files.
pub fn every_kind(base: &str) -> Vec<(&'static str, Box<dyn Sender>)> {
    let templates = Arc::new(Templates::builtin());
    let number = || text("+4915112345678");
    let twilio = |segments| {
        params([
            ("url", secret(format!("{base}/twilio"))),
            ("account_sid", text("AC0123456789abcdef0123456789abcdef")),
            ("auth_token", secret("0123456789abcdef")),
            ("from", text("+15005550006")),
            ("to", number()),
            ("segments", ParamValue::Integer(segments)),
        ])
    };
    let teams = "teams/workflows/0123abcd/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers&sv=1.0&sig=abc";
    let rows = [
        (
            "slack",
            "slack",
            params([("url", secret(format!("{base}/slack/services/T0AB/B0AB/abcdefgh")))]),
        ),
        (
            "pagerduty",
            "pagerduty",
            params([
                ("url", secret(format!("{base}/pagerduty/v2/enqueue"))),
                ("routing_key", secret("0123456789abcdef0123456789abcdef")),
            ]),
        ),
        ("teams", "teams", params([("url", secret(format!("{base}/{teams}")))])),
        ("twilio", "twilio", twilio(1)),
        ("twilio-3", "twilio", twilio(3)),
        (
            "webhook",
            "webhook",
            params([
                ("url", secret(format!("{base}/hook/signed"))),
                ("secret", secret(SIGNING_SECRET)),
            ]),
        ),
        (
            "discord",
            "discord",
            params([(
                "url",
                secret(format!("{base}/discord/api/webhooks/123456789012345678/abc-DEF")),
            )]),
        ),
        (
            "ntfy",
            "ntfy",
            params([("url", secret(format!("{base}/ntfy/"))), ("topic", text("alerts"))]),
        ),
        ("inbox", "inbox", params([])),
    ];
    rows.into_iter()
        .map(|(name, kind, params)| {
            (
                name,
                build(kind, &params, &templates).unwrap_or_else(|error| panic!("{name}: {error}")),
            )
        })
        .collect()
}
