//! Reads TOML with positions: every problem is collected, unknown keys get a suggestion.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::late::Problems;

/// Something wrong in a table, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the file that it is about.
    pub span: Range<usize>,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A TOML table that is being read; says what is wrong with it.
#[derive(Clone)]
pub(super) struct Section<'t, 'i> {
    table: &'t DeTable<'i>,
    pub(super) span: Range<usize>,
}

/// A value with its place.
pub(super) type Item<'t, 'i> = &'t Spanned<DeValue<'i>>;

impl<'t, 'i> Section<'t, 'i> {
    pub(super) fn new(table: &'t DeTable<'i>, span: Range<usize>) -> Self {
        Self { table, span }
    }

    pub(super) fn get(&self, key: &str) -> Option<Item<'t, 'i>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// All entries in the order of their names.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'t str, Item<'t, 'i>)> + use<'t, 'i> {
        self.table.iter().map(|(name, value)| (name.get_ref().as_ref(), value))
    }

    /// Reports every key that is not in `known`.
    pub(super) fn only(&self, known: &[&str], problems: &mut Problems) {
        for (name, _) in self.table {
            let key: &str = name.get_ref();
            if known.contains(&key) {
                continue;
            }
            let hint = match nearest(key, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys: {}", known.join(", ")),
            };
            let message = format!("unknown key `{key}`");
            problems.push(Problem { span: name.span(), message, hint: Some(hint) });
        }
    }

    /// The text under `key`.
    pub(super) fn text(&self, key: &str, problems: &mut Problems) -> Option<&'t str> {
        self.get(key).and_then(|item| text(item, key, problems))
    }

    /// The truth under `key`; false if it is missing.
    pub(super) fn flag(&self, key: &str, problems: &mut Problems) -> bool {
        let Some(item) = self.get(key) else { return false };
        item.get_ref().as_bool().unwrap_or_else(|| {
            problems.push(wrong_type(item, key, "true or false"));
            false
        })
    }

    /// The table under `key`.
    pub(super) fn section(&self, key: &str, problems: &mut Problems) -> Option<Self> {
        self.get(key).and_then(|item| section(item, key, problems))
    }

    /// One text or a list of them under `key`.
    pub(super) fn texts(&self, key: &str, problems: &mut Problems) -> Vec<Spanned<&'t str>> {
        let Some(item) = self.get(key) else { return Vec::new() };
        let each = |item: Item<'t, 'i>, problems: &mut Problems| {
            text(item, key, problems).map(|text| Spanned::new(item.span(), text))
        };
        match item.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|item| each(item, problems)).collect(),
            _ => each(item, problems).into_iter().collect(),
        }
    }
}

/// The text that `item` must be.
pub(super) fn text<'t>(item: Item<'t, '_>, key: &str, problems: &mut Problems) -> Option<&'t str> {
    let text = item.get_ref().as_str();
    if text.is_none() {
        problems.push(wrong_type(item, key, "text"));
    }
    text
}

/// The table that `item` must be.
pub(super) fn section<'t, 'i>(
    item: Item<'t, 'i>,
    key: &str,
    problems: &mut Problems,
) -> Option<Section<'t, 'i>> {
    let table = item.get_ref().as_table();
    if table.is_none() {
        problems.push(wrong_type(item, key, "a table"));
    }
    table.map(|table| Section::new(table, item.span()))
}

/// The items of an array, or `item` itself where one needs no brackets.
pub(super) fn one_or_many<'t, 'i>(item: Item<'t, 'i>) -> Vec<Item<'t, 'i>> {
    match item.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => vec![item],
    }
}

pub(super) fn wrong_type(item: Item<'_, '_>, key: &str, wanted: &str) -> Problem {
    let message = format!("`{key}` is {}, not {wanted}", item.get_ref().type_str());
    Problem { span: item.span(), message, hint: None }
}

pub(super) fn problem(span: Range<usize>, message: impl Into<String>, hint: &str) -> Problem {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    Problem { span, message: message.into(), hint }
}

/// The known word that is at most two letters away (one in short words).
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    const SHORT_CHARS: usize = 4;
    /// Longer words are no slips of the keyboard, and the distance is quadratic.
    const WORD_BYTES_MAX: usize = 64;
    let slips = if word.chars().count() <= SHORT_CHARS { 1 } else { 2 };
    known
        .iter()
        .filter(|_| word.len() <= WORD_BYTES_MAX)
        .map(|known| (distance(word, known), *known))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Letters to insert, delete or replace.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, expected) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *expected);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_key() {
        let known = ["title", "text", "severity", "key"];
        let rows = [
            ("titel", Some("title")),
            ("sevrity", Some("severity")),
            ("kay", Some("key")),
            ("xyz", None),
            ("", None),
        ];
        for (word, expected) in rows {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
    }
}
