//! Vendors' APIs that the bridge answers in their place, so that a tool moves by changing one URL.

use std::fmt;

/// An API of a vendor; served in `http`, read by one source kind each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// PagerDuty Events API v2: `/v2/enqueue`, `/v2/change/enqueue`.
    PagerDuty,
    /// PagerDuty Events API v1: `/generic/2010-04-15/create_event.json`.
    PagerDutyV1,
    /// Opsgenie Alert API: `/v2/alerts` and what is below it.
    Opsgenie,
    /// Splunk On-Call (formerly `VictorOps`) REST: `/integrations/generic/20131114/alert/{key}/{routing}`.
    SplunkOnCall,
    /// Alertmanager API as Prometheus uses it: `/api/v2/alerts`, `/api/v1/alerts`.
    Alertmanager,
}

impl Endpoint {
    /// All endpoints.
    pub const ALL: [Self; 5] = [
        Self::PagerDuty,
        Self::PagerDutyV1,
        Self::Opsgenie,
        Self::SplunkOnCall,
        Self::Alertmanager,
    ];

    /// The word of `endpoint = "..."`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PagerDuty => "pagerduty",
            Self::PagerDutyV1 => "pagerduty-v1",
            Self::Opsgenie => "opsgenie",
            Self::SplunkOnCall => "splunk-oncall",
            Self::Alertmanager => "alertmanager",
        }
    }

    /// The source kind that reads what its clients send.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::PagerDuty => "pagerduty-events-v2",
            Self::PagerDutyV1 => "pagerduty-events-v1",
            Self::Opsgenie => "opsgenie-alert-api",
            Self::SplunkOnCall => "splunk-oncall-rest",
            Self::Alertmanager => "prometheus",
        }
    }

    /// The endpoint whose requests `kind` reads.
    pub fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.kind() == kind)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
