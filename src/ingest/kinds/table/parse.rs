//! From TOML to a [`Table`]: everything is checked and compiled here, so that reading a payload only looks things up.

use toml::de::DeTable;

use super::choices::{field, json_path, place, whole};
use super::copies::{Copies, Pairs};
use super::field::Field;
use super::late::Problems;
use super::place::{Place, Pointer};
use super::reader::{Item, Section, nearest, one_or_many, problem, section, text, wrong_type};
use super::shape::{List, Shape};
use super::{Auto, METHODS, Otherwise, Table, answers, decode, rules, times, vocabulary};
use crate::domain::Life;
use crate::ingest::auth::profiles;

const TABLE_KEYS: [&str; 13] = [
    "kind",
    "vendor",
    "about",
    "setting",
    "auth",
    "auto",
    "absent",
    "decode",
    "methods",
    "answers",
    "otherwise",
    "over",
    "shape",
];
const SHAPE_KEYS: [&str; 25] = [
    "name",
    "recognize",
    "ignore",
    "ignored",
    "answer",
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

/// Reads a table from `table` of any file; `name` is the kind if the table does not say.
pub(super) fn table(
    table: &DeTable<'_>,
    span: std::ops::Range<usize>,
    name: &str,
    problems: &mut Problems,
) -> Table {
    let root = Section::new(table, span);
    let known: Vec<&str> = match root.get("shape") {
        Some(_) => TABLE_KEYS.to_vec(),
        None => TABLE_KEYS.iter().chain(&SHAPE_KEYS).copied().collect(),
    };
    root.only(&known, problems);
    check_words(&root, problems);
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
    Table {
        name: root.text("kind", problems).unwrap_or(name).to_owned(),
        about: root.text("about", problems).unwrap_or_default().to_owned(),
        auth: auth(&root, problems),
        auto: auto(&root, problems),
        over: root.texts("over", problems).iter().map(|it| (*it.get_ref()).to_owned()).collect(),
        absent: root.get("absent").and_then(|item| whole(item, problems)),
        decode: decode::read(&root, problems),
        methods: methods(&root, problems),
        answers: root
            .section("answers", problems)
            .map_or_else(Default::default, |section| answers::parse(&section, problems)),
        otherwise: otherwise(&root, problems),
        shapes,
    }
}

/// `vendor` and `setting` are for the documentation alone; they must be texts all the same.
fn check_words(root: &Section<'_, '_>, problems: &mut Problems) {
    root.text("vendor", problems);
    root.text("setting", problems);
}

/// Names of authentication profiles; an unknown one could never be configured.
fn auth(root: &Section<'_, '_>, problems: &mut Problems) -> Vec<String> {
    let mut names = Vec::new();
    for name in root.texts("auth", problems) {
        if profiles::strength(name.get_ref()).is_some() {
            names.push((*name.get_ref()).to_owned());
            continue;
        }
        let known: Vec<&str> = profiles::ROWS.iter().map(|row| row.name).collect();
        let hint = match nearest(name.get_ref(), &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", known.join(", ")),
        };
        let message = format!("unknown authentication profile {:?}", name.get_ref());
        problems.push(problem(name.span(), message, &hint));
    }
    names
}

fn methods(root: &Section<'_, '_>, problems: &mut Problems) -> Vec<&'static str> {
    let mut methods = Vec::new();
    for method in root.texts("methods", problems) {
        if let Some(known) = METHODS.iter().find(|known| *known == method.get_ref()) {
            methods.push(*known);
        } else {
            let message = format!("unknown method {:?}", method.get_ref());
            problems.push(problem(method.span(), message, "known: POST, PUT, PATCH, GET"));
        }
    }
    if methods.is_empty() { vec!["POST"] } else { methods }
}

fn auto(root: &Section<'_, '_>, problems: &mut Problems) -> Auto {
    match root.get("auto").map(|item| item.get_ref().as_bool()) {
        None | Some(Some(true)) => Auto::Shapes,
        Some(Some(false)) => Auto::Never,
        Some(None) => Auto::Rules(rules::read(root, "auto", problems)),
    }
}

fn otherwise(root: &Section<'_, '_>, problems: &mut Problems) -> Otherwise {
    match root.text("otherwise", problems) {
        None | Some("reject") => Otherwise::Reject,
        Some("generic") => Otherwise::Generic,
        Some("ignore") => Otherwise::Ignore,
        Some(other) => {
            let span = root.get("otherwise").map_or(root.span.clone(), toml::Spanned::span);
            let message = format!("unknown value {other:?} of `otherwise`");
            problems.push(problem(span, message, "known: reject, ignore, generic"));
            Otherwise::Reject
        }
    }
}

fn shape(section: &Section<'_, '_>, name: &str, problems: &mut Problems) -> Shape {
    let ignored = section.text("ignored", problems).map(str::to_owned);
    let reply = answers::reply(section, problems);
    if reply.is_some() && ignored.is_none() {
        let hint = "only a shape that is no alert has an answer of its own; else `answers` counts";
        problems.push(problem(section.span.clone(), "`answer` needs `ignored`", hint));
    }
    let required = [
        ("key", "the fields that name the problem: the same in a firing payload and its resolve"),
        ("title", "what people read first"),
    ];
    for (required, hint) in required {
        if ignored.is_none() && section.get(required).is_none() {
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
    let (labels, annotations) =
        (copies(section, "labels", problems), copies(section, "annotations", problems));
    let mut shape = Shape {
        ignored,
        reply,
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
        labels,
        annotations,
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
    let words = shape.status.fields().chain(shape.severity.fields());
    singles
        .into_iter()
        .chain(&shape.key)
        .chain(&shape.images)
        .chain(shape.links.iter().map(|(_, field)| field))
        .chain(times.flat_map(|time| [Some(&time.from), time.resolved.as_ref()]).flatten())
        .chain(words)
        .chain(shape.reply.iter().map(|reply| &reply.body))
        .any(Field::needs_context)
        || shape.labels.needs_context()
        || shape.annotations.needs_context()
}

fn list(section: &Section<'_, '_>, problems: &mut Problems) -> Option<List> {
    let item = section.get("alerts")?;
    let written = section.texts("alerts", problems);
    if let [source] = &written[..]
        && source.get_ref().starts_with('$')
    {
        return json_path(source.get_ref(), item, problems).map(List::Path);
    }
    let mut pointers = Vec::new();
    for source in written {
        let source_text = *source.get_ref();
        if let Some(pointer) = Pointer::parse(source_text) {
            pointers.push((pointer, source_text.to_owned()));
        } else {
            let hint = "a pointer begins with /, a JSONPath (RFC 9535) with $";
            let message = format!("{source_text:?} is no pointer");
            problems.push(problem(source.span(), message, hint));
        }
    }
    Some(List::Pointers(pointers))
}

fn life(section: &Section<'_, '_>, problems: &mut Problems) -> Life {
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

fn duration(section: &Section<'_, '_>, problems: &mut Problems) -> Option<std::time::Duration> {
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

fn copies(section: &Section<'_, '_>, key: &str, problems: &mut Problems) -> Copies {
    let Some(inner) = section.section(key, problems) else { return Copies::default() };
    inner.only(&["copy", "except", "tags", "pairs", "set"], problems);
    let places = |key: &str, problems: &mut Problems| -> Vec<Place> {
        let items = inner.get(key).map_or_else(Vec::new, one_or_many);
        items.into_iter().filter_map(|item| place(item, key, problems)).collect()
    };
    let pairs = inner.get("pairs").map_or_else(Vec::new, one_or_many);
    let except = inner.texts("except", problems);
    let except: Vec<String> = except.iter().map(|it| (*it.get_ref()).to_owned()).collect();
    Copies {
        copy: places("copy", problems),
        except: except.iter().filter(|it| !it.ends_with('*')).cloned().collect(),
        except_prefixes: except
            .iter()
            .filter_map(|it| it.strip_suffix('*').map(str::to_owned))
            .collect(),
        tags: places("tags", problems),
        pairs: pairs.into_iter().filter_map(|item| pair(item, problems)).collect(),
        set: named_fields(&inner, "set", problems),
    }
}

fn pair(item: Item<'_, '_>, problems: &mut Problems) -> Option<Pairs> {
    let inner = section(item, "pairs", problems)?;
    inner.only(&["at", "name", "value"], problems);
    let Some(at) = inner.get("at") else {
        let hint = "at = \"/pointer\" says where the list is";
        problems.push(problem(item.span(), "`at` is missing", hint));
        return None;
    };
    Some(Pairs {
        at: place(at, "at", problems)?,
        name: member(inner.text("name", problems).unwrap_or("name")),
        value: member(inner.text("value", problems).unwrap_or("value")),
    })
}

/// The name of a member, or a pointer.
fn member(written: &str) -> Pointer {
    let pointer = written.starts_with('/').then(|| Pointer::parse(written)).flatten();
    pointer.unwrap_or_else(|| Pointer::of(vec![written.to_owned()]))
}

fn named_fields(
    section: &Section<'_, '_>,
    key: &str,
    problems: &mut Problems,
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
