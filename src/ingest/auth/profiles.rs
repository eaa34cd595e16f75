//! The named profiles: how each vendor proves who it is, one row each, with the document that says so.
//!
//! A row whose sender presents a secret or signs with one is complete in itself; `own` marks the few with code of their
//! own. To add a vendor, add a row, a line in `docs/sources.md` and its known answers in the tests.

use super::Strength::{self, Credential, Signature, SignedTime, Token, UrlCredential};
use super::hmac::Algorithm::{self, Ed25519, Sha1, Sha256, Sha512};
use super::hmac::Encoding::{self, Base64, Hex, HexOrBase64};

/// How one vendor proves who it is.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As in `auth = { NAME = ... }` and in the tables of kinds.
    pub name: &'static str,
    pub strength: Strength,
    /// Tried in this order; the sender uses one of them.
    pub schemes: &'static [Scheme],
    /// The header in which the sender can present the secret as it is; empty for none.
    pub header: &'static str,
    /// The vendor's document.
    pub from: &'static str,
}

/// One way in which a vendor signs.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    /// The header with the signature.
    pub header: &'static str,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    /// What stands before each signature.
    pub prefix: &'static str,
    /// As [`super::SignedContent`] reads it.
    pub signed: &'static str,
    /// The header with the time of signing and what stands before the time in it.
    pub time: Option<(&'static str, &'static str)>,
    /// The header that names the delivery; empty for none.
    pub id: &'static str,
    /// The secret is base64 after `whsec_`.
    pub base64_key: bool,
}

/// A hash over the body alone.
const fn body(
    header: &'static str,
    algorithm: Algorithm,
    encoding: Encoding,
    prefix: &'static str,
) -> Scheme {
    Scheme {
        header,
        algorithm,
        encoding,
        prefix,
        signed: "{body}",
        time: None,
        id: "",
        base64_key: false,
    }
}

impl Scheme {
    const fn id(self, id: &'static str) -> Self {
        Self { id, ..self }
    }

    const fn timed(self, signed: &'static str, header: &'static str, prefix: &'static str) -> Self {
        Self { signed, time: Some((header, prefix)), ..self }
    }

    const fn key_in_base64(self) -> Self {
        Self { base64_key: true, ..self }
    }
}

/// Standard Webhooks under its own names and under those of Svix, which wrote it.
const WEBHOOK: &str = "{webhook-id}.{timestamp}.{body}";
const SVIX: &str = "{svix-id}.{timestamp}.{body}";
const STANDARD_WEBHOOKS: &[Scheme] = &[
    body("webhook-signature", Sha256, Base64, "v1,")
        .timed(WEBHOOK, "webhook-timestamp", "")
        .id("webhook-id")
        .key_in_base64(),
    body("svix-signature", Sha256, Base64, "v1,")
        .timed(SVIX, "svix-timestamp", "")
        .id("svix-id")
        .key_in_base64(),
    body("webhook-signature", Ed25519, Base64, "v1a,")
        .timed(WEBHOOK, "webhook-timestamp", "")
        .id("webhook-id"),
    body("svix-signature", Ed25519, Base64, "v1a,").timed(SVIX, "svix-timestamp", "").id("svix-id"),
];

const GITHUB: &[Scheme] = &[
    body("x-hub-signature-256", Sha256, Hex, "sha256=").id("x-github-delivery"),
    // What GitHub Enterprise Server before 2.23 sends alone, and others beside the longer one.
    body("x-hub-signature", Sha1, Hex, "sha1=").id("x-github-delivery"),
];
const JIRA: &[Scheme] =
    &[body("x-hub-signature", Sha256, Hex, "sha256=").id("x-atlassian-webhook-identifier")];
const SLACK: &[Scheme] = &[body("x-slack-signature", Sha256, Hex, "v0=").timed(
    "v0:{timestamp}:{body}",
    "x-slack-request-timestamp",
    "",
)];
const FLUX: &[Scheme] = &[
    body("x-signature", Sha256, Hex, "sha256="),
    body("x-signature", Sha512, Hex, "sha512="),
    body("x-signature", Sha1, Hex, "sha1="),
];
const BUILDKITE: &[Scheme] = &[body("x-buildkite-signature", Sha256, Hex, "signature=").timed(
    "{timestamp}.{body}",
    "x-buildkite-signature",
    "timestamp=",
)];
const SCALR: &[Scheme] =
    &[body("x-signature", Sha1, Hex, "").timed("{body}{timestamp}", "date", "")];
/// With a time in a header of the user's choice this becomes `{timestamp}:{body}`.
const GRAFANA: &[Scheme] = &[body("x-grafana-alerting-signature", Sha256, Hex, "")];

const fn signs(
    name: &'static str,
    strength: Strength,
    schemes: &'static [Scheme],
    from: &'static str,
) -> Row {
    Row { name, strength, schemes, header: "", from }
}

const fn presents(name: &'static str, header: &'static str, from: &'static str) -> Row {
    Row { name, strength: Credential, schemes: &[], header, from }
}

/// A profile with code of its own.
const fn own(name: &'static str, strength: Strength, from: &'static str) -> Row {
    Row { name, strength, schemes: &[], header: "", from }
}

/// Every profile, in the order of the documentation.
pub const ROWS: &[Row] = &[
    signs(
        "standard-webhooks",
        SignedTime,
        STANDARD_WEBHOOKS,
        "standard-webhooks/standard-webhooks, spec/standard-webhooks.md",
    ),
    signs("slack", SignedTime, SLACK, "Slack API, Verifying requests from Slack"),
    Row {
        header: "x-buildkite-token",
        ..signs("buildkite", SignedTime, BUILDKITE, "Buildkite docs, Webhooks, HTTP headers")
    },
    signs("scalr", SignedTime, SCALR, "Scalr docs, Webhooks, Signature"),
    own("sns", SignedTime, "Amazon SNS Developer Guide, Verifying message signatures"),
    signs("github", Signature, GITHUB, "GitHub Docs, Validating webhook deliveries"),
    signs(
        "jira",
        Signature,
        JIRA,
        "Atlassian Developer, Jira Cloud webhooks, Secure admin webhooks",
    ),
    signs(
        "pagerduty",
        Signature,
        &[body("x-pagerduty-signature", Sha256, Hex, "v1=").id("x-webhook-id")],
        "PagerDuty developer docs, Webhooks V3, Verifying signatures",
    ),
    signs(
        "circleci",
        Signature,
        &[body("circleci-signature", Sha256, Hex, "v1=")],
        "CircleCI docs, Outbound webhooks, Validate webhooks",
    ),
    signs(
        "sentry",
        Signature,
        &[body("sentry-hook-signature", Sha256, Hex, "")],
        "Sentry docs, Integration Platform, Webhooks, Verifying the signature",
    ),
    own("twilio", Signature, "Twilio docs, Webhooks security, Validating signatures"),
    signs(
        "checkly",
        Signature,
        &[body("x-checkly-signature", Sha256, Hex, "")],
        "Checkly docs, Webhook alert channel, Webhook secrets",
    ),
    signs("flux", Signature, FLUX, "Flux docs, Notification API, Provider generic-hmac"),
    signs(
        "terraform-cloud",
        Signature,
        &[body("x-tfe-notification-signature", Sha512, Hex, "")],
        "HCP Terraform API docs, Notification configurations, Notification authenticity",
    ),
    signs(
        "signalfx",
        Signature,
        &[body("x-sfx-signature", Sha256, Base64, "")],
        "Splunk Observability Cloud docs, Webhook integration, Shared secret",
    ),
    signs(
        "sonarqube",
        Signature,
        &[body("x-sonar-webhook-hmac-sha256", Sha256, Hex, "")],
        "SonarQube Server docs, Webhooks, Securing your webhooks",
    ),
    signs(
        "mongodb-atlas",
        Signature,
        &[body("x-mms-signature", Sha1, HexOrBase64, "")],
        "MongoDB Atlas docs, Third-party services, Webhook settings",
    ),
    signs("grafana", Signature, GRAFANA, "Grafana docs, Webhook notifier, HMAC signature"),
    own("hmac", Signature, "a hash over the body as the source's configuration spells it out"),
    own("entra", Token, "Azure Monitor docs, Action groups, Secure webhook authentication"),
    own("mtls", Token, "RFC 8446, section 4.4.2: the certificate of the client in the handshake"),
    presents(
        "gitlab",
        "x-gitlab-token",
        "GitLab docs, Webhooks, Validate payloads by a secret token",
    ),
    presents("honeycomb", "x-honeycomb-webhook-token", "Honeycomb docs, Notify with webhooks"),
    presents("cloudflare", "cf-webhook-auth", "Cloudflare docs, Notifications, Configure webhooks"),
    presents("bearer", "", "RFC 6750, section 2.1"),
    presents("basic", "", "RFC 7617"),
    presents("header", "", "a header that the sender lets its user choose"),
    own("nrdp", UrlCredential, "NRDP overview: parameter `token` of the form"),
    own("token", UrlCredential, "RFC 6750, section 2.3; CloudEvents HTTP Webhook, section 3"),
];

/// The profile called `name`.
pub fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

/// How strong the profile called `name` is. `none` is one too.
pub fn strength(name: &str) -> Option<Strength> {
    if name == "none" { Some(Strength::None) } else { find(name).map(|row| row.strength) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_are_complete() {
        let mut names = HashSet::new();
        for row in ROWS {
            assert!(names.insert(row.name), "{} stands twice", row.name);
            assert!(!row.from.is_empty(), "{}", row.name);
            let lower = |name: &str| {
                name.chars().all(|c| c.is_ascii_lowercase() || "-0123456789".contains(c))
            };
            assert!(lower(row.name) && lower(row.header), "{}", row.name);
            for scheme in row.schemes {
                assert!(lower(scheme.header) && lower(scheme.id), "{}", row.name);
                assert_eq!(scheme.time.is_some(), scheme.signed.contains("{timestamp}"));
                assert_eq!(scheme.time.is_some(), row.strength == SignedTime, "{}", row.name);
            }
        }
        let order = [UrlCredential, Credential, Token, Signature, SignedTime];
        assert!(order.is_sorted() && Strength::None < UrlCredential);
    }

    #[test]
    fn kinds_name_known_profiles_the_strongest_first() {
        for kind in crate::ingest::kinds::builtin() {
            let names = kind.auth();
            let known: Vec<Strength> = names.iter().filter_map(|name| strength(name)).collect();
            assert_eq!(known.len(), names.len(), "{}: {names:?}", kind.name());
            assert!(known.is_sorted_by(|a, b| a >= b), "{}: {names:?}", kind.name());
        }
    }

    #[test]
    fn every_profile_is_documented() {
        let docs = include_str!("../../../docs/sources.md");
        for row in ROWS {
            assert!(docs.contains(&format!("| `{}` |", row.name)), "{} has no row", row.name);
        }
    }
}
