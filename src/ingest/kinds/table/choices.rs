//! How fields are written: pointers, paths, templates, fixed texts and pieces of texts.

use serde_json_path::JsonPath;

use super::field::{Choice, Field, Piece};
use super::late::{Late, Pattern, Problems};
use super::place::Place;
use super::reader::{Item, Section, one_or_many, problem, section, text};
use super::template::Template;

const FIELD_HINT: &str = "a pointer begins with / (in the alert), @root/, @header/, @query/ or @path/, a JSONPath with \
                          $.; a template contains {{ }}; a fixed text is { text = \"...\" }, a piece of a text \
                          { from = ..., match = 'regex' } or { from = ..., remove = 'regex' }";

/// A pointer, a template, a fixed text, or a list of them.
pub(super) fn field(item: Item<'_, '_>, key: &str, problems: &mut Problems) -> Field {
    Field(one_or_many(item).into_iter().filter_map(|item| choice(item, key, problems)).collect())
}

fn choice(item: Item<'_, '_>, key: &str, problems: &mut Problems) -> Option<Choice> {
    if item.get_ref().is_table() {
        return choice_table(&section(item, key, problems)?, problems);
    }
    let source = text(item, key, problems)?;
    if source.contains("{{") {
        return template(source, item, problems).map(Choice::Template);
    }
    if source.starts_with("$.") || source.starts_with("$[") {
        return json_path(source, item, problems).map(Choice::Path);
    }
    let place = Place::parse(source);
    match &place {
        None => {
            let message = format!("{source:?} is neither a pointer nor a template");
            problems.push(problem(item.span(), message, FIELD_HINT));
        }
        Some(place) if place.is_labels() && key != "key" => {
            let hint = "name the place in the payload instead";
            problems.push(problem(item.span(), "only `key` can look at the labels", hint));
        }
        Some(_) => {}
    }
    place.map(Choice::Place)
}

/// `{ text }`, `{ from, match }` or `{ from, remove }`.
fn choice_table(section: &Section<'_, '_>, problems: &mut Problems) -> Option<Choice> {
    if section.get("text").is_some() {
        section.only(&["text"], problems);
        let fixed = section.text("text", problems);
        return fixed.map(|fixed| Choice::Text(fixed.to_owned()));
    }
    section.only(&["text", "from", "match", "remove"], problems);
    let from = section.get("from").map(|item| field(item, "from", problems));
    let mut one = |key| section.get(key).and_then(|item| regex(item, key, problems));
    let piece = match (one("match"), one("remove")) {
        (Some(regex), None) => Some((regex, false)),
        (None, Some(regex)) => Some((regex, true)),
        _ => None,
    };
    let (Some(from), Some((regex, remove))) = (from, piece) else {
        let message = "a field is neither `text` nor `from` with `match` or `remove`";
        problems.push(problem(section.span.clone(), message, FIELD_HINT));
        return None;
    };
    Some(Choice::Piece(Piece { from, regex, remove }))
}

fn template(source: &str, item: Item<'_, '_>, problems: &mut Problems) -> Option<Template> {
    match Template::parse(source) {
        Ok(template) => {
            if let Template::Full(full) = &template {
                problems.later(item.span(), full);
            }
            Some(template)
        }
        Err(message) => {
            problems.push(problem(item.span(), message, ""));
            None
        }
    }
}

pub(super) fn json_path(
    source: &str,
    item: Item<'_, '_>,
    problems: &mut Problems,
) -> Option<Box<JsonPath>> {
    JsonPath::parse(source)
        .map(Box::new)
        .map_err(|error| problems.push(problem(item.span(), error.to_string(), "")))
        .ok()
}

pub(super) fn place(item: Item<'_, '_>, key: &str, problems: &mut Problems) -> Option<Place> {
    let source = text(item, key, problems)?;
    let place = Place::parse(source);
    if place.is_none() {
        let hint = "begin with / (in the alert), @root/, @header/ or @query/";
        problems.push(problem(item.span(), format!("{source:?} is no pointer"), hint));
    }
    place
}

/// The regular expression of a whole text.
pub(super) fn whole(item: Item<'_, '_>, problems: &mut Problems) -> Option<Pattern> {
    let source = text(item, "absent", problems)?;
    Some(pattern(format!("^(?:{source})$"), item, problems))
}

/// The regular expression under `key`.
pub(super) fn regex(item: Item<'_, '_>, key: &str, problems: &mut Problems) -> Option<Pattern> {
    let source = text(item, key, problems)?;
    Some(pattern(source.to_owned(), item, problems))
}

fn pattern(source: String, item: Item<'_, '_>, problems: &mut Problems) -> Pattern {
    let pattern = Late::new(source);
    problems.later(item.span(), &pattern);
    pattern
}
