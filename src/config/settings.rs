//! Process settings: `config.default.toml` < `alertbridge.toml` < `ALERTBRIDGE__SECTION__KEY` < flags.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::document;
use super::environment::Environment;
use super::layers::Checker;
use super::problem::Report;
use crate::limits::{BODY_BYTES_MAX, INFLATED_BYTES_MAX};
use crate::secret::Secret;

/// Every key with its default and meaning.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");
/// The file that is read if it exists and no other one is named.
pub const FILE: &str = "alertbridge.toml";
/// What the names of variables begin with.
pub const PREFIX: &str = "ALERTBRIDGE__";

/// Checked process settings; `config.default.toml` says what each means.
#[derive(Clone, Debug)]
pub struct Settings {
    pub server: Server,
    pub store: Store,
    pub routes: Paths,
    pub log: Log,
    pub deliver: Deliver,
    /// Part of the external dedup keys; none is made at the first start.
    pub instance: Option<String>,
}

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Server {
    pub listen: SocketAddr,
    /// 0 is one for each core.
    pub workers: usize,
    pub max_connections: usize,
    /// In bytes, as received.
    pub body_limit: usize,
    /// In bytes, after inflating.
    pub inflated_limit: usize,
    pub body_timeout: Duration,
    pub header_timeout: Duration,
    pub request_timeout: Duration,
    pub keep_alive: Duration,
    pub shutdown_timeout: Duration,
    pub trusted_proxies: Vec<IpNet>,
    /// Without a slash at the end.
    pub public_url: Option<String>,
    pub api_token: Option<Secret>,
    /// Without it the listener speaks plain HTTP.
    pub tls: Option<Tls>,
}

/// The files of the listener's TLS, PEM each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The listener's certificate, then its intermediates.
    pub cert: PathBuf,
    pub key: PathBuf,
    /// Roots of the certificates that clients may show.
    pub client_ca: Option<PathBuf>,
}

/// `[store]`.
#[derive(Clone, Debug)]
pub struct Store {
    pub path: PathBuf,
    pub cache_bytes: u64,
    pub min_free_bytes: u64,
    pub keep_resolved: Duration,
    pub keep_history: Duration,
}

/// `[routes]`: where the other files are.
#[derive(Clone, Debug)]
pub struct Paths {
    pub path: PathBuf,
    /// Somebody chose the path: then the file must exist.
    pub chosen: bool,
    pub templates: PathBuf,
    pub sources: PathBuf,
    pub receivers: PathBuf,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    /// A filter as `tracing_subscriber::EnvFilter` reads it.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// `[deliver]`: what receivers inherit.
#[derive(Clone, Debug)]
pub struct Deliver {
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub backoff_base: Duration,
    pub backoff_cap: Duration,
    pub concurrency: usize,
    pub allow_private_networks: bool,
}

/// Where settings come from.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    /// A file that must exist; without one, [`FILE`] is read if it does.
    pub file: Option<&'a Path>,
    /// Variables; those that do not begin with [`PREFIX`] are ignored.
    pub variables: &'a [(String, String)],
    /// Keys such as `server.listen` and their values.
    pub flags: &'a [(String, String)],
    /// For `${VARIABLE}` and `file:PATH` in secrets.
    pub environment: Environment<'a>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("combine the layers of settings")]
    Combine { source: config::ConfigError },
    /// Problems in the file, and those of variables and flags as lines of text.
    #[error("settings have {} problems", report.problems().len() + others.len())]
    Invalid { report: Report, others: Vec<String> },
}

impl Error {
    /// The error for people: what a file has at its place, all else line by line.
    pub fn render(&self, colored: bool) -> String {
        match self {
            Self::Invalid { report, others } => {
                let mut out = report.render(colored);
                for other in others {
                    out.extend(["error: ", other, "\n"]);
                }
                out
            }
            Self::Read { source, .. } => format!("error: {self}: {source}\n"),
            Self::Combine { source } => format!("error: {self}: {source}\n"),
        }
    }
}

impl Error {
    /// The problems for machines, as [`Report::to_json`].
    pub fn to_json(&self) -> serde_json::Value {
        let other = |message: &str| {
            serde_json::json!({
                "file": null, "line": null, "column": null, "level": "error",
                "word": "invalid_value", "message": message, "hint": null,
            })
        };
        match self {
            Self::Invalid { report, others } => {
                let mut problems = report.to_json();
                if let Some(list) = problems.as_array_mut() {
                    list.extend(others.iter().map(|message| other(message)));
                }
                problems
            }
            error => serde_json::Value::Array(vec![other(&error.to_string())]),
        }
    }
}

impl Settings {
    /// Combines the layers and checks every value.
    pub fn load(layers: &Layers<'_>) -> Result<Self, Error> {
        let (path, text) = read(layers.file)?;
        let (document, syntax) = document::parse(&text);
        let mut checker = Checker::new(layers, &path, &text, document)?;
        if !syntax.is_empty() {
            return Err(checker.refuse(syntax));
        }
        checker.combine()?;
        let settings = settings(&mut checker);
        match settings {
            Some(settings) if checker.is_fine() => Ok(settings),
            _ => Err(checker.into_error()),
        }
    }
}

fn read(file: Option<&Path>) -> Result<(PathBuf, String), Error> {
    let path = file.unwrap_or(Path::new(FILE)).to_owned();
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            Ok((path, String::new()))
        }
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// None after a problem. All values are read before, so that all problems are found.
fn settings(from: &mut Checker<'_>) -> Option<Settings> {
    let (server, store) = (server(from), store(from));
    let routes = paths(from);
    let (log, deliver) = (log(from), deliver(from));
    let instance = instance(from);
    Some(Settings {
        server: server?,
        store: store?,
        routes: routes?,
        log: log?,
        deliver: deliver?,
        instance,
    })
}

fn server(from: &mut Checker<'_>) -> Option<Server> {
    const MAX: u64 = 1 << 20;
    let listen = from.text("server", "listen").and_then(|text| match text.parse() {
        Ok(address) => Some(address),
        Err(_) => from.wrong("server", "listen", "expected an address and a port: 127.0.0.1:8080"),
    });
    let workers = from.count("server", "workers", 0, 1_024);
    let max_connections = from.count("server", "max_connections", 1, MAX);
    let body_limit = from.count("server", "body_limit", 1, BODY_BYTES_MAX as u64);
    let inflated_limit = from.count("server", "inflated_limit", 1, INFLATED_BYTES_MAX as u64);
    let body_timeout = from.duration("server", "body_timeout");
    let header_timeout = from.duration("server", "header_timeout");
    let request_timeout = from.duration("server", "request_timeout");
    let keep_alive = from.duration("server", "keep_alive");
    let shutdown_timeout = from.duration("server", "shutdown_timeout");
    let trusted_proxies = from.networks("server", "trusted_proxies");
    let public_url = from.optional("server", "public_url").and_then(|text| public_url(from, &text));
    let api_token = from.secret("server", "api_token");
    let tls = tls(from);
    Some(Server {
        listen: listen?,
        workers: workers?,
        max_connections: max_connections?,
        body_limit: body_limit?,
        inflated_limit: inflated_limit?,
        body_timeout: body_timeout?,
        header_timeout: header_timeout?,
        request_timeout: request_timeout?,
        keep_alive: keep_alive?,
        shutdown_timeout: shutdown_timeout?,
        trusted_proxies: trusted_proxies?,
        public_url,
        api_token,
        tls,
    })
}

/// None without a certificate, and after a problem.
fn tls(from: &mut Checker<'_>) -> Option<Tls> {
    let cert = from.optional("server", "tls_cert");
    let key = from.optional("server", "tls_key");
    let client_ca = from.optional("server", "tls_client_ca").map(PathBuf::from);
    match (cert, key, &client_ca) {
        (Some(cert), Some(key), _) => Some(Tls { cert: cert.into(), key: key.into(), client_ca }),
        (None, None, None) => None,
        (Some(_), None, _) => from.wrong("server", "tls_cert", "tls_key must be set, too"),
        (None, Some(_), _) => from.wrong("server", "tls_key", "tls_cert must be set, too"),
        (None, None, Some(_)) => {
            let message = "tls_cert and tls_key must be set, too: only TLS carries certificates";
            from.wrong("server", "tls_client_ca", message)
        }
    }
}

fn public_url(from: &mut Checker<'_>, text: &str) -> Option<String> {
    let http = |url: &url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    match url::Url::parse(text) {
        Ok(url) if http(&url) => Some(text.trim_end_matches('/').to_owned()),
        _ => from.wrong("server", "public_url", "expected an http or https URL"),
    }
}

fn store(from: &mut Checker<'_>) -> Option<Store> {
    const TEBIBYTE: u64 = 1 << 40;
    let path = from.path("store", "path");
    let cache_bytes = from.integer("store", "cache_bytes", 1 << 20, TEBIBYTE);
    let min_free_bytes = from.integer("store", "min_free_bytes", 0, TEBIBYTE);
    let keep_resolved = from.duration("store", "keep_resolved");
    let keep_history = from.duration("store", "keep_history");
    Some(Store {
        path: path?,
        cache_bytes: cache_bytes?,
        min_free_bytes: min_free_bytes?,
        keep_resolved: keep_resolved?,
        keep_history: keep_history?,
    })
}

fn paths(from: &mut Checker<'_>) -> Option<Paths> {
    let path = from.path("routes", "path");
    let chosen = from.is_chosen("routes", "path");
    let templates = from.path("routes", "templates");
    let sources = from.path("routes", "sources");
    let receivers = from.path("routes", "receivers");
    Some(Paths {
        path: path?,
        chosen,
        templates: templates?,
        sources: sources?,
        receivers: receivers?,
    })
}

fn log(from: &mut Checker<'_>) -> Option<Log> {
    let format = from.text("log", "format").and_then(|text| match text.as_str() {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => from.wrong("log", "format", "expected \"text\" or \"json\""),
    });
    let level = from.text("log", "level").and_then(|text| {
        match text.parse::<tracing_subscriber::EnvFilter>() {
            Ok(_) if !text.is_empty() => Some(text),
            _ => from.wrong("log", "level", "expected error, warn, info, debug or trace"),
        }
    });
    Some(Log { format: format?, level: level? })
}

fn deliver(from: &mut Checker<'_>) -> Option<Deliver> {
    let timeout = from.duration("deliver", "timeout");
    let connect_timeout = from.duration("deliver", "connect_timeout");
    let backoff_base = from.duration("deliver", "backoff_base");
    let backoff_cap = from.duration("deliver", "backoff_cap");
    let concurrency = from.count("deliver", "concurrency", 1, 256);
    let allow_private_networks = from.boolean("deliver", "allow_private_networks");
    Some(Deliver {
        timeout: timeout?,
        connect_timeout: connect_timeout?,
        backoff_base: backoff_base?,
        backoff_cap: backoff_cap?,
        concurrency: concurrency?,
        allow_private_networks: allow_private_networks?,
    })
}

fn instance(from: &mut Checker<'_>) -> Option<String> {
    let id = from.optional("instance", "id")?;
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if id.len() <= 32 && id.chars().all(fine) {
        return Some(id);
    }
    from.wrong("instance", "id", "expected up to 32 letters, digits and dashes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn load(
        file: &str,
        variables: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Settings, Error> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("alertbridge.toml");
        std::fs::write(&path, file).expect("writable");
        std::fs::write(directory.path().join("token"), "from-file\n").expect("writable");
        Settings::load(&Layers {
            file: Some(&path),
            variables: &owned(variables),
            flags: &owned(flags),
            environment: Environment {
                variable: &|name| (name == "TOKEN").then(|| "from-variable".into()),
                file: &|path| std::fs::read_to_string(path),
            },
        })
    }

    #[test]
    fn the_defaults_are_right() {
        let settings = load("", &[], &[]).unwrap_or_else(|error| panic!("{}", error.render(false)));
        assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
        assert!(settings.server.api_token.is_none() && settings.server.public_url.is_none());
        assert_eq!(settings.store.cache_bytes, 32 << 20);
        assert_eq!(settings.routes.path, Path::new("routes.toml"));
        assert!(!settings.routes.chosen);
        assert!(settings.deliver.allow_private_networks);
        assert_eq!(settings.instance, None);
    }

    #[test]
    fn later_layers_win() {
        let file = "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 1\nbody_limit = 1000\n\
                    trusted_proxies = [\"10.0.0.0/8\"]\n[routes]\npath = \"r.toml\"";
        let variables = [
            ("ALERTBRIDGE__SERVER__LISTEN", "127.0.0.1:2"),
            ("ALERTBRIDGE__SERVER__WORKERS", "2"),
            ("ALERTBRIDGE__DELIVER__ALLOW_PRIVATE_NETWORKS", "false"),
            ("ALERTBRIDGE__INSTANCE__ID", "0123"),
            ("ALERTBRIDGE_PORT_8080_TCP", "not ours"),
            ("PATH", "/bin"),
        ];
        let settings = load(file, &variables, &[("server.listen", "127.0.0.1:3")]);
        let settings = settings.unwrap_or_else(|error| panic!("{}", error.render(false)));
        assert_eq!(settings.server.listen.port(), 3);
        assert_eq!((settings.server.workers, settings.server.body_limit), (2, 1000));
        assert_eq!(settings.server.trusted_proxies.len(), 1);
        assert!(settings.routes.chosen && !settings.deliver.allow_private_networks);
        assert_eq!(settings.instance.as_deref(), Some("0123"));
        let list = [("ALERTBRIDGE__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1")];
        let settings = load("", &list, &[]).expect("valid");
        assert_eq!(settings.server.trusted_proxies.len(), 2);
    }

    fn check_tls(file: &str, expected: Result<Option<(&str, Option<&str>)>, &str>) {
        let settings = load(&format!("[server]\n{file}"), &[], &[]);
        let got = settings.map(|settings| settings.server.tls).map_err(|error| error.render(false));
        match (got, expected) {
            (Ok(got), Ok(expected)) => {
                let expected = expected.map(|(cert, client_ca)| Tls {
                    cert: cert.into(),
                    key: "key.pem".into(),
                    client_ca: client_ca.map(PathBuf::from),
                });
                assert_eq!(got, expected, "{file}");
            }
            (Err(got), Err(expected)) => assert!(got.contains(expected), "{file}: {got}"),
            (got, expected) => panic!("{file}: {got:?}, not {expected:?}"),
        }
    }

    #[test]
    fn tls_needs_a_certificate_and_its_key() {
        let (cert, key, ca) =
            ("tls_cert = \"cert.pem\"\n", "tls_key = \"key.pem\"\n", "tls_client_ca = \"ca.pem\"");
        check_tls("tls_cert = \"\"", Ok(None));
        check_tls(&format!("{cert}{key}"), Ok(Some(("cert.pem", None))));
        check_tls(&format!("{cert}{key}{ca}"), Ok(Some(("cert.pem", Some("ca.pem")))));
        check_tls(cert, Err("alertbridge.toml:2:12"));
        check_tls(cert, Err("tls_key must be set"));
        check_tls(key, Err("tls_cert must be set"));
        check_tls(ca, Err("server.tls_client_ca: tls_cert and tls_key"));
        check_tls("tls_crt = \"x\"", Err("did you mean `tls_cert`"));
    }

    #[test]
    fn secrets_come_from_outside() {
        for (file, variables, expected) in [
            ("[server]\napi_token = \"${TOKEN}\"", vec![], "from-variable"),
            ("[server]\napi_token = \"file:token\"", vec![], "from-file"),
            ("", vec![("ALERTBRIDGE__SERVER__API_TOKEN", "007$x")], "007$x"),
            ("", vec![("ALERTBRIDGE__SERVER__API_TOKEN", "file:token")], "from-file"),
        ] {
            let settings = load(file, &variables, &[]);
            let settings = settings.unwrap_or_else(|error| panic!("{}", error.render(false)));
            let token = settings.server.api_token.expect("set");
            assert_eq!(token.expose(), expected);
        }
    }

    /// Every problem is there, none shows a secret.
    fn check(file: &str, variables: &[(&str, &str)], expected: &[&str]) {
        let error = load(file, variables, &[]).expect_err("wrong");
        let shown = error.render(false);
        for words in expected {
            assert!(shown.contains(words), "{words} is not in\n{shown}");
        }
        assert_eq!(shown.matches("error").count(), expected.len(), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn problems_have_places() {
        check("[server]\nlisten = 5\nworkers = -1", &[], &["toml:2:10", "toml:3:11"]);
        check("[server]\nlitsen = 5", &[], &["did you mean `listen`?"]);
        check("[sever]\nlisten = 5", &[], &["did you mean `server`?"]);
        check("server = 5", &[], &["`server` is a section"]);
        check("[server\napi_token = \"s3cret\"", &[], &["unclosed table"]);
        check("[server]\napi_tokn = \"s3cret\"", &[], &["did you mean `api_token`?"]);
        check("[server]\napi_token = \"$s3cret\"", &[], &["write $$"]);
        check("[server]\napi_token = \"${NO}\"", &[], &["variable NO is not set"]);
        check(
            "[deliver]\ntimeout = \"5\"\nbackoff_cap = \"0s\"",
            &[],
            &["deliver.timeout: a duration has units", "deliver.backoff_cap: cannot be zero"],
        );
        check("", &[("ALERTBRIDGE__SERVER__LISTN", "x")], &["ALERTBRIDGE__SERVER__LISTEN"]);
        let wrong = [("ALERTBRIDGE__LOG__FORMAT", "xml"), ("ALERTBRIDGE__STORE__PATH", "")];
        check("", &wrong, &["ALERTBRIDGE__LOG__FORMAT", "store.path: cannot be empty"]);
    }
}
