//! Reading vendors' JSON without trusting its types: a number may be a string, a list may be a string that holds
//! one, anything may be null or missing. Every function answers "nothing" instead of failing.

use serde_json::{Map, Value};

use crate::domain::{Labels, Link};

pub(super) use super::read::scalar;
use super::{Error, bound, tree};

/// The JSON value of a body, whatever its content type says: SNS sends JSON as text.
pub(super) fn parse(body: &[u8]) -> Result<Value, Error> {
    tree::json(tree::text(body)?)
}

/// The scalar at a JSON pointer.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(scalar)
}

/// The first scalar among several pointers.
pub(super) fn first(value: &Value, pointers: &[&str]) -> Option<String> {
    pointers.iter().find_map(|pointer| text(value, pointer))
}

/// The list at a pointer; anything else is the empty list.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The object at a pointer.
pub(super) fn object<'a>(value: &'a Value, pointer: &str) -> Option<&'a Map<String, Value>> {
    value.pointer(pointer).and_then(Value::as_object)
}

/// The scalars of the list at a pointer; one scalar counts as a list of one, and a string may hold a JSON list.
pub(super) fn texts(value: &Value, pointer: &str) -> Vec<String> {
    match value.pointer(pointer) {
        Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
        Some(Value::String(held)) if held.trim_start().starts_with('[') => {
            let items: Vec<Value> = serde_json::from_str(held).unwrap_or_default();
            items.iter().filter_map(scalar).collect()
        }
        Some(other) => scalar(other).into_iter().collect(),
        None => Vec::new(),
    }
}

/// What stands after the last slash of a resource id; the whole text without one.
pub(super) fn last_segment(id: &str) -> &str {
    let id = id.trim_end_matches('/');
    id.rsplit('/').next().filter(|segment| !segment.is_empty()).unwrap_or(id)
}

/// A link, if the text is an absolute URL that may be shown.
pub(super) fn link(name: &str, url: Option<String>) -> Option<Link> {
    url.filter(|url| bound::is_link(url)).map(|url| Link { name: name.to_owned(), url })
}

/// Adds a label or annotation unless the sender's own of that name is there already.
pub(super) fn add(labels: &mut Labels, name: &str, value: Option<String>) {
    if let Some(value) = value {
        labels.entry(name.to_owned()).or_insert(value);
    }
}

/// Adds every scalar of an object under its own name.
pub(super) fn add_all(labels: &mut Labels, object: Option<&Map<String, Value>>) {
    for (name, value) in object.into_iter().flatten() {
        add(labels, name, scalar(value));
    }
}

/// Adds a list of `{name, value}` pairs, in either spelling of the two keys.
pub(super) fn add_pairs(labels: &mut Labels, pairs: &[Value]) {
    for (name, value) in self::pairs(pairs) {
        add(labels, &name, Some(value));
    }
}

/// The names and values of a list of `{name, value}` pairs.
pub(super) fn pairs(pairs: &[Value]) -> Vec<(String, String)> {
    pairs
        .iter()
        .filter_map(|pair| {
            Some((first(pair, &["/name", "/Name"])?, first(pair, &["/value", "/Value"])?))
        })
        .collect()
}

/// Whether `word` is one of `words`, whatever its case.
pub(super) fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_are_read_whatever_their_type() {
        let value = json!({"a": " x ", "b": 3, "c": true, "d": "", "e": null, "f": {}, "g": [1, null, "y"], "h": "[\"z\"]"});
        for (pointer, expected) in [
            ("/a", Some("x")),
            ("/b", Some("3")),
            ("/c", Some("true")),
            ("/d", None),
            ("/e", None),
            ("/f", None),
            ("/missing", None),
        ] {
            assert_eq!(text(&value, pointer).as_deref(), expected, "{pointer}");
        }
        assert_eq!(texts(&value, "/g"), ["1", "y"]);
        assert_eq!(texts(&value, "/h"), ["z"]);
        assert_eq!(texts(&value, "/b"), ["3"]);
    }

    #[test]
    fn segments_and_links() {
        assert_eq!(last_segment("/a/b/vm-1/"), "vm-1");
        assert_eq!(last_segment("vm-1"), "vm-1");
        assert_eq!(last_segment("/"), "");
        assert!(link("x", Some("https://example.com#a".into())).is_some());
        assert!(link("x", Some("javascript:alert(1)".into())).is_none());
        assert!(link("x", Some("EXAMPLE".into())).is_none());
    }
}
