//! Payloads inside payloads: JSON in a string, base64 of Pub/Sub, a form field with XML.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::Value;

use super::late::Problems;
use super::place::Pointer;
use super::reader::{Section, one_or_many, problem, section, text};
use crate::ingest::kinds::tree;

/// One step of `decode`.
#[derive(Debug)]
pub(super) struct Decode {
    at: Pointer,
    encoding: Encoding,
    /// What it yields becomes the whole payload.
    whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Json,
    /// Of JSON or of text.
    Base64,
    Xml,
    Form,
}

/// `tree` after `steps`, in order. A value that does not decode stays as it is: senders switch encodings off.
pub(super) fn apply<'t>(steps: &[Decode], tree: Cow<'t, Value>) -> Cow<'t, Value> {
    steps.iter().fold(tree, |tree, step| match step.decoded(&tree) {
        None => tree,
        Some(decoded) if step.whole => Cow::Owned(decoded),
        Some(decoded) => {
            let mut tree = tree.into_owned();
            if let Some(place) = step.at.get_mut(&mut tree) {
                *place = decoded;
            }
            Cow::Owned(tree)
        }
    })
}

impl Decode {
    fn decoded(&self, tree: &Value) -> Option<Value> {
        let text = self.at.get(tree)?.as_str()?.trim();
        match self.encoding {
            Encoding::Json => json(text),
            Encoding::Base64 => {
                let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
                let bytes = BASE64_STANDARD
                    .decode(&text)
                    .or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')))
                    .ok()?;
                let text = String::from_utf8(bytes).ok()?;
                json(&text).or_else(|| Some(Value::String(text)))
            }
            Encoding::Xml => tree::xml(text).ok(),
            Encoding::Form => tree::query(text).ok(),
        }
    }
}

/// Only what holds something: the text `42` is a text.
fn json(text: &str) -> Option<Value> {
    tree::json(text).ok().filter(|value| value.is_object() || value.is_array())
}

/// Reads `decode`.
pub(super) fn read(root: &Section<'_, '_>, problems: &mut Problems) -> Vec<Decode> {
    /// Each step may copy the payload.
    const STEPS_MAX: usize = 8;
    let items = root.get("decode").map_or_else(Vec::new, one_or_many);
    if let Some(item) = items.get(STEPS_MAX) {
        let message = format!("more than {STEPS_MAX} steps of `decode`");
        problems.push(problem(item.span(), message, ""));
    }
    let mut steps = Vec::new();
    for item in items.into_iter().take(STEPS_MAX) {
        let Some(inner) = section(item, "decode", problems) else { continue };
        inner.only(&["at", "as", "whole"], problems);
        let at = inner.get("at").and_then(|at| {
            let pointer = Pointer::parse(text(at, "at", problems)?);
            if pointer.is_none() {
                problems.push(problem(at.span(), "`at` is no pointer", "a pointer begins with /"));
            }
            pointer
        });
        let encoding = match inner.text("as", problems) {
            Some("json") => Some(Encoding::Json),
            Some("base64") => Some(Encoding::Base64),
            Some("xml") => Some(Encoding::Xml),
            Some("form") => Some(Encoding::Form),
            other => {
                let span = inner.get("as").map_or(item.span(), toml::Spanned::span);
                let message = format!("unknown encoding {:?} of `decode`", other.unwrap_or(""));
                problems.push(problem(span, message, "as = json, base64, xml or form"));
                None
            }
        };
        let whole = inner.flag("whole", problems);
        match (at, encoding) {
            (Some(at), Some(encoding)) => steps.push(Decode { at, encoding, whole }),
            (None, _) if inner.get("at").is_none() => {
                let hint = "at = \"/pointer\" says where the text is";
                problems.push(problem(item.span(), "`at` is missing", hint));
            }
            _ => {}
        }
    }
    steps
}
