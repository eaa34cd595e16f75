//! A TOML document as a tree in which every key and value knows its place.

use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Span, Word};

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// None where it does not fit 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Bool(bool),
    Time(String),
    List(Vec<Node>),
    Table(Table),
}

/// The entries of a table in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl Node {
    /// What it is, for messages.
    pub(super) const fn type_name(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Bool(_) => "a boolean",
            Value::Time(_) => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The value without places.
    pub(super) fn to_toml(&self) -> toml::Value {
        match &self.value {
            Value::Text(text) | Value::Time(text) => toml::Value::String(text.clone()),
            Value::Integer(number) => toml::Value::Integer(number.unwrap_or(i64::MAX)),
            Value::Float(number) => toml::Value::Float(*number),
            Value::Bool(value) => toml::Value::Boolean(*value),
            Value::List(nodes) => toml::Value::Array(nodes.iter().map(Self::to_toml).collect()),
            Value::Table(table) => {
                let entries = table.entries.iter();
                toml::Value::Table(entries.map(|e| (e.key.clone(), e.node.to_toml())).collect())
            }
        }
    }

    /// The places of all strings and numbers below: what to hide where they may be secrets.
    pub(super) fn leaves(&self, out: &mut Vec<Span>) {
        match &self.value {
            Value::List(nodes) => nodes.iter().for_each(|node| node.leaves(out)),
            Value::Table(table) => table.entries.iter().for_each(|e| e.node.leaves(out)),
            _ => out.push(self.span.clone()),
        }
    }
}

/// The document, or all syntax errors; then the document is what could be read.
pub(super) fn parse(text: &str) -> (Table, Vec<Problem>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let problem = |error: toml::de::Error| {
        let span = error.span().unwrap_or(0..0);
        Problem::error(Word::Syntax, span, error.message().to_owned())
    };
    let problems = errors.into_iter().map(problem).collect();
    (table(document.get_ref()), problems)
}

fn table(raw: &DeTable<'_>) -> Table {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| Entry {
        key: AsRef::<str>::as_ref(key.get_ref()).to_owned(),
        key_span: key.span(),
        node: node(value),
    };
    let mut entries: Vec<Entry> = raw.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Table { entries }
}

fn node(raw: &toml::Spanned<DeValue<'_>>) -> Node {
    let value = match raw.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(time) => Value::Time(time.to_string()),
        DeValue::Array(nodes) => Value::List(nodes.iter().map(node).collect()),
        DeValue::Table(raw) => Value::Table(table(raw)),
    };
    Node { span: raw.span(), value }
}
