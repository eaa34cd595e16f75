//! What the objects of a payload stand for, by their names: how near to the problem their members are.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What an object stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It only wraps what it holds; its name says nothing.
    Envelope,
    /// The problem itself.
    Problem,
    /// What watches or what is watched.
    Subject,
    /// Something besides the problem: people, settings, parts.
    Aside,
    Other,
}

const ENVELOPES: &str = "data payload attributes body object essentials content spec item properties labels annotations tags \
     fields metadata custom_fields dimensions event_data";
const PROBLEMS: &str = "alert event incident problem issue alarm notification finding detail details message alert_context \
     alertdata";
const SUBJECTS: &str = "monitor check trigger rule alert_rule host device service entity resource target policy heartbeat sensor \
     server node site instance test job workflow pipeline build run deployment saved_search search query \
     watch condition metric workflow_run check_run release release_name application object_attributes \
     involved_object downtime";
const ASIDES: &str = "user users author actor sender owner assignee assignees creator committer commit commits head_commit \
     account organization organisation org team teams contact contacts recipients receivers integration \
     integrations subscriber webhook hook page meta links urls config configuration settings definition \
     conditions thresholds steps history updates incident_updates log logs first_probe second_probe \
     observations relationships contact_groups escalation_policy acknowledgers assignments agent client \
     customer company acknowledgements comments permissions license responders on_call schedule headers \
     request response evaluation channel blocks workspace milestone reactions reporter \
     performed_via_github_app base head components probes results result_groups _links";

static KNOWN: LazyLock<HashMap<&'static str, Place>> = LazyLock::new(|| {
    let lists = [
        (ASIDES, Place::Aside),
        (SUBJECTS, Place::Subject),
        (PROBLEMS, Place::Problem),
        (ENVELOPES, Place::Envelope),
    ];
    let names = |(list, place): (&'static str, Place)| {
        list.split_whitespace().map(move |name| (name, place))
    };
    lists.into_iter().flat_map(names).collect()
});

impl Place {
    /// What the object called `segment` (in `snake_case`) stands for.
    pub(super) fn of(segment: &str) -> Self {
        let ends = |ends: &[&str]| ends.iter().any(|end| segment.ends_with(end));
        match KNOWN.get(segment) {
            Some(place) => *place,
            None if ends(&["_data"]) => Self::Envelope,
            None if ends(&["_user", "_by", "_for", "_source"]) => Self::Aside,
            None => Self::Other,
        }
    }

    /// Whether an id beside such an object is that of the message.
    pub(super) fn is_wrapper(self) -> bool {
        matches!(self, Self::Envelope | Self::Problem)
    }
}

/// Objects that stand for what is watched, so that their URL is what is watched.
pub(super) fn is_watched(segment: &str) -> bool {
    matches!(
        segment,
        "monitor"
            | "check"
            | "site"
            | "website"
            | "target"
            | "endpoint"
            | "host"
            | "test"
            | "probe"
    )
}

/// Objects whose id is that of one problem: a service, a host or a run has many, or is one of many.
pub(super) fn is_rule(segment: &str) -> bool {
    matches!(
        segment,
        "monitor"
            | "check"
            | "trigger"
            | "rule"
            | "alert_rule"
            | "policy"
            | "condition"
            | "sensor"
            | "test"
            | "heartbeat"
            | "watch"
            | "saved_search"
    )
}
