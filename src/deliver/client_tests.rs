//! Tests of the client against real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A receiver that gives every connection `answer` after it read a request head, then closes.
/// Returns its base URL and how many connections it had.
async fn receiver(answer: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?secret=hunter2", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            read_head(&mut stream).await;
            // The client may hang up first, when it has read enough.
            drop(stream.write_all(&answer).await);
        }
    });
    (url, connections)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

fn client() -> Client {
    Client::new(&ClientConfig::default()).unwrap()
}

fn post(url: &str) -> Request {
    Request { method: "POST", url: Secret::new(url), headers: Vec::new(), body: b"{}".to_vec() }
}

const SECONDS: Duration = Duration::from_secs(20);

#[tokio::test]
async fn sends_what_it_is_given_and_reads_the_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a/b?c=d", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await;
        let mut body = [0; 2];
        stream.read_exact(&mut body).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait")
            .await
            .unwrap();
        (head, body)
    });
    let mut request = post(&url);
    request.headers.push(("Authorization".into(), Secret::new("Bearer x")));
    let response = client().send(&request, SECONDS).await.unwrap();
    assert_eq!((response.status, response.header("retry-after")), (429, Some("7")));
    assert_eq!(response.body, b"wait");
    let (head, body) = seen.await.unwrap();
    assert!(head.starts_with("POST /a/b?c=d HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Bearer x\r\n"), "{head}");
    assert!(
        head.contains(concat!("user-agent: alertbridge/", env!("CARGO_PKG_VERSION"))),
        "{head}"
    );
    assert_eq!(&body, b"{}");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (target, visits) = receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let redirect = format!("HTTP/1.1 307 Go\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
    let (url, _) = receiver(redirect.into_bytes()).await;
    let response = client().send(&post(&url), SECONDS).await.unwrap();
    assert_eq!(response.status, 307);
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn answers_are_read_up_to_a_limit() {
    let mut answer = b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec();
    answer.extend(std::iter::repeat_n(b'h', 2 * RESPONSE_HEADER_BYTES_MAX));
    answer.extend(b"\r\nContent-Length: 10000000\r\n\r\n");
    answer.extend(std::iter::repeat_n(b'b', 10_000_000));
    let (url, _) = receiver(answer).await;
    let response = client().send(&post(&url), SECONDS).await.unwrap();
    assert_eq!(response.body.len(), RESPONSE_BYTES_MAX);
    assert_eq!(response.header("x-long").map(str::len), Some(RESPONSE_HEADER_BYTES_MAX));
}

/// What a failed request says about the chance that it arrived. No text may hold the URL.
async fn check(url: &str, timeout: Duration) -> &'static str {
    let failure = client().send(&post(url), timeout).await.unwrap_err();
    let detail = failure.to_string();
    assert!(!detail.contains("hunter2") && !detail.contains("http://"), "{detail}");
    match failure {
        Failure::NotSent { .. } => "not sent",
        Failure::NoAnswer { .. } => "no answer",
        Failure::Unsendable { .. } => "unsendable",
    }
}

#[tokio::test]
async fn failures_say_whether_the_request_may_have_arrived() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/?secret=hunter2");
    assert_eq!(check(&url, SECONDS).await, "not sent", "nobody listens");
    let no_tls = url_without_tls().await;
    assert_eq!(check(&no_tls, SECONDS).await, "not sent", "no TLS there");
    // Too long for a name: the resolver says so without asking anybody.
    let unknown = format!("http://{}.invalid/?secret=hunter2", "x".repeat(64));
    assert_eq!(check(&unknown, SECONDS).await, "not sent", "unknown name");

    let (reset, _) = receiver(Vec::new()).await;
    assert_eq!(check(&reset, SECONDS).await, "no answer", "closed without an answer");
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ok\":".to_vec();
    let (cut, _) = receiver(cut).await;
    assert_eq!(check(&cut, SECONDS).await, "no answer", "half a success");
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?secret=hunter2", silent.local_addr().unwrap());
    assert_eq!(check(&url, Duration::from_millis(50)).await, "no answer", "timeout");

    for url in ["hunter2", "ftp://127.0.0.1/hunter2", "file:///etc/hunter2"] {
        assert_eq!(check(url, SECONDS).await, "unsendable", "{url}");
    }
}

/// A receiver that answers a handshake with words.
async fn url_without_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/?secret=hunter2", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(
                b"HTTP/1.1 400 Bad

",
            )
            .await
            .unwrap();
    });
    url
}

#[tokio::test]
async fn half_a_refusal_is_a_refusal() {
    let answer = b"HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\ninvalid".to_vec();
    let (url, _) = receiver(answer).await;
    let response = client().send(&post(&url), SECONDS).await.unwrap();
    assert_eq!((response.status, &*response.body), (400, &b"invalid"[..]));
}

#[tokio::test]
async fn forbidden_addresses_are_not_called() {
    let (url, visits) = receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let by_name = url.replace("127.0.0.1", "localhost");
    let mapped = url.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    let decimal = url.replace("127.0.0.1", "2130706433");
    let public = Client::new(&ClientConfig { private: false, ..ClientConfig::default() }).unwrap();
    for url in [&url, &by_name, &mapped, &decimal] {
        let failure = public.send(&post(url), SECONDS).await.unwrap_err();
        assert!(failure.to_string().ends_with("is not allowed for receivers"), "{failure}");
        assert!(matches!(failure, Failure::NotSent { .. }));
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    assert_eq!(client().send(&post(&by_name), SECONDS).await.unwrap().status, 200);
    let metadata = "http://169.254.169.254/latest/meta-data";
    let failure = client().send(&post(metadata), SECONDS).await.unwrap_err();
    assert!(failure.to_string().contains("not allowed"), "{failure}");
}

#[tokio::test]
async fn headers_that_are_none_are_named_without_their_value() {
    let mut request = post("http://127.0.0.1:1/");
    request.headers.push(("X-Key".into(), Secret::new("hun\nter2")));
    let failure = client().send(&request, SECONDS).await.unwrap_err();
    assert_eq!(failure.to_string(), "the value of header X-Key is not valid");
}
