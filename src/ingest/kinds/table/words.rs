//! Tables from the vendor's words to ours; words are compared trimmed and without regard to case.

use std::collections::HashMap;

use serde_json::Value;

use super::field::{Field, Scope, text};

/// One field whose words are known.
#[derive(Debug)]
pub(super) struct WordTable<T> {
    pub(super) from: Field,
    pub(super) words: HashMap<String, T>,
    /// `Triggered*`: words by how they begin, longest first.
    pub(super) prefixes: Vec<(String, T)>,
    /// What it means that the field is there at all (a time of resolution).
    pub(super) present: Option<T>,
    /// Words that mean the same to everybody.
    pub(super) common: Option<fn(&str) -> Option<T>>,
}

impl<T: Copy> WordTable<T> {
    /// What the first choice with a known word means. A word that is not known is passed over: it may be the name of
    /// a team where a severity was expected.
    pub(super) fn read(&self, scope: &Scope<'_>) -> Option<T> {
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
        let is_set = !matches!(&*word, "false" | "0" | "null" | "none" | "no");
        self.present.filter(|_| is_set).or_else(|| self.common.and_then(|common| common(&word)))
    }
}
