//! The tables compiled in.

use std::sync::{LazyLock, OnceLock};

use super::{Answers, Table, TableKind};
use crate::ingest::kinds::{Error, Normalized, Payload, Seen, Sign, SourceKind};

/// Name and text of a table of `sources/`.
macro_rules! table {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../sources/", $name, ".toml")))
    };
}

/// One line each, in alphabetical order.
const BUILTIN: &[(&str, &str)] = &[
    table!("airbrake"),
    table!("alerta-query"),
    table!("alibaba-cms"),
    table!("apex-ping"),
    table!("appdynamics"),
    table!("auvik"),
    table!("axiom"),
    table!("azure-devops"),
    table!("better-stack"),
    table!("bugsnag"),
    table!("buildbot"),
    table!("canarytokens"),
    table!("checkly"),
    table!("checkmk"),
    table!("circleci"),
    table!("cloudevents"),
    table!("cloudflare"),
    table!("codeship"),
    table!("conviva"),
    table!("coralogix"),
    table!("crashlytics"),
    table!("cronitor"),
    table!("dash0"),
    table!("datadog"),
    table!("dead-mans-snitch"),
    table!("dynatrace"),
    table!("elastalert"),
    table!("elastic-watcher"),
    table!("errbit"),
    table!("fail2ban"),
    table!("falco"),
    table!("fastly"),
    table!("flux"),
    table!("freshping"),
    table!("freshstatus"),
    table!("gcp-monitoring"),
    table!("github"),
    table!("gitlab"),
    table!("gitlab-alert-endpoint"),
    table!("goalert-generic"),
    table!("gocd"),
    table!("gosquared"),
    table!("graylog"),
    table!("harbor"),
    table!("healthchecks"),
    table!("heroku"),
    table!("honeycomb"),
    table!("hydrozen"),
    table!("hyperping"),
    table!("icinga-notifications"),
    table!("influxdb"),
    table!("insping"),
    table!("jenkins"),
    table!("jira"),
    table!("kapacitor"),
    table!("kibana"),
    table!("kubernetes-events"),
    table!("librato"),
    table!("librenms"),
    table!("moira"),
    table!("mongodb-atlas"),
    table!("nagios-nrdp"),
    table!("netbeez"),
    table!("netbox"),
    table!("netlify"),
    table!("newrelic"),
    table!("opsgenie-alert-api"),
    table!("opsgenie-outgoing"),
    table!("pagerduty-events-v1"),
    table!("pagerduty-events-v2"),
    table!("pagerduty-webhook-v1"),
    table!("pagerduty-webhook-v2"),
    table!("pagerduty-webhook-v3"),
    table!("pagertree-webhook"),
    table!("papertrail"),
    table!("pingdom"),
    table!("pivotal-tracker"),
    table!("prtg"),
    table!("pulsetic"),
    table!("rackspace-monitoring"),
    table!("riemann"),
    table!("rollbar"),
    table!("runscope"),
    table!("scom"),
    table!("semaphore"),
    table!("sensu-go"),
    table!("sentry"),
    table!("serverguard24"),
    table!("signalfx"),
    table!("site24x7"),
    table!("slack"),
    table!("solarwinds"),
    table!("sonarqube"),
    table!("splunk"),
    table!("splunk-oncall-rest"),
    table!("statuscake"),
    table!("statuspage"),
    table!("teamcity"),
    table!("terraform-cloud"),
    table!("thousandeyes"),
    table!("travis"),
    table!("twilio-debugger"),
    table!("twilio-voice"),
    table!("updown"),
    table!("uptime-com"),
    table!("uptime-kuma"),
    table!("uptimerobot"),
    table!("vmware-vrealize"),
    table!("wazuh"),
    table!("zabbix"),
];

/// A table that is read when it is first used: a bridge with three sources does not pay for a hundred vendors.
struct Builtin {
    name: &'static str,
    text: &'static str,
    table: OnceLock<TableKind>,
}

impl Builtin {
    fn table(&self) -> &TableKind {
        self.table.get_or_init(|| {
            TableKind(Table::read(self.text, self.name, false).expect("built-in tables are tested"))
        })
    }
}

impl SourceKind for Builtin {
    fn name(&self) -> &str {
        self.name
    }

    fn methods(&self) -> &[&'static str] {
        self.table().methods()
    }

    fn auth(&self) -> Vec<&str> {
        self.table().auth()
    }

    fn answers(&self) -> &Answers {
        self.table().answers()
    }

    fn over(&self) -> Vec<&str> {
        self.table().over()
    }

    fn recognizes(&self, seen: &Seen<'_>) -> Option<Sign> {
        self.table().recognizes(seen)
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        self.table().normalize(payload)
    }
}

/// The built-in table kinds.
pub(in crate::ingest::kinds) fn builtin() -> impl Iterator<Item = &'static dyn SourceKind> {
    static KINDS: LazyLock<Vec<Builtin>> = LazyLock::new(|| {
        let kind = |&(name, text): &(&'static str, &'static str)| Builtin {
            name,
            text,
            table: OnceLock::new(),
        };
        BUILTIN.iter().map(kind).collect()
    });
    KINDS.iter().map(|kind| kind as &dyn SourceKind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_without_problems_and_says_what_it_is() {
        for (name, text) in BUILTIN {
            let table = Table::parse(text, name).unwrap_or_else(|problems| {
                panic!("sources/{name}.toml: {problems:?}");
            });
            assert!(!table.about().is_empty(), "{name}");
            assert!(!TableKind(table).auth().is_empty(), "{name}");
        }
        assert!(BUILTIN.is_sorted_by_key(|(name, _)| name), "alphabetical order, each once");
    }
}
