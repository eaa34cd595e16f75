//! Tokens signed with keys of our own, and a Microsoft that answers as told.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};

use super::*;
use crate::ingest::auth::fetch::{self, Fetcher};
use crate::ingest::auth::verifier::Verifier;
use crate::ingest::auth::{AllowList, Auth, Profile};
use crate::limits::{SIGNING_KEYS_PAUSE_SECONDS, SIGNING_KEYS_SECONDS};

const TENANT: &str = "0d6c8d3a-1f7e-4c4b-9f5e-2a4b6c8d0e1f";
const AUDIENCE: &str = "5a1b2c3d-0000-4000-8000-00000000abcd";
const NOW: i64 = 1_772_366_400;

/// Two keys, made once: it takes a while.
static KEYS: LazyLock<[KeyPair; 2]> = LazyLock::new(|| {
    let make = || KeyPair::generate(KeySize::Rsa2048).expect("a key");
    [make(), make()]
});

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn jwk(key: usize, kid: &str) -> Value {
    let public = KEYS[key].public_key();
    let (n, e) = (public.modulus(), public.exponent());
    json!({
        "kty": "RSA", "use": "sig", "kid": kid, "x5t": kid,
        "n": encode(n.big_endian_without_leading_zero()),
        "e": encode(e.big_endian_without_leading_zero()),
        "issuer": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
    })
}

fn claims() -> Value {
    json!({
        "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "aud": AUDIENCE,
        "exp": NOW + 3600, "nbf": NOW - 5, "iat": NOW - 5, "azp": ACTION_GROUPS_APP,
        "roles": ["Other", ACTION_GROUPS_ROLE], "ver": "2.0", "tid": TENANT,
    })
}

fn sign(key: usize, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let key = &KEYS[key];
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .expect("signed");
    format!("{signed}.{}", encode(signature))
}

fn token(claims: &Value) -> String {
    sign(0, &json!({"alg": "RS256", "typ": "JWT", "kid": "k0"}), claims)
}

fn entra(cloud: Cloud) -> Entra {
    let tenant = Tenant::new(cloud, &TENANT.to_uppercase()).expect("an id");
    let audiences = vec![AUDIENCE.to_owned(), format!("api://{AUDIENCE}")];
    Entra::new(tenant, audiences, &ACTION_GROUPS_APP.to_uppercase(), ACTION_GROUPS_ROLE)
        .expect("a profile")
}

fn profile() -> Profile {
    Profile { auth: Auth::Entra(entra(Cloud::Public)), allow: AllowList::default() }
}

/// The verdict with the first key at hand as `k0`.
fn verdict(entra: &Entra, token: &str, now: i64) -> Result<(), String> {
    let first = jwk(0, "k0");
    let part = |name: &str| first[name].as_str().expect("text").to_owned();
    let key = Arc::new(SigningKey::new(&part("n"), &part("e")).expect("a key"));
    let lookup = |_: &Tenant, kid: &str| (kid == "k0").then(|| Arc::clone(&key));
    let evidence = Evidence { key: &lookup, ..Evidence::NOTHING };
    let headers = [("authorization".to_owned(), format!("Bearer {token}"))];
    let address = IpAddr::from([127, 0, 0, 1]);
    let presented =
        Presented { headers: &headers, query: "", body: b"{}", address, certificate: None };
    entra.verify(&presented, &evidence, Timestamp::from_secs(now)).map_err(|refused| {
        let text = refused.to_string();
        text.rsplit(": ").next().unwrap_or_default().to_owned()
    })
}

fn check(name: &str, value: Value, expected: Result<(), &str>) {
    let mut claims = claims();
    claims[name] = value;
    let got = verdict(&entra(Cloud::Public), &token(&claims), NOW);
    assert_eq!(
        got.as_ref().map_err(String::as_str),
        expected.as_ref().map_err(|it| *it),
        "{claims}"
    );
}

#[test]
fn claims_decide() {
    check("ver", json!("2.0"), Ok(()));
    check("aud", json!(format!("api://{AUDIENCE}")), Ok(()));
    check("aud", json!(["x", AUDIENCE]), Ok(()));
    check("aud", json!("x"), Err("another audience"));
    check("aud", Value::Null, Err("another audience"));
    check("aud", json!([]), Err("another audience"));
    check("iss", json!(format!("https://sts.windows.net/{TENANT}/")), Ok(()));
    check(
        "iss",
        json!("https://sts.windows.net/00000000-0000-4000-8000-000000000000/"),
        Err("another issuer"),
    );
    check(
        "iss",
        json!(format!("https://login.microsoftonline.us/{TENANT}/v2.0")),
        Err("another issuer"),
    );
    check("exp", json!(NOW - 299), Ok(()));
    check("exp", json!(NOW - 301), Err("it is expired"));
    check("exp", Value::Null, Err("it never expires"));
    check("exp", json!(i64::MAX), Ok(()));
    check("nbf", json!(NOW + 299), Ok(()));
    check("nbf", json!(NOW + 301), Err("it is not valid yet"));
    check("azp", json!("00000000-0000-4000-8000-000000000000"), Err("another application calls"));
    check("roles", json!(["Other"]), Err("the application lacks the role"));
    check("roles", json!([]), Err("the application lacks the role"));
    check("roles", json!("x"), Err("it is not a JSON web token"));
    let mut first = claims();
    first["appid"] = first["azp"].take();
    assert_eq!(verdict(&entra(Cloud::Public), &token(&first), NOW), Ok(()), "version 1.0");
    first.as_object_mut().expect("an object").remove("appid");
    assert!(verdict(&entra(Cloud::Public), &token(&first), NOW).is_err());
}

#[test]
fn clouds_have_hosts_of_their_own() {
    for (cloud, issuers) in [
        (Cloud::Us, ["https://login.microsoftonline.us/T/v2.0", "https://sts.windows.net/T/"]),
        (
            Cloud::China,
            ["https://login.partner.microsoftonline.cn/T/v2.0", "https://sts.chinacloudapi.cn/T/"],
        ),
    ] {
        for issuer in issuers {
            let mut claims = claims();
            claims["iss"] = issuer.replace('T', TENANT).into();
            assert_eq!(verdict(&entra(cloud), &token(&claims), NOW), Ok(()), "{issuer}");
        }
    }
    let url = Tenant::new("china".parse().expect("a cloud"), TENANT).expect("an id").keys_url();
    assert_eq!(
        url.as_str(),
        format!("https://login.partner.microsoftonline.cn/{TENANT}/discovery/v2.0/keys")
    );
    for id in ["contoso.example", "", "common", "../x", "0d6c8d3a1f7e4c4b9f5e2a4b6c8d0e1f"] {
        assert!(Tenant::new(Cloud::Public, id).is_err(), "{id:?}");
    }
}

#[test]
fn only_the_tenants_key_signs() {
    let entra = entra(Cloud::Public);
    let wrong = Err("the entra credential is wrong".to_owned());
    let header = json!({"alg": "RS256", "kid": "k0"});
    assert_eq!(verdict(&entra, &sign(1, &header, &claims()), NOW), wrong);
    let good = token(&claims());
    let (signed, _) = good.rsplit_once('.').expect("three parts");
    assert_eq!(verdict(&entra, &format!("{signed}."), NOW), wrong);
    let mut more = claims();
    more["roles"] = json!([ACTION_GROUPS_ROLE]);
    let swapped = format!(
        "{}.{}.{}",
        encode(header.to_string()),
        encode(more.to_string()),
        good.rsplit('.').next().expect("a signature")
    );
    assert_eq!(verdict(&entra, &swapped, NOW), wrong);
    for header in [
        json!({"alg": "none", "kid": "k0"}),
        json!({"alg": "HS256", "kid": "k0"}),
        json!({"alg": "RS512", "kid": "k0"}),
    ] {
        assert!(verdict(&entra, &sign(0, &header, &claims()), NOW).is_err(), "{header}");
    }
    let no_kid = sign(0, &json!({"alg": "RS256"}), &claims());
    assert_eq!(verdict(&entra, &no_kid, NOW), Err("it names no key".to_owned()));
    let long = "a".repeat(ACCESS_TOKEN_BYTES_MAX + 1);
    assert_eq!(verdict(&entra, &long, NOW), Err("it is too long".to_owned()));
    for text in ["", "a", "a.b.c", "..", "e30.e30.e30"] {
        assert!(verdict(&entra, text, NOW).is_err(), "{text:?}");
    }
}

/// Microsoft: answers with the prepared sets of keys in turn, then not at all.
struct Microsoft {
    verifier: Verifier,
    answers: Arc<Mutex<VecDeque<Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Microsoft {
    fn new() -> Self {
        let answers: Arc<Mutex<VecDeque<Vec<u8>>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (queue, log) = (Arc::clone(&answers), Arc::clone(&asked));
        let fetcher = Fetcher::new(move |url, _| {
            log.lock().expect("not poisoned").push(url.to_string());
            let answer = queue.lock().expect("not poisoned").pop_front();
            Box::pin(async move { answer.ok_or(fetch::Error::Status { status: 500 }) })
        });
        Self { verifier: Verifier::with(fetcher), answers, asked }
    }

    fn publish(&self, keys: &[Value]) {
        let set = json!({"keys": keys}).to_string().into_bytes();
        self.answers.lock().expect("not poisoned").push_back(set);
    }

    async fn verdict(&self, token: &str, now: i64) -> Result<(), u16> {
        let headers = [("authorization".to_owned(), format!("Bearer {token}"))];
        let address = IpAddr::from([127, 0, 0, 1]);
        let presented =
            Presented { headers: &headers, query: "", body: b"", address, certificate: None };
        let now = Timestamp::from_secs(now);
        let verified = self.verifier.verify(&profile(), &presented, now, |_| {}).await;
        verified.map(|_| ()).map_err(|refused| refused.status())
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("not poisoned").len()
    }
}

fn seconds(number: u64) -> i64 {
    i64::try_from(number).expect("small")
}

fn by(kid: &str, key: usize) -> String {
    let mut claims = claims();
    claims["exp"] = json!(NOW + 30 * 24 * 3600);
    sign(key, &json!({"alg": "RS256", "kid": kid}), &claims)
}

#[tokio::test]
async fn keys_are_fetched_once_and_rotate() {
    let microsoft = Microsoft::new();
    microsoft.publish(&[jwk(0, "k0"), json!({"kty": "EC", "kid": "k9"})]);
    for _ in 0..3 {
        assert_eq!(microsoft.verdict(&by("k0", 0), NOW).await, Ok(()));
    }
    assert_eq!(microsoft.asked(), 1);
    let url = microsoft.asked.lock().expect("not poisoned")[0].clone();
    assert_eq!(url, format!("https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys"));
    // A new key, two minutes later: fetched at once, and the old one is gone when Microsoft no longer names it.
    microsoft.publish(&[jwk(1, "k1")]);
    assert_eq!(microsoft.verdict(&by("k1", 1), NOW + 120).await, Ok(()));
    assert_eq!(microsoft.asked(), 2);
    assert_eq!(microsoft.verdict(&by("k1", 0), NOW + 120).await, Err(401), "another's signature");
    // Old keys are replaced without anybody asking for an unknown one.
    let later = NOW + 120 + seconds(SIGNING_KEYS_SECONDS);
    microsoft.publish(&[jwk(1, "k1"), jwk(0, "k2")]);
    assert_eq!(microsoft.verdict(&by("k1", 1), later).await, Ok(()));
    assert_eq!(microsoft.verdict(&by("k2", 0), later).await, Ok(()));
    assert_eq!(microsoft.asked(), 3);
}

#[tokio::test]
async fn invented_keys_do_not_make_us_hammer() {
    let microsoft = Microsoft::new();
    microsoft.publish(&[jwk(0, "k0")]);
    assert_eq!(microsoft.verdict(&by("nobody", 0), NOW).await, Err(401), "Microsoft was asked");
    let (mut waits, pause) = (0, seconds(SIGNING_KEYS_PAUSE_SECONDS));
    for at in 1..pause {
        // It could be new, so Azure is to come again.
        assert_eq!(microsoft.verdict(&by(&format!("nobody-{at}"), 0), NOW + at).await, Err(503));
        waits += 1;
    }
    assert_eq!((microsoft.asked(), waits), (1, pause - 1));
    assert_eq!(microsoft.verdict(&by("k0", 0), NOW + 1).await, Ok(()), "known keys are at hand");
    microsoft.publish(&[jwk(0, "k0")]);
    assert_eq!(microsoft.verdict(&by("nobody", 0), NOW + pause).await, Err(401));
    assert_eq!(microsoft.asked(), 2);
    // A token that is not for us costs nothing.
    let mut claims = claims();
    claims["aud"] = json!("x");
    assert_eq!(microsoft.verdict(&token(&claims), NOW + 2 * pause).await, Err(401));
    assert_eq!(microsoft.asked(), 2);
}

#[tokio::test]
async fn old_keys_stay_while_microsoft_is_away() {
    let microsoft = Microsoft::new();
    assert_eq!(microsoft.verdict(&by("k0", 0), NOW).await, Err(503), "no key was ever had");
    assert_eq!(
        microsoft.verdict(&by("k0", 0), NOW + 1).await,
        Err(503),
        "and none is asked for yet"
    );
    assert_eq!(microsoft.asked(), 1);
    microsoft.publish(&[jwk(0, "k0")]);
    assert_eq!(microsoft.verdict(&by("k0", 0), NOW + 60).await, Ok(()));
    let later = NOW + 60 + seconds(SIGNING_KEYS_SECONDS);
    for answer in [None, Some(b"<html>".to_vec()), Some(br#"{"keys": []}"#.to_vec())] {
        microsoft.answers.lock().expect("not poisoned").extend(answer);
        let asked = microsoft.asked();
        let now = later + 60 * seconds(u64::try_from(asked).expect("small"));
        assert_eq!(microsoft.verdict(&by("k0", 0), now).await, Ok(()));
        assert_eq!(microsoft.asked(), asked + 1, "once");
        assert_eq!(microsoft.verdict(&by("k0", 0), now + 1).await, Ok(()));
        assert_eq!(microsoft.asked(), asked + 1, "not for each request");
    }
}
