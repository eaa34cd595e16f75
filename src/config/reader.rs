//! Reads typed values out of a document and collects what is wrong with them.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::{Entry, Node, Table, Value};
use super::environment::Environment;
use super::problem::{Problem, Span, Word};
use super::{suggest, values};
use crate::limits::NAME_BYTES_MAX;
use crate::secret::Secret;

/// A text and where it stands.
pub(super) type Placed = (String, Span);

/// Collects problems while values are read.
pub(super) struct Reader<'a> {
    environment: &'a Environment<'a>,
    /// Where relative paths begin.
    directory: &'a Path,
    /// Unset variables are errors.
    strict: bool,
    /// Where people reach this bridge.
    pub(super) public_url: Option<&'a str>,
    pub(super) problems: Vec<Problem>,
    /// Where secrets stand.
    pub(super) hidden: Vec<Span>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment<'a>, directory: &'a Path, strict: bool) -> Self {
        Self {
            environment,
            directory,
            strict,
            public_url: None,
            problems: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// `path` from the directory of the file.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn wrong_type<T>(&mut self, node: &Node, wanted: &str) -> Option<T> {
        let message = format!("expected {wanted}, found {}", node.type_name());
        self.report(Problem::error(Word::WrongType, node.span.clone(), message));
        None
    }

    pub(super) fn invalid<T>(&mut self, span: &Span, message: impl Into<String>) -> Option<T> {
        self.report(Problem::error(Word::InvalidValue, span.clone(), message));
        None
    }

    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            _ => self.wrong_type(node, "a string"),
        }
    }

    pub(super) fn placed(&mut self, node: &Node) -> Option<Placed> {
        Some((self.text(node)?, node.span.clone()))
    }

    pub(super) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Bool(value) => Some(*value),
            _ => self.wrong_type(node, "true or false"),
        }
    }

    pub(super) fn integer(&mut self, node: &Node, range: RangeInclusive<i64>) -> Option<i64> {
        match &node.value {
            Value::Integer(Some(number)) if range.contains(number) => Some(*number),
            Value::Integer(_) => {
                let (least, most) = (range.start(), range.end());
                self.invalid(&node.span, format!("expected a number from {least} to {most}"))
            }
            _ => self.wrong_type(node, "an integer"),
        }
    }

    /// A number above zero.
    pub(super) fn rate(&mut self, node: &Node) -> Option<f64> {
        let number = match &node.value {
            Value::Integer(Some(number)) => i32::try_from(*number).map_or(f64::MAX, f64::from),
            Value::Float(number) => *number,
            _ => return self.wrong_type(node, "a number"),
        };
        if number > 0.0 && number <= 1e6 {
            return Some(number);
        }
        self.invalid(&node.span, "expected a number above 0 and up to 1000000")
    }

    pub(super) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let Value::Text(text) = &node.value else {
            return self.wrong_type(node, "a duration such as \"5m\"");
        };
        match values::duration(text) {
            Ok(duration) => Some(duration),
            Err(message) => self.invalid(&node.span, message),
        }
    }

    /// A duration that may not be zero.
    pub(super) fn interval(&mut self, node: &Node) -> Option<Duration> {
        let duration = self.duration(node)?;
        if duration.is_zero() {
            return self.invalid(&node.span, "this duration cannot be zero");
        }
        Some(duration)
    }

    /// A list of strings; those that are none are reported and left out.
    pub(super) fn texts(&mut self, node: &Node) -> Option<Vec<Placed>> {
        match &node.value {
            Value::List(nodes) => Some(nodes.iter().filter_map(|n| self.placed(n)).collect()),
            _ => self.wrong_type(node, "a list of strings"),
        }
    }

    pub(super) fn list<'d>(&mut self, node: &'d Node, wanted: &str) -> &'d [Node] {
        if let Value::List(nodes) = &node.value {
            return nodes;
        }
        self.wrong_type(node, wanted).unwrap_or_default()
    }

    pub(super) fn table<'d>(&mut self, node: &'d Node, title: &str) -> Option<Section<'d>> {
        match &node.value {
            Value::Table(table) => Some(Section::new(title, table, node.span.clone())),
            _ => self.wrong_type(node, "a table"),
        }
    }

    /// A name of a source, receiver or route: they stand in URLs, metrics and stored records.
    pub(super) fn name(&mut self, name: &str, span: &Span) -> bool {
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let right = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(fine);
        if !right {
            let message = format!(
                "a name has 1 to {NAME_BYTES_MAX} letters, digits, dots, dashes or underscores"
            );
            self.report(Problem::error(Word::InvalidValue, span.clone(), message));
        }
        right
    }

    /// A credential: expanded, never shown. None only after an error.
    pub(super) fn secret(&mut self, node: &Node, what: &str) -> Option<Expansion> {
        let Value::Text(raw) = &node.value else {
            return self.wrong_type(node, "a string");
        };
        let expanded = match values::expand(raw, self.directory, self.environment) {
            Ok(expanded) => expanded,
            Err(message) => return self.invalid(&node.span, message),
        };
        for missing in &expanded.missing {
            let span = node.span.clone();
            let message = format!("{missing}, needed for {what}");
            self.report(if self.strict {
                Problem::error(Word::UnsetVariable, span, message)
            } else {
                Problem::warning(Word::UnsetVariable, span, message)
                    .hint("`serve` refuses to start without it")
            });
        }
        if expanded.literal {
            let message = format!("{what} stands in the file");
            let problem = Problem::warning(Word::LiteralSecret, node.span.clone(), message);
            self.report(problem.hint("use \"${VARIABLE}\" or \"file:/run/secrets/name\""));
        }
        if expanded.text.is_empty() {
            return self.invalid(&node.span, format!("{what} is empty"));
        }
        let complete = expanded.missing.is_empty();
        Some(Expansion { secret: Secret::new(expanded.text), complete })
    }

    /// One credential, or a list of them while rotating.
    pub(super) fn secrets(&mut self, node: &Node, what: &str) -> Option<Vec<Secret>> {
        let Value::List(nodes) = &node.value else {
            return Some(vec![self.secret(node, what)?.secret]);
        };
        if nodes.is_empty() {
            return self.invalid(&node.span, format!("{what} is an empty list"));
        }
        nodes.iter().map(|node| self.secret(node, what).map(|found| found.secret)).collect()
    }
}

/// An expanded credential.
pub(super) struct Expansion {
    pub(super) secret: Secret,
    /// Nothing was missing: it is no placeholder.
    pub(super) complete: bool,
}

/// A table whose keys are all known: what nobody asked for is reported by [`Section::finish`].
pub(super) struct Section<'d> {
    /// How to call it in messages, such as `[receivers.chat]`.
    pub(super) title: String,
    pub(super) span: Span,
    table: &'d Table,
    known: Vec<&'static str>,
}

impl<'d> Section<'d> {
    pub(super) fn new(title: &str, table: &'d Table, span: Span) -> Self {
        Self { title: title.to_owned(), span, table, known: Vec::new() }
    }

    /// The value of a key that is now known.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'d Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry of a key that is now known.
    pub(super) fn entry(&mut self, key: &'static str) -> Option<&'d Entry> {
        self.known.push(key);
        self.table.get(key)
    }

    /// The value of a key that must be there.
    pub(super) fn required(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
    ) -> Option<&'d Node> {
        let found = self.get(key);
        if found.is_none() {
            let message = format!("{} needs `{key}`", self.title);
            // If the key is only misspelled, that is said at the misspelled key.
            if !self.has_misspelled(key) {
                reader.report(Problem::error(Word::MissingKey, self.span.clone(), message));
            }
        }
        found
    }

    fn has_misspelled(&self, key: &'static str) -> bool {
        self.table.entries.iter().any(|entry| suggest::nearest(&entry.key, &[key]).is_some())
    }

    /// Reports all keys that nobody asked for.
    pub(super) fn finish(self, reader: &mut Reader<'_>) {
        for entry in &self.table.entries {
            if self.known.contains(&entry.key.as_str()) {
                continue;
            }
            let message = format!("unknown key `{}` in {}", entry.key, self.title);
            let unused = self.known.iter().copied().filter(|key| self.table.get(key).is_none());
            let hint = match suggest::nearest(&entry.key, &self.known) {
                Some(nearest) => Some(format!("did you mean `{nearest}`?")),
                None => suggest::hint(&entry.key, unused, "known keys"),
            };
            let problem = Problem::error(Word::UnknownKey, entry.key_span.clone(), message);
            reader.report(problem.maybe_hint(hint));
        }
    }
}
