//! `alertbridge demo`: a real bridge on this machine, sample payloads over real HTTP, stand-ins for the receivers.
//!
//! Nothing is made up: what is printed was answered by the server, decided by its routes and received by the stand-ins.
//! Every step says what it promises, and the exit code says whether all of it happened.

mod clock;
mod page;
mod receivers;
mod show;
mod story;
mod world;

use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use self::clock::retime;
use self::page::Page;
use self::show::Shown;
use self::story::{END, STEPS, Step};
use self::world::World;
use crate::clock::Clock;
use crate::config::LogFormat;
use crate::deliver::render::words;
use crate::domain::{Head, Status, Timestamp, ToldState};
use crate::ingest::kinds::{self, Payload};
use crate::telemetry;

/// Shows what alertbridge does, in a few seconds: a real bridge on this machine, without any account.
///
/// Posts sample payloads over HTTP, prints what came in, what was decided and why, and what Slack, PagerDuty, Teams and a
/// phone would show. Nothing leaves this machine, nothing is left behind. Exit code 0 only if all of it happened.
///
/// Example: alertbridge demo --keep
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Go on until Ctrl-C, and show what own alerts lead to.
    #[arg(long)]
    keep: bool,
    /// Print log lines that pass this filter to stderr, such as info.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(filter) = &args.log {
        telemetry::init(LogFormat::Text, filter)?;
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?
        .block_on(demo(args))
}

async fn demo(args: &Args) -> anyhow::Result<ExitCode> {
    let mut story = Story::begin().await?;
    let told = tokio::select! {
        told = story.tell() => told,
        interrupted = interrupted() => interrupted.and_then(|()| bail!("stopped before the end")),
    };
    if told.is_ok() {
        story.closing(args.keep);
        if args.keep {
            story.go_on().await?;
        }
    }
    let broken = story.end().await?;
    told?;
    if broken.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    bail!("the demo did not do what it promised\n{}", broken.join("\n"))
}

/// Waits for Ctrl-C or a termination: either way nothing is left behind.
async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for signals")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

struct Story {
    world: World,
    page: Page,
    /// When the first payload is posted.
    begin: Timestamp,
    /// Promises that were broken.
    broken: Vec<String>,
    /// Deliveries that failed at first.
    retried: usize,
    refused: usize,
    notifications: usize,
    heads: Vec<Head>,
}

impl Story {
    async fn begin() -> anyhow::Result<Self> {
        let world = World::start().await?;
        let page = Page::new();
        page.title("alertbridge demo: monitors on one side, people on the other");
        page.talk(&format!(
            "The bridge is real and listens on {}, its store is on disk, payloads come in over HTTP. Slack, \
             PagerDuty, Teams and Twilio are stand-ins on this machine that answer as the real ones do.",
            world.url
        ));
        let begin = world.clock.now();
        Ok(Self {
            world,
            page,
            begin,
            broken: Vec::new(),
            retried: 0,
            refused: 0,
            notifications: 0,
            heads: Vec::new(),
        })
    }

    async fn tell(&mut self) -> anyhow::Result<()> {
        for (step, number) in STEPS.iter().zip(1..) {
            self.step(step, number).await?;
        }
        self.table().await
    }

    async fn step(&mut self, step: &Step, number: usize) -> anyhow::Result<()> {
        if !step.after.is_zero() {
            self.world.clock.advance(step.after);
            let later = words::duration(step.after);
            self.page.chapter(&format!("... {later} later, by the clock of the demo"));
        }
        self.page.chapter(&format!("{number:>2}  {}", step.title));
        let payload = retime(step.payload, self.begin);
        let answer = self.world.post(step, &payload).await?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let (source, vendor, proof) = (step.source, step.vendor, step.proof.words());
        let answered =
            format!("{vendor} posts to /hooks/{source}{proof}: answered {}", answer.status);
        let error = body.pointer("/error/message").and_then(Value::as_str);
        self.page.field("in", &answered);
        if let Some(error) = error {
            self.page.field("refused", error);
        }
        if answer.status == 200 {
            self.decisions(step, &payload)?;
        }
        self.world.quiet().await?;
        let named = body.pointer("/incidents/0").and_then(Value::as_u64);
        self.incident(named).await?;
        let told = self.world.told().await?;
        for shown in &told {
            self.page.notification(shown);
        }
        if told.is_empty() {
            self.page.field("told", "nobody");
        }
        self.keep_promise(number, step, answer.status, named, &told);
        Ok(())
    }

    /// What the routes make of the alerts, by the same code that the server runs.
    fn decisions(&self, step: &Step, payload: &str) -> anyhow::Result<()> {
        let source = self.world.routes.sources.get(step.source).context("find the source")?;
        let payload = Payload {
            method: "POST",
            path: "",
            query: "",
            headers: &[],
            body: payload.as_bytes(),
            received_at: self.world.clock.now(),
        };
        let normalized = kinds::normalize(&*source.kind, &payload).context("normalize payload")?;
        let mut said = Vec::new();
        for alert in &normalized.alerts {
            let (status, severity) = (alert.status, alert.severity);
            self.page.field("alert", &format!("{status}, {severity}: {}", alert.title));
            let why = self.world.routes.table.explain(step.source, alert);
            let decided = match (&why.decision.dropped, why.decision.joins.first()) {
                _ if status == Status::Resolved => {
                    "goes to the incident it fired in, whatever the routes say by now".to_owned()
                }
                (Some((route, words)), _) => format!("{route} drops it: {words}"),
                (None, Some(join)) => {
                    let route = &join.policy.route;
                    let because = why.verdict(route).map(ToString::to_string).unwrap_or_default();
                    format!(
                        "{route}, because {because}; tells {}",
                        join.policy.receivers.join(", ")
                    )
                }
                (None, None) => "none".to_owned(),
            };
            if !said.contains(&decided) {
                said.push(decided);
            }
        }
        for decided in &said {
            self.page.field("route", decided);
        }
        Ok(())
    }

    /// What became of the incident that the answer named.
    async fn incident(&mut self, named: Option<u64>) -> anyhow::Result<()> {
        let heads = self.world.heads().await?;
        if let Some(head) = heads.iter().find(|head| Some(head.number) == named) {
            let before = self.heads.iter().find(|before| before.number == head.number);
            let known = before.map_or(0, |before| before.reasons.len());
            let reasons: Vec<&str> =
                head.reasons.iter().skip(known).map(|(_, reason)| reason.as_str()).collect();
            let state = format!("#{} is {}", head.number, head.state.as_str());
            let said = if before.is_some_and(|before| before.seq == head.seq) {
                format!("{state}: known already, nothing is new")
            } else {
                format!("{state}: {}", reasons.join(", "))
            };
            self.page.field("incident", &said);
        }
        self.heads = heads;
        Ok(())
    }

    fn keep_promise(
        &mut self,
        number: usize,
        step: &Step,
        status: u16,
        named: Option<u64>,
        told: &[Shown],
    ) {
        let receivers: Vec<&str> = told.iter().map(|shown| shown.receiver.as_str()).collect();
        let mut expect = |what: &str, got: String, want: String| {
            if got != want {
                self.broken.push(format!("step {number}: {what}: got {got}, not {want}"));
            }
        };
        expect("answer", status.to_string(), step.status.to_string());
        expect("incident", format!("{named:?}"), format!("{:?}", step.incident));
        expect("told", receivers.join(", "), step.tells.join(", "));
        self.refused += usize::from(status >= 400);
        self.notifications += told.iter().filter(|shown| shown.taken).count();
        for failed in told.iter().filter(|shown| !shown.taken) {
            let same = |other: &&Shown| other.taken && other.receiver == failed.receiver;
            let again = told.iter().find(same).is_some_and(|again| again.key == failed.key);
            self.retried += usize::from(again);
            expect("retry with the same key", again.to_string(), true.to_string());
        }
    }

    async fn table(&mut self) -> anyhow::Result<()> {
        self.page.chapter("How it stands");
        self.page.aside("   #  state     severity  route      incident");
        for head in &self.heads {
            let (state, route, peak) = (head.state.as_str(), &head.route, head.peak.as_str());
            let (number, title) = (head.number, &head.title);
            Page::plain(&format!("  {number:>2}  {state:<9} {peak:<9} {route:<10} {title}"));
            let record = self.world.incident(number).await?.context("read an incident")?;
            let members = u32::try_from(record.members.len()).unwrap_or(u32::MAX);
            let alerts = words::plural(members, "alert", "alerts");
            let told = head.told.iter();
            let told: Vec<String> =
                told.map(|told| format!("{} {}", told.receiver, state_word(told.state))).collect();
            self.page.aside(&format!("{:6}{alerts}; told: {}", "", told.join(", ")));
        }
        let ends: Vec<(u64, &str)> =
            self.heads.iter().map(|head| (head.number, head.state.as_str())).collect();
        if ends != END {
            self.broken.push(format!("at the end: incidents are {ends:?}, not {END:?}"));
        }
        if self.retried == 0 {
            self.broken.push("no failed delivery was tried again".to_owned());
        }
        Ok(())
    }

    fn closing(&self, keep: bool) {
        let page = &self.page;
        if !self.broken.is_empty() {
            return;
        }
        page.chapter(&format!(
            "{} payloads, {} refused; {} incidents; {} notifications, {} after a retry. All as promised.",
            STEPS.len(),
            self.refused,
            self.heads.len(),
            self.notifications,
            self.retried
        ));
        page.chapter("Try next");
        if keep {
            let url = &self.world.url;
            page.field("an alert", "of your own, then look here:");
            Page::plain(&format!(
                "    curl {url}/hooks/scripts -d '{{\"title\":\"Disk of db-1 is full\",\"severity\":\"critical\",\"host\":\"db-1\"}}'"
            ));
            page.field("the state", "as JSON and as metrics:");
            Page::plain(&format!("    curl {url}/api/v1/incidents/1"));
            Page::plain(&format!("    curl {url}/metrics"));
            page.talk("Ctrl-C ends it.");
            return;
        }
        for (command, words) in [
            ("alertbridge demo --keep", "the same, then alerts of your own"),
            ("alertbridge explain --kind grafana --render payload.json", "what a payload would do"),
            ("alertbridge check --routes routes.toml", "what is wrong with a configuration"),
            ("alertbridge", "a bridge without any configuration"),
        ] {
            Page::plain(&format!("  {command:<57} {words}"));
        }
    }

    /// Shows what receivers are told, until Ctrl-C.
    async fn go_on(&mut self) -> anyhow::Result<()> {
        let mut interrupted = std::pin::pin!(interrupted());
        loop {
            tokio::select! {
                interrupted = &mut interrupted => return interrupted,
                () = self.world.event() => {}
            }
            for shown in self.world.told().await? {
                self.page.notification(&shown);
            }
        }
    }

    /// Stops everything; what was promised and did not happen.
    async fn end(self) -> anyhow::Result<Vec<String>> {
        self.world.stop().await?;
        Ok(self.broken)
    }
}

const fn state_word(state: ToldState) -> &'static str {
    match state {
        ToldState::Never => "nothing",
        ToldState::Open => "open",
        ToldState::Acknowledged => "acknowledged",
        ToldState::Resolved => "resolved",
    }
}
