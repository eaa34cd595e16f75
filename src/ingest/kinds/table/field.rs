//! Where a value of an alert is found: pointers, templates and fixed texts; the first that gives text wins.

use std::borrow::Cow;

use handlebars::Context;
use serde_json::Value;

use super::template::Template;
use crate::ingest::kinds::{Payload, read, tree};

/// What a field is read from: one alert, the payload around it and the request.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) item: &'a Value,
    pub(super) root: &'a Value,
    pub(super) payload: &'a Payload<'a>,
    /// Only where the shape has templates that need it.
    pub(super) context: Option<&'a Context>,
}

/// A JSON pointer (RFC 6901), split and unescaped once.
#[derive(Debug)]
pub(super) struct Pointer(Vec<String>);

impl Pointer {
    /// `/a/b~1c`; the empty pointer is the whole value.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        let parts = text.strip_prefix('/')?.split('/');
        Some(Self(parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect()))
    }

    /// From names that are already apart.
    pub(super) fn of(parts: Vec<String>) -> Self {
        Self(parts)
    }

    pub(super) fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, part| match value {
            Value::Object(map) => map.get(part),
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

/// One place of the payload or the request.
#[derive(Debug)]
pub(super) enum Place {
    /// `/a/b`: in the alert.
    Item(Pointer),
    /// `@root/a/b`: in the whole payload.
    Root(Pointer),
    /// `@header/x-name`: a header of the request.
    Header(String),
    /// `@query/name`: a parameter of the query.
    Query(String),
}

impl Place {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let named = |rest: &str| (!rest.is_empty()).then(|| rest.to_owned());
        if let Some(rest) = text.strip_prefix("@root") {
            Pointer::parse(rest).map(Self::Root)
        } else if let Some(rest) = text.strip_prefix("@item") {
            Pointer::parse(rest).map(Self::Item)
        } else if let Some(rest) = text.strip_prefix("@header/") {
            named(rest).map(|name| Self::Header(name.to_ascii_lowercase()))
        } else if let Some(rest) = text.strip_prefix("@query/") {
            named(rest).map(Self::Query)
        } else if text.starts_with('/') {
            Pointer::parse(text).map(Self::Item)
        } else {
            None
        }
    }

    pub(super) fn get<'a>(&self, scope: &Scope<'a>) -> Option<Cow<'a, Value>> {
        match self {
            Self::Item(pointer) => pointer.get(scope.item).map(Cow::Borrowed),
            Self::Root(pointer) => pointer.get(scope.root).map(Cow::Borrowed),
            Self::Header(name) => {
                scope.payload.header(name).map(|text| Cow::Owned(Value::String(text.to_owned())))
            }
            Self::Query(name) => {
                let query = tree::query(scope.payload.query).ok()?;
                query.get(name).cloned().map(Cow::Owned)
            }
        }
    }
}

#[derive(Debug)]
pub(super) enum Choice {
    Place(Place),
    Template(Template),
    Text(String),
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
            Choice::Template(_) | Choice::Text(_) => read(&Value::String(choice.text(scope)?)),
        })
    }

    /// Whether a choice needs the handlebars context.
    pub(super) fn needs_context(&self) -> bool {
        self.0.iter().any(|choice| matches!(choice, Choice::Template(it) if it.needs_context()))
    }
}

impl Choice {
    fn text(&self, scope: &Scope<'_>) -> Option<String> {
        match self {
            Self::Place(place) => text(&*place.get(scope)?),
            Self::Template(template) => template.render(scope),
            Self::Text(text) => Some(text.clone()),
        }
    }
}

/// A scalar as text, an array of scalars joined; nothing for what has no text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().filter_map(read::scalar).collect();
            (!texts.is_empty()).then(|| texts.join(", "))
        }
        other => read::scalar(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use serde_json::json;

    #[test]
    fn places_are_found() {
        let item = json!({"a": {"b/c": [10, "x"]}, "tags": ["p", "q"], "empty": ""});
        let root = json!({"who": "root"});
        let headers = [("x-id".to_owned(), "7".to_owned())];
        let payload = Payload {
            method: "POST",
            path: "/",
            query: "auth=s&n=%20v",
            headers: &headers,
            body: b"",
            received_at: Timestamp::default(),
        };
        let scope = Scope { item: &item, root: &root, payload: &payload, context: None };
        let rows = [
            ("/a/b~1c/1", Some("x")),
            ("/a/b~1c/9", None),
            ("/tags", Some("p, q")),
            ("/empty", None),
            ("/a", None),
            ("@root/who", Some("root")),
            ("@header/X-Id", Some("7")),
            ("@query/n", Some("v")),
            ("@query/auth", None),
        ];
        for (place, expected) in rows {
            let field = Field(vec![Choice::Place(Place::parse(place).expect("a place"))]);
            assert_eq!(field.text(&scope).as_deref(), expected, "{place}");
        }
        for wrong in ["a/b", "", "@", "@header/", "@rootx", "$.a"] {
            assert!(Place::parse(wrong).is_none(), "{wrong}");
        }
    }
}
