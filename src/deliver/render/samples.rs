//! Incidents to try templates with: what every template must be able to show before it goes live.

use std::time::Duration;

use crate::deliver::senders::News;
use crate::domain::{
    Alert, Body, Fingerprint, Head, Link, Marks, Member, Severity, Snapshot, State, Timestamp,
    Told, ToldState, Why,
};

/// An incident, what a receiver was told of it, and the news to tell.
#[derive(Clone, Debug)]
pub struct Sample {
    pub name: &'static str,
    pub snapshot: Snapshot,
    pub told: Told,
    pub why: Why,
    pub now: Timestamp,
    dedup_key: String,
    message_id: String,
}

impl Sample {
    /// The sample as news for a receiver called `sample`.
    pub fn news(&self) -> News<'_> {
        News {
            snapshot: &self.snapshot,
            told: &self.told,
            why: self.why,
            receiver: "sample",
            dedup_key: &self.dedup_key,
            message_id: &self.message_id,
            base_url: Some("https://alerts.example.com"),
            now: self.now,
            plain: None,
        }
    }
}

/// 2026-03-01 14:00 UTC.
const OPENED: i64 = 1_772_373_600;

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_secs(OPENED).plus(Duration::from_secs(minutes * 60))
}

/// All samples, small enough to try every template at every load.
pub fn all() -> Vec<Sample> {
    vec![
        open(),
        group("group", Why::Open, 1),
        group("joined", Why::Joined, 2),
        group("partly-resolved", Why::PartialResolve, 3),
        rise(),
        acknowledged(),
        resolved(),
        reopened(),
        repeat(),
        notice(),
        bare(),
        hostile(),
    ]
}

/// More than anything shows: 1,000 members of which 100 are handed out, one with 300 long labels.
pub fn huge() -> Sample {
    let mut bodies: Vec<Body> = (0..100).map(|n| disk(&format!("db-{n}.example.com"))).collect();
    bodies[0].alert.title = "Very long title ".repeat(40);
    bodies[0].alert.text = Some("<&>\"\\*_ long text with markup 🚨 ".repeat(160));
    for n in 0..300 {
        bodies[0].alert.labels.insert(format!("label_{n:03}"), "väl&ue<>\"\\ 🚨".repeat(400));
    }
    let mut sample = sample("huge", bodies, Why::Open);
    let head = &mut sample.snapshot.head;
    head.title = "Very long title <!channel> & \"more\" ".repeat(14);
    head.firing = [0, 0, 0, 0, 1_000];
    head.values = (0..50).map(|n| (format!("group_{n}"), "x".repeat(5_000))).collect();
    sample
}

fn disk(host: &str) -> Body {
    let mut alert = Alert::new(format!("disk/{host}"), format!("Disk almost full on {host}"));
    alert.severity = Severity::Critical;
    alert.text =
        Some("The data volume will be full in about 4 hours.\nWrites stop when it is.".to_owned());
    alert.resource = Some(host.to_owned());
    alert.service = Some("orders-db".to_owned());
    alert.env = Some("prod".to_owned());
    alert.alertname = Some("DiskWillFill".to_owned());
    for (name, value) in [
        ("cluster", "eu-1"),
        ("team", "db"),
        ("instance", host),
        ("mountpoint", "/var/lib/data"),
        ("device", "nvme0n1"),
    ] {
        alert.labels.insert(name.to_owned(), value.to_owned());
    }
    alert.annotations.insert("impact".to_owned(), "Orders cannot be stored".to_owned());
    for (name, url) in [
        ("runbook", "https://runbooks.example.com/disk?cause=full&host=db".to_owned()),
        (
            "source",
            format!("https://prometheus.example.com/graph?g0.expr=disk%7Bhost%3D%22{host}%22%7D"),
        ),
    ] {
        alert.links.push(Link { name: name.to_owned(), url });
    }
    alert.images.push("https://grafana.example.com/render/disk.png".to_owned());
    alert.started_at = Some(at(0));
    Body { source: "prometheus-prod".to_owned(), alert }
}

fn member(ordinal: u32, body: &Body) -> Member {
    Member {
        ordinal,
        key: Fingerprint::of([body.source.as_str(), body.alert.key.as_str()]),
        firing: true,
        acknowledged: false,
        severity: body.alert.severity,
        fired_seq: ordinal + 1,
        changed_seq: ordinal + 1,
        observed_at: None,
        first_at: at(u64::from(ordinal.min(2))),
        last_at: at(4),
        count: 3,
        expires_at: None,
        timeout_secs: 0,
        messages: Vec::new(),
        body: 0,
        dismissed_until: None,
        muted: false,
    }
}

fn sample(name: &'static str, bodies: Vec<Body>, why: Why) -> Sample {
    let members: Vec<_> =
        bodies.into_iter().zip(0..).map(|(body, ordinal)| (member(ordinal, &body), body)).collect();
    let mut firing = [0; 5];
    for (member, _) in &members {
        firing[member.severity as usize] += 1;
    }
    let (title, severity) =
        members.first().map_or(("Sample".to_owned(), Severity::Unknown), |(m, b)| {
            (b.alert.title.clone(), m.severity)
        });
    let seq = u32::try_from(members.len()).unwrap_or(u32::MAX);
    let head = Head {
        number: 1042,
        route: "db-critical".to_owned(),
        group: Fingerprint::of(["sample", name]),
        values: vec![
            ("alertname".to_owned(), "DiskWillFill".to_owned()),
            ("cluster".to_owned(), "eu-1".to_owned()),
        ],
        state: State::Open,
        notice: false,
        episode: 1,
        seq,
        marks: Marks { opened: 1, ..Marks::default() },
        title,
        severity,
        peak: severity,
        firing,
        acknowledged: 0,
        next_ordinal: seq,
        opened_at: at(0),
        first_opened_at: at(0),
        changed_at: at(4),
        flushed_seq: seq,
        last_flush: None,
        next_flush: None,
        previous: None,
        told: Vec::new(),
        reasons: Vec::new(),
    };
    Sample {
        name,
        snapshot: Snapshot { head, members },
        told: Told::new("sample"),
        why,
        now: at(5),
        dedup_key: "ab-demo-1042".to_owned(),
        message_id: format!("msg_1042_sample_{seq}"),
    }
}

fn told_open(sample: &mut Sample, seq: u32) {
    sample.told.seq = seq;
    sample.told.state = ToldState::Open;
    sample.told.episode = 1;
    sample.told.at = at(1);
    sample.told.max_severity = sample.snapshot.head.peak;
    sample.told.firing = 1;
}

fn resolve(sample: &mut Sample, ordinal: usize) {
    let head = &mut sample.snapshot.head;
    head.seq += 1;
    let (member, _) = &mut sample.snapshot.members[ordinal];
    head.firing[member.severity as usize] -= 1;
    member.firing = false;
    member.changed_seq = head.seq;
}

fn open() -> Sample {
    sample("open", vec![disk("db-1.example.com")], Why::Open)
}

fn group(name: &'static str, why: Why, told_seq: u32) -> Sample {
    let mut bodies: Vec<Body> = (1..=12).map(|n| disk(&format!("db-{n}.example.com"))).collect();
    for body in &mut bodies[4..] {
        body.alert.severity = Severity::Warning;
    }
    let mut sample = sample(name, bodies, why);
    if why != Why::Open {
        told_open(&mut sample, told_seq + 8);
    }
    if why == Why::PartialResolve {
        resolve(&mut sample, 11);
        resolve(&mut sample, 10);
        told_open(&mut sample, 12);
    }
    sample
}

fn rise() -> Sample {
    let mut sample = sample("rise", vec![disk("db-1.example.com")], Why::Rise);
    told_open(&mut sample, 1);
    sample.told.max_severity = Severity::Warning;
    sample.now = at(20);
    sample
}

fn acknowledged() -> Sample {
    let mut sample = sample("acknowledged", vec![disk("db-1.example.com")], Why::Acknowledged);
    told_open(&mut sample, 1);
    sample.snapshot.head.state = State::Acknowledged {
        by: "on-call (PagerDuty)".to_owned(),
        at: at(10),
        severity: Severity::Critical,
    };
    sample.now = at(10);
    sample
}

fn resolved() -> Sample {
    let mut sample =
        sample("resolved", vec![disk("db-1.example.com"), disk("db-2.example.com")], Why::Resolved);
    told_open(&mut sample, 2);
    resolve(&mut sample, 0);
    resolve(&mut sample, 1);
    sample.snapshot.head.state = State::Resolved { at: at(125) };
    sample.now = at(125);
    sample
}

fn reopened() -> Sample {
    let mut sample = sample("reopened", vec![disk("db-1.example.com")], Why::Reopened);
    told_open(&mut sample, 1);
    sample.snapshot.head.episode = 3;
    sample.snapshot.head.previous = Some(977);
    sample
}

fn repeat() -> Sample {
    let mut sample =
        sample("repeat", vec![disk("db-1.example.com"), disk("db-2.example.com")], Why::Repeat);
    told_open(&mut sample, 2);
    sample.now = at(240);
    sample
}

fn notice() -> Sample {
    let mut alert = Alert::new("deploy/811", "Deployment 811 of orders finished");
    alert.severity = Severity::Info;
    let body = Body { source: "ci".to_owned(), alert };
    let mut sample = sample("notice", vec![body], Why::Open);
    sample.snapshot.head.notice = true;
    sample.snapshot.head.values = Vec::new();
    sample
}

fn bare() -> Sample {
    let body = Body { source: "generic".to_owned(), alert: Alert::new("k", "Something happened") };
    let mut sample = sample("bare", vec![body], Why::Open);
    sample.snapshot.head.values = Vec::new();
    sample
}

fn hostile() -> Sample {
    let bad = "<!channel> @everyone <@U012AB3CD> <https://evil.example|click> **b** _i_ ~s~ `c` ```f``` \
               [l](https://evil.example) # h & &amp; <b>x</b> \"q\" \\ {{DATE(2026-01-01T00:00:00Z, SHORT)}} \
               | - \u{202e}gnp.exe\u{0}\u{7}\u{2028}end 👩\u{200d}🚀 שלום";
    let mut bodies = vec![disk(bad), disk("db-2.example.com")];
    for body in &mut bodies {
        body.alert.title = bad.into();
        body.alert.text = Some(format!("{bad}\r\n{bad}"));
        body.alert.labels.insert(bad.to_owned(), bad.to_owned());
        body.alert.annotations.insert(bad.to_owned(), bad.to_owned());
        for url in [
            "javascript:alert(1)",
            "https://e.example/a|b>c?x=\"<y>\"&z=(1)#[2]",
            "http://:9093/",
            "//x",
        ] {
            body.alert.links.push(Link { name: bad.to_owned(), url: url.to_owned() });
        }
    }
    bodies[1].alert.labels.insert("blank".to_owned(), " \u{0}\n".to_owned());
    let mut sample = sample("hostile", bodies, Why::Joined);
    told_open(&mut sample, 1);
    let head = &mut sample.snapshot.head;
    head.route = bad.into();
    head.values.push((bad.to_owned(), bad.to_owned()));
    sample
}
