//! `docs/sources.md` says what the tables of `sources/` say: its rows are made of them.
//!
//! `ALERTBRIDGE_BLESS=1 cargo test --test docs` writes the rows anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use toml::{Table, Value};

const BEGIN: &str = "<!-- rows of sources/*.toml: begin -->\n";
const END: &str = "<!-- rows of sources/*.toml: end -->\n";
/// More alternatives of a field, and more words for one meaning, are left to the table itself.
const CHOICES_SHOWN_MAX: usize = 2;
const TEXTS_SHOWN_MAX: usize = 6;
const STATUS: [&str; 4] = ["firing", "acknowledged", "resolved", "notice"];
const SEVERITY: [&str; 5] = ["critical", "error", "warning", "info", "unknown"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The tables by kind.
fn tables() -> BTreeMap<String, Table> {
    let entries = fs::read_dir(root().join("sources")).expect("the folder of tables");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let read = |path: PathBuf| {
        let kind = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("readable");
        (kind, text.parse::<Table>().unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    paths.filter(|path| path.extension().is_some_and(|it| it == "toml")).map(read).collect()
}

fn shapes(table: &Table) -> Vec<&Table> {
    match table.get("shape") {
        Some(Value::Array(shapes)) => shapes.iter().filter_map(Value::as_table).collect(),
        _ => vec![table],
    }
}

fn list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(item) => vec![item],
        None => Vec::new(),
    }
}

/// A field as people look for it in the vendor's documentation.
fn field(value: &Value) -> String {
    match value {
        Value::Array(choices) => {
            // Further spellings stand in the table.
            let shown = choices.iter().take(CHOICES_SHOWN_MAX).map(field);
            let more = (choices.len() > CHOICES_SHOWN_MAX).then(|| "...".to_owned());
            shown.chain(more).collect::<Vec<_>>().join(" or ")
        }
        Value::Table(table) => match (table.get("text"), table.get("from")) {
            (Some(Value::String(text)), _) => format!("\"{text}\""),
            (_, Some(from)) => format!("part of {}", field(from)),
            _ => "?".to_owned(),
        },
        Value::String(text) if text.contains("{{") => "several fields".to_owned(),
        Value::String(text) => format!("`{}`", text.trim_start_matches('/')),
        other => other.to_string(),
    }
}

/// Each different text once, the first few of many.
fn joined(texts: impl IntoIterator<Item = String>, between: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        if !text.is_empty() && !kept.contains(&text) {
            kept.push(text);
        }
    }
    if kept.len() > TEXTS_SHOWN_MAX {
        kept.truncate(TEXTS_SHOWN_MAX);
        kept.push("...".to_owned());
    }
    kept.join(between)
}

fn key(table: &Table) -> String {
    let of = |shape: &&Table| {
        let parts = list(shape.get("key")).into_iter().map(field);
        parts.collect::<Vec<_>>().join(" + ")
    };
    joined(shapes(table).iter().map(of), "; ")
}

/// Which words mean what, over all shapes.
fn words(table: &Table, name: &str, own: &[&str]) -> String {
    let mut meanings: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for reading in shapes(table).into_iter().flat_map(|shape| list(shape.get(name))) {
        let place = |word: &str| own.iter().position(|it| *it == word);
        match reading {
            Value::String(word) => {
                if let Some(at) = place(word) {
                    meanings.entry(at).or_default().push("always in one shape".to_owned());
                }
            }
            Value::Table(reading) => {
                for (at, word) in own.iter().enumerate() {
                    for vendors in list(reading.get(*word)) {
                        meanings.entry(at).or_default().push(format!("{vendors}").replace('"', ""));
                    }
                    for (key, sign) in [("at_least", "≥"), ("at_most", "≤")] {
                        if let Some(bound) = reading.get(key).and_then(|it| it.get(*word)) {
                            meanings.entry(at).or_default().push(format!("{sign} {bound}"));
                        }
                    }
                }
                if let Some(at) = reading.get("is").and_then(Value::as_str).and_then(place) {
                    meanings.entry(at).or_default().push("by several fields".to_owned());
                }
            }
            other => panic!("{name} is {other}"),
        }
    }
    let meaning = |(at, vendors): (&usize, &Vec<String>)| {
        format!("{}: {}", own[*at], joined(vendors.iter().cloned(), ", "))
    };
    meanings.iter().map(meaning).collect::<Vec<_>>().join("; ")
}

fn text<'t>(table: &'t Table, key: &str) -> &'t str {
    table.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn row(kind: &str, table: &Table) -> String {
    let auth: Vec<&str> = list(table.get("auth")).into_iter().filter_map(Value::as_str).collect();
    let about = format!("**{}**: {}", text(table, "vendor"), text(table, "about"));
    let cells = [
        format!("`{kind}`"),
        about,
        key(table),
        words(table, "status", &STATUS),
        words(table, "severity", &SEVERITY),
        auth.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "),
        text(table, "setting").to_owned(),
    ];
    let cells = cells.map(|cell| {
        let cell = cell.replace('\n', " ").replace('|', "\\|");
        if cell.is_empty() { "-".to_owned() } else { cell }
    });
    format!("| {} |\n", cells.join(" | "))
}

#[test]
fn the_rows_of_sources_are_those_of_the_tables() {
    let path = root().join("docs/sources.md");
    let docs = fs::read_to_string(&path).expect("readable");
    let (before, rest) = docs.split_once(BEGIN).expect("the begin of the rows");
    let (written, after) = rest.split_once(END).expect("the end of the rows");
    let mut rows = "| kind | reads | alert key | status | severity | auth, strongest first | the vendor's setting |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for (kind, table) in tables() {
        rows.push_str(&row(&kind, &table));
    }
    if std::env::var_os("ALERTBRIDGE_BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{rows}{END}{after}")).expect("writable");
    } else if let Some((found, wanted)) =
        written.lines().zip(rows.lines()).find(|(found, wanted)| found != wanted)
    {
        panic!("docs/sources.md says\n{found}\nand the table\n{wanted}");
    } else {
        assert_eq!(written, rows, "docs/sources.md has rows too few or too many");
    }
}

#[test]
fn every_table_says_what_people_need_to_set_it_up() {
    let mut missing = Vec::new();
    for (kind, table) in tables() {
        for key in ["vendor", "about", "setting", "auth"] {
            if list(table.get(key)).is_empty() {
                missing.push(format!("sources/{kind}.toml: {key}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_table_in_the_folder_is_compiled_in() {
    let known: Vec<&str> =
        alertbridge::ingest::kinds::builtin().iter().map(|kind| kind.name()).collect();
    for kind in tables().keys() {
        assert!(known.contains(&kind.as_str()), "sources/{kind}.toml is in no list");
    }
}
