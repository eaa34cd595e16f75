//! Everything that was sent stays readable: URLs as links, short values as labels, long ones as annotations.

use super::super::{bound, read};
use super::leaves::{ASIDE_FROM, Leaf, Leaves};
use super::places::Place;
use crate::domain::Alert;

/// Longest text that becomes a label; longer ones become annotations.
const LABEL_CHARS_MAX: usize = 256;
/// Most details that are kept, nearest to the problem first: people read them.
const DETAILS_MAX: usize = 100;

/// Adds what the fields of `alert` do not say yet.
pub(super) fn keep(leaves: &Leaves<'_>, alert: &mut Alert) {
    let mut kept: Vec<&Leaf<'_>> = leaves.iter().filter(|leaf| is_detail(leaf)).collect();
    kept.sort_by_key(|leaf| leaf.cost);
    for leaf in kept.into_iter().take(DETAILS_MAX) {
        if bound::is_link(&leaf.text) {
            keep_link(leaf, alert);
            continue;
        }
        if *leaf.text == *alert.title || alert.text.as_deref() == Some(&*leaf.text) {
            continue;
        }
        let map = if leaf.text.len() <= LABEL_CHARS_MAX {
            &mut alert.labels
        } else {
            &mut alert.annotations
        };
        let short = label(&leaf.path);
        let name = if map.contains_key(&short) { leaf.path.clone() } else { short };
        map.entry(name).or_insert_with(|| leaf.text.to_string());
    }
}

/// Not secret, and not what only machines read about something else.
fn is_detail(leaf: &Leaf<'_>) -> bool {
    const ASIDE_DEPTH_MAX: usize = 1;
    let is_far = leaf.cost >= ASIDE_FROM
        && (leaf.path.matches('.').count() > ASIDE_DEPTH_MAX
            || matches!(&*leaf.text, "false" | "0" | "none"));
    !leaf.is_line && !is_far && !leaf.is_secret()
}

fn keep_link(leaf: &Leaf<'_>, alert: &mut Alert) {
    const ICONS: [&str; 8] =
        ["icon", "avatar", "favicon", "logo", "gravatar", "thumbnail", "unsubscribe", "cert"];
    const IMAGES: [&str; 5] = ["image", "screenshot", "graph", "chart", "snapshot"];
    let last = leaf.last();
    let is_one_of = |words: &[&str]| last.split('_').any(|word| words.contains(&word));
    // A template of URLs ({/sha}) leads nowhere, and neither does the picture of a person.
    if is_one_of(&ICONS) || leaf.text.contains('{') || leaf.cost >= ASIDE_FROM {
        return;
    }
    if is_one_of(&IMAGES) && leaf.text.starts_with("https://") {
        alert.images.push(leaf.text.to_string());
        return;
    }
    let bare = last.trim_end_matches("url").trim_end_matches("link").trim_end_matches("html_");
    let bare = bare.trim_matches('_');
    read::add_link(
        &mut alert.links,
        if bare.is_empty() { "source" } else { bare },
        Some(&leaf.text),
    );
}

/// The path without wrappers: `data.attributes.region` is `region`.
fn label(path: &str) -> String {
    let mut rest = path;
    while let Some((first, after)) = rest.split_once('.') {
        if Place::of(first) != Place::Envelope {
            break;
        }
        rest = after;
    }
    rest.to_owned()
}
