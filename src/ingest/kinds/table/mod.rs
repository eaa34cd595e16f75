//! The table engine: a vendor's payload format as a TOML file (`docs/sources.md` has the reference).
//!
//! [`Table::parse`] checks and compiles everything once; reading a payload is looking up pointers. The tables in
//! `sources/` are compiled in; a file of the same name in the configuration directory, or `table = { ... }` of a
//! source, goes through the same functions.

mod answers;
mod field;
mod parse;
mod reader;
mod rules;
mod shape;
mod template;
mod times;
mod vocabulary;
mod words;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use handlebars::Context;
use serde_json::Value;
use toml::de::DeTable;

pub use self::answers::{Answer, Answers};
pub use self::reader::Problem;

use self::field::Scope;
use self::shape::{List, Shape};
use super::{Error, Normalized, Payload, Rejected, SourceKind, check_count, generic, read, tree};
use crate::domain::Alert;

/// The tables compiled in: one line each.
const BUILTIN: [(&str, &str); 4] = [
    ("newrelic", include_str!("../../../../sources/newrelic.toml")),
    ("pingdom", include_str!("../../../../sources/pingdom.toml")),
    ("site24x7", include_str!("../../../../sources/site24x7.toml")),
    ("uptimerobot", include_str!("../../../../sources/uptimerobot.toml")),
];

/// The built-in table kinds.
pub(super) fn builtin() -> &'static [TableKind] {
    static KINDS: LazyLock<Vec<TableKind>> = LazyLock::new(|| {
        let parse = |(name, source): &(&str, &str)| {
            TableKind(Table::parse(source, name).expect("built-in tables are tested"))
        };
        BUILTIN.iter().map(parse).collect()
    });
    &KINDS
}

/// A payload format as data.
#[derive(Debug)]
pub struct Table {
    name: String,
    about: String,
    auth: Option<String>,
    get: bool,
    answers: Answers,
    otherwise: Otherwise,
    shapes: Vec<Shape>,
}

/// What becomes of a payload that no shape recognizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otherwise {
    Reject,
    Generic,
}

impl Table {
    /// Reads a whole file; `file_name` without its extension is the kind unless the table says so itself.
    ///
    /// All problems are collected; their spans are bytes of `text`.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Vec<Problem>> {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            return Err(errors.iter().map(syntax_problem).collect());
        }
        let stem = file_name.rsplit('/').next().unwrap_or(file_name);
        let stem = stem.strip_suffix(".toml").unwrap_or(stem);
        Self::from_toml(document.get_ref(), 0..text.len().min(1), stem)
    }

    /// Reads a table that stands inside another file, such as `table = { ... }` of a source. `span` is where it stands;
    /// the spans of problems are those of the file `table` was parsed from.
    pub fn from_toml(
        table: &DeTable<'_>,
        span: Range<usize>,
        name: &str,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let table = parse::table(table, span, name, &mut problems);
        if problems.is_empty() { Ok(table) } else { Err(problems) }
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

    /// The auth profile that its sender can do.
    pub fn auth(&self) -> Option<&str> {
        self.auth.as_deref()
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

    fn accepts_get(&self) -> bool {
        self.0.get
    }

    fn answers(&self) -> &Answers {
        &self.0.answers
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        let tree = tree::parse(payload)?;
        let whole = Scope { item: &tree, root: &tree, payload, context: None };
        let recognized = |shape: &&Shape| shape.recognize.iter().all(|rule| rule.holds(&whole));
        if let Some(shape) = self.0.shapes.iter().find(recognized) {
            return self.read(shape, whole);
        }
        match (&tree, self.0.otherwise) {
            (Value::Object(root), Otherwise::Generic) if generic::has_title(root) => {
                generic::guess(&tree)
            }
            _ => Err(self.0.shape_error(self.unrecognized(&whole))),
        }
    }
}

impl TableKind {
    fn read(&self, shape: &Shape, whole: Scope<'_>) -> Result<Normalized, Error> {
        let items = self.items(shape, whole.root)?;
        let mut context = shape.needs_context.then(|| context(shape, whole.root));
        let mut normalized = Normalized::default();
        for (index, item) in (0_u32..).zip(items) {
            if let Some(context) = &mut context
                && shape.alerts.is_some()
            {
                context.data_mut()[template::ITEM] = item.clone();
            }
            let scope = Scope { item, context: context.as_ref(), ..whole };
            if let Some(reason) = shape.ignored(&scope) {
                normalized.ignored.get_or_insert_with(|| reason.to_owned());
                continue;
            }
            match shape.read(&scope) {
                Ok(alert) => normalized.alerts.push(Alert { index, ..alert }),
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
            Some(List::Pointer(pointer, shown)) => match pointer.get(root) {
                Some(Value::Array(items)) => items.iter().collect(),
                Some(item @ Value::Object(_)) => vec![item],
                other => {
                    let found = other.map_or("missing", read::type_name);
                    return Err(self.0.shape_error(format!("{shown} is {found}, not an array")));
                }
            },
        };
        check_count(items.len())?;
        Ok(items)
    }

    /// What each shape misses.
    fn unrecognized(&self, whole: &Scope<'_>) -> String {
        let missed = self.0.shapes.iter().map(|shape| {
            let rule = shape.recognize.iter().find(|rule| !rule.holds(whole));
            let shown = rule.map_or("", |rule| rule.shown.as_str());
            Cow::Owned(format!("{} needs {shown}", shape.name))
        });
        missed.collect::<Vec<Cow<'_, str>>>().join("; ")
    }
}

/// What full templates see: the payload without the list of alerts, and the alert at [`template::ITEM`].
fn context(shape: &Shape, root: &Value) -> Context {
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
    if shape.alerts.is_some() {
        data[template::ITEM] = Value::Null;
    }
    Context::from(data)
}

#[cfg(test)]
mod tests;
