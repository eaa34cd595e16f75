//! What is allowed but probably not meant: routes that nothing reaches, receivers that nobody tells or that are told twice.

use std::collections::{BTreeSet, HashSet};

use super::problem::{Problem, Word};
use super::reader::Reader;
use super::receivers::{INBOX, Receivers};
use super::tree::Tree;
use crate::domain::{Matcher, Route};

/// More siblings than this are not compared pairwise: the cost grows with the square.
const SIBLINGS_COMPARED_MAX: usize = 1_000;

pub(super) fn check(reader: &mut Reader<'_>, tree: &Tree, receivers: &Receivers) {
    unused(reader, tree, receivers);
    impossible(reader, tree);
    let below = below(&tree.routes);
    for siblings in siblings(&tree.routes) {
        for (at, &later) in siblings.iter().enumerate().take(SIBLINGS_COMPARED_MAX) {
            unreachable(reader, tree, &siblings[..at], later);
            told_twice(reader, tree, &below, &siblings[..at], later);
        }
    }
}

/// The children of each parent, in the order of the file.
fn siblings(routes: &[Route]) -> Vec<Vec<usize>> {
    let mut lists = vec![Vec::new(); routes.len() + 1];
    for (at, route) in routes.iter().enumerate() {
        lists[route.parent.map_or(0, |parent| parent + 1)].push(at);
    }
    lists
}

/// The receivers that each route and the routes below it tell.
fn below(routes: &[Route]) -> Vec<BTreeSet<&str>> {
    let mut below = vec![BTreeSet::new(); routes.len()];
    for (at, route) in routes.iter().enumerate().filter(|(_, route)| route.drop.is_none()) {
        let mut above = Some(at);
        while let Some(up) = above {
            below[up].extend(route.policy.receivers.iter().map(|name| &**name));
            above = routes[up].parent;
        }
    }
    below
}

fn unused(reader: &mut Reader<'_>, tree: &Tree, receivers: &Receivers) {
    let told = tree.table.routes().filter(|route| route.drop.is_none());
    let mut used: HashSet<&str> =
        told.flat_map(|route| &route.policy.receivers).map(|name| &**name).collect();
    let direct: Vec<&str> = used.iter().copied().collect();
    for name in direct {
        used.extend(receivers.chain(name));
    }
    for (name, span) in &receivers.names {
        if !used.contains(name.as_str()) && name != INBOX {
            let message = format!("no route tells receiver `{name}`");
            reader.report(Problem::warning(Word::UnusedReceiver, span.clone(), message));
        }
    }
}

/// Routes whose own matchers and those of their parents exclude each other.
fn impossible(reader: &mut Reader<'_>, tree: &Tree) {
    for (at, route) in tree.routes.iter().enumerate() {
        let mut above = Vec::new();
        let mut up = route.parent;
        while let Some(parent) = up {
            above.extend(&tree.routes[parent].matchers);
            up = tree.routes[parent].parent;
        }
        for (own, (matcher, span)) in tree.raw[at].matchers.iter().enumerate() {
            let others = above.iter().copied().chain(&route.matchers[..own]);
            if let Some(other) = others.into_iter().find(|other| matcher.excludes(other)) {
                let message = format!("route `{}` matches nothing", route.policy.route);
                let problem = Problem::warning(Word::UnreachableRoute, span.clone(), message);
                reader.report(problem.hint(format!("{matcher} and {other} exclude each other")));
            }
        }
    }
}

fn unreachable(reader: &mut Reader<'_>, tree: &Tree, earlier: &[usize], later: usize) {
    let route = &tree.routes[later];
    let covers = |at: &&usize| {
        let earlier = &tree.routes[**at];
        let implied = |matcher: &Matcher| route.matchers.iter().any(|m| matcher.follows_from(m));
        !earlier.continues && earlier.matchers.iter().all(implied)
    };
    if let Some(&at) = earlier.iter().find(covers) {
        let (name, span) = &tree.raw[later].name;
        let (first, first_span) = &tree.raw[at].name;
        let message = format!("route `{name}` is never reached");
        let problem = Problem::warning(Word::UnreachableRoute, span.clone(), message);
        let problem = problem.also(first_span.clone(), "matches all that it would match");
        reader.report(
            problem.hint(format!("move it before `{first}`, or give that `continue = true`")),
        );
    }
}

fn told_twice(
    reader: &mut Reader<'_>,
    tree: &Tree,
    below: &[BTreeSet<&str>],
    earlier: &[usize],
    later: usize,
) {
    let route = &tree.routes[later];
    for &at in earlier {
        let first = &tree.routes[at];
        let excludes = |m: &Matcher| route.matchers.iter().any(|other| m.excludes(other));
        if !first.continues || first.matchers.iter().any(excludes) {
            continue;
        }
        let both: Vec<&str> = below[at].intersection(&below[later]).copied().collect();
        if both.is_empty() {
            continue;
        }
        let (name, span) = &tree.raw[later].name;
        let (first, first_span) = &tree.raw[at].name;
        let message = format!(
            "an alert that matches `{first}` and `{name}` tells `{}` twice",
            both.join("`, `")
        );
        let problem = Problem::warning(Word::ToldTwice, span.clone(), message);
        let problem = problem.also(first_span.clone(), "continues to later routes");
        reader.report(problem.hint("each route opens an incident of its own"));
        return;
    }
}
