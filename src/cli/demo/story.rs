//! What happens in the demo, step by step, and what must come of it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How the story starts behind the machine's time: as long as its pauses take together.
pub(super) const LASTS: Duration = Duration::from_mins(12);

/// How a step proves who sends it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proof {
    None,
    /// `?auth=`.
    Token(&'static str),
    /// The same with one that is not the source's.
    WrongToken(&'static str),
    /// User and password.
    Basic(&'static str, &'static str),
}

impl Proof {
    /// The query string of the request.
    pub(super) fn query(self) -> String {
        match self {
            Self::Token(token) | Self::WrongToken(token) => format!("?auth={token}"),
            Self::None | Self::Basic(..) => String::new(),
        }
    }

    /// The `Authorization` header of the request.
    pub(super) fn header(self) -> Option<String> {
        match self {
            Self::Basic(user, password) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Self::None | Self::Token(_) | Self::WrongToken(_) => None,
        }
    }

    /// What the story says of it.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Token(_) => ", with its token",
            Self::WrongToken(_) => ", with another token",
            Self::Basic(..) => ", with user and password",
        }
    }
}

/// One payload that a monitor posts, and what is promised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Time that passes before it.
    pub(super) after: Duration,
    /// What the reader should look at.
    pub(super) title: &'static str,
    pub(super) source: &'static str,
    pub(super) vendor: &'static str,
    pub(super) proof: Proof,
    pub(super) payload: &'static str,
    /// The answer that it must get.
    pub(super) status: u16,
    /// The incident that it must be about, if any.
    pub(super) incident: Option<u64>,
    /// Receivers that must be told, once for each request, in the order of the routes.
    pub(super) tells: &'static [&'static str],
}

const AZURE: Proof = Proof::Token("demo-azure-token");
const PROMETHEUS: Proof = Proof::Basic("alertmanager", "demo-password");
const AT_ONCE: Duration = Duration::ZERO;

const AZURE_FIRED: Step = Step {
    after: AT_ONCE,
    title: "A critical alert pages, texts and posts. PagerDuty is down at first.",
    source: "azure-prod",
    vendor: "Azure Monitor",
    proof: AZURE,
    payload: include_str!("payloads/azure-fired.json"),
    status: 200,
    incident: Some(1),
    tells: &["oncall", "oncall", "phone", "chat", "inbox"],
};

const GROUP_FIRED: Step = Step {
    after: AT_ONCE,
    title: "Two alerts of one problem become one incident: group_by alertname and cluster.",
    source: "prometheus",
    vendor: "Alertmanager",
    proof: PROMETHEUS,
    payload: include_str!("payloads/alertmanager-two-firing.json"),
    status: 200,
    incident: Some(2),
    tells: &["chat", "team", "inbox"],
};

/// The steps in their order.
pub(super) const STEPS: [Step; 11] = [
    AZURE_FIRED,
    Step {
        title: "The same payload again: senders repeat themselves, people are told once.",
        tells: &[],
        ..AZURE_FIRED
    },
    GROUP_FIRED,
    Step {
        title: "A wrong token is refused before the payload is read.",
        proof: Proof::WrongToken("guessed-token"),
        status: 401,
        incident: None,
        tells: &[],
        ..AZURE_FIRED
    },
    Step {
        title: "A broken payload is refused, and the answer says where it broke.",
        payload: include_str!("payloads/broken.json"),
        status: 400,
        incident: None,
        tells: &[],
        ..GROUP_FIRED
    },
    Step {
        title: "What no person needs is dropped by a route, and accepted all the same.",
        payload: include_str!("payloads/alertmanager-info-inhibitor.json"),
        incident: None,
        tells: &[],
        ..GROUP_FIRED
    },
    Step {
        after: AT_ONCE,
        title: "No route matches: nothing is lost, it goes to the default receiver.",
        source: "grafana",
        vendor: "Grafana",
        proof: Proof::None,
        payload: include_str!("payloads/grafana-firing.json"),
        status: 200,
        incident: Some(3),
        tells: &["inbox"],
    },
    Step {
        after: AT_ONCE,
        title: "CloudWatch says no severity: the incident is open all the same.",
        source: "cloudwatch",
        vendor: "CloudWatch",
        proof: Proof::None,
        payload: include_str!("payloads/cloudwatch-alarm.json"),
        status: 200,
        incident: Some(4),
        tells: &["inbox"],
    },
    Step {
        after: AT_ONCE,
        title: "A script needs no vendor: any JSON with a title will do.",
        source: "scripts",
        vendor: "curl",
        proof: Proof::None,
        payload: include_str!("payloads/script.json"),
        status: 200,
        incident: Some(5),
        tells: &["inbox"],
    },
    Step {
        after: Duration::from_mins(5),
        title: "Both replicas recover: one message to everyone who was told.",
        payload: include_str!("payloads/alertmanager-two-resolved.json"),
        ..GROUP_FIRED
    },
    Step {
        after: Duration::from_mins(7),
        title: "The database recovers: the page is closed by the key that opened it.",
        payload: include_str!("payloads/azure-resolved.json"),
        tells: &["oncall", "phone", "chat", "inbox"],
        ..AZURE_FIRED
    },
];

/// How the incidents must stand at the end: number and state.
pub(super) const END: [(u64, &str); 5] =
    [(1, "resolved"), (2, "resolved"), (3, "open"), (4, "open"), (5, "open")];
