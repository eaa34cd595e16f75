//! The scalars of a payload by name, shallow first.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use serde_json::{Map, Value};

use super::super::read;
use crate::limits::LABEL_NAME_CHARS_MAX;

/// Deepest object that is looked into.
const DEPTH_MAX: usize = 8;
/// Most members of one alert that are looked at; the bound on labels is lower.
const MEMBERS_MAX: usize = 2_000;
/// Most members of the envelope that are looked at for each alert.
const OUTER_MEMBERS_MAX: usize = 50;
/// Members of a list that are looked into.
const LIST_ITEMS_MAX: usize = 8;
/// Members that stand for the object they are in, best first: `host.name` is the host.
const SPEAKING: [&str; 6] = ["name", "displayname", "hostname", "title", "text", "id"];

/// One scalar.
#[derive(Debug)]
pub(super) struct Leaf<'a> {
    /// Last part of the path, lower case, letters and digits only.
    pub name: String,
    /// The names from the root, in `snake_case`, joined with dots.
    path: String,
    depth: usize,
    pub value: &'a Value,
    /// The value as text, trimmed; never empty.
    pub text: Cow<'a, str>,
}

impl Leaf<'_> {
    /// The name as a label.
    pub(super) fn label(&self) -> String {
        self.path.clone()
    }

    /// The name of the object it is in, if it is not the root.
    pub(super) fn parent(&self) -> Option<&str> {
        self.path.rsplit('.').nth(1)
    }

    /// The name as a link: without the word URL.
    pub(super) fn link_name(&self) -> String {
        let last = self.path.rsplit('.').next().unwrap_or("link");
        let bare = last.trim_end_matches("url").trim_end_matches("link").trim_matches('_');
        if bare.is_empty() { "source".to_owned() } else { bare.to_owned() }
    }
}

/// All scalars of an object, found by name.
#[derive(Debug, Default)]
pub(super) struct Leaves<'a> {
    all: Vec<Leaf<'a>>,
    /// How many are the alert's own; the others come from the envelope around it.
    own: usize,
    by_name: HashMap<String, Vec<usize>>,
}

impl<'a> Leaves<'a> {
    /// The scalars of `root` at any depth.
    pub(super) fn of(root: &'a Map<String, Value>) -> Self {
        let mut leaves = Self::default();
        leaves.walk(root, DEPTH_MAX, MEMBERS_MAX);
        leaves.own = leaves.all.len();
        leaves.index();
        leaves
    }

    /// The scalars of the top level alone.
    pub(super) fn of_top(root: &'a Map<String, Value>) -> Self {
        let mut leaves = Self::default();
        leaves.walk(root, 0, MEMBERS_MAX);
        leaves.own = leaves.all.len();
        leaves.index();
        leaves
    }

    /// Adds the scalars of the envelope; the alert's own come first.
    pub(super) fn add_outer(&mut self, outer: &'a Map<String, Value>) {
        self.all.truncate(self.own);
        self.walk(outer, 0, OUTER_MEMBERS_MAX);
        self.index();
    }

    /// The alert's own scalars.
    pub(super) fn own(&self) -> &[Leaf<'a>] {
        &self.all[..self.own]
    }

    /// What `read` finds in the shallowest leaf called one of `names`; the order of the names breaks ties.
    pub(super) fn find<T>(
        &self,
        names: &[&str],
        read: impl Fn(&Leaf<'a>) -> Option<T>,
    ) -> Option<(T, &Leaf<'a>)> {
        let mut found: Option<(T, &Leaf<'a>)> = None;
        for name in names {
            for at in self.by_name.get(*name).into_iter().flatten() {
                let leaf = &self.all[*at];
                if found.as_ref().is_some_and(|(_, best)| best.depth <= leaf.depth) {
                    continue;
                }
                if let Some(read) = read(leaf) {
                    found = Some((read, leaf));
                }
            }
        }
        found
    }

    /// The shallowest leaf called one of `names` whose text passes `accept`.
    pub(super) fn first(&self, names: &[&str], accept: impl Fn(&str) -> bool) -> Option<&Leaf<'a>> {
        self.find(names, |leaf| accept(&leaf.text).then_some(())).map(|((), leaf)| leaf)
    }

    /// The shallowest leaf called one of `names`.
    pub(super) fn text(&self, names: &[&str]) -> Option<&Leaf<'a>> {
        self.first(names, |_| true)
    }

    /// A line made of the first scalars, for payloads without any title.
    pub(super) fn summary(&self) -> Option<String> {
        const SHOWN: usize = 6;
        let shown: Vec<String> = self
            .own()
            .iter()
            .filter(|leaf| !super::names::is_secret(&leaf.name))
            .take(SHOWN)
            .map(|leaf| format!("{}={}", leaf.path, read::first_line(&leaf.text)))
            .collect();
        (!shown.is_empty()).then(|| shown.join(" "))
    }

    fn walk(&mut self, root: &'a Map<String, Value>, depth_max: usize, members_max: usize) {
        let mut queue = VecDeque::from([(root, String::new(), 0_usize)]);
        let mut budget = members_max;
        while let Some((object, parent, depth)) = queue.pop_front() {
            for (name, value) in object {
                if budget == 0 {
                    return;
                }
                budget -= 1;
                let name = snake(name);
                let path = join(&parent, &name);
                match value {
                    Value::Object(inner) if depth < depth_max => {
                        queue.push_back((inner, path, depth + 1));
                    }
                    Value::Array(items) if items.iter().any(Value::is_object) => {
                        if depth < depth_max {
                            let inner = items.iter().take(LIST_ITEMS_MAX).enumerate();
                            queue.extend(inner.filter_map(|(at, item)| {
                                Some((item.as_object()?, join(&path, &at.to_string()), depth + 1))
                            }));
                        }
                    }
                    _ => self.push(value, &name, path, depth),
                }
            }
        }
    }

    fn push(&mut self, value: &'a Value, name: &str, path: String, depth: usize) {
        let text = match value {
            Value::String(text) => Cow::Borrowed(text.trim()),
            Value::Object(_) => return,
            other => Cow::Owned(read::text(other)),
        };
        if text.is_empty() {
            return;
        }
        self.all.push(Leaf { name: plain(name), path, depth, value, text });
    }

    fn index(&mut self) {
        self.by_name.clear();
        for (at, leaf) in self.all.iter().enumerate() {
            // What was before the change says nothing about now.
            if is_past(&leaf.path) {
                continue;
            }
            self.by_name.entry(leaf.name.clone()).or_default().push(at);
        }
        for speaking in SPEAKING {
            for at in self.by_name.get(speaking).cloned().unwrap_or_default() {
                if let Some(parent) = self.all[at].parent() {
                    let places = self.by_name.entry(plain(parent)).or_default();
                    if places.is_empty() {
                        places.push(at);
                    }
                }
            }
        }
    }
}

fn is_past(path: &str) -> bool {
    path.split('.').any(|part| matches!(part, "previous" | "old" | "before" | "last" | "history"))
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

/// `monitorFriendlyName`, `MONITOR-NAME` and `monitor name` in `snake_case`; the marks of XML attributes go.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before: Option<char> = None;
    let mut letters = name.chars().take(LABEL_NAME_CHARS_MAX).peekable();
    while let Some(letter) = letters.next() {
        if letter.is_alphanumeric() {
            let after_lower = before.is_some_and(|it| it.is_lowercase() || it.is_numeric());
            let ends_acronym = before.is_some_and(char::is_uppercase)
                && letters.peek().is_some_and(|it| it.is_lowercase());
            if letter.is_uppercase() && (after_lower || ends_acronym) && !out.ends_with('_') {
                out.push('_');
            }
            out.extend(letter.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        before = Some(letter);
    }
    if out.ends_with('_') {
        out.pop();
    }
    out
}

fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        let rows = [
            ("monitorFriendlyName", "monitor_friendly_name"),
            ("MONITOR-NAME", "monitor_name"),
            ("monitorURL", "monitor_url"),
            ("HTTPStatus", "http_status"),
            ("@state", "state"),
            ("p95Latency", "p95_latency"),
            ("Überlast", "überlast"),
            ("__x__", "x"),
            ("", ""),
        ];
        for (name, expected) in rows {
            assert_eq!(snake(name), expected, "{name}");
        }
    }
}
