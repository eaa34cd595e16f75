//! One shape of a vendor's payload: how it is recognized and what its fields mean.

use std::time::Duration;

use serde_json_path::JsonPath;

use super::answers::Reply;
use super::copies::Copies;
use super::field::{Field, Scope, text};
use super::place::Pointer;
use super::rules::Rule;
use super::words::Words;
use crate::domain::{Alert, Life, Link, Severity, Status, Timestamp};
use crate::ingest::kinds::{bound, when};

/// Payloads that are no alerts.
#[derive(Debug)]
pub(super) struct Ignore {
    pub(super) rules: Vec<Rule>,
    pub(super) reason: String,
}

/// Where the alerts of a payload are.
#[derive(Debug)]
pub(super) enum List {
    /// The first that exists, with how it is written.
    Pointers(Vec<(Pointer, String)>),
    Path(Box<JsonPath>),
}

#[derive(Debug)]
pub(super) struct Time {
    pub(super) from: Field,
    /// Instead of `from` when the alert is resolved.
    pub(super) resolved: Option<Field>,
    /// The first that can read it.
    pub(super) formats: Vec<when::Format>,
}

impl Time {
    fn read(&self, scope: &Scope<'_>, status: Status) -> Option<Timestamp> {
        let field = match &self.resolved {
            Some(resolved) if status == Status::Resolved => resolved,
            _ => &self.from,
        };
        field.find(scope, |value| self.formats.iter().find_map(|format| format.read(value)))
    }
}

/// One shape.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) recognize: Vec<Rule>,
    pub(super) ignore: Vec<Ignore>,
    /// Why a payload of this shape is no alert at all.
    pub(super) ignored: Option<String>,
    /// What its sender is answered then.
    pub(super) reply: Option<Reply>,
    pub(super) alerts: Option<List>,
    pub(super) life: Life,
    pub(super) key: Vec<Field>,
    pub(super) status: Words<Status>,
    pub(super) severity: Words<Severity>,
    pub(super) title: Field,
    pub(super) text: Field,
    pub(super) resource: Field,
    pub(super) service: Field,
    pub(super) env: Field,
    pub(super) alertname: Field,
    pub(super) message_id: Field,
    pub(super) observed_at: Option<Time>,
    pub(super) started_at: Option<Time>,
    pub(super) ends_at: Option<Time>,
    pub(super) expires_after: Option<Duration>,
    pub(super) labels: Copies,
    pub(super) annotations: Copies,
    pub(super) links: Vec<(String, Field)>,
    pub(super) images: Vec<Field>,
    pub(super) needs_context: bool,
}

impl Shape {
    /// Why the alert in `scope` is none, if it is none.
    pub(super) fn ignored(&self, scope: &Scope<'_>) -> Option<&str> {
        let ignore =
            self.ignore.iter().find(|ignore| ignore.rules.iter().all(|rule| rule.holds(scope)))?;
        Some(&ignore.reason)
    }

    /// The alert in `scope`, or what it lacks.
    pub(super) fn read(&self, scope: &Scope<'_>) -> Result<Alert, String> {
        let labels = self.labels.read(scope);
        let with_labels = Scope { labels: Some(&labels), ..*scope };
        let key = self
            .key(&with_labels)
            .ok_or_else(|| format!("no key: shape {:?} finds none of its key fields", self.name))?;
        let mut alert = Alert::new(key, self.title.text(scope).unwrap_or_default());
        alert.status = self.status.read(scope);
        alert.severity = self.severity.read(scope);
        alert.life = if alert.status == Status::Notice { Life::Event } else { self.life };
        alert.text = self.text.text(scope);
        alert.resource = self.resource.text(scope);
        alert.service = self.service.text(scope);
        alert.env = self.env.text(scope);
        alert.alertname = self.alertname.text(scope);
        alert.message_id = self.message_id.text(scope);
        let time = |time: &Option<Time>| time.as_ref()?.read(scope, alert.status);
        alert.observed_at = time(&self.observed_at);
        alert.started_at = time(&self.started_at);
        alert.ends_at = time(&self.ends_at);
        alert.expires_after = self.expires_after;
        alert.labels = labels;
        alert.annotations = self.annotations.read(scope);
        for (name, field) in &self.links {
            if let Some(url) = field.find(scope, |url| text(url).filter(|url| bound::is_link(url)))
            {
                alert.links.push(Link { name: name.clone(), url });
            }
        }
        alert.images = self.images.iter().filter_map(|field| field.text(scope)).collect();
        Ok(alert)
    }

    /// The parts joined with `|`; a part that is missing is empty, but not all may be.
    fn key(&self, scope: &Scope<'_>) -> Option<String> {
        let parts: Vec<Option<String>> = self.key.iter().map(|field| field.text(scope)).collect();
        if parts.iter().all(Option::is_none) {
            return None;
        }
        let parts = parts.into_iter().map(|part| part.unwrap_or_default().replace('|', "\\|"));
        Some(parts.collect::<Vec<_>>().join("|"))
    }
}
