//! The listener with TLS: its certificate, which is exchanged while it runs, and the certificates of clients.

use std::fs;
use std::path::Path;

use assert_cmd::cargo::CommandCargoExt as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};
use reqwest::{Certificate, Identity, tls::Version};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{ROUTES, Wish, World, one, payload, soon};

/// Who certifies.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
struct Pair {
    cert: String,
    key: String,
}

fn named(common: &str, alternative: &[&str]) -> CertificateParams {
    let names: Vec<String> = alternative.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, common);
    params
}

impl Authority {
    fn new(common: &str) -> Self {
        let mut params = named(common, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    fn certifies(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("a certificate");
        Pair { cert: cert.pem(), key: key.serialize_pem() }
    }

    /// A certificate for the listener of the tests.
    fn listener(&self) -> Pair {
        let mut params = named("bridge", &["127.0.0.1", "localhost"]);
        params.not_after = rcgen::date_time_ymd(2070, 1, 1);
        self.certifies(&params)
    }

    /// A client that trusts this authority alone and shows `pair`.
    fn client(&self, pair: Option<&Pair>) -> reqwest::Client {
        let root = Certificate::from_pem(self.0.pem().as_bytes()).expect("a certificate");
        let mut client = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
        if let Some(pair) = pair {
            let pem = format!("{}{}", pair.cert, pair.key);
            client = client.identity(Identity::from_pem(pem.as_bytes()).expect("a pair"));
        }
        client.build().expect("a client")
    }
}

fn write(folder: &Path, pair: &Pair) {
    fs::write(folder.join("cert.pem"), &pair.cert).expect("writable");
    fs::write(folder.join("key.pem"), &pair.key).expect("writable");
}

/// A service with TLS, the folder of its certificate, and a client that trusts `authority`.
async fn world(authority: &Authority, routes: &str, client_ca: &[&Authority]) -> (World, TempDir) {
    let folder = tempfile::tempdir().expect("a directory");
    write(folder.path(), &authority.listener());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key, roots) = (path("cert.pem"), path("key.pem"), path("roots.pem"));
    let mut settings = vec![("server.tls_cert", &*cert), ("server.tls_key", &*key)];
    if !client_ca.is_empty() {
        let pem: String = client_ca.iter().map(|authority| authority.0.pem()).collect();
        fs::write(&roots, pem).expect("writable");
        settings.push(("server.tls_client_ca", &*roots));
    }
    let wish = Wish { routes, settings: &settings, file: true };
    let mut world = World::with(wish).await;
    assert!(world.url.starts_with("https://127.0.0.1:"), "{}", world.url);
    world.client = authority.client(None);
    (world, folder)
}

/// Whether a new connection of `client` gets an answer.
async fn answers(world: &World, client: &reqwest::Client) -> bool {
    let sent = client.get(format!("{}/-/healthy", world.url)).send();
    soon("an answer", sent).await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_served_over_tls() {
    let authority = Authority::new("root");
    let (world, _folder) = world(&authority, ROUTES, &[]).await;
    assert_eq!(world.post("/hooks/am", &payload(&[one("disk", "firing")])).await.0, 200);
    world.receiver.wait(1).await;
    assert_eq!(world.get("/-/healthy").await.0, 200);
    assert_eq!(world.get("/-/ready").await.0, 200);
    assert_eq!(world.get("/api/v1/incidents/1").await.0, 200);
    let expiry = world.metric("alertbridge_tls_certificate_expiry_timestamp_seconds").await;
    assert!((expiry - 3_155_760_000.0).abs() < 1.0, "{expiry}");
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let root = Certificate::from_pem(authority.0.pem().as_bytes()).expect("a certificate");
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
        let client = client.tls_version_min(version).tls_version_max(version);
        assert!(answers(&world, &client.build().expect("a client")).await, "{version:?}");
    }
    assert!(!answers(&world, &Authority::new("other").client(None)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_not_answered_and_the_connection_ends() {
    let (world, _folder) = world(&Authority::new("root"), ROUTES, &[]).await;
    let mut stream = TcpStream::connect(world.app.address).await.expect("listening");
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let mut got = Vec::new();
    // The end may come as a reset, as what was sent was not read to its end.
    drop(soon("the end", stream.read_to_end(&mut got)).await);
    assert!(!String::from_utf8_lossy(&got).contains("HTTP/"), "{got:?}");
    assert_eq!(world.get("/-/healthy").await.0, 200, "others are served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_exchanges_the_certificate() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (world, folder) = world(&old, ROUTES, &[]).await;
    assert!(answers(&world, &world.client).await);
    assert!(!answers(&world, &new.client(None)).await);

    let pair = new.listener();
    fs::write(folder.path().join("cert.pem"), &pair.cert).expect("writable");
    let (status, answer) = world.post("/-/reload", &json!({})).await;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("reload_refused")));
    let text = answer["error"]["message"].as_str().expect("text");
    for words in ["key.pem does not belong to the first certificate", "cert.pem"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(answers(&world, &old.client(None)).await, "the old pair stays");
    assert!(world.metric("alertbridge_config_reload_ok").await < 0.5);

    write(folder.path(), &pair);
    assert_eq!(world.post("/-/reload", &json!({})).await.0, 200);
    assert!(answers(&world, &new.client(None)).await, "new connections get the new one");
    assert!(!answers(&world, &old.client(None)).await);
    assert!(answers(&world, &world.client).await, "the open connection lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_routes_keep_the_old_certificate() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (world, folder) = world(&old, ROUTES, &[]).await;
    write(folder.path(), &new.listener());
    fs::write(world.folder.path().join("routes.toml"), "[sources").expect("writable");
    assert_eq!(world.post("/-/reload", &json!({})).await.0, 422);
    assert!(answers(&world, &old.client(None)).await && !answers(&world, &new.client(None)).await);
}

const SOURCES: &str = r#"
[sources.subject]
kind = "alertmanager"
auth = { mtls = { subject = ["CN=prometheus,O=Example", "CN=prometheus-b,O=Example"] } }

[sources.san]
kind = "alertmanager"
auth = { mtls = { san = "grafana.example.com" } }

[sources.any]
kind = "alertmanager"
auth = "mtls"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_source_takes_the_certificates_it_means() {
    let (root, clients) = (Authority::new("root"), Authority::new("clients"));
    let (world, _folder) = world(&root, &format!("{SOURCES}{ROUTES}"), &[&clients]).await;
    let prometheus = clients.certifies(&named("prometheus", &["prometheus.example.com"]));
    let grafana = clients.certifies(&named("grafana", &["grafana.example.com"]));
    let mut expired = named("prometheus", &[]);
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let expired = clients.certifies(&expired);
    let stranger = root.certifies(&named("prometheus", &["grafana.example.com"]));

    let check = async |client: Option<&Pair>, expected: [u16; 4]| {
        let client = root.client(client);
        for (source, expected) in ["subject", "san", "any", "am"].into_iter().zip(expected) {
            let body = payload(&[one("disk", "firing")]).to_string();
            let sent = client.post(format!("{}/hooks/{source}", world.url)).body(body).send();
            let got = soon("an answer", sent).await;
            // No answer, as the handshake failed.
            let got = got.map_or(0, |answer| answer.status().as_u16());
            assert_eq!(got, expected, "{source}");
        }
    };
    check(Some(&prometheus), [200, 401, 200, 200]).await;
    check(Some(&grafana), [401, 200, 200, 200]).await;
    check(None, [401, 401, 401, 200]).await;
    check(Some(&expired), [0; 4]).await;
    check(Some(&stranger), [0; 4]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_gone_lets_nobody_in_again() {
    let (root, one, other) = (Authority::new("root"), Authority::new("one"), Authority::new("two"));
    let (world, folder) = world(&root, &format!("{SOURCES}{ROUTES}"), &[&one, &other]).await;
    let pair = one.certifies(&named("prometheus", &[]));
    // A client of this one may resume its session; the pool of none keeps no connection.
    let pem = format!("{}{}", pair.cert, pair.key);
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .tls_certs_only([Certificate::from_pem(root.0.pem().as_bytes()).expect("a certificate")])
        .identity(Identity::from_pem(pem.as_bytes()).expect("a pair"))
        .build()
        .expect("a client");
    assert!(answers(&world, &client).await);
    assert!(answers(&world, &client).await);
    fs::write(folder.path().join("roots.pem"), other.0.pem()).expect("writable");
    assert_eq!(world.post("/-/reload", &json!({})).await.0, 200);
    assert!(!answers(&world, &client).await);
    assert!(answers(&world, &root.client(Some(&other.certifies(&named("x", &[]))))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_refuses_sources_that_nobody_could_pass() {
    let (world, _folder) = world(&Authority::new("root"), ROUTES, &[]).await;
    let routes = format!("{SOURCES}{ROUTES}").replace("{receiver}", &world.receiver.url);
    fs::write(world.folder.path().join("routes.toml"), routes).expect("writable");
    let (status, answer) = world.post("/-/reload", &json!({})).await;
    let text = answer["error"]["message"].as_str().unwrap_or("");
    assert!(status == 422 && text.contains("server.tls_client_ca"), "{answer}");
}

/// `check` in `folder` with these settings: exit code and problems.
fn checked(folder: &Path, settings: &str) -> (i32, Vec<Value>) {
    fs::write(folder.join("alertbridge.toml"), format!("[server]\n{settings}")).expect("writable");
    let mut command = std::process::Command::cargo_bin("alertbridge").expect("built");
    let done = command.current_dir(folder).args(["check", "--json"]).output().expect("runs");
    let answer: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let problems = answer["problems"].as_array().cloned().unwrap_or_default();
    (done.status.code().expect("ends by itself"), problems)
}

#[test]
fn check_looks_at_the_files() {
    let folder = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("root");
    let pair = "tls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n";
    let good = authority.listener();
    write(folder.path(), &good);
    fs::write(folder.path().join("routes.toml"), "[defaults]\nreceivers = [\"inbox\"]\n")
        .expect("writable");
    assert_eq!(checked(folder.path(), pair), (0, Vec::new()));

    let mut old = named("bridge", &[]);
    old.not_after = rcgen::date_time_ymd(2020, 1, 1);
    write(folder.path(), &authority.certifies(&old));
    let (code, problems) = checked(folder.path(), pair);
    assert_eq!((code, &problems[0]["level"]), (0, &json!("warning")), "{problems:?}");
    let text = problems[0]["message"].as_str().expect("text");
    assert!(text.contains("cert.pem has expired") && text.contains("2020-01-01"), "{text}");

    fs::write(folder.path().join("key.pem"), &good.key).expect("writable");
    let (code, problems) = checked(folder.path(), pair);
    assert_eq!((code, &problems[0]["level"]), (1, &json!("error")), "{problems:?}");
    let text = problems[0]["message"].as_str().expect("text");
    assert!(text.contains("key.pem does not belong"), "{text}");

    write(folder.path(), &good);
    let routes = format!("{SOURCES}[defaults]\nreceivers = [\"inbox\"]\n");
    fs::write(folder.path().join("routes.toml"), routes).expect("writable");
    let (code, problems) = checked(folder.path(), pair);
    let text = problems[0]["message"].as_str().expect("text");
    assert!(code == 1 && text.contains("source any demands a client certificate"), "{problems:?}");
    fs::write(folder.path().join("roots.pem"), authority.0.pem()).expect("writable");
    let (code, problems) = checked(folder.path(), &format!("{pair}tls_client_ca = \"roots.pem\""));
    assert_eq!((code, problems), (0, Vec::new()));
}
