//! Finds the children of a route that may match without asking all of them.

use std::collections::HashMap;

use super::route::Route;
use super::{Alert, Field, Matcher, Name};

/// The children of one route, found by the value of an equality instead of one by one.
///
/// Each child stands once: under one of its equality matchers, or in `rest`. The lists are sorted by
/// position in the file, so that merging them gives the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Siblings {
    /// All children in the order of the file.
    pub(super) all: Vec<usize>,
    rest: Vec<usize>,
    fields: HashMap<Field, ByValue>,
    labels: HashMap<String, ByValue>,
}

type ByValue = HashMap<String, Vec<usize>>;

impl Siblings {
    pub(super) fn new(routes: &[Route], all: Vec<usize>) -> Self {
        // The rarest condition of a route finds it with the fewest others.
        let mut uses: HashMap<(&Name, &str), usize> = HashMap::new();
        for (name, value) in all.iter().flat_map(|id| equalities(&routes[*id])).flat_map(pairs) {
            *uses.entry((name, value)).or_default() += 1;
        }
        let mut siblings = Self::default();
        for &id in &all {
            let cost =
                |matcher: &&Matcher| pairs(matcher).filter_map(|p| uses.get(&p)).max().copied();
            let Some(best) = equalities(&routes[id]).min_by_key(cost) else {
                siblings.rest.push(id);
                continue;
            };
            let by_value = match best.name() {
                Name::Field(field) => siblings.fields.entry(*field).or_default(),
                Name::Label(label) => siblings.labels.entry(label.clone()).or_default(),
            };
            for value in best.listed().unwrap_or_default() {
                let ids = by_value.entry(value.clone()).or_default();
                if ids.last() != Some(&id) {
                    ids.push(id);
                }
            }
        }
        siblings.all = all;
        siblings
    }

    /// The children that may match, in the order of the file.
    pub(super) fn candidates<'a>(&'a self, source: &str, alert: &Alert) -> Candidates<'a> {
        let mut lists = vec![&self.rest[..]];
        let mut add = |by_value: &'a ByValue, value: &str| {
            if let Some(ids) = by_value.get(value) {
                lists.push(ids);
            }
        };
        for (field, by_value) in &self.fields {
            add(by_value, alert.field(source, *field));
        }
        // Whichever is fewer: the cost grows neither with the routes nor with hostile labels.
        if self.labels.len() <= alert.labels.len() {
            for (label, by_value) in &self.labels {
                add(by_value, alert.labels.get(label).map_or("", String::as_str));
            }
        } else {
            for (label, value) in &alert.labels {
                if let Some(by_value) = self.labels.get(label) {
                    add(by_value, value);
                }
            }
        }
        Candidates { lists }
    }
}

fn equalities(route: &Route) -> impl Iterator<Item = &Matcher> {
    route.matchers.iter().filter(|matcher| matcher.listed().is_some())
}

fn pairs(matcher: &Matcher) -> impl Iterator<Item = (&Name, &str)> {
    let values = matcher.listed().unwrap_or_default();
    values.iter().map(|value| (matcher.name(), value.as_str()))
}

/// Merges sorted lists that have no element in common.
pub(super) struct Candidates<'a> {
    lists: Vec<&'a [usize]>,
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let list =
            self.lists.iter_mut().filter(|list| !list.is_empty()).min_by_key(|list| list[0])?;
        let (first, rest) = list.split_first()?;
        *list = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Policy, RouteTable, Severity};

    fn matcher() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            Just("a"),
            Just("b"),
            Just("c"),
            Just("service"),
            Just("label.service"),
            Just("source")
        ];
        let value = prop_oneof![Just("x"), Just("y"), Just("z"), Just(""), Just("x|y"), Just("x|")];
        let operator = prop_oneof![
            4 => Just("="),
            1 => Just("!="),
            2 => Just("=~"),
            1 => Just("!~")
        ];
        let severity = (prop_oneof![Just("="), Just(">="), Just("<"), Just("!=")], 0..5_usize)
            .prop_map(|(op, at)| format!("severity {op} \"{}\"", Severity::ALL[at].as_str()));
        prop_oneof![
            5 => (name, operator, value).prop_map(|(n, op, v)| format!("{n} {op} \"{v}\"")),
            1 => severity,
        ]
    }

    /// Matchers, parent (an earlier route or the root), `continue` and `drop` of one route.
    type Raw = (Vec<String>, usize, bool, bool);

    fn raw() -> impl Strategy<Value = Raw> {
        let drops = prop::bool::weighted(0.1);
        (prop::collection::vec(matcher(), 0..4), 0..50_usize, any::<bool>(), drops)
    }

    fn alert() -> impl Strategy<Value = Alert> {
        let value = || prop_oneof![Just("x"), Just("y"), Just("z"), Just("w"), Just("")];
        let label = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d"), Just("service")];
        let labels = prop::collection::btree_map(label, value(), 0..6);
        (labels, prop::option::of(value()), 0..5_usize).prop_map(|(labels, service, severity)| {
            let mut alert = Alert::new("k", "t");
            alert.labels = labels.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
            alert.service = service.map(str::to_owned);
            alert.severity = Severity::ALL[severity];
            alert
        })
    }

    fn routes(raw: Vec<Raw>) -> Vec<Route> {
        let build = |(at, (matchers, parent, continues, drops)): (usize, Raw)| {
            let matchers = matchers.iter().map(|text| Matcher::parse(text).expect("valid"));
            // Nested at most a few levels deep: every third route may have children.
            let parent = (parent < at).then_some(parent - parent % 3).filter(|_| at % 3 != 0);
            Route {
                matchers: matchers.collect(),
                parent,
                continues,
                drop: drops.then(|| "words".into()),
                ..Route::new(Arc::new(Policy::new(format!("r{at}"), vec![])))
            }
        };
        raw.into_iter().enumerate().map(build).collect()
    }

    /// The definition, written down naively: who takes the alert, dropped ones with "!".
    fn naive(
        routes: &[Route],
        parent: Option<usize>,
        alert: &Alert,
        out: &mut Vec<String>,
    ) -> bool {
        let mut taken = false;
        for (at, route) in routes.iter().enumerate() {
            if route.parent != parent || !route.matchers.iter().all(|m| m.matches("x", alert)) {
                continue;
            }
            taken = true;
            if !naive(routes, Some(at), alert, out) {
                let mark = if route.drop.is_some() { "!" } else { "" };
                out.push(format!("{mark}{}", route.policy.route));
            }
            if !route.continues {
                break;
            }
        }
        taken
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]
        #[test]
        fn the_index_changes_nothing(raw in prop::collection::vec(raw(), 0..30), alert in alert()) {
            let routes = routes(raw);
            let mut expected = Vec::new();
            if !naive(&routes, None, &alert, &mut expected) {
                expected.push("default".into());
            }
            let root = Route::new(Arc::new(Policy::new("default", vec![])));
            let table = RouteTable::new(root, routes).expect("parents stand earlier");
            let explanation = table.explain("x", &alert);

            let taken = |mark| expected.iter().filter(move |n| n.starts_with('!') == mark).cloned();
            let joins = &explanation.decision.joins;
            let names: Vec<String> = joins.iter().map(|join| join.policy.route.to_string()).collect();
            prop_assert_eq!(names, taken(false).collect::<Vec<_>>());
            let dropped = explanation.decision.dropped.as_ref().map(|(route, _)| format!("!{route}"));
            prop_assert_eq!(dropped, taken(true).next_back());

            // The trace, which does not use the index, names the same routes.
            let traced = explanation.steps.iter().filter_map(|step| match step.verdict.as_str() {
                "takes" | "default" => Some(step.route.to_string()),
                "drops" => Some(format!("!{}", step.route)),
                _ => None,
            });
            prop_assert_eq!(traced.collect::<Vec<_>>(), expected);
        }

        #[test]
        fn only_routes_that_may_match_are_asked(count in 1..400_usize) {
            let routes: Vec<Route> = (0..count)
                .map(|at| {
                    let text = format!("team{} = \"t{at}\"", at % 5);
                    let matchers = vec![Matcher::parse(&text).expect("valid")];
                    Route { matchers, ..Route::new(Arc::new(Policy::new(format!("r{at}"), vec![]))) }
                })
                .collect();
            let siblings = Siblings::new(&routes, (0..count).collect());
            let mut alert = Alert::new("k", "t");
            alert.labels.insert("team2".into(), "t7".into());
            let asked: Vec<usize> = siblings.candidates("s", &alert).collect();
            let expected: Vec<usize> = if count > 7 { vec![7] } else { vec![] };
            prop_assert_eq!(asked, expected);
        }
    }
}
