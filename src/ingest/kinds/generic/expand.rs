//! Payloads inside payloads: JSON as the text of a field, base64 of it, XML in a form field.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::tree;
use crate::limits::PAYLOAD_VALUES_MAX;

/// Deepest payload inside a payload.
const LEVELS_MAX: usize = 3;
/// Most fields that are decoded.
const DECODED_MAX: usize = 64;
/// Shortest base64 that is worth a try.
const BASE64_BYTES_MIN: usize = 16;

/// `tree` with the payloads in its texts in their places.
pub(super) fn expand(tree: &Value) -> Cow<'_, Value> {
    if !holds_payload(tree) {
        return Cow::Borrowed(tree);
    }
    let mut tree = tree.clone();
    let mut budget =
        Budget { texts: DECODED_MAX, values: PAYLOAD_VALUES_MAX.saturating_sub(count(&tree)) };
    decode(&mut tree, LEVELS_MAX, &mut budget);
    Cow::Owned(tree)
}

/// What may still be decoded of one payload.
struct Budget {
    texts: usize,
    values: usize,
}

/// The values of a tree, itself included.
fn count(tree: &Value) -> usize {
    1 + match tree {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

fn holds_payload(tree: &Value) -> bool {
    match tree {
        Value::String(text) => may_hold(text),
        Value::Array(items) => items.iter().any(holds_payload),
        Value::Object(members) => members.values().any(holds_payload),
        _ => false,
    }
}

fn may_hold(text: &str) -> bool {
    let text = text.trim();
    (text.starts_with('{') && text.ends_with('}'))
        || (text.starts_with('[') && text.ends_with(']') && text.contains('{'))
        || text.starts_with("<?xml")
        || is_base64_of_json(text)
}

/// Base64 of `{` or `[` followed by a quote, a blank or a bracket.
fn is_base64_of_json(text: &str) -> bool {
    text.len() >= BASE64_BYTES_MIN
        && ["eyJ", "eyA", "ewo", "ew0", "W3s", "Wwo"].iter().any(|begin| text.starts_with(begin))
}

fn decode(tree: &mut Value, levels: usize, budget: &mut Budget) {
    match tree {
        Value::String(text) if levels > 0 && budget.texts > 0 && may_hold(text) => {
            budget.texts -= 1;
            // What is too much stays text.
            let inner = read(text.trim()).map(|inner| (count(&inner), inner));
            if let Some((values, mut inner)) = inner.filter(|(values, _)| *values <= budget.values)
            {
                budget.values -= values;
                decode(&mut inner, levels - 1, budget);
                *tree = inner;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| decode(item, levels, budget)),
        Value::Object(members) => {
            members.values_mut().for_each(|value| decode(value, levels, budget));
        }
        _ => {}
    }
}

fn read(text: &str) -> Option<Value> {
    let inner = if is_base64_of_json(text) {
        tree::json(tree::text(&STANDARD.decode(text).ok()?).ok()?).ok()?
    } else if text.starts_with('<') {
        tree::xml(text).ok()?
    } else {
        tree::json(text).ok()?
    };
    (inner.is_object() || inner.is_array()).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn payloads_in_a_payload_share_its_bound() {
        let part = format!("[{{}}{}]", ",1".repeat(PAYLOAD_VALUES_MAX / 3));
        let payload = json!({"a": part, "b": part, "c": part, "d": part});
        let expanded = expand(&payload);
        assert!(expanded["a"].is_array());
        assert!(expanded["d"].is_string(), "no room is left");
        assert!(count(&expanded) <= PAYLOAD_VALUES_MAX);
    }
}
