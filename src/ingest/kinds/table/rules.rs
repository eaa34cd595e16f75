//! Conditions: how a shape is recognized, what is ignored, what a status is told by.

use std::collections::HashSet;

use serde_json::Value;

use super::choices::{place, regex};
use super::field::{Scope, text as value_text};
use super::late::{Pattern, Problems};
use super::place::Place;
use super::reader::{Item, Section, one_or_many, problem, section, text};
use super::shape::Ignore;

/// A condition on the payload, the alert or the request.
#[derive(Debug)]
pub(super) enum Rule {
    At(At),
    /// One of them holds.
    Any(Vec<Self>),
    /// All of them hold.
    All(Vec<Self>),
}

/// A condition on one place.
#[derive(Debug)]
pub(super) struct At {
    place: Place,
    test: Test,
    not: bool,
    /// As written, for error messages.
    shown: String,
}

#[derive(Debug)]
enum Test {
    Exists,
    Missing,
    /// One of these words, in lower case.
    Equals(HashSet<String>),
    /// Begins with one of these, in lower case.
    StartsWith(Vec<String>),
    EndsWith(Vec<String>),
    Contains(Vec<String>),
    Matches(Pattern),
    Is(Type),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Array,
    Object,
    Text,
    Number,
    Bool,
}

impl Rule {
    pub(super) fn holds(&self, scope: &Scope<'_>) -> bool {
        match self {
            Self::At(at) => at.holds(scope),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(scope)),
            Self::All(rules) => rules.iter().all(|rule| rule.holds(scope)),
        }
    }

    /// What it asks for, for messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::At(at) => at.shown.clone(),
            Self::Any(rules) => rules.iter().map(Self::shown).collect::<Vec<_>>().join(" or "),
            Self::All(rules) => rules.iter().map(Self::shown).collect::<Vec<_>>().join(" and "),
        }
    }

    /// Whether it holds because of a header of the request: the surest sign of a sender.
    pub(super) fn is_about_header(&self) -> bool {
        match self {
            Self::At(at) => matches!(at.place, Place::Header(_)) && !at.not,
            Self::Any(rules) => rules.iter().all(Self::is_about_header),
            Self::All(rules) => rules.iter().any(Self::is_about_header),
        }
    }
}

impl At {
    fn holds(&self, scope: &Scope<'_>) -> bool {
        let found = self.place.get(scope).filter(|value| !value.is_null());
        let word = || found.as_deref().and_then(value_text).unwrap_or_default().to_lowercase();
        let among = |words: &[String], fits: fn(&str, &str) -> bool| {
            let word = word();
            found.is_some() && words.iter().any(|part| fits(&word, part))
        };
        let holds = match &self.test {
            Test::Exists => found.is_some(),
            Test::Missing => found.is_none(),
            Test::Equals(words) => found.is_some() && words.contains(&word()),
            Test::StartsWith(words) => among(words, |word, part| word.starts_with(part)),
            Test::EndsWith(words) => among(words, |word, part| word.ends_with(part)),
            Test::Contains(words) => among(words, |word, part| word.contains(part)),
            Test::Matches(regex) => found
                .as_deref()
                .and_then(value_text)
                .is_some_and(|text| regex.get().is_match(&text)),
            Test::Is(wanted) => found.as_deref().is_some_and(|value| is(value) == Some(*wanted)),
        };
        holds != self.not
    }
}

fn is(value: &Value) -> Option<Type> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Number,
        Value::String(_) => Type::Text,
        Value::Array(_) => Type::Array,
        Value::Object(_) => Type::Object,
    })
}

/// The rules under `key`: all must hold.
pub(super) fn read(section: &Section<'_, '_>, key: &str, problems: &mut Problems) -> Vec<Rule> {
    section.get(key).map_or_else(Vec::new, |item| list(item, key, problems))
}

fn list(item: Item<'_, '_>, key: &str, problems: &mut Problems) -> Vec<Rule> {
    let items = one_or_many(item).into_iter();
    items.filter_map(|item| rule(item, key, &[], problems)).collect()
}

fn rule(item: Item<'_, '_>, key: &str, also: &[&str], problems: &mut Problems) -> Option<Rule> {
    if item.get_ref().is_str() {
        let place = place(item, key, problems)?;
        let shown = text(item, key, problems)?.to_owned();
        return Some(Rule::At(At { place, test: Test::Exists, not: false, shown }));
    }
    let section = section(item, key, problems)?;
    for (name, of) in [("any", Rule::Any as fn(Vec<Rule>) -> Rule), ("all", Rule::All)] {
        if let Some(inner) = section.get(name) {
            section.only(&[&[name], also].concat(), problems);
            return Some(of(list(inner, name, problems)));
        }
    }
    let known =
        ["at", "equals", "starts_with", "ends_with", "contains", "matches", "is", "missing", "not"];
    section.only(&[&known, also].concat(), problems);
    let Some(at) = section.get("at") else {
        let hint = "at = \"/pointer\" says what is looked at";
        problems.push(problem(item.span(), "`at` is missing", hint));
        return None;
    };
    let place = place(at, "at", problems)?;
    let test = test(&section, item, problems)?;
    let not = section.flag("not", problems);
    let at = text(at, "at", problems)?;
    let shown = match &test {
        Test::Exists => at.to_owned(),
        Test::Missing => format!("no {at}"),
        _ => format!("{at} with a certain value"),
    };
    Some(Rule::At(At { place, test, not, shown }))
}

/// The one test of a rule.
fn test(section: &Section<'_, '_>, item: Item<'_, '_>, problems: &mut Problems) -> Option<Test> {
    let lower = |key: &str, problems: &mut Problems| -> Option<Vec<String>> {
        section.get(key)?;
        let words = section.texts(key, problems);
        Some(words.iter().map(|it| it.get_ref().trim().to_lowercase()).collect())
    };
    let mut tests = Vec::new();
    tests.extend(lower("equals", problems).map(|words| Test::Equals(words.into_iter().collect())));
    tests.extend(lower("starts_with", problems).map(Test::StartsWith));
    tests.extend(lower("ends_with", problems).map(Test::EndsWith));
    tests.extend(lower("contains", problems).map(Test::Contains));
    tests.extend(
        section.get("matches").and_then(|it| regex(it, "matches", problems)).map(Test::Matches),
    );
    tests.extend(section.get("is").and_then(|it| wanted(it, problems)).map(Test::Is));
    if section.flag("missing", problems) {
        tests.push(Test::Missing);
    }
    if tests.len() > 1 {
        let message = "only one of `equals`, `starts_with`, `ends_with`, `contains`, `matches`, `is` and \
                       `missing` is possible";
        problems.push(problem(item.span(), message, "write two rules: all of them must hold"));
        return None;
    }
    Some(tests.pop().unwrap_or(Test::Exists))
}

fn wanted(item: Item<'_, '_>, problems: &mut Problems) -> Option<Type> {
    let word = text(item, "is", problems)?;
    let found = match word {
        "array" => Type::Array,
        "object" => Type::Object,
        "text" => Type::Text,
        "number" => Type::Number,
        "bool" => Type::Bool,
        _ => {
            let message = format!("unknown type {word:?}");
            problems.push(problem(
                item.span(),
                message,
                "known: array, object, text, number, bool",
            ));
            return None;
        }
    };
    Some(found)
}

/// What is no alert, and why.
pub(super) fn ignores(section: &Section<'_, '_>, problems: &mut Problems) -> Vec<Ignore> {
    let items = section.get("ignore").map_or_else(Vec::new, one_or_many);
    let read = |item: Item<'_, '_>, problems: &mut Problems| {
        let inner = super::reader::section(item, "ignore", problems)?;
        let Some(reason) = inner.text("reason", problems) else {
            let hint = "it is shown to whoever asks what became of the payload";
            problems.push(problem(item.span(), "`reason` is missing", hint));
            return None;
        };
        let rules = if let Some(when) = inner.get("when") {
            inner.only(&["when", "reason"], problems);
            list(when, "when", problems)
        } else {
            vec![rule(item, "ignore", &["reason"], problems)?]
        };
        Some(Ignore { rules, reason: reason.to_owned() })
    };
    items.into_iter().filter_map(|item| read(item, problems)).collect()
}
