//! `alertbridge explain`: what a payload would do, without doing it.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::explain_render::{self, Notification};
use super::explain_text;
use super::setup::{self, Files};
use crate::clock::{Clock, SystemClock};
use crate::config::{Catalog, Routes};
use crate::domain::{Alert, Explanation};
use crate::ingest::Kind;
use crate::ingest::kinds::{self, Handshake, Normalized, Payload};

/// Shows what a payload would do: its alerts, their routes and why. Changes nothing.
///
/// Example: alertbridge explain --kind alertmanager --routes routes.toml --render payload.json
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The source kind that reads the payload.
    #[arg(long, required_unless_present = "source")]
    kind: Option<String>,
    /// The configured source that it comes from; without it the only one of the kind, else the kind's own name.
    #[arg(long)]
    source: Option<String>,
    #[command(flatten)]
    files: Files,
    /// The HTTP method it was sent with.
    #[arg(long, default_value = "POST")]
    method: String,
    /// The request path; a query behind `?` is taken where `--query` says none.
    #[arg(long, default_value = "/hooks/explain")]
    path: String,
    /// The raw query string.
    #[arg(long, default_value = "")]
    query: String,
    /// The Content-Type header.
    #[arg(long)]
    content_type: Option<String>,
    /// A JSON object of header names and values.
    #[arg(long)]
    headers: Option<PathBuf>,
    /// Show what each receiver would be sent, without sending it. Secrets are masked.
    #[arg(long)]
    render: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The payload's file, or - for standard input.
    payload: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let setup = setup::load(&args.files, false).map_err(setup::Error::into_anyhow)?;
    let (routes, catalog) = (setup.routes, setup.catalog);
    let (source, kind) = source(args, &routes, &catalog)?;
    let body = read(&args.payload)?;
    let headers = headers(args)?;
    let (path, query) = args.path.split_once('?').unwrap_or((&args.path, ""));
    let payload = Payload {
        method: &args.method,
        path,
        query: if args.query.is_empty() { query } else { &args.query },
        headers: &headers,
        body: &body,
        received_at: SystemClock::default().now(),
    };
    let now = payload.received_at;
    let normalized = kinds::normalize(&*kind, &payload).context("normalize payload")?;
    let taken = normalized.taken.as_ref().map(|taken| taken.kind.as_str());
    let mut explained = Explained::new(&routes, &source, taken.unwrap_or(kind.name()), &normalized);
    if args.render {
        let base_url = setup.settings.server.public_url.as_deref();
        explained.notifications = Some(explain_render::all(&explained, base_url, now));
    }
    if args.json {
        super::say(&serde_json::to_string_pretty(&report(&explained))?);
    } else {
        super::say(explain_text::render(&explained).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// The name that `source` has in matchers, and the kind that reads the payload.
fn source(args: &Args, routes: &Routes, catalog: &Catalog) -> anyhow::Result<(String, Kind)> {
    if let Some(name) = &args.source {
        let Some(source) = routes.sources.get(name) else {
            let known: Vec<&str> = routes.sources.keys().map(String::as_str).collect();
            bail!("there is no source called {name:?}; sources are {}", known.join(", "));
        };
        if args.kind.as_deref().is_none_or(|kind| kind == source.kind.name()) {
            return Ok((name.clone(), source.kind.clone()));
        }
    }
    let name = args.kind.as_deref().unwrap_or_default();
    let of_kind: Vec<_> = routes.sources.values().filter(|s| s.kind.name() == name).collect();
    let chosen = args.source.clone();
    if let [source] = of_kind[..] {
        return Ok((chosen.unwrap_or_else(|| source.name.clone()), source.kind.clone()));
    }
    let Some(kind) = catalog.source(name) else {
        let known: Vec<&str> = catalog.sources.iter().map(|kind| kind.name()).collect();
        bail!("unknown source kind {name:?}; kinds are {}", known.join(", "));
    };
    Ok((chosen.unwrap_or_else(|| name.to_owned()), kind.clone()))
}

/// A payload and what the routes make of each alert.
pub(super) struct Explained<'a> {
    pub(super) routes: &'a Routes,
    pub(super) source: &'a str,
    /// The kind that read the payload.
    pub(super) kind: &'a str,
    pub(super) normalized: &'a Normalized,
    /// One for each alert.
    pub(super) explanations: Vec<Explanation>,
    /// What receivers would be sent, one list for each alert, if that was asked for.
    pub(super) notifications: Option<Vec<Vec<Notification>>>,
}

impl<'a> Explained<'a> {
    fn new(routes: &'a Routes, source: &'a str, kind: &'a str, normalized: &'a Normalized) -> Self {
        let alerts = normalized.alerts.iter();
        let explanations = alerts.map(|alert| routes.table.explain(source, alert)).collect();
        Self { routes, source, kind, normalized, explanations, notifications: None }
    }
}

fn read(path: &str) -> anyhow::Result<Vec<u8>> {
    if path == "-" {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("read standard input")?;
        return Ok(body);
    }
    std::fs::read(path).with_context(|| format!("read {path}"))
}

fn headers(args: &Args) -> anyhow::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    if let Some(path) = &args.headers {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let map: serde_json::Map<String, Value> = serde_json::from_str(&text)
            .with_context(|| format!("read headers from {}", path.display()))?;
        for (name, value) in map {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            headers.push((name.to_ascii_lowercase(), value));
        }
    }
    if let Some(content_type) = &args.content_type {
        headers.retain(|(name, _)| name != "content-type");
        headers.push(("content-type".into(), content_type.clone()));
    }
    Ok(headers)
}

fn report(explained: &Explained<'_>) -> Value {
    let normalized = explained.normalized;
    let alerts = normalized.alerts.iter().zip(&explained.explanations);
    let mut alerts: Vec<Value> = alerts.map(|(alert, why)| self::alert(alert, why)).collect();
    if let Some(all) = &explained.notifications {
        for (alert, notifications) in alerts.iter_mut().zip(all) {
            alert["notifications"] = notifications.iter().map(Notification::to_json).collect();
        }
    }
    let rejected: Vec<Value> =
        normalized.rejected.iter().map(|r| json!({"index": r.index, "reason": r.reason})).collect();
    json!({
        "source": explained.source, "kind": explained.kind, "alerts": alerts, "rejected": rejected,
        "ignored": normalized.ignored, "answer": answer(normalized),
    })
}

/// What a handshake is answered.
fn answer(normalized: &Normalized) -> Option<Value> {
    match normalized.handshake.as_ref()? {
        Handshake::Answer { status, media_type, body } => {
            Some(json!({"status": status, "type": media_type, "body": body}))
        }
        Handshake::SnsSubscription { topic, .. } => Some(json!({"confirms": topic})),
    }
}

fn alert(alert: &Alert, why: &Explanation) -> Value {
    let routes = why.decision.joins.iter().map(|join| {
        let values: Map<String, Value> =
            join.values.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "route": &*join.policy.route, "incident": join.group.to_string(), "values": values,
            "receivers": join.policy.receivers.iter().map(|name| &**name).collect::<Vec<_>>(),
            "reason": why.verdict(&join.policy.route).map(ToString::to_string),
        })
    });
    let trace = why.steps.iter().map(|step| {
        json!({
            "route": &*step.route, "depth": step.depth, "verdict": step.verdict.as_str(),
            "reason": step.verdict.to_string(),
        })
    });
    let dropped = why.decision.dropped.as_ref();
    json!({
        "key": alert.key, "status": alert.status, "severity": alert.severity, "life": alert.life,
        "title": alert.title, "text": alert.text, "resource": alert.resource, "service": alert.service,
        "env": alert.env, "alertname": alert.alertname, "labels": alert.labels,
        "annotations": alert.annotations, "links": alert.links, "images": alert.images,
        "observed_at": alert.observed_at.map(|at| at.to_string()),
        "started_at": alert.started_at.map(|at| at.to_string()),
        "ends_at": alert.ends_at.map(|at| at.to_string()),
        "message_id": alert.message_id,
        "routes": routes.collect::<Vec<_>>(),
        "dropped": dropped.map(|(route, words)| json!({"route": &**route, "reason": words})),
        "trace": trace.collect::<Vec<_>>(),
    })
}
