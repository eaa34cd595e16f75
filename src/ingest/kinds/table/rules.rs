//! Conditions: how a shape is recognized and what is ignored.

use super::parse::place;
use super::reader::{Item, Problem, Section, one_or_many, problem, section, text};
use super::shape::{Ignore, Rule, Test};

/// The rules under `key`: all must hold.
pub(super) fn read(section: &Section<'_, '_>, key: &str, problems: &mut Vec<Problem>) -> Vec<Rule> {
    let items = section.get(key).map_or_else(Vec::new, one_or_many);
    items.into_iter().filter_map(|item| rule(item, key, &[], problems)).collect()
}

fn rule(item: Item<'_, '_>, key: &str, also: &[&str], problems: &mut Vec<Problem>) -> Option<Rule> {
    if item.get_ref().is_str() {
        let place = place(item, key, problems)?;
        return Some(Rule {
            place,
            test: Test::Exists,
            shown: text(item, key, problems)?.to_owned(),
        });
    }
    let section = section(item, key, problems)?;
    let known = ["at", "equals", "starts_with", "missing"];
    section.only(&[&known, also].concat(), problems);
    let Some(at) = section.get("at") else {
        let hint = "at = \"/pointer\" says what is looked at";
        problems.push(problem(item.span(), "`at` is missing", hint));
        return None;
    };
    let place = place(at, "at", problems)?;
    let lower = |key: &str, problems: &mut Vec<Problem>| -> Vec<String> {
        section.texts(key, problems).iter().map(|it| it.get_ref().trim().to_lowercase()).collect()
    };
    let (equals, starts) = (lower("equals", problems), lower("starts_with", problems));
    let missing = section.flag("missing", problems);
    let test = match (equals.is_empty(), starts.is_empty(), missing) {
        (true, true, false) => Test::Exists,
        (true, true, true) => Test::Missing,
        (false, true, false) => Test::Equals(equals.into_iter().collect()),
        (true, false, false) => Test::StartsWith(starts),
        _ => {
            let message = "only one of `equals`, `starts_with` and `missing` is possible";
            problems.push(problem(item.span(), message, "write two rules: all of them must hold"));
            return None;
        }
    };
    let at = text(at, "at", problems)?;
    let shown = match &test {
        Test::Exists => at.to_owned(),
        Test::Missing => format!("no {at}"),
        Test::Equals(_) | Test::StartsWith(_) => format!("{at} with a certain value"),
    };
    Some(Rule { place, test, shown })
}

/// What is no alert, and why.
pub(super) fn ignores(section: &Section<'_, '_>, problems: &mut Vec<Problem>) -> Vec<Ignore> {
    let items = section.get("ignore").map_or_else(Vec::new, one_or_many);
    let read = |item: Item<'_, '_>, problems: &mut Vec<Problem>| {
        let inner = super::reader::section(item, "ignore", problems)?;
        let Some(reason) = inner.text("reason", problems) else {
            let hint = "it is shown to whoever asks what became of the payload";
            problems.push(problem(item.span(), "`reason` is missing", hint));
            return None;
        };
        let rule = rule(item, "ignore", &["reason"], problems)?;
        Some(Ignore { rules: vec![rule], reason: reason.to_owned() })
    };
    items.into_iter().filter_map(|item| read(item, problems)).collect()
}
