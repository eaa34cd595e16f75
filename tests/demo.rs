//! The demo, as a newcomer runs it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::CommandCargoExt as _;

/// Its temporary files go into `folder`; settings and files of the user's must not matter.
fn command(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("alertbridge").expect("built");
    let temporary = folder.join("tmp");
    std::fs::create_dir_all(&temporary).expect("writable");
    std::fs::write(folder.join("routes.toml"), "[sorces.x]\n").expect("writable");
    std::fs::write(folder.join("alertbridge.toml"), "[server]\nlisten = \"nowhere\"\n")
        .expect("writable");
    command.current_dir(folder).arg("demo").env("TMPDIR", &temporary);
    command.env("ALERTBRIDGE__SERVER__LISTEN", "nowhere");
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Everything between the title `begin` and the next step.
fn chapter<'a>(story: &'a str, begin: &str) -> &'a str {
    let (_, rest) = story.split_once(begin).unwrap_or_else(|| panic!("{begin:?} in\n{story}"));
    rest.split("\n\n").next().unwrap_or(rest)
}

fn check(story: &str, begin: &str, lines: &[&str]) {
    let chapter = chapter(story, begin);
    for line in lines {
        assert!(chapter.contains(line), "{line:?} is not in\n{chapter}");
    }
}

#[test]
fn it_tells_its_story_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a directory");
    let Output { status, stdout, stderr } = command(folder.path()).output().expect("runs");
    let (story, talk) = (text(&stdout), text(&stderr));
    assert_eq!((status.code(), talk), (Some(0), ""), "{story}");
    check(
        story,
        " 1  A critical alert",
        &[
            "posts to /hooks/azure-prod, with its token: answered 200",
            "critical, because matched severity = \"critical\"; tells oncall, phone, chat, inbox",
            "#1 is open: opened",
            "> oncall   PagerDuty answers 503: it is tried again",
            "event: trigger, severity critical, dedup key ab-",
            ", 2nd try",
            "SMS to +15550100002: 86 characters, 1 segment",
            "CRITICAL checkout-db CPU above 95 % #1",
            "> inbox ",
        ],
    );
    check(story, " 2  The same payload", &["nothing is new", "told       nobody"]);
    check(story, " 3  Two alerts", &["#2 is open: opened, joined", "> team     Teams card"]);
    check(story, " 4  A wrong token", &["answered 401", "told       nobody"]);
    check(story, " 5  A broken payload", &["answered 400", "line 2 column 0"]);
    check(story, " 6  What no person needs", &["answered 200", "noise drops it"]);
    check(story, "10  Both replicas recover", &["#2 is resolved", "Resolved after 5m"]);
    check(story, "11  The database recovers", &["event: resolve, dedup key", "after 12m"]);
    check(story, "How it stands", &["1 alert; told: oncall resolved, phone resolved, chat"]);
    assert!(story.contains("11 payloads, 2 refused; 5 incidents; 17 notifications, 1 after"));
    for line in story.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        assert!(!line.contains('\u{1b}') && !line.ends_with(' '), "{line:?}");
    }
    let left = std::fs::read_dir(folder.path().join("tmp")).expect("readable").count();
    assert_eq!(left, 0);
}

#[test]
fn it_can_be_kept_running() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut command = command(folder.path());
    let child = command.arg("--keep").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("started");
    let mut lines =
        BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let hook = lines.by_ref().find(|line| line.contains("/hooks/scripts -d")).expect("a curl line");
    let url = hook.split_whitespace().find(|word| word.starts_with("http")).expect("a URL");
    assert!(lines.by_ref().any(|line| line.contains("Ctrl-C ends it")));
    let body = hook.split('\'').nth(1).expect("a payload").to_owned();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let status = runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        client.post(url).body(body).send().await.expect("an answer").status().as_u16()
    });
    assert_eq!(status, 200);
    assert!(lines.by_ref().any(|line| line.contains("CRITICAL") && line.contains("#6")));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill is there").success());
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path().join("tmp")).expect("readable").count(), 0);
}
