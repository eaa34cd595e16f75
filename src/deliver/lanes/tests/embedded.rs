//! The real store, the real client and a receiver over TCP.

use std::collections::BTreeMap;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::world::{Lines, SECOND, lane_of};
use super::*;
use crate::clock::SystemClock;
use crate::deliver::Dispatcher;
use crate::deliver::client::{Client, ClientConfig};
use crate::domain::{Alert, Fingerprint, Join, Policy, Rules, Status, Timestamp, Traits};
use crate::store::{Embedded, Intake, Ledger, Records, Routed};

/// What receivers heard, by incident, in order of arrival.
type Heard = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// A receiver that refuses to work every third time, and says what it was told.
async fn receiver() -> (Arc<str>, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name: Arc<str> = listener.local_addr().unwrap().to_string().into();
    let heard = Heard::default();
    let (log, count) = (Arc::clone(&heard), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (log, count) = (Arc::clone(&log), Arc::clone(&count));
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some(text) = request(&mut stream).await {
                    let fails = count.fetch_add(1, Ordering::SeqCst) % 3 == 2;
                    if !fails {
                        let mut words = text.split(' ').skip(1).map(str::to_owned);
                        let number = words.next().unwrap();
                        log.lock().unwrap().entry(number).or_default().push(words.next().unwrap());
                    }
                    let status = if fails { "503 Busy" } else { "200 OK" };
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (name, heard)
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    String::from_utf8(body).ok()
}

fn intake(policy: &Arc<Policy>, status: Status, count: usize, now: Timestamp) -> Intake {
    let alerts = (0..count).map(|n| {
        let mut alert = Alert::new(format!("disk-{n}"), format!("disk {n} is full"));
        alert.index = u32::try_from(n).unwrap();
        alert.status = status;
        let group = Fingerprint::of(["lab", &alert.key]);
        let join = Join { policy: Arc::clone(policy), group, was: Vec::new(), values: Vec::new() };
        let joins = if status == Status::Firing { vec![join] } else { Vec::new() };
        Routed { alert, joins, dropped: false }
    });
    Intake { source: "lab".into(), alerts: alerts.collect(), now }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_opens_is_told_and_what_was_told_is_closed() {
    const COUNT: usize = 200;
    let (name, heard) = receiver().await;
    let clock = Arc::new(SystemClock::default());
    let policy = Arc::new(Policy::new("all", vec![Arc::clone(&name)]));
    let rules = Rules {
        policies: HashMap::from([("all".into(), Arc::clone(&policy))]),
        fallback: Arc::clone(&policy),
        traits: HashMap::from([(Arc::clone(&name), Traits::CHAT)]),
        fallbacks: std::collections::HashMap::new(),
        loaded_at: clock.now(),
    };
    let bells = Arc::new(Bells::default());
    let store = Embedded::in_memory(
        Arc::new(rules),
        Arc::clone(&bells) as _,
        clock.now(),
        "lab".to_owned(),
    )
    .unwrap();
    let rung = Arc::new(Notify::new());
    let bell = Arc::clone(&rung);
    let (lanes, mut failed) = Lanes::new(Parts {
        ledger: Arc::clone(&store) as _,
        transport: Arc::new(Client::new(&ClientConfig::default()).unwrap()),
        clock: Arc::clone(&clock) as _,
        bells: Arc::clone(&bells),
        instance: "lab".into(),
        base_url: None,
        observer: Arc::new(move |_| bell.notify_one()),
        printer: Arc::new(|_, _| ()),
    });
    let (_stop, stopped) = watch::channel(false);
    let dispatcher = Dispatcher::new(Arc::clone(&store) as _, bells, Arc::clone(&clock) as _);
    tokio::spawn(async move { dispatcher.run(stopped).await });
    let backoff = Backoff { base: Duration::from_millis(20), cap: Duration::from_millis(200) };
    lanes.adopt(vec![LaneConfig { backoff, ..lane_of(&name, Lines::WORKING) }]);

    store.commit(intake(&policy, Status::Firing, COUNT, clock.now())).await.unwrap();
    let told = |word: &str| {
        let heard = heard.lock().unwrap();
        heard.values().filter(|words| words.iter().any(|it| it == word)).count()
    };
    // Half of them resolve while the others still open.
    while told("open") < COUNT / 4 {
        rung.notified().await;
    }
    store.commit(intake(&policy, Status::Resolved, COUNT / 2, clock.now())).await.unwrap();
    loop {
        let counts = store.counts().await.unwrap();
        if counts.lanes.iter().all(|lane| lane.depth == 0 && lane.failing == 0) {
            break;
        }
        rung.notified().await;
    }
    assert_eq!(lanes.shutdown(30 * SECOND).await, 0);
    assert!(failed.try_recv().is_err());
    // Those that resolved before anybody heard of them are told of neither: nobody believes that they are open.
    for (number, words) in &*heard.lock().unwrap() {
        let resolved = number.parse::<usize>().unwrap() <= COUNT / 2;
        let expected: &[&str] = if resolved { &["open", "resolved"] } else { &["open"] };
        assert_eq!(words, expected, "incident {number}");
    }
    assert!(told("open") >= COUNT / 2 && told("resolved") >= COUNT / 4);
}
