//! The figures behind `/metrics`. Labels are names from the configuration or our own words, never alert content.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use crate::domain::Timestamp;
use crate::store::Counts;

/// Media type of what [`Metrics::render`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Latencies from 50 microseconds to 5 seconds: a commit on a fast disk takes 0.2 ms, on a slow one 20 ms.
const LATENCY_BUCKETS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0,
];

macro_rules! names {
    ($($name:ident = $word:literal, $help:literal;)*) => {
        /// Every metric we export, without the prefix `alertbridge_`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Name { $(#[doc = $help] $name,)* }

        impl Name {
            /// Every name.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name as exported; counters get `_total` added.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The help line; the exporter adds the full stop.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

names! {
    Payloads = "payloads", "Payloads that were read, by source";
    Received = "received", "Alerts that were accepted, by source";
    Rejected = "rejected", "Payloads and alerts that were refused, by source and reason";
    Deduplicated = "deduplicated", "Accepted alerts that changed nothing, by source";
    Incidents = "incidents", "Incidents that are kept, by state";
    Members = "members", "Alerts that are part of an incident";
    Deliveries = "deliveries", "Deliveries by receiver and outcome";
    Attempts = "attempts", "Attempts to tell a receiver";
    AttemptSeconds = "attempt_seconds", "How long attempts took";
    Retries = "retries", "Attempts that failed and will be made again, by receiver";
    LimiterWaits = "limiter_waits", "Times that a lane waited for its rate limit, by receiver";
    DeadLetters = "dead_letters", "Deliveries that were given up, by receiver";
    Failing = "failing", "Open incidents whose last attempt failed, by receiver";
    QueueDepth = "queue_depth", "Deliveries that are due, by receiver";
    QueueOldestSeconds = "queue_oldest_seconds", "How long the oldest due delivery waits, by receiver";
    CommitSeconds = "commit_seconds", "How long a commit took until it was durable";
    AcceptSeconds = "accept_seconds", "How long a request took from its head to its answer";
    ConfigOk = "config_reload_ok", "Whether the latest reload was taken over";
    ConfigSeconds = "config_reload_success_timestamp_seconds", "When a configuration was last taken over";
    CertificateExpiry = "tls_certificate_expiry_timestamp_seconds", "When the certificate of the listener ends; none without TLS";
    StoreBytes = "store_bytes", "Size of the store on disk";
    StoreFreeBytes = "store_free_bytes", "Free space on the disk of the store";
}

/// A label value that is one of our own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word(pub &'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySource {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    source: String,
    reason: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReceiver {
    receiver: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    receiver: String,
    outcome: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCertificate {
    certificate: Word,
}

/// The counters of one source, looked up once.
#[derive(Clone, Debug, Default)]
pub struct SourceMeter {
    pub payloads: Counter,
    pub received: Counter,
    pub deduplicated: Counter,
}

/// The counters of one receiver, looked up once.
#[derive(Clone, Debug)]
pub struct ReceiverMeter {
    pub attempts: Counter,
    pub retries: Counter,
    pub limiter_waits: Counter,
    pub attempt_seconds: Histogram,
}

type Seconds = Gauge<f64, AtomicU64>;
type ByReceiverSeconds = Family<ByReceiver, Histogram, fn() -> Histogram>;

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    payloads: Family<BySource, Counter>,
    received: Family<BySource, Counter>,
    rejected: Family<ByReason, Counter>,
    deduplicated: Family<BySource, Counter>,
    incidents: Family<ByState, Gauge>,
    members: Gauge,
    deliveries: Family<ByOutcome, Counter>,
    attempts: Family<ByReceiver, Counter>,
    attempt_seconds: ByReceiverSeconds,
    retries: Family<ByReceiver, Counter>,
    limiter_waits: Family<ByReceiver, Counter>,
    dead_letters: Family<ByReceiver, Gauge>,
    failing: Family<ByReceiver, Gauge>,
    queue_depth: Family<ByReceiver, Gauge>,
    queue_oldest: Family<ByReceiver, Seconds>,
    commit_seconds: Histogram,
    accept_seconds: Histogram,
    config_ok: Gauge,
    config_seconds: Seconds,
    certificate: Family<ByCertificate, Seconds>,
    store_bytes: Gauge,
    store_free_bytes: Gauge,
}

fn latency() -> Histogram {
    Histogram::new(LATENCY_BUCKETS)
}

fn register<M: Metric + Clone>(registry: &mut Registry, name: Name, metric: M) -> M {
    registry.register(name.as_str(), name.help(), metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("alertbridge");
        let r = &mut registry;
        let by_receiver = ByReceiverSeconds::new_with_constructor(latency);
        Self {
            payloads: register(r, Name::Payloads, Family::default()),
            received: register(r, Name::Received, Family::default()),
            rejected: register(r, Name::Rejected, Family::default()),
            deduplicated: register(r, Name::Deduplicated, Family::default()),
            incidents: register(r, Name::Incidents, Family::default()),
            members: register(r, Name::Members, Gauge::default()),
            deliveries: register(r, Name::Deliveries, Family::default()),
            attempts: register(r, Name::Attempts, Family::default()),
            attempt_seconds: register(r, Name::AttemptSeconds, by_receiver),
            retries: register(r, Name::Retries, Family::default()),
            limiter_waits: register(r, Name::LimiterWaits, Family::default()),
            dead_letters: register(r, Name::DeadLetters, Family::default()),
            failing: register(r, Name::Failing, Family::default()),
            queue_depth: register(r, Name::QueueDepth, Family::default()),
            queue_oldest: register(r, Name::QueueOldestSeconds, Family::default()),
            commit_seconds: register(r, Name::CommitSeconds, latency()),
            accept_seconds: register(r, Name::AcceptSeconds, latency()),
            config_ok: register(r, Name::ConfigOk, Gauge::default()),
            config_seconds: register(r, Name::ConfigSeconds, Seconds::default()),
            certificate: register(r, Name::CertificateExpiry, Family::default()),
            store_bytes: register(r, Name::StoreBytes, Gauge::default()),
            store_free_bytes: register(r, Name::StoreFreeBytes, Gauge::default()),
            registry,
        }
    }
}

impl Metrics {
    /// The counters of a source.
    pub fn source(&self, source: &str) -> SourceMeter {
        let label = BySource { source: source.to_owned() };
        SourceMeter {
            payloads: self.payloads.get_or_create_owned(&label),
            received: self.received.get_or_create_owned(&label),
            deduplicated: self.deduplicated.get_or_create_owned(&label),
        }
    }

    /// The counters of a receiver.
    pub fn receiver(&self, receiver: &str) -> ReceiverMeter {
        let label = ByReceiver { receiver: receiver.to_owned() };
        ReceiverMeter {
            attempts: self.attempts.get_or_create_owned(&label),
            retries: self.retries.get_or_create_owned(&label),
            limiter_waits: self.limiter_waits.get_or_create_owned(&label),
            attempt_seconds: self.attempt_seconds.get_or_create_owned(&label),
        }
    }

    /// Counts refused payloads or alerts. `source` is a configured name, or empty where none was found.
    pub fn rejected(&self, source: &str, reason: &'static str, count: u64) {
        let label = ByReason { source: source.to_owned(), reason: Word(reason) };
        self.rejected.get_or_create(&label).inc_by(count);
    }

    /// Counts the end of an attempt.
    pub fn delivered(&self, receiver: &str, outcome: &'static str) {
        let label = ByOutcome { receiver: receiver.to_owned(), outcome: Word(outcome) };
        self.deliveries.get_or_create(&label).inc();
    }

    /// Notes how long a commit took.
    pub fn committed(&self, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// Notes how long a request took.
    pub fn accepted(&self, took: Duration) {
        self.accept_seconds.observe(took.as_secs_f64());
    }

    /// Notes whether a reload was taken over.
    pub fn reloaded(&self, ok: bool, now: Timestamp) {
        self.config_ok.set(i64::from(ok));
        if ok {
            self.config_seconds.set(seconds(now));
        }
    }

    /// Notes when the listener's certificate ends.
    pub fn certificate(&self, expires: Timestamp) {
        let label = ByCertificate { certificate: Word("listener") };
        self.certificate.get_or_create(&label).set(seconds(expires));
    }

    /// Forgets a receiver that is gone.
    pub fn forget_receiver(&self, receiver: &str) {
        let label = ByReceiver { receiver: receiver.to_owned() };
        self.dead_letters.remove(&label);
        self.failing.remove(&label);
        self.queue_depth.remove(&label);
        self.queue_oldest.remove(&label);
    }

    /// Takes over what the store counted.
    pub fn observe(&self, counts: &Counts, now: Timestamp) {
        let states = [
            ("open", counts.open),
            ("acknowledged", counts.acknowledged),
            ("resolved", counts.resolved),
        ];
        for (state, count) in states {
            self.incidents.get_or_create(&ByState { state: Word(state) }).set(signed(count));
        }
        self.members.set(signed(counts.members));
        self.store_bytes.set(signed(counts.disk_bytes));
        self.store_free_bytes.set(signed(counts.disk_free_bytes));
        for lane in &counts.lanes {
            let label = ByReceiver { receiver: lane.receiver.clone() };
            let waits = lane.oldest.map_or(Duration::ZERO, |due| now.since(due));
            self.dead_letters.get_or_create(&label).set(signed(lane.dead));
            self.failing.get_or_create(&label).set(signed(lane.failing));
            self.queue_depth.get_or_create(&label).set(signed(lane.depth));
            self.queue_oldest.get_or_create(&label).set(waits.as_secs_f64());
        }
    }

    /// The text of `/metrics`.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Writing to a String does not fail; should an encoder refuse, the scrape is cut visibly.
            text.push_str("# EOF\n");
        }
        text
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seconds(at: Timestamp) -> f64 {
    Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(0)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LaneCounts;

    #[test]
    fn every_name_is_exported_with_the_prefix() {
        let metrics = Metrics::default();
        metrics.source("s").received.inc();
        metrics.receiver("r").attempts.inc();
        metrics.rejected("s", "payload_not_understood", 2);
        metrics.delivered("r", "delivered");
        metrics.reloaded(true, Timestamp::from_secs(7));
        let expiry =
            "alertbridge_tls_certificate_expiry_timestamp_seconds{certificate=\"listener\"} 9.0";
        assert!(!metrics.render().contains("listener"), "there is none without TLS");
        metrics.certificate(Timestamp::from_secs(9));
        let counts = Counts {
            open: 3,
            lanes: vec![LaneCounts {
                receiver: "r".into(),
                depth: 4,
                oldest: Some(Timestamp::from_secs(8)),
                dead: 1,
                failing: 0,
            }],
            ..Counts::default()
        };
        metrics.observe(&counts, Timestamp::from_secs(10));
        let text = metrics.render();
        for name in Name::ALL {
            assert!(text.contains(&format!("# HELP alertbridge_{} ", name.as_str())), "{name:?}");
        }
        for line in [
            "alertbridge_received_total{source=\"s\"} 1",
            "alertbridge_rejected_total{source=\"s\",reason=\"payload_not_understood\"} 2",
            "alertbridge_incidents{state=\"open\"} 3",
            "alertbridge_queue_depth{receiver=\"r\"} 4",
            "alertbridge_queue_oldest_seconds{receiver=\"r\"} 2.0",
            "alertbridge_config_reload_success_timestamp_seconds 7.0",
            expiry,
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_failed_reload_keeps_the_time_of_the_last_good_one() {
        let metrics = Metrics::default();
        metrics.reloaded(true, Timestamp::from_secs(7));
        metrics.reloaded(false, Timestamp::from_secs(9));
        let text = metrics.render();
        assert!(text.contains("alertbridge_config_reload_ok 0\n"));
        assert!(text.contains("success_timestamp_seconds 7.0\n"));
    }
}
