//! `[defaults]` and `[[route]]`: from a flat list with parents to the routing tree.

use std::collections::HashMap;
use std::sync::Arc;

use super::document::Node;
use super::problem::{Problem, Span, Word};
use super::reader::{Placed, Reader, Section};
use super::receivers::Receivers;
use super::sources::choice;
use super::suggest;
use crate::domain::matcher;
use crate::domain::{Grouping, Matcher, Name, Policy, Route, RouteTable, Timing};
use crate::limits::{RECEIVERS_PER_INCIDENT_MAX, ROUTE_DEPTH_MAX, ROUTES_MAX};

/// The name of the root: incidents of alerts that no route takes carry it.
pub const ROOT: &str = "default";

/// One `[[route]]` as written; keys that are inherited are not filled in yet.
pub(super) struct Raw {
    pub(super) name: Placed,
    parent: Option<Placed>,
    pub(super) matchers: Vec<(Matcher, Span)>,
    pub(super) continues: bool,
    pub(super) drop: Option<String>,
    was: Vec<Placed>,
    keys: Keys,
}

/// The keys that children inherit.
#[derive(Clone, Default)]
struct Keys {
    receivers: Option<Vec<String>>,
    grouping: Option<Grouping>,
    timing: Option<Timing>,
    durations: HashMap<&'static str, std::time::Duration>,
}

/// The durations of a route; those marked may not be zero.
const DURATIONS: [(&str, bool); 6] = [
    ("group_wait", false),
    ("group_interval", true),
    ("resolve_wait", false),
    ("repeat_interval", true),
    ("resolve_timeout", true),
    ("reopen_window", false),
];

/// The tree and what the checks of it need.
pub(super) struct Tree {
    pub(super) table: RouteTable,
    /// In the order of the file; position `n` is route `n` of the flat list.
    pub(super) raw: Vec<Raw>,
    pub(super) routes: Vec<Route>,
}

/// None after an error.
pub(super) fn read(
    reader: &mut Reader<'_>,
    receivers: &Receivers,
    defaults: Option<(&Node, &Span)>,
    routes: Option<&Node>,
) -> Option<Tree> {
    let before = errors(reader);
    let root = root(reader, receivers, defaults);
    let mut raw = Vec::new();
    if let Some(node) = routes {
        for node in reader.list(node, "[[route]] tables") {
            let section = reader.table(node, "[[route]]");
            raw.extend(section.and_then(|section| one(reader, receivers, section)));
        }
        if raw.len() > ROUTES_MAX {
            let message = format!("more than {ROUTES_MAX} routes");
            reader.report(Problem::error(Word::Limit, node.span.clone(), message));
            return None;
        }
    }
    let parents = parents(reader, &raw);
    if errors(reader) > before {
        return None;
    }
    let root = root?;
    let routes = inherit(&root, &raw, &parents);
    match RouteTable::new(root, routes.clone()) {
        Ok(table) => Some(Tree { table, raw, routes }),
        Err(error) => reader.invalid(&(0..0), error.to_string()),
    }
}

fn errors(reader: &Reader<'_>) -> usize {
    let error = |problem: &&Problem| problem.level == super::problem::Level::Error;
    reader.problems.iter().filter(error).count()
}

fn root(
    reader: &mut Reader<'_>,
    receivers: &Receivers,
    defaults: Option<(&Node, &Span)>,
) -> Option<Route> {
    let missing = |span: Span| {
        let message = "nobody is told of alerts that no route takes";
        let problem = Problem::error(Word::NoReceiver, span, message);
        problem.hint("[defaults] needs `receivers`, such as receivers = [\"inbox\"]")
    };
    let Some((node, span)) = defaults else {
        reader.report(missing(0..0));
        return None;
    };
    let mut section = reader.table(node, "[defaults]")?;
    let keys = Keys::read(reader, receivers, &mut section);
    if section.get("receivers").is_none() {
        reader.report(missing(span.clone()));
    }
    section.finish(reader);
    let names = keys.receivers.clone()?;
    let base = Policy::new(ROOT, names.iter().map(|name| Arc::from(name.as_str())).collect());
    let (policy, grouping) = keys.apply(&base, &Grouping::default(), ROOT);
    Some(Route { grouping, ..Route::new(Arc::new(policy)) })
}

fn one(reader: &mut Reader<'_>, receivers: &Receivers, mut section: Section<'_>) -> Option<Raw> {
    let name = section.required(reader, "name").and_then(|node| reader.placed(node));
    if let Some((name, span)) = &name {
        section.title = format!("route `{name}`");
        section.span = span.clone();
        reader.name(name, span);
        if name == ROOT {
            let problem = Problem::error(
                Word::DuplicateName,
                span.clone(),
                format!("`{ROOT}` is the name of the root"),
            );
            reader.report(problem.hint("its keys stand in [defaults]"));
        }
    }
    let parent = section.get("parent").and_then(|node| reader.placed(node));
    let matchers = section.get("match").map(|node| matchers(reader, node)).unwrap_or_default();
    let continues = section.get("continue").and_then(|node| reader.boolean(node)).unwrap_or(false);
    let was = section.get("was").and_then(|node| reader.texts(node)).unwrap_or_default();
    for (old, span) in &was {
        reader.name(old, span);
    }
    let drop = section.get("drop").and_then(|node| words(reader, node));
    if drop.is_some()
        && let Some(entry) = section.entry("receivers")
    {
        let message = "a route that drops tells nobody";
        let problem = Problem::error(Word::InvalidValue, entry.key_span.clone(), message);
        reader.report(problem.hint("remove `receivers` or `drop`"));
    }
    let keys = Keys::read(reader, receivers, &mut section);
    section.finish(reader);
    Some(Raw { name: name?, parent, matchers, continues, drop, was, keys })
}

fn words(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let words = reader.text(node)?;
    if words.trim().is_empty() {
        return reader.invalid(&node.span, "`drop` says in words why nobody is told");
    }
    Some(words)
}

fn matchers(reader: &mut Reader<'_>, node: &Node) -> Vec<(Matcher, Span)> {
    let mut matchers = Vec::new();
    for (text, span) in reader.texts(node).unwrap_or_default() {
        match Matcher::parse(&text) {
            Ok(matcher) => matchers.push((matcher, span)),
            Err(error) => {
                let hint = match &error {
                    matcher::Error::Severity { word, .. } => {
                        let words = ["unknown", "info", "warning", "error", "critical"];
                        suggest::hint(word, words, "severities, from low to high")
                    }
                    matcher::Error::Pattern { .. } => None,
                    _ => Some(
                        "write 'name = \"value\"', also with != =~ !~ or severity >= \"error\""
                            .into(),
                    ),
                };
                let problem = Problem::error(Word::InvalidValue, span, error.to_string());
                reader.report(problem.maybe_hint(hint));
            }
        }
    }
    matchers
}

impl Keys {
    fn read(reader: &mut Reader<'_>, receivers: &Receivers, section: &mut Section<'_>) -> Self {
        let mut durations = HashMap::new();
        for (name, positive) in DURATIONS {
            let read = if positive { Reader::interval } else { Reader::duration };
            if let Some(duration) = section.get(name).and_then(|node| read(reader, node)) {
                durations.insert(name, duration);
            }
        }
        let timings = [("prompt", Timing::Prompt), ("grid", Timing::Grid)];
        Self {
            receivers: section.get("receivers").map(|node| names(reader, receivers, node)),
            grouping: section.get("group_by").and_then(|node| grouping(reader, node)),
            timing: section.get("timing").and_then(|node| choice(reader, node, &timings)),
            durations,
        }
    }

    /// The effective keys of a route called `name` below one that has `base` and `grouping`.
    fn apply(&self, base: &Policy, grouping: &Grouping, name: &str) -> (Policy, Grouping) {
        let of = |key: &str, inherited| self.durations.get(key).copied().unwrap_or(inherited);
        let receivers = self.receivers.as_ref();
        let receivers =
            receivers.map(|names| names.iter().map(|n| Arc::from(n.as_str())).collect());
        let policy = Policy {
            route: name.into(),
            receivers: receivers.unwrap_or_else(|| base.receivers.clone()),
            timing: self.timing.unwrap_or(base.timing),
            group_wait: of("group_wait", base.group_wait),
            group_interval: of("group_interval", base.group_interval),
            resolve_wait: of("resolve_wait", base.resolve_wait),
            repeat_interval: of("repeat_interval", base.repeat_interval),
            resolve_timeout: of("resolve_timeout", base.resolve_timeout),
            reopen_window: of("reopen_window", base.reopen_window),
        };
        (policy, self.grouping.as_ref().unwrap_or(grouping).clone())
    }
}

fn names(reader: &mut Reader<'_>, receivers: &Receivers, node: &Node) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, span) in reader.texts(node).unwrap_or_default() {
        receivers.exists(reader, &name, &span);
        if names.contains(&name) {
            let message = format!("receiver `{name}` stands here twice");
            reader.report(Problem::error(Word::DuplicateName, span, message));
        } else {
            names.push(name);
        }
    }
    if names.is_empty() {
        let problem = Problem::error(Word::NoReceiver, node.span.clone(), "no receiver");
        reader.report(problem.hint("to tell nobody, write drop = \"why\" in a route"));
    }
    if names.len() > RECEIVERS_PER_INCIDENT_MAX {
        let message = format!("more than {RECEIVERS_PER_INCIDENT_MAX} receivers");
        reader.report(Problem::error(Word::Limit, node.span.clone(), message));
    }
    names
}

fn grouping(reader: &mut Reader<'_>, node: &Node) -> Option<Grouping> {
    let texts = reader.texts(node)?;
    if texts.is_empty() {
        return Some(Grouping::One);
    }
    if texts.iter().any(|(text, _)| text == "...") {
        if texts.len() == 1 {
            return Some(Grouping::PerAlert);
        }
        return reader
            .invalid(&node.span, "\"...\" stands alone: every alert is an incident of its own");
    }
    let mut names = Vec::new();
    for (text, span) in texts {
        let name = Name::parse(&text);
        if text.is_empty() {
            reader.invalid::<()>(&span, "the name of a label or field is empty");
        } else if names.contains(&name) {
            reader.invalid::<()>(&span, format!("`{text}` stands here twice"));
        } else {
            names.push(name);
        }
    }
    Some(Grouping::By(names))
}

/// The position of each route's parent, after all names were checked.
fn parents(reader: &mut Reader<'_>, raw: &[Raw]) -> Vec<Option<usize>> {
    let mut by_name: HashMap<&str, (usize, &Span)> = HashMap::new();
    for (at, route) in raw.iter().enumerate() {
        let (name, span) = &route.name;
        if let Some((_, first)) = by_name.get(name.as_str()) {
            let message = format!("there are two routes called `{name}`");
            let problem = Problem::error(Word::DuplicateName, span.clone(), message);
            reader.report(problem.also((*first).clone(), "the first one"));
        } else {
            by_name.insert(name, (at, span));
        }
    }
    for (old, span) in raw.iter().flat_map(|route| &route.was) {
        if let Some((_, now)) = by_name.get(old.as_str()) {
            let message = format!("`{old}` is still the name of a route");
            let problem = Problem::error(Word::DuplicateName, span.clone(), message);
            reader.report(problem.also((*now).clone(), "this one"));
        }
    }
    let parents: Vec<Option<usize>> = raw
        .iter()
        .map(|route| {
            let (parent, span) = route.parent.as_ref()?;
            let found = by_name.get(parent.as_str());
            if found.is_none() {
                let message = format!("there is no route called `{parent}`");
                let hint = suggest::hint(parent, by_name.keys().copied(), "routes");
                let problem = Problem::error(Word::UnknownName, span.clone(), message);
                reader.report(problem.maybe_hint(hint));
            }
            found.map(|(at, _)| *at)
        })
        .collect();
    for at in 0..raw.len() {
        let depth = std::iter::successors(Some(at), |at| parents[*at]).take(raw.len() + 1).count();
        let Some((_, span)) = &raw[at].parent else { continue };
        if depth > raw.len() {
            let message = format!("the parents of route `{}` lead in a circle", raw[at].name.0);
            reader.report(Problem::error(Word::Cycle, span.clone(), message));
        } else if depth > ROUTE_DEPTH_MAX {
            let message = format!("routes are nested deeper than {ROUTE_DEPTH_MAX}");
            reader.report(Problem::error(Word::Limit, span.clone(), message));
        }
    }
    parents
}

/// The routes with their effective keys. The parents must be free of circles.
fn inherit(root: &Route, raw: &[Raw], parents: &[Option<usize>]) -> Vec<Route> {
    let mut done: Vec<Option<(Policy, Grouping)>> = vec![None; raw.len()];
    for at in 0..raw.len() {
        // From the topmost that is not done down to this one.
        let unfinished = |at: &usize| parents[*at].filter(|up| done[*up].is_none());
        let way: Vec<usize> = std::iter::successors(Some(at), unfinished).collect();
        for at in way.into_iter().rev() {
            let above = parents[at].and_then(|up| done[up].as_ref());
            let (policy, grouping) = above
                .map_or((&*root.policy, &root.grouping), |(policy, grouping)| (policy, grouping));
            done[at] = Some(raw[at].keys.apply(policy, grouping, &raw[at].name.0));
        }
    }
    let effective = done.into_iter().flatten();
    let route = |((raw, parent), (policy, grouping)): ((&Raw, &Option<usize>), _)| Route {
        policy: Arc::new(policy),
        parent: *parent,
        matchers: raw.matchers.iter().map(|(matcher, _)| matcher.clone()).collect(),
        continues: raw.continues,
        grouping,
        was: raw.was.iter().map(|(name, _)| Arc::from(name.as_str())).collect(),
        drop: raw.drop.clone(),
    };
    raw.iter().zip(parents).zip(effective).map(route).collect()
}
