//! Tables from the vendor's words to ours; words are compared trimmed and without regard to case.

use std::collections::HashMap;

use serde_json::Value;

use super::field::{Field, Scope, text};
use super::rules::Rule;

/// What a status or a severity is read from: the first that knows it wins.
#[derive(Debug)]
pub(super) struct Words<T> {
    pub(super) tables: Vec<Reading<T>>,
    pub(super) default: T,
}

/// One way to a meaning.
#[derive(Debug)]
pub(super) enum Reading<T> {
    /// By the words of a field.
    Words(WordTable<T>),
    /// By conditions that must all hold.
    When(Vec<Rule>, T),
}

/// One field whose words are known.
#[derive(Debug)]
pub(super) struct WordTable<T> {
    pub(super) from: Field,
    pub(super) words: HashMap<String, T>,
    /// `Triggered*`: words by how they begin, longest first.
    pub(super) prefixes: Vec<(String, T)>,
    /// Numbers from a bound on (highest bound first), or up to one (lowest first).
    pub(super) bounds: Option<Bounds<T>>,
    /// What it means that the field is there at all (a time of resolution).
    pub(super) present: Option<T>,
    /// Words that mean the same to everybody.
    pub(super) common: Option<fn(&str) -> Option<T>>,
}

/// Meanings of ranges of numbers.
#[derive(Debug)]
pub(super) struct Bounds<T> {
    pub(super) at_least: bool,
    pub(super) steps: Vec<(f64, T)>,
}

impl<T: Copy> Words<T> {
    pub(super) fn read(&self, scope: &Scope<'_>) -> T {
        let found = self.tables.iter().find_map(|reading| match reading {
            Reading::Words(table) => table.read(scope),
            Reading::When(rules, meaning) => {
                rules.iter().all(|rule| rule.holds(scope)).then_some(*meaning)
            }
        });
        found.unwrap_or(self.default)
    }

    /// The fields it looks at.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.tables.iter().filter_map(|reading| match reading {
            Reading::Words(table) => Some(&table.from),
            Reading::When(..) => None,
        })
    }
}

impl<T: Copy> WordTable<T> {
    /// What the first choice with a known word means. A word that is not known is passed over: it may be the name of
    /// a team where a severity was expected.
    fn read(&self, scope: &Scope<'_>) -> Option<T> {
        self.from.find(scope, |value| self.meaning(value))
    }

    fn meaning(&self, value: &Value) -> Option<T> {
        let word = text(value)?.to_lowercase();
        if let Some(meaning) = self.words.get(word.trim()) {
            return Some(*meaning);
        }
        let by_prefix = self.prefixes.iter().find(|(prefix, _)| word.starts_with(prefix.as_str()));
        if let Some((_, meaning)) = by_prefix {
            return Some(*meaning);
        }
        if let Some(meaning) = self.bounds.as_ref().and_then(|bounds| bounds.meaning(&word)) {
            return Some(meaning);
        }
        let is_set = !matches!(&*word, "false" | "0" | "null" | "none" | "no");
        self.present.filter(|_| is_set).or_else(|| self.common.and_then(|common| common(&word)))
    }
}

impl<T: Copy> Bounds<T> {
    fn meaning(&self, word: &str) -> Option<T> {
        let number: f64 = word.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
        let fits = |bound: f64| if self.at_least { number >= bound } else { number <= bound };
        self.steps.iter().find(|(bound, _)| fits(*bound)).map(|(_, meaning)| *meaning)
    }
}
