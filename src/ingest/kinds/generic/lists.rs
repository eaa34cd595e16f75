//! Where the alerts of a payload are: itself, a list, a list inside an envelope.

use serde_json::{Map, Value};

use super::leaves::Leaves;
use super::names::Role;
use super::places::Place;

/// Members that hold a list of alerts.
const ALERTS: [&str; 9] = [
    "alerts",
    "incidents",
    "problems",
    "alarms",
    "issues",
    "notifications",
    "findings",
    "alert",
    "incident",
];
/// Members that hold a list of alerts if each item says how it is and the envelope does not.
const PERHAPS: [&str; 12] = [
    "events",
    "messages",
    "records",
    "items",
    "data",
    "results",
    "entries",
    "payload",
    "checkresults",
    "checkresult",
    "checks",
    "states",
];
/// Deepest list that is looked for.
const LEVELS_MAX: usize = 3;

/// The alerts of a payload and what is around them.
pub(super) struct Found<'a> {
    pub items: &'a [Value],
    pub around: Option<&'a Map<String, Value>>,
}

/// The alerts of `tree`.
pub(super) fn find(tree: &Value) -> Found<'_> {
    match tree {
        Value::Array(items) => Found { items, around: None },
        Value::Object(root) => match list(root, LEVELS_MAX) {
            Some(items) => Found { items, around: Some(root) },
            None => Found { items: std::slice::from_ref(tree), around: None },
        },
        _ => Found { items: std::slice::from_ref(tree), around: None },
    }
}

fn list(root: &Map<String, Value>, levels: usize) -> Option<&[Value]> {
    let named = |wanted: &[&str]| {
        wanted.iter().find_map(|wanted| {
            let (_, value) = root.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
            objects(value)
        })
    };
    if let Some(items) = named(&ALERTS) {
        return Some(items);
    }
    if let Some(items) = named(&PERHAPS)
        && items.iter().all(says_how_it_is)
        && !around_says(root, items)
    {
        return Some(items);
    }
    if levels == 0 {
        return None;
    }
    let is_only = root.iter().filter(|(name, _)| !name.starts_with('@')).count() == 1;
    root.iter().find_map(|(name, value)| {
        let inner = value.as_object()?;
        let name = name.to_ascii_lowercase();
        (is_only || Place::of(&name).is_wrapper()).then(|| list(inner, levels - 1))?
    })
}

fn objects(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => Some(items),
        _ => None,
    }
}

fn says_how_it_is(item: &Value) -> bool {
    let Some(item) = item.as_object() else { return false };
    let leaves = Leaves::of_top(item);
    leaves.near(Role::Status, |_| true).is_some() || leaves.near(Role::Event, |_| true).is_some()
}

fn around_says(root: &Map<String, Value>, items: &[Value]) -> bool {
    let around = Leaves::around(root, items);
    [Role::Status, Role::Title]
        .into_iter()
        .any(|role| around.near(role, |text| text.contains(char::is_alphabetic)).is_some())
}
