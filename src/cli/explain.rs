//! `alertbridge explain`: what a payload would do, without doing it.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::clock::{Clock, SystemClock};
use crate::domain::Alert;
use crate::ingest::kinds::{self, Normalized, Payload};

/// Shows what a payload would do: its alerts, their routes and why. Changes nothing.
///
/// Example: alertbridge explain --kind alertmanager --routes routes.toml payload.json
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The source kind that reads the payload.
    #[arg(long)]
    kind: String,
    /// The HTTP method it was sent with.
    #[arg(long, default_value = "POST")]
    method: String,
    /// The request path.
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
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The payload's file, or - for standard input.
    payload: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(kind) = kinds::find(&args.kind) else {
        bail!("unknown source kind {:?}", args.kind);
    };
    let body = read(&args.payload)?;
    let headers = headers(args)?;
    let payload = Payload {
        method: &args.method,
        path: &args.path,
        query: &args.query,
        headers: &headers,
        body: &body,
        received_at: SystemClock::default().now(),
    };
    let normalized = kinds::normalize(kind, &payload).context("normalize payload")?;
    super::say(&serde_json::to_string_pretty(&report(&normalized))?);
    Ok(ExitCode::SUCCESS)
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

fn report(normalized: &Normalized) -> Value {
    let alerts: Vec<Value> = normalized.alerts.iter().map(alert).collect();
    let rejected: Vec<Value> =
        normalized.rejected.iter().map(|r| json!({"index": r.index, "reason": r.reason})).collect();
    json!({"alerts": alerts, "rejected": rejected, "ignored": normalized.ignored})
}

fn alert(alert: &Alert) -> Value {
    json!({
        "key": alert.key, "status": alert.status, "severity": alert.severity, "life": alert.life,
        "title": alert.title, "text": alert.text, "resource": alert.resource, "service": alert.service,
        "env": alert.env, "alertname": alert.alertname, "labels": alert.labels,
        "annotations": alert.annotations, "links": alert.links, "images": alert.images,
        "observed_at": alert.observed_at.map(|at| at.to_string()),
        "started_at": alert.started_at.map(|at| at.to_string()),
        "ends_at": alert.ends_at.map(|at| at.to_string()),
        "message_id": alert.message_id,
    })
}
