//! What a request may cost.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{ROUTES, Wish, World, one, payload, soon};

fn gzip(raw: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(raw).expect("write to memory");
    encoder.finish().expect("finish in memory")
}

async fn encoded(world: &World, encoding: &str, body: Vec<u8>) -> (u16, String) {
    let request = world.client.post(format!("{}/hooks/am", world.url));
    let (status, answer) =
        world.send(request.header("content-encoding", encoding).body(body)).await;
    (status, answer["error"]["code"].as_str().unwrap_or("").to_owned())
}

/// The most memory this process ever used, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak");
    let kilobytes = line.split_whitespace().nth(1).expect("a number");
    kilobytes.parse::<usize>().expect("a number") << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_read_within_bounds() {
    let world = World::start().await;
    let body = payload(&[one("disk", "firing")]).to_string();
    assert_eq!(encoded(&world, "gzip", gzip(body.as_bytes())).await, (200, String::new()));
    assert_eq!(
        encoded(&world, "br", body.clone().into_bytes()).await,
        (415, "encoding_unknown".into())
    );
    assert_eq!(
        encoded(&world, "gzip", body.into_bytes()).await,
        (400, "body_not_inflatable".into())
    );

    // 1 MiB that inflates to 1 GiB.
    let member = gzip(&vec![0; 16 << 20]);
    let bomb = member.repeat((1 << 20) / member.len());
    let before = peak();
    for _ in 0..4 {
        let answer = encoded(&world, "gzip", bomb.clone()).await;
        assert_eq!(answer, (413, "body_inflates_too_large".into()));
    }
    let grown = peak() - before;
    assert!(grown < 150 << 20, "{} MiB more", grown >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_are_refused() {
    let routes = ROUTES.replace("auth = \"none\"", "auth = \"none\"\nbody_limit = 1000");
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    let (status, answer) = world.post("/hooks/am", &json!({"a": "x".repeat(2_000)})).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!("body_too_large")), "{answer}");
    // A client that says nothing of the size finds the same limit.
    let mut stream = TcpStream::connect(world.app.address).await.expect("listening");
    let chunk = format!("100\r\n{}\r\n", "x".repeat(256)).repeat(5);
    let request =
        format!("POST /hooks/am HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = [0; 12];
    soon("an answer", stream.read_exact(&mut answer)).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_given_up() {
    let settings = [("server.body_timeout", "100ms")];
    let world = World::with(Wish { routes: ROUTES, settings: &settings, ..Wish::default() }).await;
    let mut stream = TcpStream::connect(world.app.address).await.expect("listening");
    let head = b"POST /hooks/am HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"ver";
    stream.write_all(head).await.expect("written");
    let mut answer = [0; 12];
    soon("an answer", stream.read_exact(&mut answer)).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
    let (status, _) = world.post("/hooks/am", &payload(&[one("disk", "firing")])).await;
    assert_eq!(status, 200, "others are served meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_survives_a_refusal() {
    let routes = ROUTES.replace("auth = \"none\"", "auth = { token = \"sesame-open\" }");
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    let body = payload(&[one("disk", "firing")]).to_string();
    let mut stream = TcpStream::connect(world.app.address).await.expect("listening");
    for (query, status) in [("", "401"), ("?auth=sesame-open", "200")] {
        let length = body.len();
        let request = format!(
            "POST /hooks/am{query} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        if stream.write_all(request.as_bytes()).await.is_err() {
            stream = TcpStream::connect(world.app.address).await.expect("listening");
            stream.write_all(request.as_bytes()).await.expect("written");
        }
        let text = soon("an answer", answer(&mut stream)).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        if text.to_ascii_lowercase().contains("connection: close") {
            stream = TcpStream::connect(world.app.address).await.expect("listening");
        }
    }
}

/// One answer with a content length.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let got = stream.read(&mut buffer).await.expect("readable");
        text.extend_from_slice(&buffer[..got]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = whole.split_once("\r\n\r\n") else {
            assert!(got > 0, "closed within the head: {whole}");
            continue;
        };
        let length = head.to_ascii_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length: ").map(|it| it.parse::<usize>().expect("a number"))
        });
        if body.len() >= length.unwrap_or(0) || got == 0 {
            return whole;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_sends_too_much_is_told_so_in_a_word_it_retries() {
    let limit = "auth = \"none\"\nlimit = { per_second = 0.01, burst = 1 }";
    let own = r#"
[sources.own]
kind = "generic"
auth = "none"
limit = { per_second = 0.01, burst = 1 }
[sources.own.table]
key = "/id"
title = "/id"
[sources.own.table.answers]
busy = { status = 429, body = "later" }
"#;
    let routes = format!("{own}{}", ROUTES.replace("auth = \"none\"", limit));
    let world = World::with(Wish { routes: &routes, ..Wish::default() }).await;
    let body = payload(&[one("disk", "firing")]);
    assert_eq!(world.post("/hooks/am", &body).await.0, 200);
    let request = world.client.post(format!("{}/hooks/am", world.url)).body(body.to_string());
    let refused = request.send().await.expect("an answer");
    // Alertmanager retries server errors only.
    assert_eq!(refused.status().as_u16(), 503);
    let wait: u64 =
        refused.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=101).contains(&wait), "{wait}");
    let refused: serde_json::Value =
        serde_json::from_str(&refused.text().await.expect("a body")).expect("JSON");
    assert_eq!(refused["error"]["code"], "throttled");

    assert_eq!(world.post("/hooks/own", &json!({"id": "a"})).await.0, 200);
    assert_eq!(world.post("/hooks/own", &json!({"id": "a"})).await, (429, json!("later")));
}
