//! The helpers of templates in tables.

use std::sync::LazyLock;

use handlebars::{Handlebars, handlebars_helper};
use quick_xml::escape;
use serde_json::Value;

use super::field::text;
use crate::ingest::kinds::read;

handlebars_helper!(lower: |value: Json| text(value).unwrap_or_default().to_lowercase());
handlebars_helper!(upper: |value: Json| text(value).unwrap_or_default().to_uppercase());
handlebars_helper!(default: |value: Json, other: Json| {
    text(value).or_else(|| text(other)).unwrap_or_default()
});
handlebars_helper!(join: |value: Json, separator: str| match value {
    Value::Array(items) => items.iter().filter_map(text).collect::<Vec<_>>().join(separator),
    other => text(other).unwrap_or_default(),
});
handlebars_helper!(json: |value: Json| value.to_string());
handlebars_helper!(first_line: |value: Json| {
    read::first_line(&text(value).unwrap_or_default()).to_owned()
});
handlebars_helper!(last_segment: |value: Json| {
    let text = text(value).unwrap_or_default();
    text.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default().to_owned()
});
handlebars_helper!(plain: |value: Json| plain_text(&text(value).unwrap_or_default()));

/// Without HTML tags and the fences (`%%%`) that some vendors put around Markdown; `<br>` and paragraphs are breaks.
fn plain_text(marked: &str) -> String {
    let mut out = String::with_capacity(marked.len());
    let mut rest = marked;
    let mut may_close = true;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let is_tag = after.starts_with(|c: char| c.is_ascii_alphabetic() || "/!".contains(c));
        let tag = if is_tag && may_close { after.split_once('>') } else { None };
        // Where one tag does not end, no later one does: else each would look through the whole rest.
        may_close &= !is_tag || tag.is_some();
        if let Some((tag, after)) = tag {
            let name = tag.trim_start_matches('/').to_ascii_lowercase();
            if ["br", "p", "div", "li", "tr", "h1", "h2", "h3"]
                .iter()
                .any(|block| name.split(|c: char| !c.is_alphanumeric()).next() == Some(block))
            {
                out.push('\n');
            }
            rest = after;
        } else {
            out.push('<');
            rest = after;
        }
    }
    out.push_str(rest);
    let out = unescaped(&out);
    let out = out.replace("%%%", "");
    let lines = out.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// With the entities that stand for characters resolved; an ampersand that begins none stays.
fn unescaped(text: &str) -> String {
    /// Longer names are no entities but text with a semicolon in it.
    const NAME_BYTES_MAX: usize = 10;
    let resolve = |name: &str| match name {
        "nbsp" => Some(" "),
        name => escape::resolve_predefined_entity(name),
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after.bytes().take(NAME_BYTES_MAX).position(|byte| byte == b';');
        let entity = end.map(|end| &rest[before.len()..=before.len() + 1 + end]);
        let character = entity.and_then(|it| escape::unescape_with(it, resolve).ok());
        out.push_str(character.as_deref().unwrap_or("&"));
        // The ampersand itself is not part of `after`.
        let taken = entity.filter(|_| character.is_some()).map_or(0, |it| it.len() - 1);
        rest = &after[taken..];
    }
    out.push_str(rest);
    out
}

/// Handlebars with the helpers of tables; nothing is escaped.
pub(super) static REGISTRY: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut registry = Handlebars::new();
    registry.register_escape_fn(handlebars::no_escape);
    // It would put payloads into our log.
    registry.unregister_helper("log");
    registry.register_helper("lower", Box::new(lower));
    registry.register_helper("upper", Box::new(upper));
    registry.register_helper("default", Box::new(default));
    registry.register_helper("join", Box::new(join));
    registry.register_helper("json", Box::new(json));
    registry.register_helper("first_line", Box::new(first_line));
    registry.register_helper("last_segment", Box::new(last_segment));
    registry.register_helper("plain", Box::new(plain));
    registry
});
