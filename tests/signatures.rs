//! Known answers of the named profiles, read through the configuration as users write it.
//!
//! `known-answers.json` was computed with other implementations. `ALERTBRIDGE_SIGNATURE_VECTORS` may name a file of published
//! vectors besides: `{"vectors": [{"scheme", "secret", "headers", "body" | "body_file" | "params" | "params_file", "url"}]}`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::LazyLock;

use alertbridge::config::{Catalog, Environment, Options, Routes};
use alertbridge::domain::Timestamp;
use alertbridge::ingest::auth::{Evidence, Presented, Profile, Verified, profiles};
use serde_json::Value;

/// Made once: every profile is read through a configuration of its own.
static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::builtin);

fn own() -> Vec<Value> {
    serde_json::from_str(include_str!("fixtures/auth/known-answers.json")).expect("JSON")
}

/// The profile that `auth` is, with `SECRET` replaced.
fn profile(auth: &str, secrets: &[&str]) -> Profile {
    let secrets: Vec<String> = secrets.iter().map(|secret| format!("{secret:?}")).collect();
    let auth = auth.replace("SECRET", &format!("[{}]", secrets.join(", ")));
    let text = format!(
        "[sources.sender]\nkind = \"generic\"\nauth = {auth}\n[defaults]\nreceivers = [\"inbox\"]\n"
    );
    let options = Options {
        catalog: &CATALOG,
        environment: Environment::empty(),
        strict: true,
        public_url: Some("https://public.example.com"),
    };
    let routes = Routes::parse(Path::new("routes.toml"), &text, &options);
    let routes = routes.unwrap_or_else(|report| panic!("{auth}: {}", report.render(false)));
    routes.sources["sender"].profile.clone()
}

/// What a sender presents.
#[derive(Clone)]
struct Request {
    headers: Vec<(String, String)>,
    query: String,
    body: Vec<u8>,
}

impl Request {
    fn verdict(&self, profile: &Profile, now: i64) -> Result<usize, &'static str> {
        let presented = Presented {
            headers: &self.headers,
            query: &self.query,
            body: &self.body,
            address: IpAddr::from([127, 0, 0, 1]),
            certificate: None,
        };
        profile
            .verify(&presented, &Evidence::NOTHING, Timestamp::from_secs(now))
            .map(Verified::secret)
            .map_err(|refused| refused.label())
    }

    /// The same with one bit of the body changed at each place in turn.
    fn bent(&self) -> impl Iterator<Item = Self> + '_ {
        (0..self.body.len()).map(|at| {
            let mut bent = self.clone();
            bent.body[at] ^= 1;
            bent
        })
    }
}

fn headers(value: &Value) -> Vec<(String, String)> {
    let pairs = value["headers"].as_object().expect("headers");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    pairs.iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect()
}

fn now(vector: &Value) -> i64 {
    vector["at"].as_i64().expect("a time")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[test]
fn every_profile_knows_its_sender() {
    let mut seen: BTreeSet<&str> = ["sns", "entra", "mtls"].into();
    let vectors = own();
    for vector in &vectors {
        let (name, auth, secret) =
            (text(vector, "profile"), text(vector, "auth"), text(vector, "secret"));
        seen.insert(name);
        let at = now(vector);
        let other = vector["other_secret"].as_str().unwrap_or("another-secret");
        let request = Request {
            headers: headers(vector),
            query: text(vector, "query").to_owned(),
            body: text(vector, "body").as_bytes().to_vec(),
        };
        let live = profile(auth, &[secret]);
        assert_eq!(live.auth.as_str(), name, "{auth}");
        assert!(!format!("{live:?}").contains(secret), "{name} shows its secret");
        assert_eq!(request.verdict(&live, at), Ok(0), "{vector}");
        assert_eq!(request.verdict(&profile(auth, &[other, secret]), at), Ok(1), "{vector}");
        assert_eq!(request.verdict(&profile(auth, &[other]), at), Err("wrong"), "{vector}");
        let nothing = Request { headers: Vec::new(), query: String::new(), body: Vec::new() };
        let missing = nothing.verdict(&live, at);
        assert_eq!(missing, Err("missing"), "{name}");

        for (at, (name, value)) in request.headers.iter().enumerate() {
            for end in (0..value.len()).filter(|end| value.is_char_boundary(*end)) {
                let mut cut = request.clone();
                cut.headers[at].1.truncate(end);
                // Of a list the one that counts may be left; an id of a delivery is nobody's proof.
                let beaten =
                    |(other, _): &(String, String)| other != name && other.starts_with(name);
                let proves = (name.contains("signature") || name.contains("token"))
                    && !request.headers.iter().any(beaten);
                let taken = cut.verdict(&live, now(vector)).is_ok();
                assert!(!taken || !proves || value.contains(','), "{name}: {}", &value[..end]);
            }
        }
        if vector["signed"] == true {
            for bent in request.bent() {
                assert_eq!(bent.verdict(&live, at), Err("wrong"), "{:?}", bent.body);
            }
        }
        let late = request.verdict(&live, at + 301);
        let early = request.verdict(&live, at - 301);
        let expected = if vector["timed"] == true { Err("replayed") } else { Ok(0) };
        assert_eq!((late, early), (expected, expected), "{vector}");
        assert_eq!(request.verdict(&live, at + 300), Ok(0), "{vector}");
    }
    let all: BTreeSet<&str> = profiles::ROWS.iter().map(|row| row.name).collect();
    assert_eq!(seen, all, "profiles without a known answer");
}

/// The profile of a published vector, as a user would configure it.
fn published(vector: &Value) -> String {
    let header = |name: &str| {
        let found = headers(vector).into_iter().find(|(key, _)| !key.contains("timestamp"));
        format!("{name}{}", found.expect("a header").0)
    };
    match text(vector, "scheme") {
        "standard-webhooks-v1" => "{ standard-webhooks = SECRET }".to_owned(),
        "github-hub-256" => "{ github = SECRET }".to_owned(),
        "slack-v0" => "{ slack = SECRET }".to_owned(),
        "pagerduty-v1" => "{ pagerduty = SECRET }".to_owned(),
        "circleci-v1" => "{ circleci = SECRET }".to_owned(),
        "hmac-body-plus-date-sha1-hex" => "{ scalr = SECRET }".to_owned(),
        "twilio" | "twilio-body" => {
            let url = text(vector, "url").split('?').next().unwrap_or_default();
            format!("{{ twilio = SECRET, url = {url:?} }}")
        }
        scheme @ ("hmac-body-hex" | "hmac-body-base64") => format!(
            "{{ hmac = {{ secret = SECRET, header = {:?}, algorithm = {:?}, prefix = {:?}, encoding = {:?} }} }}",
            header(""),
            text(vector, "hash"),
            text(vector, "prefix"),
            scheme.trim_start_matches("hmac-body-"),
        ),
        other => panic!("no profile for the scheme {other}"),
    }
}

/// The body of a published vector.
fn body(vector: &Value, folder: &Path) -> Vec<u8> {
    let read = |name: &str| std::fs::read(folder.join(name)).expect("readable");
    if let Some(file) = vector["body_file"].as_str().or(vector["params_file"].as_str()) {
        return read(file);
    }
    if let Some(params) = vector["params"].as_array() {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for pair in params {
            form.append_pair(pair[0].as_str().expect("text"), pair[1].as_str().expect("text"));
        }
        return form.finish().into_bytes();
    }
    text(vector, "body").as_bytes().to_vec()
}

/// When it was signed; any time where that is not part of it.
fn signed_at(vector: &Value) -> i64 {
    let headers = headers(vector);
    let find = |name: &str| headers.iter().find(|(key, _)| key.contains(name)).map(|(_, it)| it);
    if let Some(seconds) = find("timestamp") {
        return seconds.parse().expect("seconds");
    }
    let Some(date) = find("date") else { return 0 };
    let plain = date.replace(',', "");
    let time = jiff::fmt::strtime::parse("%a %d %b %Y %H:%M:%S UTC", &plain).expect("a date");
    let time = time.to_datetime().expect("a date").to_zoned(jiff::tz::TimeZone::UTC);
    time.expect("a time").timestamp().as_second()
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that was skipped says so")]
fn published_vectors() {
    let Some(path) = std::env::var_os("ALERTBRIDGE_SIGNATURE_VECTORS") else {
        eprintln!("skipped: ALERTBRIDGE_SIGNATURE_VECTORS names no file of vectors");
        return;
    };
    let path = Path::new(&path);
    let folder = path.parent().expect("a folder");
    let file: Value =
        serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON");
    let vectors = file["vectors"].as_array().expect("a list of vectors");
    assert!(!vectors.is_empty());
    for vector in vectors {
        let auth = published(vector);
        let secret = text(vector, "secret");
        let query = text(vector, "url").split_once('?').map_or("", |(_, query)| query);
        let request = Request {
            headers: headers(vector),
            query: query.to_owned(),
            body: body(vector, folder),
        };
        let at = signed_at(vector);
        let live = profile(&auth, &[secret]);
        assert_eq!(request.verdict(&live, at), Ok(0), "{vector}");
        let other = if secret.starts_with("whsec_") {
            "whsec_bm90IHRoYXQga2V5IGJ1dCBhbm90aGVy"
        } else {
            "other"
        };
        let wrong = request.verdict(&profile(&auth, &[other]), at);
        assert_eq!(wrong, Err("wrong"), "{vector}");
        for bent in request.bent() {
            assert!(bent.verdict(&live, at).is_err(), "{vector}");
        }
    }
    eprintln!("{} published vectors agree", vectors.len());
}
