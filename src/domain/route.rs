//! The routing tree: which incidents a firing alert joins.
//!
//! Depth first, the first sibling that matches wins unless it says `continue`; a route that matches with no
//! matching child takes the alert itself; what nothing matches goes to the root.

use std::sync::Arc;

use super::matcher::{Matcher, Name};
use super::siblings::Siblings;
use super::{Alert, Fingerprint, Fingerprinter, Policy, Status};
use crate::limits::ROUTE_DEPTH_MAX;

/// One incident that an alert joins: the route that matched and the group within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    pub policy: Arc<Policy>,
    /// Identity of (route, group values).
    pub group: Fingerprint,
    /// The same identity under the route's earlier names (`was`): open incidents are found by these too.
    pub was: Vec<Fingerprint>,
    /// Names and values of `group_by`; empty where each alert is an incident of its own.
    pub values: Vec<(String, String)>,
}

/// Where an alert goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The incidents it joins, in the order in which routes matched.
    pub joins: Vec<Join>,
    /// The route that drops it and its words, if one does.
    pub dropped: Option<(Arc<str>, String)>,
}

/// Which alerts of a route share an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// `group_by = ["..."]`: each (source, alert key) is an incident of its own.
    #[default]
    PerAlert,
    /// `group_by = []`: one incident for the whole route.
    One,
    /// One incident for each combination of the values of these names, in the order of the file.
    By(Vec<Name>),
}

/// One rule of the tree with its effective keys: inheritance is already done.
#[derive(Clone, Debug)]
pub struct Route {
    /// What it decides about an incident; also has the route's name.
    pub policy: Arc<Policy>,
    /// Position of the parent in the flat list; none is a child of the root.
    pub parent: Option<usize>,
    /// All must match. None at all match everything.
    pub matchers: Vec<Matcher>,
    /// Later siblings are tried too.
    pub continues: bool,
    pub grouping: Grouping,
    /// Earlier names of this route.
    pub was: Vec<Arc<str>>,
    /// Tell nobody, for the reason in these words.
    pub drop: Option<String>,
}

impl Route {
    /// A route without matchers below the root, which takes each alert by itself.
    pub fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            parent: None,
            matchers: Vec::new(),
            continues: false,
            grouping: Grouping::default(),
            was: Vec::new(),
            drop: None,
        }
    }

    /// The first matcher that `alert` does not meet.
    pub(super) fn mismatch(&self, source: &str, alert: &Alert) -> Option<&Matcher> {
        self.matchers.iter().find(|matcher| !matcher.matches(source, alert))
    }

    fn join(&self, source: &str, alert: &Alert) -> Join {
        let group = |name: &str| self.group(name, source, alert);
        let values = match &self.grouping {
            Grouping::By(names) if alert.status != Status::Notice => names
                .iter()
                .map(|name| (name.to_string(), name.value(source, alert).to_owned()))
                .collect(),
            _ => Vec::new(),
        };
        Join {
            policy: Arc::clone(&self.policy),
            group: group(&self.policy.route),
            was: self.was.iter().map(|name| group(name)).collect(),
            values,
        }
    }

    /// The first fields keep routes and ways of grouping apart; names are sorted, so that
    /// reordering `group_by` keeps open incidents.
    fn group(&self, route: &str, source: &str, alert: &Alert) -> Fingerprint {
        if alert.status == Status::Notice {
            let message = match (&alert.message_id, alert.observed_at) {
                (Some(id), _) => id.clone(),
                (None, Some(at)) => at.to_string(),
                (None, None) => alert.title.clone(),
            };
            return Fingerprint::of([route, "notice", source, &alert.key, &message]);
        }
        match &self.grouping {
            Grouping::PerAlert => Fingerprint::of([route, "alert", source, &alert.key]),
            Grouping::One => Fingerprint::of([route, "one"]),
            Grouping::By(names) => {
                let mut sorted: Vec<&Name> = names.iter().collect();
                sorted.sort_unstable();
                let mut fingerprinter = Fingerprinter::default();
                fingerprinter.field(route.as_bytes());
                fingerprinter.field(b"by");
                for name in sorted {
                    fingerprinter.field(name.to_string().as_bytes());
                    fingerprinter.field(name.value(source, alert).as_bytes());
                }
                fingerprinter.finish()
            }
        }
    }
}

/// Why a flat list of routes is no tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the parents of route {route} lead back to itself or to no route")]
    Parents { route: Arc<str> },
    #[error("route {route} is nested deeper than {ROUTE_DEPTH_MAX}")]
    Depth { route: Arc<str> },
}

/// The routing tree. Cheap to ask, immutable: a reload builds a new one.
#[derive(Clone, Debug)]
pub struct RouteTable {
    /// The root stands first, then the flat list in the order of the file.
    pub(super) nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) route: Route,
    pub(super) children: Siblings,
}

impl RouteTable {
    /// The tree of `root` and `routes`, which stand in the order of the file.
    pub fn new(root: Route, routes: Vec<Route>) -> Result<Self, Error> {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); routes.len() + 1];
        for (at, route) in routes.iter().enumerate() {
            depth(&routes, at)?;
            children[route.parent.map_or(0, |parent| parent + 1)].push(at + 1);
        }
        let all: Vec<Route> = std::iter::once(root).chain(routes).collect();
        let siblings: Vec<Siblings> =
            children.into_iter().map(|ids| Siblings::new(&all, ids)).collect();
        let nodes = all.into_iter().zip(siblings);
        Ok(Self { nodes: nodes.map(|(route, children)| Node { route, children }).collect() })
    }

    /// A tree of the root alone: everything goes to `policy`.
    pub fn root_only(policy: Arc<Policy>) -> Self {
        let node = Node { route: Route::new(policy), children: Siblings::default() };
        Self { nodes: vec![node] }
    }

    /// The incidents that `alert` from `source` joins while it fires, and for a notice the one it is.
    pub fn decide(&self, source: &str, alert: &Alert) -> Decision {
        let mut decision = Decision::default();
        self.descend(0, source, alert, &mut decision);
        decision
    }

    fn descend(&self, at: usize, source: &str, alert: &Alert, decision: &mut Decision) {
        let node = &self.nodes[at];
        let mut taken = false;
        for child in node.children.candidates(source, alert) {
            let route = &self.nodes[child].route;
            if route.mismatch(source, alert).is_some() {
                continue;
            }
            taken = true;
            self.descend(child, source, alert, decision);
            if !route.continues {
                break;
            }
        }
        if taken {
            return;
        }
        match &node.route.drop {
            Some(words) => {
                decision.dropped = Some((Arc::clone(&node.route.policy.route), words.clone()));
            }
            None => decision.joins.push(node.route.join(source, alert)),
        }
    }

    /// What takes the alerts that no route takes.
    pub fn root(&self) -> &Route {
        &self.nodes[0].route
    }

    /// All routes, the root first, then in the order of the file.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.nodes.iter().map(|node| &node.route)
    }
}

fn depth(routes: &[Route], at: usize) -> Result<usize, Error> {
    let name = || Arc::clone(&routes[at].policy.route);
    let mut depth = 1;
    let mut parent = routes[at].parent;
    while let Some(up) = parent {
        parent = routes.get(up).ok_or_else(|| Error::Parents { route: name() })?.parent;
        depth += 1;
        if depth > routes.len() {
            return Err(Error::Parents { route: name() });
        }
    }
    if depth > ROUTE_DEPTH_MAX { Err(Error::Depth { route: name() }) } else { Ok(depth) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Severity, Timestamp, Verdict};

    fn route(name: &str, parent: Option<usize>, matchers: &[&str]) -> Route {
        let matchers = matchers.iter().map(|text| Matcher::parse(text).expect("valid")).collect();
        let policy = Arc::new(Policy::new(name, vec![]));
        Route { parent, matchers, ..Route::new(policy) }
    }

    fn table() -> RouteTable {
        let noise = Route {
            drop: Some("not for people".into()),
            ..route("noise", None, &[r#"alertname = "Noise""#])
        };
        let audit = Route { continues: true, ..route("audit", None, &[r#"team = "db""#]) };
        RouteTable::new(
            route("default", None, &[]),
            vec![
                route("db-eu", Some(3), &[r#"region = "eu""#]),
                noise,
                audit,
                route("db", None, &[r#"team =~ "db|storage""#]),
                route("db-us", Some(3), &[r#"region = "us""#]),
                route("critical", None, &[r#"severity >= "error""#]),
                route("db-late", None, &[r#"team = "db""#]),
            ],
        )
        .expect("a tree")
    }

    fn alert(labels: &[(&str, &str)]) -> Alert {
        let mut alert = Alert::new("k", "t");
        for (name, value) in labels {
            match *name {
                "severity" => alert.severity = Severity::from_word(value).expect("a word"),
                "alertname" => alert.alertname = Some((*value).into()),
                _ => drop(alert.labels.insert((*name).into(), (*value).into())),
            }
        }
        alert
    }

    /// `expected` are the names of the routes that take it; `!name` drops it.
    fn check(labels: &[(&str, &str)], expected: &[&str]) {
        let explanation = table().explain("s", &alert(labels));
        let decision = &explanation.decision;
        let mut names: Vec<String> =
            decision.joins.iter().map(|join| join.policy.route.to_string()).collect();
        names.extend(decision.dropped.iter().map(|(route, _)| format!("!{route}")));
        assert_eq!(names, expected, "{labels:?}\n{explanation:#?}");
    }

    #[test]
    fn decides() {
        check(&[], &["default"]);
        check(&[("team", "db")], &["audit", "db"]);
        check(&[("team", "db"), ("region", "us")], &["audit", "db-us"]);
        check(&[("team", "storage"), ("region", "eu")], &["db-eu"]);
        check(&[("team", "storage"), ("severity", "critical")], &["db"]);
        check(&[("severity", "critical")], &["critical"]);
        check(&[("alertname", "Noise"), ("team", "db")], &["!noise"]);
        check(&[("region", "us")], &["default"]);
    }

    #[test]
    fn explains_every_route() {
        let explanation = table().explain("s", &alert(&[("team", "db"), ("region", "us")]));
        let reasons: Vec<String> = explanation
            .steps
            .iter()
            .map(|step| format!("{}{}: {}", " ".repeat(step.depth), step.route, step.verdict))
            .collect();
        assert_eq!(
            reasons,
            [
                "default: matched, taken by audit, db",
                " noise: alertname = \"Noise\" does not match the value \"\"",
                " audit: matched team = \"db\"",
                " db: matched, taken by db-us",
                "  db-eu: region = \"eu\" does not match the value \"us\"",
                "  db-us: matched region = \"us\"",
                " critical: not reached: earlier sibling db matched",
                " db-late: not reached: earlier sibling db matched",
            ]
        );
        let nothing = table().explain("s", &alert(&[("alertname", "Noise")]));
        assert_eq!(
            nothing.verdict("noise"),
            Some(&Verdict::Drops { words: "not for people".into() })
        );
        let other = table().explain("s", &alert(&[]));
        assert_eq!(other.verdict("default"), Some(&Verdict::Default));
        assert_eq!(other.verdict("db-us"), Some(&Verdict::BelowMismatch { parent: "db".into() }));
    }

    fn group(grouping: Grouping, alert: &Alert) -> Join {
        let root = Route { grouping, was: vec!["old".into()], ..route("r", None, &[]) };
        let table = RouteTable::new(root, vec![]).expect("a tree");
        table.decide("s", alert).joins.remove(0)
    }

    #[test]
    fn groups() {
        let by =
            |names: &[&str]| Grouping::By(names.iter().map(|name| Name::parse(name)).collect());
        let (mut a, b) = (alert(&[("x", "1"), ("y", "2")]), alert(&[("x", "1"), ("y", "3")]));
        assert_ne!(
            group(Grouping::PerAlert, &a).group,
            group(Grouping::PerAlert, &Alert::new("other", "t")).group
        );
        assert_eq!(group(Grouping::PerAlert, &a).values, []);
        assert_eq!(group(Grouping::One, &a).group, group(Grouping::One, &b).group);
        assert_eq!(group(by(&["x"]), &a).group, group(by(&["x"]), &b).group);
        assert_ne!(group(by(&["x", "y"]), &a).group, group(by(&["x", "y"]), &b).group);
        let swapped = group(by(&["y", "label.x"]), &a);
        assert_eq!(swapped.group, group(by(&["x", "y"]), &a).group);
        assert_eq!(swapped.values, [("y".into(), "2".into()), ("x".into(), "1".into())]);

        // A resolve finds the group of its firing alert; a notice is its own group.
        let firing = group(by(&["x"]), &a);
        a.status = Status::Resolved;
        assert_eq!(group(by(&["x"]), &a).group, firing.group);
        a.status = Status::Notice;
        a.observed_at = Some(Timestamp::from_secs(1));
        let first = group(by(&["x"]), &a);
        assert_eq!(first.values, []);
        a.observed_at = Some(Timestamp::from_secs(2));
        assert_ne!(group(by(&["x"]), &a).group, first.group);
    }

    #[test]
    fn earlier_names_find_the_same_group() {
        let alert = alert(&[("x", "1")]);
        let join = group(Grouping::By(vec![Name::parse("x")]), &alert);
        let old =
            Route { grouping: Grouping::By(vec![Name::parse("x")]), ..route("old", None, &[]) };
        let before = RouteTable::new(old, vec![]).expect("a tree").decide("s", &alert);
        assert_eq!(join.was, [before.joins[0].group]);
        assert_ne!(join.group, join.was[0]);
    }

    #[test]
    fn refuses_what_is_no_tree() {
        let root = || route("default", None, &[]);
        let circle = vec![route("a", Some(1), &[]), route("b", Some(0), &[])];
        assert!(matches!(RouteTable::new(root(), circle), Err(Error::Parents { .. })));
        let missing = vec![route("a", Some(7), &[])];
        assert!(matches!(RouteTable::new(root(), missing), Err(Error::Parents { .. })));
        let chain =
            |length: usize| (0..length).map(|at| route("x", at.checked_sub(1), &[])).collect();
        assert!(RouteTable::new(root(), chain(ROUTE_DEPTH_MAX)).is_ok());
        let deep = RouteTable::new(root(), chain(ROUTE_DEPTH_MAX + 1));
        assert!(matches!(deep, Err(Error::Depth { .. })));
    }
}
