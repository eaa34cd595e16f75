//! One place of a payload or its request.

use std::borrow::Cow;

use serde_json::Value;

use super::field::Scope;
use crate::ingest::kinds::tree;

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

    pub(super) fn get_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        self.0.iter().try_fold(value, |value, part| match value {
            Value::Object(map) => map.get_mut(part),
            Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
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
    /// `@path/-1`: a segment of the request's path, from the front or from the end.
    Segment { from_end: bool, at: usize },
    /// `@method`: the method of the request.
    Method,
    /// `@labels`: all labels of the alert; `@labels/name`: one of them.
    Labels(Option<String>),
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
        } else if let Some(rest) = text.strip_prefix("@path/") {
            let at: usize = rest.trim_start_matches('-').parse().ok()?;
            Some(Self::Segment { from_end: rest.starts_with('-'), at })
        } else if let Some(rest) = text.strip_prefix("@labels/") {
            named(rest).map(|name| Self::Labels(Some(name)))
        } else if text == "@method" {
            Some(Self::Method)
        } else if text == "@labels" {
            Some(Self::Labels(None))
        } else if text.starts_with('/') {
            Pointer::parse(text).map(Self::Item)
        } else {
            None
        }
    }

    /// The value there; nothing for texts that mean "not set".
    pub(super) fn get<'a>(&self, scope: &Scope<'a>) -> Option<Cow<'a, Value>> {
        let owned = |text: String| Some(Cow::Owned(Value::String(text)));
        let found = match self {
            Self::Item(pointer) => pointer.get(scope.item).map(Cow::Borrowed),
            Self::Root(pointer) => pointer.get(scope.root).map(Cow::Borrowed),
            Self::Header(name) => owned(scope.payload.header(name)?.to_owned()),
            Self::Query(name) => {
                tree::query(scope.payload.query).ok()?.get(name).cloned().map(Cow::Owned)
            }
            Self::Segment { from_end, at } => owned(segment(scope.payload.path, *from_end, *at)?),
            Self::Method => owned(scope.payload.method.to_owned()),
            Self::Labels(Some(name)) => owned(scope.labels?.get(name)?.clone()),
            Self::Labels(None) => {
                let pairs = scope.labels?.iter().map(|(name, value)| format!("{name}={value}"));
                owned(pairs.collect::<Vec<_>>().join(","))
            }
        };
        found.filter(|value| !scope.is_absent(value))
    }

    /// Whether it looks at the labels of the alert.
    pub(super) const fn is_labels(&self) -> bool {
        matches!(self, Self::Labels(_))
    }
}

/// A segment of `path`, percent-decoded: from the front counted from 0, from the end from 1.
fn segment(path: &str, from_end: bool, at: usize) -> Option<String> {
    let path = path.split('?').next().unwrap_or(path);
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let raw = if from_end { segments.nth_back(at.checked_sub(1)?) } else { segments.nth(at) }?;
    // A plus sign is a plus sign in a path.
    let kept = raw.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let (decoded, _) = url::form_urlencoded::parse(kept.as_bytes()).next()?;
    Some(decoded.into_owned())
}
