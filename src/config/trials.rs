//! Runs the `[[test]]` entries of `routes.toml` by the code that reads payloads and routes alerts.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::Read;
use std::path::Path;

use super::cases::{Expectation, RouteTest, TestInput};
use super::problem::{Problem, Report, Word};
use super::routes::Routes;
use crate::domain::{Alert, Severity, Status, Timestamp};
use crate::ingest::kinds::{self, Payload};
use crate::limits::INFLATED_BYTES_MAX;

/// What became of one `[[test]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial<'a> {
    pub test: &'a RouteTest,
    /// What was not as expected, in words; empty if the test holds.
    pub misses: Vec<String>,
}

impl Trial<'_> {
    /// Whether everything was as expected.
    pub fn holds(&self) -> bool {
        self.misses.is_empty()
    }
}

impl Routes {
    /// Runs every test. Reads the payloads, so it blocks on the disk. `now` is when they arrive.
    pub fn trials(&self, now: Timestamp) -> Vec<Trial<'_>> {
        self.tests.iter().map(|test| Trial { test, misses: self.run(test, now) }).collect()
    }

    /// The same routes if every test holds, else a report with a problem at each one that does not.
    pub fn tried(self, now: Timestamp) -> Result<Self, Report> {
        let failed = self.trials(now).into_iter().filter(|trial| !trial.holds()).map(|trial| {
            let message = format!("test failed: {}", trial.misses.join("; "));
            let hint = "`alertbridge explain` shows which route takes an alert and why";
            Problem::error(Word::TestFailed, trial.test.span.clone(), message).hint(hint)
        });
        let failed: Vec<Problem> = failed.collect();
        if failed.is_empty() { Ok(self) } else { Err(self.warnings.with(failed)) }
    }

    fn run(&self, test: &RouteTest, now: Timestamp) -> Vec<String> {
        let alerts = match &test.input {
            TestInput::Labels(_) => Ok(test.input.alert().into_iter().collect()),
            TestInput::Payload(path) => self.read(&test.source, path, now),
        };
        let alerts: Vec<Alert> = match alerts {
            Ok(alerts) => alerts,
            Err(error) => return vec![error],
        };
        let mut misses = Vec::new();
        for (at, alert) in alerts.iter().enumerate() {
            let found = self.misses(&test.expect, &test.source, alert);
            // Which alert it is only matters where there are several.
            let of = if alerts.len() > 1 { format!("alert {at}: ") } else { String::new() };
            misses.extend(found.into_iter().map(|miss| format!("{of}{miss}")));
        }
        misses
    }

    /// The alerts of a payload of the source called `source`.
    fn read(&self, source: &str, path: &Path, now: Timestamp) -> Result<Vec<Alert>, String> {
        let source = self.sources.get(source).ok_or_else(|| format!("no source {source:?}"))?;
        let body = body(path)?;
        let payload = Payload {
            method: "POST",
            path: "/hooks/test",
            query: "",
            headers: &[],
            body: &body,
            received_at: now,
        };
        let read = kinds::normalize(&*source.kind, &payload);
        let read = read.map_err(|error| format!("{}: {error}", path.display()))?;
        if let Some(rejected) = read.rejected.first() {
            return Err(format!("alert {} cannot be read: {:?}", rejected.index, rejected.reason));
        }
        if read.alerts.is_empty() {
            let why = read.ignored.map(|why| format!(": {why:?}")).unwrap_or_default();
            return Err(format!("{} has no alerts{why}", path.display()));
        }
        Ok(read.alerts)
    }

    fn misses(&self, expect: &Expectation, source: &str, alert: &Alert) -> Vec<String> {
        let mut misses = Vec::new();
        let decision = self.table.decide(source, alert);
        let mut routes: Vec<&str> = decision.joins.iter().map(|join| &*join.policy.route).collect();
        routes.extend(decision.dropped.iter().map(|(route, _)| &**route));
        if let Some(route) = expect.route.as_deref().filter(|route| !routes.contains(route)) {
            misses.push(miss("route", &route, &routes.join(", ")));
        }
        let receivers = decision.joins.iter().flat_map(|join| &join.policy.receivers);
        let receivers: BTreeSet<&str> = receivers.map(|name| &**name).collect();
        if let Some(wanted) = &expect.receivers {
            let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
            if wanted != receivers {
                misses.push(miss("receivers", &wanted, &receivers));
            }
        }
        let dropped = decision.dropped.is_some();
        if let Some(wanted) = expect.dropped.filter(|wanted| *wanted != dropped) {
            misses.push(miss("dropped", &wanted, &dropped));
        }
        let mut text = |what: &str, wanted: Option<&str>, got: Option<&str>| {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != got.unwrap_or("")) {
                misses.push(miss(what, &wanted, &got.unwrap_or("")));
            }
        };
        text("severity", expect.severity.map(Severity::as_str), Some(alert.severity.as_str()));
        text("status", expect.status.map(Status::as_str), Some(alert.status.as_str()));
        text("title", expect.title.as_deref(), Some(&alert.title));
        text("resource", expect.resource.as_deref(), alert.resource.as_deref());
        text("service", expect.service.as_deref(), alert.service.as_deref());
        text("env", expect.env.as_deref(), alert.env.as_deref());
        text("alertname", expect.alertname.as_deref(), alert.alertname.as_deref());
        misses
    }
}

/// Quotes the values: nothing of a payload moves the cursor of the terminal.
fn miss(what: &str, wanted: &dyn Debug, got: &dyn Debug) -> String {
    format!("expected {what} {wanted:?}, got {got:?}")
}

fn body(path: &Path) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(INFLATED_BYTES_MAX as u64 + 1).read_to_end(&mut body));
    match read {
        Ok(_) => Ok(body),
        Err(error) => Err(format!("cannot read {}: {}", path.display(), error.kind())),
    }
}
