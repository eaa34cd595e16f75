//! Laws of the tree that no compiler checks: layers, sizes, completeness.

use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of product code in a file; test modules do not count.
const FILE_LINES_MAX: usize = 400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder` with the ending `ending`, sorted.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.retain(|path| path.to_string_lossy().ends_with(ending));
    found.sort();
    found
}

fn is_test(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with("_tests.rs")
        || name == "tests.rs"
        || name == "conformance.rs"
        || path
            .components()
            .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "conformance")
}

/// Product code of a file: everything before its inline test module.
fn product(text: &str) -> &str {
    text.split("\n#[cfg(test)]\n").next().unwrap_or(text)
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn imports_point_one_way() {
    let laws: [(&str, &[&str]); 4] = [
        (
            "src/domain",
            &["config", "ingest", "store", "deliver", "http", "cli", "app", "telemetry", "clock"],
        ),
        ("src/store", &["config", "ingest", "deliver", "http", "cli", "app", "clock"]),
        ("src/ingest", &["deliver", "http", "cli", "app"]),
        ("src/deliver", &["ingest", "http", "cli", "app"]),
    ];
    let mut broken = Vec::new();
    for (layer, forbidden) in laws {
        for path in files(layer, ".rs").into_iter().filter(|path| !is_test(path)) {
            let text = fs::read_to_string(&path).expect("readable");
            for module in forbidden {
                if product(&text).contains(&format!("crate::{module}::")) {
                    broken.push(format!("{} imports crate::{module}", relative(&path)));
                }
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn files_stay_small() {
    let long: Vec<String> = files("src", ".rs")
        .into_iter()
        .filter(|path| !is_test(path))
        .filter_map(|path| {
            let text = fs::read_to_string(&path).expect("readable");
            let lines = product(&text).lines().count();
            (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", relative(&path)))
        })
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn the_core_asks_for_no_time_and_does_no_io() {
    let words = ["::now()", "std::fs", "std::net", "tokio::", "async fn", "println!", "tracing::"];
    let mut broken = Vec::new();
    for path in files("src/domain", ".rs").into_iter().filter(|path| !is_test(path)) {
        let text = fs::read_to_string(&path).expect("readable");
        broken.extend(
            words
                .iter()
                .filter(|word| product(&text).contains(*word))
                .map(|word| format!("{}: {word}", relative(&path))),
        );
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = files("src", ".rs")
        .into_iter()
        .filter(|path| !fs::read_to_string(path).expect("readable").starts_with("//!"))
        .map(|path| relative(&path))
        .collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn kinds_have_fixtures_and_docs() {
    let sources = fs::read_to_string(root().join("docs/sources.md")).unwrap_or_default();
    let receivers = fs::read_to_string(root().join("docs/receivers.md")).unwrap_or_default();
    let mut missing = Vec::new();
    for kind in alertbridge::ingest::kinds::builtin() {
        let name = kind.name();
        if !root().join("tests/fixtures").join(name).is_dir() {
            missing.push(format!("tests/fixtures/{name}"));
        }
        if !sources.contains(&format!("`{name}`")) {
            missing.push(format!("docs/sources.md: `{name}`"));
        }
    }
    for kind in alertbridge::deliver::senders::kinds() {
        let name = kind.name;
        if !root().join("tests/fixtures/senders").join(name).is_dir() {
            missing.push(format!("tests/fixtures/senders/{name}"));
        }
        if !receivers.contains(&format!("`{name}`")) {
            missing.push(format!("docs/receivers.md: `{name}`"));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn tests_do_not_sleep() {
    let mut broken = Vec::new();
    for path in files("tests", ".rs").into_iter().filter(|path| !path.ends_with("tidy.rs")) {
        let text = fs::read_to_string(&path).expect("readable");
        if text.contains("thread::sleep") || text.contains("time::sleep(") {
            broken.push(relative(&path));
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("readable");
    let part = manifest
        .split("[dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .expect("a section");
    let mut commented = false;
    let mut silent = Vec::new();
    for line in part.lines() {
        if line.starts_with('#') {
            commented = true;
        } else if let Some((name, _)) = line.split_once(" = ") {
            if !commented {
                silent.push(name.to_owned());
            }
            commented = false;
        }
    }
    assert_eq!(silent, Vec::<String>::new());
}
