//! Why the routing tree decides as it does, for every route.

use std::sync::Arc;

use super::route::{Decision, RouteTable};
use super::{Alert, Matcher};

/// Why one route takes an alert or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The root: no route took the alert.
    Default,
    /// It matches and no child does: the alert joins an incident of this route.
    Takes { matched: Vec<String> },
    /// It matches and these children took the alert.
    Passes { to: Vec<Arc<str>> },
    /// It matches and tells nobody.
    Drops { words: String },
    /// This matcher failed on this value.
    Mismatch { matcher: String, actual: String },
    /// An earlier sibling (of it or of a parent) matched and does not continue.
    NotReached { sibling: Arc<str> },
    /// A parent does not match.
    BelowMismatch { parent: Arc<str> },
}

impl Verdict {
    /// The word for machines.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Takes { .. } => "takes",
            Self::Passes { .. } => "passes",
            Self::Drops { .. } => "drops",
            Self::Mismatch { .. } => "mismatch",
            Self::NotReached { .. } => "not_reached",
            Self::BelowMismatch { .. } => "below_mismatch",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("no route matched"),
            Self::Takes { matched } if matched.is_empty() => f.write_str("matches everything"),
            Self::Takes { matched } => write!(f, "matched {}", matched.join(", ")),
            Self::Passes { to } => write!(f, "matched, taken by {}", to.join(", ")),
            Self::Drops { words } => write!(f, "dropped: {words}"),
            Self::Mismatch { matcher, actual } => {
                write!(f, "{matcher} does not match the value {actual:?}")
            }
            Self::NotReached { sibling } => {
                write!(f, "not reached: earlier sibling {sibling} matched")
            }
            Self::BelowMismatch { parent } => {
                write!(f, "not reached: parent {parent} did not match")
            }
        }
    }
}

/// One route's part in an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    pub route: Arc<str>,
    /// 0 is the root.
    pub depth: usize,
    pub verdict: Verdict,
}

/// A decision with the reasons of every route, parents before children, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub decision: Decision,
    pub steps: Vec<Traced>,
}

impl Explanation {
    /// The verdict of the route called `route`.
    pub fn verdict(&self, route: &str) -> Option<&Verdict> {
        self.steps.iter().find(|step| &*step.route == route).map(|step| &step.verdict)
    }
}

impl RouteTable {
    /// The decision, and for every route of the tree why it takes the alert or does not.
    /// Walks all routes one by one, without the index.
    pub fn explain(&self, source: &str, alert: &Alert) -> Explanation {
        let mut steps = Vec::with_capacity(self.nodes.len());
        self.trace(0, 0, &mut steps, &mut Walk { source, alert, skip: None });
        Explanation { decision: self.decide(source, alert), steps }
    }

    fn trace(&self, at: usize, depth: usize, steps: &mut Vec<Traced>, walk: &mut Walk<'_>) -> bool {
        let node = &self.nodes[at];
        let name = &node.route.policy.route;
        let verdict = match &walk.skip {
            Some(skip) => skip.clone(),
            None => match node.route.mismatch(walk.source, walk.alert) {
                Some(matcher) => Verdict::Mismatch {
                    matcher: matcher.to_string(),
                    actual: matcher.name().value(walk.source, walk.alert).to_owned(),
                },
                None if at == 0 => Verdict::Default,
                None => Verdict::Takes { matched: texts(&node.route.matchers) },
            },
        };
        let matched = matches!(verdict, Verdict::Takes { .. } | Verdict::Default);
        let own = steps.len();
        steps.push(Traced { route: Arc::clone(name), depth, verdict });

        let skip_before = walk.skip.clone();
        if !matched && skip_before.is_none() {
            walk.skip = Some(Verdict::BelowMismatch { parent: Arc::clone(name) });
        }
        let mut takers = Vec::new();
        for &child in &node.children.all {
            if self.trace(child, depth + 1, steps, walk) {
                let route = &self.nodes[child].route;
                takers.push(Arc::clone(&route.policy.route));
                if !route.continues {
                    let sibling = Arc::clone(&route.policy.route);
                    walk.skip = Some(Verdict::NotReached { sibling });
                }
            }
        }
        walk.skip = skip_before;
        if matched && !takers.is_empty() {
            steps[own].verdict = Verdict::Passes { to: takers };
        } else if matched && let Some(words) = &node.route.drop {
            steps[own].verdict = Verdict::Drops { words: words.clone() };
        }
        matched
    }
}

struct Walk<'a> {
    source: &'a str,
    alert: &'a Alert,
    /// Why the routes that come now are not asked.
    skip: Option<Verdict>,
}

fn texts(matchers: &[Matcher]) -> Vec<String> {
    matchers.iter().map(Matcher::to_string).collect()
}
