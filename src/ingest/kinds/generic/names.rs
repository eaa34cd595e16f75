//! What fields are usually called, and what that makes of their values.
//!
//! Names are compared in lower case, letters and digits only, so `alertName`, `ALERT_NAME` and `alert name` are one.
//! A name of no list is judged by its words: `check_state_name` is a state, `affected_host` a resource.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a field may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The line for people.
    Title,
    /// A line for people that may leave out what it is about.
    Summary,
    /// The rule, monitor, check or job that raised it.
    Subject,
    /// Longer text.
    Text,
    /// How things are.
    Status,
    /// What happened, often `subject.word`.
    Event,
    Severity,
    /// Like severity, and numbers from 1 (worst) count.
    Priority,
    Resource,
    Service,
    Env,
    Observed,
    Started,
    Ended,
    /// True, a time or a word of resolution mean resolved.
    Resolved,
    Acknowledged,
    /// True means that things are well, false that they are not.
    Good,
    /// True means that things are not well.
    Bad,
    /// Made to name the problem, the same in all its messages.
    Dedup,
    /// Names the problem or the thing that watches it.
    Id,
}

/// The names of each role; earlier groups are better.
const NAMES: &[(Role, &[&str])] = &[
    (
        Role::Title,
        &[
            "title alerttitle incidenttitle problemtitle eventtitle issuetitle headline",
            "subject incidentname problemname",
        ],
    ),
    (Role::Summary, &["summary shortdescription alertsummary eventsummary"]),
    (
        Role::Subject,
        &[
            "alertname rulename alertrulename monitorname monitorfriendlyname checkname conditionname triggername alarmname",
            "alertrule policyname searchname savedsearchname queryname testname jobname taskname pipelinename workflowname buildname \
         eventname rule policy condition monitor sensor sensorname entitydisplayname metricname",
            "name displayname friendlyname label metric check alarm job task pipeline workflow build search",
        ],
    ),
    (
        Role::Text,
        &[
            "message msg text description longdescription alertmessage alertdescription",
            "errormessage statemessage details detail body content output reason error cause information info note notes \
         log comment problem",
            "alert trigger event eventdescription",
        ],
    ),
    (
        Role::Status,
        &[
            "status state alertstatus alertstate currentstate currentstatus newstate newstatus eventstatus eventstate \
         incidentstate incidentstatus problemstate problemstatus checkstate checkstatus monitorstatus monitorstate \
         monitorcondition resolutionstate servicestate hoststate",
            "transition alerttransition alerttypefriendlyname conclusion result outcome health healthstatus condition \
         buildstatus runstatus to",
        ],
    ),
    (
        Role::Event,
        &[
            "eventtype event eventaction action alerttype alertaction actiontype notificationtype messagetype \
         webhookevent webhooktype eventname hookevent",
            "type trigger kind topic subtype detailtype category reason operation",
            "triggertype statetype",
        ],
    ),
    (
        Role::Severity,
        &[
            "severity sev alertseverity severitylevel severityname severitytext eventseverity incidentseverity \
         problemseverity criticality",
            "level alertlevel loglevel urgency importance importancelevel impact risk risklevel",
        ],
    ),
    (Role::Priority, &["priority prio alertpriority eventpriority incidentpriority priorityname"]),
    (
        Role::Resource,
        &[
            "resource resourcename affectedresource",
            "host hostname fqdn instance server servername node nodename device devicename machine \
         computer computername vm vmname",
            "pod podname instanceid instancename container containername database databasename dbinstance entity \
         entityname target targetname impactedentity monitorurl checkurl targeturl requesturl \
         siteurl websiteurl endpoint functionname queue queuename bucket volume disk hostnameandport",
            "address ip ipaddress resourceid entityid site sitename website domain domainname hosturl clustername \
         cluster configurationitem configurationitems ci managedentity workspacename objectname alertentityid \
         resources asset assetname alerttargetids sysname involvedobject source sourcename",
        ],
    ),
    (
        Role::Service,
        &[
            "service servicename app appname application applicationname",
            "component componentname project projectname product system systemname subsystem repository repositoryname \
         repo reponame repositoryfullname",
        ],
    ),
    (Role::Env, &["env environment environmentname envname stage deploymentenvironment"]),
    (
        Role::Observed,
        &[
            "timestamp time eventtime eventtimestamp datetime occurredat happenedat alerttime alertdatetime \
         statechangetime statechangedtimestamp",
            "updatedat updated ts date at sentat emittedat",
        ],
    ),
    (
        Role::Started,
        &[
            "startsat startedat starttime startedtime triggeredat triggertime firedat openedat raisedat downsince",
            "createdat created createdtime creationtime since start timeraised beganat detectedat firstseen",
        ],
    ),
    (
        Role::Ended,
        &[
            "endsat endedat endtime resolvedat resolvedtime recoveredat closedat clearedat finishedat completedat \
         stoppedat end",
        ],
    ),
    (
        Role::Resolved,
        &[
            "resolved isresolved recovered isrecovered closed isclosed cleared iscleared clear resolvedat resolvedtime \
         resolvedon recoveredat closedat clearedat",
        ],
    ),
    (Role::Acknowledged, &["acknowledged isacknowledged acked isacked acknowledgedat ackedat"]),
    (
        Role::Good,
        &[
            "ok isok up isup healthy ishealthy online isonline alive isalive reachable isreachable passing ispassing",
        ],
    ),
    (
        Role::Bad,
        &[
            "firing isfiring down isdown alerting isalerting failing isfailing triggered istriggered breached isbreached \
         offline isoffline unhealthy isunhealthy inalarm isopen isactive",
        ],
    ),
    (
        Role::Dedup,
        &[
            "dedupkey deduplicationkey dedupid dedup deduplicationid fingerprint alertkey incidentkey problemkey \
         aggregationkey groupkey alias alertalias dedupekey",
        ],
    ),
    (
        Role::Id,
        &[
            "incidentid problemid alertid alertuid alarmid issueid originalproblemid alertinstanceid",
            "entityid correlationid externalid uniqueid itemid",
            "monitorid checkid triggerid alertruleid ruleid sensorid testid conditionid watchid",
        ],
    ),
];

/// A role and how good the name is for it, best first.
pub(super) type Rank = (Role, u8);

/// The roles of a field by its name: `plain` as the lists have it, `snake` with its words apart.
pub(super) fn roles(plain: &str, snake: &str) -> Cow<'static, [Rank]> {
    match KNOWN.get(plain) {
        Some(known) => Cow::Borrowed(known),
        None => by_words(snake).into_iter().map(|role| (role, BY_WORDS_RANK)).collect(),
    }
}

/// The rank of a name that is in no list.
const BY_WORDS_RANK: u8 = 4;

static KNOWN: LazyLock<HashMap<&'static str, Vec<Rank>>> = LazyLock::new(|| {
    let mut known: HashMap<&'static str, Vec<Rank>> = HashMap::new();
    for (role, groups) in NAMES {
        for (rank, group) in (0_u8..).zip(*groups) {
            for name in group.split_whitespace() {
                known.entry(name).or_default().push((*role, rank));
            }
        }
    }
    known
});

fn by_words(snake: &str) -> Option<Role> {
    // What such words say is about the transport or about something else.
    const NEVER: [&str; 14] = [
        "http",
        "code",
        "count",
        "color",
        "colour",
        "type",
        "format",
        "version",
        "required",
        "enabled",
        "threshold",
        "url",
        "uri",
        "link",
    ];
    let mut words = snake
        .split('_')
        .rev()
        .filter(|word| !matches!(*word, "name" | "text" | "string" | "label" | "value"));
    let last = words.next()?;
    if snake.split('_').any(|word| NEVER.contains(&word)) {
        return None;
    }
    Some(match last {
        "severity" | "criticality" => Role::Severity,
        "priority" => Role::Priority,
        "status" | "state" | "result" | "outcome" | "conclusion" => Role::Status,
        "event" | "action" => Role::Event,
        "title" | "subject" | "headline" => Role::Title,
        "summary" => Role::Summary,
        "message" | "msg" | "description" | "desc" | "reason" => Role::Text,
        "host" | "hostname" | "server" | "node" | "instance" | "device" | "machine"
        | "resource" | "entity" | "ip" => Role::Resource,
        "service" | "application" | "app" | "component" => Role::Service,
        "environment" | "env" => Role::Env,
        "rule" | "monitor" | "check" | "alert" | "alarm" | "policy" | "condition" | "trigger" => {
            Role::Subject
        }
        "timestamp" => Role::Observed,
        _ => return None,
    })
}

/// Whether a member says what was before the change: also `last_status`, though `last_event` holds what is now.
pub(super) fn is_past_member(name: &str) -> bool {
    let begins = |word: &str| name.strip_prefix(word).is_some_and(|rest| rest.starts_with('_'));
    is_past(name) || begins("last") || begins("original")
}

/// Whether a name says what was before the change.
pub(super) fn is_past(segment: &str) -> bool {
    const PAST: [&str; 8] =
        ["old", "previous", "previously", "prev", "prior", "before", "former", "history"];
    segment.split('_').any(|word| PAST.contains(&word))
}

/// Whether a member stands for the object it is in, best first: `host.name` is the host.
pub(super) fn speaks(name: &str) -> Option<u8> {
    Some(match name {
        "name" | "displayname" | "hostname" | "friendlyname" | "label" => 0,
        "fullname" | "title" | "summary" | "text" | "alias" => 1,
        "url" | "address" | "ip" | "slug" | "key" => 2,
        "id" | "uid" | "uuid" => 3,
        _ => return None,
    })
}

/// Whether a field of this name may hold a credential, which is never kept.
pub(super) fn is_secret(name: &str) -> bool {
    [
        "token",
        "secret",
        "password",
        "passwd",
        "apikey",
        "authorization",
        "credential",
        "privatekey",
        "signature",
        "routingkey",
        "servicekey",
        "integrationkey",
        "accesskey",
        "passphrase",
        "pwd",
        "cookie",
        "jwt",
        "bearer",
    ]
    .iter()
    .any(|part| name.contains(part))
}
