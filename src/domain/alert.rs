//! One normalized observation about one thing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Fingerprint, Timestamp};

/// What an alert says about its problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The problem is there.
    Firing,
    /// A person at the vendor took it.
    Acknowledged,
    /// The problem is gone.
    Resolved,
    /// A one-off message that nothing will resolve.
    Notice,
}

impl Status {
    /// The word used in matchers, metrics and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Notice => "notice",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad it is; ordered from unknown to critical.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The sender said nothing that we understand.
    #[default]
    Unknown,
    Info,
    Warning,
    Error,
    Critical,
}

impl Severity {
    /// All severities from unknown to critical; `ALL[severity as usize]` is the severity itself.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The word used in matchers, metrics and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// Reads our own word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the problem of an alert ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// The sender says `resolved`.
    #[default]
    Resolves,
    /// The sender never says so: the alert expires after `resolve_timeout` or at [`Alert::ends_at`].
    Expires,
    /// A one-off event.
    Event,
}

/// A link that came with an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What to call it, such as `runbook`, `dashboard`, `source`, `silence`.
    pub name: String,
    /// An absolute http, https or mailto URL.
    pub url: String,
}

/// The sender's labels by name.
pub type Labels = BTreeMap<String, String>;

/// One normalized observation about one thing. Built by a source kind, bounded by `limits.rs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Position in the payload, from 0.
    pub index: u32,
    /// Identity within the source: the same problem again, or its resolution, has the same key.
    pub key: String,
    pub status: Status,
    pub severity: Severity,
    pub life: Life,
    /// One line for people; never empty.
    pub title: String,
    /// Longer text for people.
    pub text: Option<String>,
    /// The thing that is affected: host, instance, database, ...
    pub resource: Option<String>,
    /// The service it belongs to.
    pub service: Option<String>,
    /// The environment it belongs to.
    pub env: Option<String>,
    /// The name of the rule that raised it.
    pub alertname: Option<String>,
    /// The sender's labels, untouched; vendor fields are added in `snake_case`.
    pub labels: Labels,
    /// Longer texts of the sender that never take part in matching.
    pub annotations: Labels,
    pub links: Vec<Link>,
    /// Images the sender offers, as absolute https URLs.
    pub images: Vec<String>,
    /// When the sender observed what this alert says (for a resolve: when it ended).
    pub observed_at: Option<Timestamp>,
    /// When the problem began, if the sender says.
    pub started_at: Option<Timestamp>,
    /// When the sender wants it to be taken as over unless it says more.
    pub ends_at: Option<Timestamp>,
    /// How long it may stay without news, where the sender names that; else the route's `resolve_timeout`.
    pub expires_after: Option<Duration>,
    /// The sender's id of this very message: a redelivery carries the same.
    pub message_id: Option<String>,
}

impl Alert {
    /// A firing alert with a key and a title and nothing else; kinds fill in what they know.
    pub fn new(key: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            index: 0,
            key: key.into(),
            status: Status::Firing,
            severity: Severity::Unknown,
            life: Life::Resolves,
            title: title.into(),
            text: None,
            resource: None,
            service: None,
            env: None,
            alertname: None,
            labels: Labels::new(),
            annotations: Labels::new(),
            links: Vec::new(),
            images: Vec::new(),
            observed_at: None,
            started_at: None,
            ends_at: None,
            expires_after: None,
            message_id: None,
        }
    }

    /// The fingerprint of (source, key): what memberships are found by.
    pub fn fingerprint(&self, source: &str) -> Fingerprint {
        Fingerprint::of([source, &self.key])
    }

    /// The value that a bare name means in matchers, `group_by` and templates: the normalized field if
    /// `name` is one, else the sender's label; `label.NAME` is always the label. Missing is "".
    pub fn value<'a>(&'a self, source: &'a str, name: &str) -> &'a str {
        if let Some(field) = Field::parse(name) {
            return self.field(source, field);
        }
        let name = name.strip_prefix("label.").unwrap_or(name);
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The value of a normalized field; missing is "".
    pub fn field<'a>(&'a self, source: &'a str, field: Field) -> &'a str {
        match field {
            Field::Source => source,
            Field::Severity => self.severity.as_str(),
            Field::Resource => self.resource.as_deref().unwrap_or(""),
            Field::Service => self.service.as_deref().unwrap_or(""),
            Field::Env => self.env.as_deref().unwrap_or(""),
            Field::Alertname => self.alertname.as_deref().unwrap_or(""),
        }
    }
}

/// The normalized facts that a bare name means before it means a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Source,
    Severity,
    Resource,
    Service,
    Env,
    Alertname,
}

impl Field {
    /// All fields.
    pub const ALL: [Self; 6] =
        [Self::Source, Self::Severity, Self::Resource, Self::Service, Self::Env, Self::Alertname];

    /// The name used in matchers, `group_by` and templates.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Severity => "severity",
            Self::Resource => "resource",
            Self::Service => "service",
            Self::Env => "env",
            Self::Alertname => "alertname",
        }
    }

    /// The field called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_are_fields_first() {
        let mut alert = Alert::new("k", "t");
        alert.severity = Severity::Error;
        alert.labels.insert("severity".into(), "page".into());
        alert.labels.insert("team".into(), "db".into());
        assert_eq!(alert.value("s", "severity"), "error");
        assert_eq!(alert.value("s", "label.severity"), "page");
        assert_eq!(alert.value("s", "team"), "db");
        assert_eq!(alert.value("s", "source"), "s");
        assert_eq!(alert.value("s", "nothing"), "");
    }
}
