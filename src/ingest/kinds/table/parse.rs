//! From TOML to a [`Table`]: everything is checked and compiled here, so that reading a payload only looks things up.

use toml::de::DeTable;

use super::answers;
use super::field::{Choice, Field, Place, Pointer};
use super::reader::{Item, Problem, Section, one_or_many, problem, section, text, wrong_type};
use super::shape::{Copies, List, Pairs, Shape};
use super::template::Template;
use super::{Otherwise, Table, rules, times, vocabulary};
use crate::domain::Life;

const TABLE_KEYS: [&str; 8] =
    ["kind", "about", "auth", "methods", "answers", "otherwise", "shape", "vendor"];
const SHAPE_KEYS: [&str; 23] = [
    "name",
    "recognize",
    "ignore",
    "alerts",
    "life",
    "key",
    "status",
    "severity",
    "title",
    "text",
    "resource",
    "service",
    "env",
    "alertname",
    "message_id",
    "observed_at",
    "started_at",
    "ends_at",
    "expires_after",
    "labels",
    "annotations",
    "links",
    "images",
];
const FIELD_HINT: &str = "a pointer begins with / (in the alert), @root/, @header/ or @query/; a template contains \
                          {{ }}; a fixed text is { text = \"...\" }";

/// Reads a table from `table` of any file; `name` is the kind if the table does not say.
pub(super) fn table(
    table: &DeTable<'_>,
    span: std::ops::Range<usize>,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Table {
    let root = Section::new(table, span);
    let known: Vec<&str> = match root.get("shape") {
        Some(_) => TABLE_KEYS.to_vec(),
        None => TABLE_KEYS.iter().chain(&SHAPE_KEYS).copied().collect(),
    };
    root.only(&known, problems);
    let mut shapes = Vec::new();
    match root.get("shape") {
        Some(item) => {
            for (at, item) in one_or_many(item).into_iter().enumerate() {
                if let Some(section) = section(item, "shape", problems) {
                    section.only(&SHAPE_KEYS, problems);
                    shapes.push(shape(&section, &format!("{name}-{}", at + 1), problems));
                }
            }
        }
        // A single shape needs no [[shape]].
        None => shapes.push(shape(&root, name, problems)),
    }
    let get = root.texts("methods", problems).iter().any(|method| {
        if !matches!(*method.get_ref(), "GET" | "POST" | "PUT") {
            let message = format!("unknown method {:?}", method.get_ref());
            problems.push(problem(method.span(), message, "known: POST, PUT, GET"));
        }
        *method.get_ref() == "GET"
    });
    Table {
        name: root.text("kind", problems).unwrap_or(name).to_owned(),
        about: root.text("about", problems).unwrap_or_default().to_owned(),
        auth: root.text("auth", problems).map(str::to_owned),
        get,
        answers: root
            .section("answers", problems)
            .map_or_else(Default::default, |section| answers::parse(&section, problems)),
        otherwise: otherwise(&root, problems),
        shapes,
    }
}

fn otherwise(root: &Section<'_, '_>, problems: &mut Vec<Problem>) -> Otherwise {
    match root.text("otherwise", problems) {
        None | Some("reject") => Otherwise::Reject,
        Some("generic") => Otherwise::Generic,
        Some(other) => {
            let span = root.get("otherwise").map_or(root.span.clone(), toml::Spanned::span);
            let message = format!("unknown value {other:?} of `otherwise`");
            problems.push(problem(span, message, "known: reject, generic"));
            Otherwise::Reject
        }
    }
}

fn shape(section: &Section<'_, '_>, name: &str, problems: &mut Vec<Problem>) -> Shape {
    for (required, hint) in [
        ("key", "the fields that name the problem: the same in a firing payload and its resolve"),
        ("title", "what people read first"),
    ] {
        if section.get(required).is_none() {
            problems.push(problem(section.span.clone(), format!("`{required}` is missing"), hint));
        }
    }
    let key = section.get("key").map_or_else(Vec::new, |item| {
        one_or_many(item).into_iter().map(|part| field(part, "key", problems)).collect()
    });
    let mut one =
        |key: &str| section.get(key).map_or_else(Field::default, |item| field(item, key, problems));
    let (title, text, resource) = (one("title"), one("text"), one("resource"));
    let (service, env, alertname) = (one("service"), one("env"), one("alertname"));
    let message_id = one("message_id");
    let images = section.get("images").map_or_else(Vec::new, |item| {
        one_or_many(item).into_iter().map(|item| field(item, "images", problems)).collect()
    });
    let mut shape = Shape {
        name: section.text("name", problems).unwrap_or(name).to_owned(),
        recognize: rules::read(section, "recognize", problems),
        ignore: rules::ignores(section, problems),
        alerts: list(section, problems),
        life: life(section, problems),
        key,
        status: vocabulary::status(section, problems),
        severity: vocabulary::severity(section, problems),
        title,
        text,
        resource,
        service,
        env,
        alertname,
        message_id,
        observed_at: times::read(section, "observed_at", problems),
        started_at: times::read(section, "started_at", problems),
        ends_at: times::read(section, "ends_at", problems),
        expires_after: duration(section, problems),
        labels: copies(section, "labels", problems),
        annotations: copies(section, "annotations", problems),
        links: named_fields(section, "links", problems),
        images,
        needs_context: false,
    };
    shape.needs_context = needs_context(&shape);
    shape
}

fn needs_context(shape: &Shape) -> bool {
    let singles = [
        &shape.title,
        &shape.text,
        &shape.resource,
        &shape.service,
        &shape.env,
        &shape.alertname,
        &shape.message_id,
    ];
    let times = [&shape.observed_at, &shape.started_at, &shape.ends_at].into_iter().flatten();
    let words = shape.status.tables.iter().map(|it| &it.from);
    singles
        .into_iter()
        .chain(&shape.key)
        .chain(&shape.images)
        .chain(shape.links.iter().map(|(_, field)| field))
        .chain(times.flat_map(|time| [Some(&time.from), time.resolved.as_ref()]).flatten())
        .chain(words)
        .chain(shape.severity.tables.iter().map(|it| &it.from))
        .any(Field::needs_context)
        || shape.labels.needs_context()
        || shape.annotations.needs_context()
}

/// A pointer, a template, a fixed text, or a list of them.
pub(super) fn field(item: Item<'_, '_>, key: &str, problems: &mut Vec<Problem>) -> Field {
    Field(one_or_many(item).into_iter().filter_map(|item| choice(item, key, problems)).collect())
}

fn choice(item: Item<'_, '_>, key: &str, problems: &mut Vec<Problem>) -> Option<Choice> {
    if item.get_ref().is_table() {
        let section = section(item, key, problems)?;
        section.only(&["text"], problems);
        let fixed = section.text("text", problems);
        return fixed.map(|fixed| Choice::Text(fixed.to_owned()));
    }
    let source = text(item, key, problems)?;
    if source.contains("{{") {
        return Template::parse(source)
            .map(Choice::Template)
            .map_err(|message| problems.push(problem(item.span(), message, "")))
            .ok();
    }
    let place = Place::parse(source);
    if place.is_none() {
        let message = format!("{source:?} is neither a pointer nor a template");
        problems.push(problem(item.span(), message, FIELD_HINT));
    }
    place.map(Choice::Place)
}

pub(super) fn place(item: Item<'_, '_>, key: &str, problems: &mut Vec<Problem>) -> Option<Place> {
    let source = text(item, key, problems)?;
    let place = Place::parse(source);
    if place.is_none() {
        let hint = "begin with / (in the alert), @root/, @header/ or @query/";
        problems.push(problem(item.span(), format!("{source:?} is no pointer"), hint));
    }
    place
}

fn list(section: &Section<'_, '_>, problems: &mut Vec<Problem>) -> Option<List> {
    let item = section.get("alerts")?;
    let source = text(item, "alerts", problems)?;
    if source.starts_with('$') {
        return serde_json_path::JsonPath::parse(source)
            .map(|path| List::Path(Box::new(path)))
            .map_err(|error| problems.push(problem(item.span(), error.to_string(), "")))
            .ok();
    }
    let pointer = Pointer::parse(source);
    if pointer.is_none() {
        let hint = "a pointer begins with /, a JSONPath (RFC 9535) with $";
        problems.push(problem(item.span(), format!("{source:?} is no pointer"), hint));
    }
    pointer.map(|pointer| List::Pointer(pointer, source.to_owned()))
}

fn life(section: &Section<'_, '_>, problems: &mut Vec<Problem>) -> Life {
    // Without a status word nothing ever resolves.
    let usual = if section.get("status").is_some() { "resolves" } else { "expires" };
    match section.text("life", problems).unwrap_or(usual) {
        "resolves" => Life::Resolves,
        "expires" => Life::Expires,
        "event" => Life::Event,
        other => {
            let span = section.get("life").map_or(section.span.clone(), toml::Spanned::span);
            let message = format!("unknown life {other:?}");
            problems.push(problem(span, message, "known: resolves, expires, event"));
            Life::Expires
        }
    }
}

fn duration(section: &Section<'_, '_>, problems: &mut Vec<Problem>) -> Option<std::time::Duration> {
    let item = section.get("expires_after")?;
    let source = text(item, "expires_after", problems)?;
    let read = source.parse::<jiff::SignedDuration>().ok();
    let read = read.and_then(|read| std::time::Duration::try_from(read).ok());
    if read.is_none() {
        let message = format!("{source:?} is no duration");
        problems.push(problem(item.span(), message, "write it like 30m, 4h or 1d"));
    }
    read
}

fn copies(section: &Section<'_, '_>, key: &str, problems: &mut Vec<Problem>) -> Copies {
    let Some(inner) = section.section(key, problems) else { return Copies::default() };
    inner.only(&["copy", "except", "tags", "pairs", "set"], problems);
    let places = |key: &str, problems: &mut Vec<Problem>| -> Vec<Place> {
        let items = inner.get(key).map_or_else(Vec::new, one_or_many);
        items.into_iter().filter_map(|item| place(item, key, problems)).collect()
    };
    let pairs = inner.get("pairs").map_or_else(Vec::new, one_or_many);
    Copies {
        copy: places("copy", problems),
        except: inner
            .texts("except", problems)
            .iter()
            .map(|it| (*it.get_ref()).to_owned())
            .collect(),
        tags: places("tags", problems),
        pairs: pairs.into_iter().filter_map(|item| pair(item, problems)).collect(),
        set: named_fields(&inner, "set", problems),
    }
}

fn pair(item: Item<'_, '_>, problems: &mut Vec<Problem>) -> Option<Pairs> {
    let inner = section(item, "pairs", problems)?;
    inner.only(&["at", "name", "value"], problems);
    let Some(at) = inner.get("at") else {
        let hint = "at = \"/pointer\" says where the list is";
        problems.push(problem(item.span(), "`at` is missing", hint));
        return None;
    };
    Some(Pairs {
        at: place(at, "at", problems)?,
        name: inner.text("name", problems).unwrap_or("name").to_owned(),
        value: inner.text("value", problems).unwrap_or("value").to_owned(),
    })
}

fn named_fields(
    section: &Section<'_, '_>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(String, Field)> {
    let Some(item) = section.get(key) else { return Vec::new() };
    let Some(table) = item.get_ref().as_table() else {
        problems.push(wrong_type(item, key, "a table of names and fields"));
        return Vec::new();
    };
    Section::new(table, item.span())
        .entries()
        .map(|(name, item)| (name.to_owned(), field(item, name, problems)))
        .collect()
}
