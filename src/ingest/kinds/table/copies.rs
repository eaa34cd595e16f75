//! Where labels and annotations come from.

use std::collections::HashSet;

use serde_json::Value;

use super::field::{Field, Scope, text};
use super::place::{Place, Pointer};
use crate::domain::Labels;
use crate::ingest::kinds::read;
use crate::limits::{LABEL_VALUE_CHARS_MAX, LABELS_MAX};

/// Most members of an object or a list that are looked at; more than [`LABELS_MAX`] stay anyway for none.
const TAGS_MAX: usize = LABELS_MAX * 4;

/// Values of a list of `{name, value}` objects, or of `[name, value]` lists.
#[derive(Debug)]
pub(super) struct Pairs {
    pub(super) at: Place,
    pub(super) name: Pointer,
    pub(super) value: Pointer,
}

/// Where labels or annotations come from.
#[derive(Debug, Default)]
pub(super) struct Copies {
    pub(super) copy: Vec<Place>,
    /// Names left out of `copy`.
    pub(super) except: HashSet<String>,
    /// Beginnings of names left out of `copy`.
    pub(super) except_prefixes: Vec<String>,
    pub(super) tags: Vec<Place>,
    pub(super) pairs: Vec<Pairs>,
    pub(super) set: Vec<(String, Field)>,
}

impl Copies {
    pub(super) fn read(&self, scope: &Scope<'_>) -> Labels {
        let mut labels = Labels::new();
        for place in &self.copy {
            if let Some(value) = place.get(scope)
                && let Value::Object(map) = &*value
            {
                let kept = map.iter().take(TAGS_MAX).filter(|(name, value)| {
                    is_plain(value) && !scope.is_absent(value) && !self.leaves_out(name)
                });
                labels.extend(kept.map(|(name, value)| (name.clone(), label(value))));
            }
        }
        for place in &self.tags {
            match place.get(scope).as_deref() {
                Some(Value::Array(tags)) => {
                    let tags = tags.iter().take(TAGS_MAX).filter_map(text);
                    tags.for_each(|tag| add_tag(&mut labels, &tag));
                }
                Some(Value::String(tags)) => {
                    tags.split(',').take(TAGS_MAX).for_each(|tag| add_tag(&mut labels, tag));
                }
                _ => {}
            }
        }
        for pairs in &self.pairs {
            if let Some(value) = pairs.at.get(scope)
                && let Value::Array(items) = &*value
            {
                for item in items.iter().take(TAGS_MAX) {
                    let name = pairs.name.get(item).and_then(read::scalar);
                    let value = pairs.value.get(item).filter(|value| !scope.is_absent(value));
                    if let (Some(name), Some(value)) = (name, value) {
                        labels.insert(name, label(value));
                    }
                }
            }
        }
        for (name, field) in &self.set {
            if let Some(text) = field.text(scope) {
                labels.insert(name.clone(), text);
            }
        }
        labels
    }

    fn leaves_out(&self, name: &str) -> bool {
        self.except.contains(name)
            || self.except_prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }

    pub(super) fn needs_context(&self) -> bool {
        self.set.iter().any(|(_, field)| field.needs_context())
    }
}

/// A value as a label: the objects and lists that `pairs` may hold are JSON.
fn label(value: &Value) -> String {
    match value {
        Value::Object(_) => read::text(value),
        other => text(other).unwrap_or_else(|| read::text(other)),
    }
}

/// Whether a value reads well as a label: a scalar that is set, or scalars.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Object(_) => false,
        Value::Array(items) => {
            !items.is_empty() && items.iter().all(|item| !item.is_object() && !item.is_array())
        }
        Value::String(text) => !text.trim().is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// `name:value` or `name=value` is a label; tags without a value are collected in the label `tags`.
fn add_tag(labels: &mut Labels, tag: &str) {
    let tag = tag.trim();
    if tag.is_empty() {
        return;
    }
    match tag.split_once([':', '=']) {
        Some((name, value)) if !name.trim().is_empty() => {
            labels.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        _ => {
            let tags = labels.entry("tags".to_owned()).or_default();
            if !tags.is_empty() {
                tags.push_str(", ");
            }
            if tags.len() < LABEL_VALUE_CHARS_MAX * 4 {
                tags.push_str(tag);
            }
        }
    }
}
