//! The table engine: a vendor's payload format as a TOML file (`docs/sources.md` has the reference).
//!
//! [`Table::parse`] checks and compiles everything once; reading a payload is looking up pointers. The tables in
//! `sources/` are compiled in; a file of the same name in the configuration directory, or `table = { ... }` of a
//! source, goes through the same functions.

mod answers;
mod builtin;
mod choices;
mod copies;
mod decode;
mod field;
mod helpers;
mod late;
mod parse;
mod place;
mod reader;
mod rules;
mod shape;
mod template;
mod times;
mod vocabulary;
mod words;

use std::borrow::Cow;
use std::ops::Range;

use handlebars::Context;
use regex::Regex;
use serde_json::Value;
use toml::de::DeTable;

pub use self::answers::{Answer, Answers};
pub use self::reader::Problem;

pub(super) use self::builtin::builtin;

use self::decode::Decode;
use self::field::Scope;
use self::late::{Pattern, Problems};
use self::rules::Rule;
use self::shape::{List, Shape};
use super::{
    Error, Handshake, Normalized, Payload, Rejected, Seen, Sign, SourceKind, bound, check_count,
    generic, read, tree,
};
use crate::domain::Alert;

/// The HTTP methods that a sender may use.
const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "GET"];

/// A payload format as data.
#[derive(Debug)]
pub struct Table {
    name: String,
    about: String,
    /// Names of authentication profiles, strongest first.
    auth: Vec<String>,
    /// Names of the kinds that it is a special form of.
    over: Vec<String>,
    auto: Auto,
    absent: Option<Pattern>,
    decode: Vec<Decode>,
    methods: Vec<&'static str>,
    answers: Answers,
    otherwise: Otherwise,
    shapes: Vec<Shape>,
}

/// What becomes of a payload that no shape recognizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otherwise {
    Reject,
    /// Answered as accepted; opens nothing.
    Ignore,
    Generic,
}

/// How the kind `auto` knows the vendor.
#[derive(Debug)]
enum Auto {
    /// By what any shape is recognized by.
    Shapes,
    /// All of them hold.
    Rules(Vec<Rule>),
    /// Not at all: the body is what its users make it.
    Never,
}

impl Table {
    /// Reads a whole file; `file_name` without its extension is the kind unless the table says so itself.
    ///
    /// All problems are collected; their spans are bytes of `text`.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Vec<Problem>> {
        let stem = file_name.rsplit('/').next().unwrap_or(file_name);
        let stem = stem.strip_suffix(".toml").unwrap_or(stem);
        Self::read(text, stem, true)
    }

    /// The same; without `compile`, patterns and templates are compiled when they are first used.
    fn read(text: &str, name: &str, compile: bool) -> Result<Self, Vec<Problem>> {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            return Err(errors.iter().map(syntax_problem).collect());
        }
        Self::build(document.get_ref(), 0..text.len().min(1), name, compile)
    }

    fn build(
        table: &DeTable<'_>,
        span: Range<usize>,
        name: &str,
        compile: bool,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let table = parse::table(table, span, name, &mut problems);
        if compile {
            problems.compile();
        }
        let found = problems.into_found();
        if found.is_empty() { Ok(table) } else { Err(found) }
    }

    /// Reads a table that stands inside another file, such as `table = { ... }` of a source. `span` is where it stands;
    /// the spans of problems are those of the file `table` was parsed from.
    pub fn from_toml(
        table: &DeTable<'_>,
        span: Range<usize>,
        name: &str,
    ) -> Result<Self, Vec<Problem>> {
        Self::build(table, span, name, true)
    }

    /// Reads a table whose places are gone (`table = { ... }` after expansion); every problem is at `span`.
    pub fn from_value(
        value: &toml::Value,
        span: Range<usize>,
        name: &str,
    ) -> Result<Self, Vec<Problem>> {
        let text = toml::to_string(value).map_err(|error| {
            vec![Problem { span: span.clone(), message: error.to_string(), hint: None }]
        })?;
        Self::parse(&text, name).map_err(|problems| {
            problems.into_iter().map(|it| Problem { span: span.clone(), ..it }).collect()
        })
    }

    /// What it reads, for people.
    pub fn about(&self) -> &str {
        &self.about
    }

    fn shape_error(&self, detail: String) -> Error {
        Error::Shape { kind: self.name.clone(), detail }
    }
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    let message = error.message().to_owned();
    Problem { span: error.span().unwrap_or(0..0), message, hint: None }
}

/// A source kind that is a table.
#[derive(Debug)]
pub struct TableKind(pub Table);

impl SourceKind for TableKind {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn methods(&self) -> &[&'static str] {
        &self.0.methods
    }

    fn auth(&self) -> Vec<&str> {
        self.0.auth.iter().map(String::as_str).collect()
    }

    fn answers(&self) -> &Answers {
        &self.0.answers
    }

    fn over(&self) -> Vec<&str> {
        self.0.over.iter().map(String::as_str).collect()
    }

    fn recognizes(&self, seen: &Seen<'_>) -> Option<Sign> {
        let tree = decode::apply(&self.0.decode, Cow::Borrowed(seen.tree));
        let whole = self.scope(&tree, seen.payload);
        let sign = |rules: &[Rule]| {
            let holds = !rules.is_empty() && rules.iter().all(|rule| rule.holds(&whole));
            let by_header = rules.iter().any(Rule::is_about_header);
            holds.then_some(if by_header { Sign::Header } else { Sign::Shape })
        };
        match &self.0.auto {
            Auto::Never => None,
            Auto::Rules(rules) => sign(rules),
            Auto::Shapes => self.0.shapes.iter().filter_map(|shape| sign(&shape.recognize)).max(),
        }
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        let tree = tree::parse(payload)?;
        let tree = decode::apply(&self.0.decode, Cow::Owned(tree));
        let whole = self.scope(&tree, payload);
        let recognized = |shape: &&Shape| shape.recognize.iter().all(|rule| rule.holds(&whole));
        if let Some(shape) = self.0.shapes.iter().find(recognized) {
            return self.read(shape, whole);
        }
        match (&*tree, self.0.otherwise) {
            (_, Otherwise::Ignore) => {
                let ignored = Some("not an event that opens or closes anything".to_owned());
                Ok(Normalized { ignored, ..Normalized::default() })
            }
            (Value::Object(root), Otherwise::Generic) if generic::has_title(root) => {
                generic::guess(&tree)
            }
            _ => Err(self.0.shape_error(self.unrecognized(&whole))),
        }
    }
}

impl TableKind {
    fn scope<'a>(&'a self, tree: &'a Value, payload: &'a Payload<'a>) -> Scope<'a> {
        let absent = self.0.absent.as_ref().map(|absent| absent.get());
        Scope { item: tree, root: tree, payload, context: None, absent, labels: None }
    }

    fn read(&self, shape: &Shape, whole: Scope<'_>) -> Result<Normalized, Error> {
        if let Some(reason) = &shape.ignored {
            return Ok(no_alert(shape, reason, whole));
        }
        let items = self.items(shape, whole.root)?;
        let mut context = shape.needs_context.then(|| context(shape, &whole));
        let mut normalized = Normalized::default();
        for (index, item) in (0_u32..).zip(items) {
            if let Some(context) = &mut context
                && shape.alerts.is_some()
            {
                let mut item = item.clone();
                whole.absent.iter().for_each(|absent| forget(&mut item, absent));
                context.data_mut()[template::ITEM] = item;
            }
            let scope = Scope { item, context: context.as_ref(), ..whole };
            if let Some(reason) = shape.ignored(&scope) {
                normalized.ignored.get_or_insert_with(|| reason.to_owned());
                continue;
            }
            match shape.read(&scope) {
                // At once: ten thousand alerts with uncut texts are more than memory holds.
                Ok(alert) => normalized.alerts.push(bound::alert(Alert { index, ..alert })),
                Err(reason) => normalized.rejected.push(Rejected { index, reason }),
            }
        }
        if normalized.alerts.is_empty() && normalized.rejected.is_empty() {
            normalized.ignored.get_or_insert_with(|| "the list holds no alerts".to_owned());
        } else {
            normalized.ignored = None;
        }
        Ok(normalized)
    }

    fn items<'a>(&self, shape: &Shape, root: &'a Value) -> Result<Vec<&'a Value>, Error> {
        let items = match &shape.alerts {
            None => vec![root],
            Some(List::Path(path)) => path.query(root).all(),
            Some(List::Pointers(pointers)) => {
                let found = pointers.iter().find_map(|(pointer, _)| pointer.get(root));
                match found {
                    Some(Value::Array(items)) => items.iter().collect(),
                    Some(item @ Value::Object(_)) => vec![item],
                    other => {
                        let shown: Vec<&str> =
                            pointers.iter().map(|(_, shown)| shown.as_str()).collect();
                        let found = other.map_or("missing", read::type_name);
                        let detail = format!("{} is {found}, not an array", shown.join(" or "));
                        return Err(self.0.shape_error(detail));
                    }
                }
            }
        };
        check_count(items.len())?;
        Ok(items)
    }

    /// What each shape misses.
    fn unrecognized(&self, whole: &Scope<'_>) -> String {
        let missed = self.0.shapes.iter().map(|shape| {
            let rule = shape.recognize.iter().find(|rule| !rule.holds(whole));
            format!("{} needs {}", shape.name, rule.map(Rule::shown).unwrap_or_default())
        });
        missed.collect::<Vec<String>>().join("; ")
    }
}

/// A handshake, a callback or chatter: nothing opens.
fn no_alert(shape: &Shape, reason: &str, whole: Scope<'_>) -> Normalized {
    let context = shape.needs_context.then(|| context(shape, &whole));
    let scope = Scope { context: context.as_ref(), ..whole };
    let handshake = shape.reply.as_ref().map(|reply| Handshake::Answer {
        status: reply.status,
        media_type: reply.media_type.clone(),
        body: reply.body.text(&scope).unwrap_or_default(),
    });
    Normalized { handshake, ignored: Some(reason.to_owned()), ..Normalized::default() }
}

/// What full templates see: the payload without the list of alerts, and the alert at [`template::ITEM`].
fn context(shape: &Shape, whole: &Scope<'_>) -> Context {
    let root = whole.root;
    let mut data = match (root, &shape.alerts) {
        (Value::Object(_), None) => root.clone(),
        (Value::Object(map), Some(_)) => {
            // Other lists stay out: copying them is what makes a large payload slow.
            let small = map.iter().filter(|(_, value)| !value.is_array());
            Value::Object(small.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        (_, None) => return Context::from(root.clone()),
        _ => Value::Object(serde_json::Map::new()),
    };
    whole.absent.iter().for_each(|absent| forget(&mut data, absent));
    if shape.alerts.is_some() {
        data[template::ITEM] = Value::Null;
    }
    Context::from(data)
}

/// Texts that mean "not set" become null. Deeper than any payload it cannot go.
fn forget(value: &mut Value, absent: &Regex) {
    match value {
        Value::String(text) if absent.is_match(text.trim()) => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, absent)),
        Value::Object(map) => map.values_mut().for_each(|item| forget(item, absent)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
