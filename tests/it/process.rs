//! The real binary: start, signals, exit codes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::{Value, json};

use crate::world::{ROUTES, Receiver, one, payload, soon};

struct Process {
    child: Child,
    log: BufReader<ChildStderr>,
    url: String,
}

fn command(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("alertbridge").expect("built");
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Process {
    fn start(folder: &Path) -> Self {
        let child = command(folder).args(["--listen", "127.0.0.1:0", "--data", "data"]).spawn();
        let mut child = child.expect("started");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let mut process = Self { child, log, url: String::new() };
        let line = process.line("listening on ");
        let url = line.split("listening on ").nth(1).expect("an address").trim();
        url.clone_into(&mut process.url);
        process
    }

    /// The next log line that has `words` in it.
    fn line(&mut self, words: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let got = self.log.read_line(&mut line).expect("readable");
            assert!(got > 0, "{words:?} is not in the log:\n{seen}");
            if line.contains(words) {
                return line;
            }
            seen += &line;
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args([name, &id]).status().expect("kill is there");
        assert!(done.success());
    }

    fn exit(mut self) -> i32 {
        self.child.wait().expect("ends").code().expect("not by a signal")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Has ended already in tests that pass.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn post(url: &str, body: Value) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let sent = client.post(url).body(body.to_string()).send();
    soon("an answer", sent).await.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_finishes_what_is_in_flight() {
    let folder = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start();
    let routes = ROUTES.replace("{receiver}", &receiver.url);
    std::fs::write(folder.path().join("routes.toml"), routes).expect("writable");

    let mut process = Process::start(folder.path());
    receiver.hold().await;
    let alert = payload(&[one("disk", "firing")]);
    assert_eq!(post(&format!("{}/hooks/am", process.url), alert.clone()).await, 200);
    receiver.wait(1).await;
    process.signal("-TERM");
    process.line("shutting down");
    receiver.release();
    process.line("stopped");
    assert_eq!(process.exit(), 0);

    // What was told is not told again; what comes next is.
    let process = Process::start(folder.path());
    assert_eq!(post(&format!("{}/hooks/am", process.url), alert).await, 200);
    let resolved = payload(&[one("disk", "resolved")]);
    assert_eq!(post(&format!("{}/hooks/am", process.url), resolved).await, 200);
    let got = receiver.wait(2).await;
    process.signal("-INT");
    assert_eq!(process.exit(), 0);
    assert_eq!((got.len(), receiver.got().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_without_any_configuration_and_a_hangup_reads_a_new_one() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut process = Process::start(folder.path());
    let alert = json!({"title": "Disk of db-1 is full", "severity": "critical", "host": "db-1"});
    assert_eq!(post(&format!("{}/hooks/generic", process.url), alert).await, 200);
    let line = process.line("receiver=\"inbox\"");
    assert!(line.contains("Disk of db-1 is full"), "{line}");

    let routes = ROUTES.replace("{receiver}", "http://127.0.0.1:9/");
    std::fs::write(folder.path().join("routes.toml"), &routes).expect("writable");
    process.signal("-HUP");
    process.line("configuration was reloaded");
    let alert = payload(&[one("disk", "firing")]);
    assert_eq!(post(&format!("{}/hooks/am", process.url), alert).await, 200);
    std::fs::write(folder.path().join("routes.toml"), "[sources").expect("writable");
    process.signal("-HUP");
    process.line("configuration was not taken over");
    process.signal("-TERM");
    assert_eq!(process.exit(), 0);
}

fn refused(folder: &Path, args: &[&str]) -> String {
    let done = command(folder).args(args).output().expect("runs");
    assert_eq!(done.status.code(), Some(2), "{args:?}");
    String::from_utf8(done.stderr).expect("text")
}

#[test]
fn what_cannot_run_says_why() {
    let folder = tempfile::tempdir().expect("a directory");
    let text = refused(folder.path(), &["--listen", "0.0.0.0:0"]);
    assert!(text.contains("server.api_token"), "{text}");
    let text = refused(folder.path(), &["serve", "--listen", "nowhere"]);
    assert!(text.contains("server.listen"), "{text}");
    let text = refused(folder.path(), &["serve", "--routes", "missing.toml"]);
    assert!(text.contains("missing.toml"), "{text}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let text = refused(folder.path(), &["--listen", &address]);
    assert!(text.contains(&address), "{text}");
    std::fs::write(folder.path().join("routes.toml"), "[sorces.x]\n").expect("writable");
    let text = refused(folder.path(), &["--listen", "127.0.0.1:0"]);
    assert!(text.contains("routes.toml:1:"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_logged_once_without_what_was_sent() {
    let folder = tempfile::tempdir().expect("a directory");
    let source = "[sources.am]\nkind = \"alertmanager\"\nauth = { token = \"right-token\" }\n\
                  [defaults]\nreceivers = [\"inbox\"]\n";
    std::fs::write(folder.path().join("routes.toml"), source).expect("writable");
    let mut process = Process::start(folder.path());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}/hooks/am?auth=guessed-token", process.url);
    let request = client.post(url).header("x-request-id", "from-the-sender").body("{\"a\": 1}");
    let answer = soon("an answer", request.send()).await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 401);
    let line = process.line("request refused");
    for words in ["id=\"from-the-sender\"", "source=\"am\"", "not_authenticated", "127.0.0.1"] {
        assert!(line.contains(words), "{words} is not in {line}");
    }
    assert!(!line.contains("guessed-token") && !line.contains("\"a\""), "{line}");
    process.signal("-TERM");
    let next = process.line("");
    assert!(next.contains("shutting down"), "nothing is logged twice: {next}");
    assert_eq!(process.exit(), 0);
}
