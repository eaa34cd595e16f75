//! One shape of a vendor's payload: how it is recognized and what its fields mean.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::field::{Field, Place, Pointer, Scope, text};
use super::words::WordTable;
use crate::domain::{Alert, Labels, Life, Link, Severity, Status, Timestamp};
use crate::ingest::kinds::{bound, read, when};

/// A condition on the payload, the alert or the request.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) place: Place,
    pub(super) test: Test,
    /// As written, for error messages.
    pub(super) shown: String,
}

#[derive(Debug)]
pub(super) enum Test {
    Exists,
    Missing,
    /// One of these words, in lower case.
    Equals(HashSet<String>),
    /// Begins with one of these, in lower case.
    StartsWith(Vec<String>),
}

impl Rule {
    pub(super) fn holds(&self, scope: &Scope<'_>) -> bool {
        let found = self.place.get(scope).filter(|value| !value.is_null());
        let word = |value: &Value| text(value).unwrap_or_default().to_lowercase();
        match &self.test {
            Test::Exists => found.is_some(),
            Test::Missing => found.is_none(),
            Test::Equals(words) => found.is_some_and(|value| words.contains(&word(&value))),
            Test::StartsWith(words) => found.is_some_and(|value| {
                let word = word(&value);
                words.iter().any(|start| word.starts_with(start.as_str()))
            }),
        }
    }
}

/// Payloads that are no alerts.
#[derive(Debug)]
pub(super) struct Ignore {
    pub(super) rules: Vec<Rule>,
    pub(super) reason: String,
}

/// Where the alerts of a payload are.
#[derive(Debug)]
pub(super) enum List {
    Pointer(Pointer, String),
    Path(Box<JsonPath>),
}

#[derive(Debug)]
pub(super) struct Words<T> {
    pub(super) tables: Vec<WordTable<T>>,
    pub(super) default: T,
}

impl<T: Copy> Words<T> {
    fn read(&self, scope: &Scope<'_>) -> T {
        self.tables.iter().find_map(|table| table.read(scope)).unwrap_or(self.default)
    }
}

#[derive(Debug)]
pub(super) struct Time {
    pub(super) from: Field,
    /// Instead of `from` when the alert is resolved.
    pub(super) resolved: Option<Field>,
    pub(super) format: when::Format,
}

impl Time {
    fn read(&self, scope: &Scope<'_>, status: Status) -> Option<Timestamp> {
        let field = match &self.resolved {
            Some(resolved) if status == Status::Resolved => resolved,
            _ => &self.from,
        };
        field.find(scope, |value| self.format.read(value))
    }
}

/// Values of a list of `{name, value}` objects.
#[derive(Debug)]
pub(super) struct Pairs {
    pub(super) at: Place,
    pub(super) name: String,
    pub(super) value: String,
}

/// Where labels or annotations come from.
#[derive(Debug, Default)]
pub(super) struct Copies {
    pub(super) copy: Vec<Place>,
    pub(super) except: HashSet<String>,
    pub(super) tags: Vec<Place>,
    pub(super) pairs: Vec<Pairs>,
    pub(super) set: Vec<(String, Field)>,
}

/// One shape.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) recognize: Vec<Rule>,
    pub(super) ignore: Vec<Ignore>,
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
        let key = self
            .key(scope)
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
        alert.labels = self.labels.read(scope);
        alert.annotations = self.annotations.read(scope);
        for (name, field) in &self.links {
            if let Some(url) =
                field.find(scope, |url| read::scalar(url).filter(|url| bound::is_link(url)))
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

impl Copies {
    fn read(&self, scope: &Scope<'_>) -> Labels {
        let mut labels = Labels::new();
        for place in &self.copy {
            if let Some(value) = place.get(scope)
                && let Value::Object(map) = &*value
            {
                let kept = map
                    .iter()
                    .filter(|(name, value)| !value.is_object() && !self.except.contains(*name));
                labels.extend(kept.map(|(name, value)| (name.clone(), read::text(value))));
            }
        }
        for place in &self.tags {
            match place.get(scope).as_deref() {
                Some(Value::Array(tags)) => {
                    tags.iter().filter_map(read::scalar).for_each(|tag| add_tag(&mut labels, &tag));
                }
                Some(Value::String(tags)) => {
                    tags.split(',').for_each(|tag| add_tag(&mut labels, tag));
                }
                _ => {}
            }
        }
        for pairs in &self.pairs {
            if let Some(value) = pairs.at.get(scope)
                && let Value::Array(items) = &*value
            {
                for item in items {
                    let name = item.get(&pairs.name).and_then(read::scalar);
                    if let (Some(name), Some(value)) = (name, item.get(&pairs.value)) {
                        labels.insert(name, read::text(value));
                    }
                }
            }
        }
        for (name, field) in &self.set {
            if let Some(text) = field.text(scope) {
                labels.insert(name.clone(), text);
            }
        }
        labels
    }

    pub(super) fn needs_context(&self) -> bool {
        self.set.iter().any(|(_, field)| field.needs_context())
    }
}

/// `name:value` is a label; tags without a value are collected in the label `tags`.
fn add_tag(labels: &mut Labels, tag: &str) {
    let tag = tag.trim();
    if tag.is_empty() {
        return;
    }
    match tag.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            labels.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        _ => {
            let tags = labels.entry("tags".to_owned()).or_default();
            if !tags.is_empty() {
                tags.push_str(", ");
            }
            tags.push_str(tag);
        }
    }
}
