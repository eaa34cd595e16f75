//! The status and severity tables of a shape.

use std::collections::HashMap;

use super::choices::field;
use super::late::Problems;
use super::reader::{Item, Section, nearest, one_or_many, problem, section, text, wrong_type};
use super::rules;
use super::words::{Bounds, Reading, WordTable, Words};
use crate::domain::{Severity, Status};
use crate::ingest::kinds::words;

/// One of our own words.
struct Vocabulary<T: 'static> {
    key: &'static str,
    words: &'static [(&'static str, T)],
    common: Option<fn(&str) -> Option<T>>,
    default: T,
    /// What an unknown word must never mean.
    never_default: &'static [&'static str],
}

const STATUS: Vocabulary<Status> = Vocabulary {
    key: "status",
    words: &[
        ("firing", Status::Firing),
        ("acknowledged", Status::Acknowledged),
        ("resolved", Status::Resolved),
        ("notice", Status::Notice),
    ],
    common: Some(words::status),
    default: Status::Firing,
    never_default: &["resolved", "acknowledged"],
};

const SEVERITY: Vocabulary<Severity> = Vocabulary {
    key: "severity",
    words: &[
        ("critical", Severity::Critical),
        ("error", Severity::Error),
        ("warning", Severity::Warning),
        ("info", Severity::Info),
        ("unknown", Severity::Unknown),
    ],
    common: Some(words::severity),
    default: Severity::Unknown,
    never_default: &[],
};

/// The status tables; an unknown or missing word fires unless `default` says otherwise.
pub(super) fn status(section: &Section<'_, '_>, problems: &mut Problems) -> Words<Status> {
    STATUS.read(section, problems)
}

/// The severity tables; words that are not listed have their common meaning unless `common = false`.
pub(super) fn severity(section: &Section<'_, '_>, problems: &mut Problems) -> Words<Severity> {
    SEVERITY.read(section, problems)
}

impl<T: Copy> Vocabulary<T> {
    fn read(&self, section: &Section<'_, '_>, problems: &mut Problems) -> Words<T> {
        let mut words = Words { tables: Vec::new(), default: self.default };
        let Some(item) = section.get(self.key) else { return words };
        for item in one_or_many(item) {
            if item.get_ref().is_str() {
                // The whole shape means one thing.
                words.default = self.own(item, problems).unwrap_or(self.default);
            } else if let Some(reading) = self.reading(item, &mut words.default, problems) {
                words.tables.push(reading);
            }
        }
        words
    }

    /// Our word that `item` must be.
    fn own(&self, item: Item<'_, '_>, problems: &mut Problems) -> Option<T> {
        let word = text(item, self.key, problems)?;
        let found = self.words.iter().find(|(own, _)| *own == word);
        if found.is_none() {
            let known: Vec<&str> = self.words.iter().map(|(own, _)| *own).collect();
            let hint = match nearest(word, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", known.join(", ")),
            };
            problems.push(problem(item.span(), format!("unknown {} {word:?}", self.key), &hint));
        }
        found.map(|(_, meaning)| *meaning)
    }

    fn reading(
        &self,
        item: Item<'_, '_>,
        default: &mut T,
        problems: &mut Problems,
    ) -> Option<Reading<T>> {
        let inner = section(item, self.key, problems)?;
        if inner.get("when").is_none() {
            return Some(Reading::Words(self.table(&inner, default, problems)));
        }
        inner.only(&["when", "is"], problems);
        let rules = rules::read(&inner, "when", problems);
        let Some(is) = inner.get("is") else {
            let hint = format!("is = \"...\" says which {} it is then", self.key);
            problems.push(problem(item.span(), "`is` is missing", &hint));
            return None;
        };
        self.own(is, problems).map(|meaning| Reading::When(rules, meaning))
    }

    fn table(
        &self,
        inner: &Section<'_, '_>,
        default: &mut T,
        problems: &mut Problems,
    ) -> WordTable<T> {
        let mut known: Vec<&str> =
            vec!["from", "default", "present", "common", "at_least", "at_most"];
        known.extend(self.words.iter().map(|(own, _)| *own));
        inner.only(&known, problems);
        if let Some(item) = inner.get("default") {
            if let Some(word) = item.get_ref().as_str()
                && self.never_default.contains(&word)
            {
                let message = format!("an unknown {} must not mean {word}", self.key);
                let hint = "a word nobody listed would close a problem that is still there";
                problems.push(problem(item.span(), message, hint));
            } else if let Some(own) = self.own(item, problems) {
                *default = own;
            }
        }
        let present = inner.get("present").and_then(|item| self.own(item, problems));
        let mut table = WordTable {
            from: inner.get("from").map(|item| field(item, "from", problems)).unwrap_or_default(),
            words: HashMap::new(),
            prefixes: Vec::new(),
            bounds: self.bounds(inner, problems),
            present,
            common: self.common,
        };
        if inner.get("common").is_some_and(|item| item.get_ref().as_bool() == Some(false)) {
            table.common = None;
        }
        for (own, meaning) in self.words {
            for word in inner.texts(own, problems) {
                let (text, span) = (word.get_ref().trim().to_lowercase(), word.span());
                if let Some(prefix) = text.strip_suffix('*') {
                    table.prefixes.push((prefix.to_owned(), *meaning));
                } else if table.words.insert(text, *meaning).is_some() {
                    let message = format!("{:?} is listed twice", word.get_ref());
                    problems.push(problem(span, message, "each word has one meaning"));
                }
            }
        }
        table.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let says_nothing =
            table.words.is_empty() && table.prefixes.is_empty() && table.bounds.is_none();
        if table.from.0.is_empty() && !says_nothing {
            let hint = "from = \"/pointer\" says where the word is";
            problems.push(problem(inner.span.clone(), "`from` is missing", hint));
        }
        table
    }

    /// `at_least = { critical = 12, error = 7 }` or `at_most`.
    fn bounds(&self, inner: &Section<'_, '_>, problems: &mut Problems) -> Option<Bounds<T>> {
        let (key, at_least) = [("at_least", true), ("at_most", false)]
            .into_iter()
            .find(|(key, _)| inner.get(key).is_some())?;
        let section = inner.section(key, problems)?;
        let own: Vec<&str> = self.words.iter().map(|(own, _)| *own).collect();
        section.only(&own, problems);
        let mut steps = Vec::new();
        for (word, meaning) in self.words {
            let Some(item) = section.get(word) else { continue };
            let value = item.get_ref();
            let number = value.as_integer().map(|it| it.as_str().to_owned());
            let number = number.or_else(|| value.as_float().map(|it| it.as_str().to_owned()));
            match number.and_then(|number| number.parse::<f64>().ok()).filter(|it| it.is_finite()) {
                Some(bound) => steps.push((bound, *meaning)),
                None => problems.push(wrong_type(item, word, "a number")),
            }
        }
        steps.sort_by(
            |(one, _), (other, _)| {
                if at_least { other.total_cmp(one) } else { one.total_cmp(other) }
            },
        );
        Some(Bounds { at_least, steps })
    }
}
