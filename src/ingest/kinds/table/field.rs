//! Where a value of an alert is found: pointers, paths, templates, pieces of texts; the first that gives text wins.

use std::borrow::Cow;

use handlebars::Context;
use regex::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::late::Pattern;
use super::place::Place;
use super::template::Template;
use crate::domain::Labels;
use crate::ingest::kinds::{Payload, read};
use crate::limits::TEXT_CHARS_MAX;

/// Longest text that is copied out of a payload: the limit of the longest field, were each character four bytes.
const TEXT_BYTES_MAX: usize = TEXT_CHARS_MAX * 4;

/// What a field is read from: one alert, the payload around it and the request.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) item: &'a Value,
    pub(super) root: &'a Value,
    pub(super) payload: &'a Payload<'a>,
    /// Only where the shape has templates that need it.
    pub(super) context: Option<&'a Context>,
    /// Texts that mean "not set".
    pub(super) absent: Option<&'a Regex>,
    /// The labels of the alert, once they are read.
    pub(super) labels: Option<&'a Labels>,
}

impl Scope<'_> {
    /// Whether `value` is a text that means "not set".
    pub(super) fn is_absent(&self, value: &Value) -> bool {
        let Some(absent) = self.absent else { return false };
        value.as_str().is_some_and(|text| absent.is_match(text.trim()))
    }
}

/// One way to a value.
#[derive(Debug)]
pub(super) enum Choice {
    Place(Place),
    /// RFC 9535, in the alert.
    Path(Box<JsonPath>),
    Template(Template),
    Text(String),
    /// A piece of another field.
    Piece(Piece),
}

/// What a regular expression leaves of a text.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) from: Field,
    pub(super) regex: Pattern,
    /// The matches go and the rest stays; otherwise the first group (or the whole match) stays.
    pub(super) remove: bool,
}

/// Several choices for one value.
#[derive(Debug, Default)]
pub(super) struct Field(pub(super) Vec<Choice>);

impl Field {
    /// The first text there is.
    pub(super) fn text(&self, scope: &Scope<'_>) -> Option<String> {
        self.0.iter().find_map(|choice| choice.text(scope))
    }

    /// What `read` makes of the first choice it understands.
    pub(super) fn find<T>(
        &self,
        scope: &Scope<'_>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        self.0.iter().find_map(|choice| match choice {
            Choice::Place(place) => read(&*place.get(scope)?),
            Choice::Path(path) => path.query(scope.item).iter().find_map(|found| read(found)),
            _ => read(&Value::String(choice.text(scope)?)),
        })
    }

    /// Whether a choice needs the handlebars context.
    pub(super) fn needs_context(&self) -> bool {
        self.0.iter().any(|choice| match choice {
            Choice::Template(template) => template.needs_context(),
            Choice::Piece(piece) => piece.from.needs_context(),
            Choice::Place(_) | Choice::Path(_) | Choice::Text(_) => false,
        })
    }
}

impl Choice {
    fn text(&self, scope: &Scope<'_>) -> Option<String> {
        match self {
            Self::Place(place) => text(&*place.get(scope)?),
            Self::Path(path) => {
                let found = path.query(scope.item);
                let texts = found.iter().filter(|value| !scope.is_absent(value));
                let texts: Vec<String> = texts.filter_map(|value| text(value)).collect();
                (!texts.is_empty()).then(|| texts.join(", "))
            }
            Self::Template(template) => template.render(scope),
            Self::Text(text) => Some(text.clone()),
            Self::Piece(piece) => piece.text(scope),
        }
    }
}

impl Piece {
    fn text(&self, scope: &Scope<'_>) -> Option<String> {
        let texts = self.from.0.iter().filter_map(|choice| choice.text(scope));
        let mut pieces = texts.filter_map(|text| self.of(&text));
        pieces.find(|piece| !piece.is_empty())
    }

    fn of(&self, text: &str) -> Option<String> {
        if self.remove {
            let rest: Cow<'_, str> = self.regex.get().replace_all(text, "");
            return Some(rest.trim().to_owned());
        }
        let found = self.regex.get().captures(text)?;
        let piece = found.iter().skip(1).flatten().next().or_else(|| found.get(0))?;
        Some(piece.as_str().trim().to_owned())
    }
}

/// A scalar as text, an array of scalars joined; nothing for what has no text. No more than can matter is copied: a text
/// around a list may be a megabyte, and is read for each of ten thousand alerts.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => {
            let mut joined = String::new();
            for text in items.iter().filter_map(scalar) {
                if joined.len() >= TEXT_BYTES_MAX {
                    break;
                }
                if !joined.is_empty() {
                    joined.push_str(", ");
                }
                joined.push_str(&text);
            }
            (!joined.is_empty()).then_some(joined)
        }
        other => scalar(other),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.len() > TEXT_BYTES_MAX => {
            let text = text.trim();
            let cut = text[..text.floor_char_boundary(TEXT_BYTES_MAX)].trim_end();
            (!cut.is_empty()).then(|| cut.to_owned())
        }
        other => read::scalar(other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::late::Late;
    use super::*;
    use crate::domain::Timestamp;
    use serde_json::json;

    fn check(choice: Choice, expected: Option<&str>) {
        let item = json!({"a": {"b/c": [10, "x"]}, "tags": ["p", "q"], "empty": "", "unset": "$NAME",
            "title": "[Triggered on {host:db-7}] disk full",
            "pairs": [{"k": "env", "v": "prod"}, {"k": "team", "v": "db"}]});
        let root = json!({"who": "root"});
        let headers = [("x-id".to_owned(), "7".to_owned())];
        let payload = Payload {
            method: "PUT",
            path: "/hooks/s/a%20b/close",
            query: "auth=s&n=%20v",
            headers: &headers,
            body: b"",
            received_at: Timestamp::default(),
        };
        let absent = Regex::new(r"^(?:\$[A-Z]+)$").expect("a regex");
        let labels =
            Labels::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]);
        let scope = Scope {
            item: &item,
            root: &root,
            payload: &payload,
            context: None,
            absent: Some(&absent),
            labels: Some(&labels),
        };
        let shown = format!("{choice:?}");
        assert_eq!(Field(vec![choice]).text(&scope).as_deref(), expected, "{shown}");
    }

    #[test]
    fn places_are_found() {
        let rows = [
            ("/a/b~1c/1", Some("x")),
            ("/a/b~1c/9", None),
            ("/tags", Some("p, q")),
            ("/empty", None),
            ("/unset", None),
            ("/a", None),
            ("@root/who", Some("root")),
            ("@header/X-Id", Some("7")),
            ("@query/n", Some("v")),
            ("@query/auth", None),
            ("@path/0", Some("hooks")),
            ("@path/-1", Some("close")),
            ("@path/-2", Some("a b")),
            ("@path/9", None),
            ("@path/-9", None),
            ("@method", Some("PUT")),
            ("@labels", Some("a=1,b=2")),
            ("@labels/b", Some("2")),
        ];
        for (place, expected) in rows {
            check(Choice::Place(Place::parse(place).expect("a place")), expected);
        }
        for wrong in ["a/b", "", "@", "@header/", "@rootx", "$.a", "@path/x", "@methods"] {
            assert!(Place::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn paths_and_pieces_are_found() {
        let path = |path: &str| Choice::Path(Box::new(JsonPath::parse(path).expect("a path")));
        check(path("$.pairs[?@.k == 'env'].v"), Some("prod"));
        check(path("$.pairs[*].v"), Some("prod, db"));
        check(path("$.none"), None);
        let piece = |regex: &str, remove| {
            let title = Choice::Place(Place::parse("/title").expect("a place"));
            let from = Field(vec![Choice::Text("nothing".to_owned()), title]);
            Choice::Piece(Piece { from, regex: Late::new(regex), remove })
        };
        check(piece(r"\{host:([^}]+)\}", false), Some("db-7"));
        check(piece(r"disk\s\w+", false), Some("disk full"));
        check(piece("zebra", false), None);
        check(piece("^nothing$", true), Some("[Triggered on {host:db-7}] disk full"));
    }
}
