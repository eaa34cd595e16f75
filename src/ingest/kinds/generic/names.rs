//! What fields and words are usually called. Names are lower case, letters and digits only; earlier ones win ties.

use crate::domain::Status;

/// Members that hold the list of alerts.
pub(super) const LISTS: [&str; 7] =
    ["alerts", "incidents", "problems", "events", "alarms", "issues", "notifications"];

pub(super) const TITLE: &[&str] = &[
    "title",
    "alerttitle",
    "incidenttitle",
    "problemtitle",
    "eventtitle",
    "issuetitle",
    "headline",
    "summary",
    "subject",
    "alertname",
    "rulename",
    "alertrule",
    "monitorname",
    "monitorfriendlyname",
    "checkname",
    "conditionname",
    "triggername",
    "alarmname",
    "problemname",
    "eventname",
    "incidentname",
    "jobname",
];

pub(super) const TEXT: &[&str] = &[
    "message",
    "msg",
    "text",
    "description",
    "longdescription",
    "alertmessage",
    "alertdetails",
    "details",
    "detail",
    "body",
    "content",
    "output",
    "reason",
    "error",
    "errormessage",
    "cause",
    "information",
    "info",
    "note",
    "alert",
    "problem",
    "event",
    "trigger",
    "condition",
    "check",
    "name",
];

pub(super) const STATUS: &[&str] = &[
    "status",
    "state",
    "alertstatus",
    "alertstate",
    "currentstate",
    "currentstatus",
    "newstate",
    "newstatus",
    "eventstatus",
    "eventstate",
    "incidentstate",
    "incidentstatus",
    "problemstate",
    "problemstatus",
    "checkstate",
    "monitorstatus",
    "monitorstate",
    "transition",
    "alerttransition",
    "alerttypefriendlyname",
    "notificationtype",
    "eventtype",
    "eventaction",
    "alerttype",
    "action",
    "event",
    "type",
    "result",
    "health",
];

pub(super) const SEVERITY: &[&str] = &[
    "severity",
    "sev",
    "alertseverity",
    "severitylevel",
    "severityname",
    "eventseverity",
    "criticality",
    "level",
    "alertlevel",
    "loglevel",
    "urgency",
    "importance",
    "importancelevel",
    "impact",
    "risk",
];

pub(super) const PRIORITY: &[&str] = &["priority", "prio", "alertpriority", "eventpriority"];

pub(super) const RESOURCE: &[&str] = &[
    "resource",
    "resourcename",
    "host",
    "hostname",
    "instance",
    "instanceid",
    "server",
    "servername",
    "node",
    "nodename",
    "device",
    "devicename",
    "machine",
    "computer",
    "vm",
    "pod",
    "container",
    "database",
    "entity",
    "entityname",
    "target",
    "targetname",
    "affectedresource",
    "impactedentities",
    "monitorurl",
    "checkurl",
    "endpoint",
    "address",
    "ip",
    "ipaddress",
    "resourceid",
    "site",
    "domain",
];

pub(super) const SERVICE: &[&str] = &[
    "service",
    "servicename",
    "app",
    "appname",
    "application",
    "applicationname",
    "component",
    "project",
    "projectname",
    "product",
    "system",
];

pub(super) const ENV: &[&str] = &["env", "environment", "environmentname", "stage"];

pub(super) const ALERTNAME: &[&str] = &[
    "alertname",
    "rulename",
    "alertrule",
    "rule",
    "monitorname",
    "monitorfriendlyname",
    "checkname",
    "conditionname",
    "triggername",
    "alarmname",
    "policyname",
    "policy",
];

pub(super) const OBSERVED: &[&str] = &[
    "timestamp",
    "time",
    "eventtime",
    "eventtimestamp",
    "datetime",
    "occurredat",
    "alertdatetime",
    "statechangetime",
    "statechangedtimestamp",
    "updatedat",
    "ts",
    "date",
];

pub(super) const STARTED: &[&str] = &[
    "startsat",
    "startedat",
    "starttime",
    "startedtime",
    "triggeredat",
    "firedat",
    "createdat",
    "openedat",
    "since",
];

pub(super) const ENDED: &[&str] =
    &["endsat", "endedat", "endtime", "resolvedat", "recoveredat", "closedat", "clearedat"];

/// True, or a time, means resolved.
pub(super) const RESOLVED_FLAGS: &[&str] = &[
    "resolved",
    "isresolved",
    "recovered",
    "closed",
    "resolvedat",
    "resolvedtime",
    "recoveredat",
    "closedat",
];

/// True, or a time, means acknowledged.
pub(super) const ACKNOWLEDGED_FLAGS: &[&str] =
    &["acknowledged", "isacknowledged", "acked", "acknowledgedat"];

/// Fields that name the problem itself, the same in all its messages.
pub(super) const IDENTITY: &[&str] = &[
    "dedupkey",
    "deduplicationkey",
    "dedupid",
    "dedup",
    "fingerprint",
    "alertkey",
    "incidentkey",
    "problemkey",
    "alertuid",
    "alertid",
    "incidentid",
    "problemid",
    "alarmid",
    "issueid",
    "correlationid",
    "aggregationkey",
    "externalid",
    "uniqueid",
    "monitorid",
    "checkid",
    "triggerid",
];

/// What a word says that means how things are and nothing else; of a compound (`check.down`, `ALERT_RECOVERY`) its last
/// part. `unresolved`, `success` and numbers say nothing clear.
pub(super) fn strong_status(word: &str) -> Option<Status> {
    let word = word.trim().to_ascii_lowercase();
    strong(&word).or_else(|| strong(last_part(&word)?))
}

fn strong(word: &str) -> Option<Status> {
    Some(match word {
        "resolved" | "recovered" | "recovery" | "closed" | "cleared" | "restored" | "fixed" => {
            Status::Resolved
        }
        "acknowledged" | "acked" | "acknowledge" | "ack" | "acknowledgement" => {
            Status::Acknowledged
        }
        "firing" | "alerting" | "triggered" | "trigger" | "open" | "opened" | "problem"
        | "active" | "activated" | "down" | "critical" | "warning" | "error" | "failed"
        | "failing" | "failure" | "alarm" | "unhealthy" | "degraded" | "new" | "created"
        | "started" | "raised" | "fired" | "outage" | "unreachable" | "unavailable" | "no_data"
        | "nodata" | "no data" | "bad" | "red" | "alert" => Status::Firing,
        _ => return None,
    })
}

/// Whether a word means resolved where a status stands; elsewhere it means other things.
pub(super) fn weak_resolved(word: &str) -> bool {
    let word = word.trim().to_ascii_lowercase();
    is_weak(&word) || last_part(&word).is_some_and(is_weak)
}

fn is_weak(word: &str) -> bool {
    matches!(
        word,
        "ok" | "okay"
            | "up"
            | "online"
            | "normal"
            | "healthy"
            | "clear"
            | "good"
            | "green"
            | "operational"
            | "resolve"
            | "close"
            | "deactivated"
            | "passing"
            | "available"
    )
}

/// The last part of a compound, unless something in it says the opposite (`not_ok`).
fn last_part(word: &str) -> Option<&str> {
    let is_joint = |c: char| matches!(c, '.' | '_' | '-' | ':' | '/');
    let negates = |part: &str| matches!(part, "not" | "no" | "non" | "un" | "never");
    let (_, last) = word.rsplit_once(is_joint)?;
    (!word.split(is_joint).any(negates)).then_some(last)
}

/// Whether a field of this name may hold a credential, which is never kept.
pub(super) fn is_secret(name: &str) -> bool {
    ["token", "secret", "password", "passwd", "apikey", "authorization", "credential", "privatekey"]
        .iter()
        .any(|part| name.contains(part))
}
