//! Templates of fields: handlebars without HTML escaping; what is missing is empty.
//!
//! A template that only puts values into text (`{{check_name}}: {{description}}`) is resolved to pointers when the table
//! is read and costs a copy; anything more goes through handlebars. Partials are refused: two that include each other
//! would overflow the stack.

use std::io;
use std::sync::Arc;

use handlebars::{Output, RenderContext, Renderable};

use super::field::{Scope, text};
use super::helpers::REGISTRY;
use super::late::Late;
use super::place::Pointer;
use crate::limits::TEXT_CHARS_MAX;

/// Where the alert stands in the context of a template when it is not the whole payload.
pub(super) const ITEM: &str = "@item";
/// What one template writes at most: `{{#each}}` inside `{{#each}}` grows fast. The field's own limit cuts the rest.
const RENDERED_BYTES_MAX: usize = TEXT_CHARS_MAX * 4;

#[derive(Debug)]
enum Part {
    Text(String),
    Item(Pointer),
    Root(Pointer),
}

/// A template ready to be rendered.
#[derive(Debug)]
pub(super) enum Template {
    Simple(Vec<Simple>),
    Full(Arc<Late<handlebars::Template>>),
}

/// A piece of a template that only puts values into text.
#[derive(Debug)]
pub(super) struct Simple(Part);

impl Template {
    /// Reads `source`; what handlebars has to say about it comes when it is compiled.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        if includes_partial(source) {
            return Err("partials and decorators are not possible in a table".to_owned());
        }
        // What is simple needs no check by handlebars, whose parser is what makes loading tables slow.
        if let Some(parts) = simple(source) {
            return Ok(Self::Simple(parts));
        }
        Ok(Self::Full(Late::new(source)))
    }

    pub(super) fn needs_context(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// The text, without the punctuation that missing values leave at the ends; nothing if no value was there.
    pub(super) fn render(&self, scope: &Scope<'_>) -> Option<String> {
        match self {
            Self::Simple(parts) => render_simple(parts, scope),
            Self::Full(template) => {
                let context = scope.context?;
                let mut render = RenderContext::new(None);
                if !std::ptr::eq(scope.item, scope.root)
                    && let Some(block) = render.block_mut()
                {
                    block.base_path_mut().push(ITEM.to_owned());
                }
                let mut out = Bounded(String::new());
                let done = template.get().render(&REGISTRY, context, &mut render, &mut out);
                // What was written before the limit was reached stays.
                let whole = done.is_ok() || out.0.len() >= RENDERED_BYTES_MAX;
                // What missing values leave at the ends; a slash or bracket may belong to the text here.
                let text = out.0.trim_matches(|c: char| c.is_whitespace() || ":-–|,;".contains(c));
                (whole && !text.is_empty()).then(|| text.to_owned())
            }
        }
    }
}

fn render_simple(parts: &[Simple], scope: &Scope<'_>) -> Option<String> {
    let mut out = String::new();
    let (mut found, mut missing) = (false, false);
    for Simple(part) in parts {
        let value = match part {
            Part::Text(text) => {
                out.push_str(text);
                continue;
            }
            Part::Item(pointer) => pointer.get(scope.item),
            Part::Root(pointer) => pointer.get(scope.root),
        };
        match value.filter(|value| !scope.is_absent(value)).and_then(text) {
            Some(text) => {
                found = true;
                out.push_str(&text);
            }
            None => missing = true,
        }
    }
    let left_over = |c: char| c.is_whitespace() || ":-–|,;/(".contains(c);
    let text = if missing { out.trim_matches(left_over) } else { out.trim() };
    let text = text.strip_suffix("()").map_or(text, str::trim_end);
    (found && !text.is_empty()).then(|| text.to_owned())
}

/// The pieces of a template made of text and paths alone.
fn simple(source: &str) -> Option<Vec<Simple>> {
    if source.contains('\\') {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{{") {
        if !before.is_empty() {
            parts.push(Simple(Part::Text(before.to_owned())));
        }
        let (inside, after) = match after.strip_prefix('{') {
            Some(triple) => triple.split_once("}}}")?,
            None => after.split_once("}}")?,
        };
        parts.push(Simple(path(inside.trim())?));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Simple(Part::Text(rest.to_owned())));
    }
    Some(parts)
}

/// `a.b.[c d].0`, `@root.a`, `this`.
fn path(text: &str) -> Option<Part> {
    let (in_root, mut rest) = match text.strip_prefix("@root.") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest == "this" {
        return Some(Part::Item(Pointer::of(Vec::new())));
    }
    let mut names = Vec::new();
    loop {
        let (name, after) = if let Some(bracket) = rest.strip_prefix('[') {
            bracket.split_once(']')?
        } else {
            rest.split_at(rest.find('.').unwrap_or(rest.len()))
        };
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let bracketed = rest.starts_with('[');
        if name.is_empty() || (!bracketed && (!name.chars().all(plain) || name == "else")) {
            return None;
        }
        names.push(name.to_owned());
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => break,
            None => return None,
        }
    }
    let pointer = Pointer::of(names);
    Some(if in_root { Part::Root(pointer) } else { Part::Item(pointer) })
}

fn includes_partial(source: &str) -> bool {
    source.split("{{").skip(1).any(|tag| {
        let tag = tag.trim_start_matches(|c: char| c.is_whitespace() || "{~&#".contains(c));
        tag.starts_with(['>', '*'])
    })
}

/// Refuses to grow over [`RENDERED_BYTES_MAX`].
struct Bounded(String);

impl Output for Bounded {
    fn write(&mut self, segment: &str) -> io::Result<()> {
        let left = RENDERED_BYTES_MAX.saturating_sub(self.0.len());
        if segment.len() <= left {
            self.0.push_str(segment);
            return Ok(());
        }
        let end = segment.floor_char_boundary(left);
        self.0.push_str(&segment[..end]);
        while self.0.len() < RENDERED_BYTES_MAX {
            self.0.push(' ');
        }
        Err(io::Error::other("template output is too long"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::ingest::kinds::Payload;
    use handlebars::Context;
    use serde_json::json;

    fn render(source: &str) -> Option<String> {
        let root = json!({"who": "R", "list": [{"n": "a"}, {"n": "b"}], "many": vec![1; 2_000]});
        let item = json!({"name": "disk", "odd name": {"x": "<&>"}, "n": 5.0, "none": null,
            "tags": ["p", "q"], "on": true, "arn": "arn:aws:x:db-7/",
            "markup": "%%% \n<b>Disk</b><br/>is &#60; 5 % &amp; &quot;full&quot;&nbsp;& &x; y\n %%%"});
        let mut data = root.clone();
        data[ITEM] = item.clone();
        let context = Context::from(data);
        let payload = Payload {
            method: "POST",
            path: "/",
            query: "",
            headers: &[],
            body: b"",
            received_at: Timestamp::default(),
        };
        let scope = Scope {
            item: &item,
            root: &root,
            payload: &payload,
            context: Some(&context),
            absent: None,
            labels: None,
        };
        Template::parse(source).expect(source).render(&scope)
    }

    #[test]
    fn values_stand_in_text() {
        let rows = [
            ("{{name}}: {{n}}", Some("disk: 5")),
            ("{{name}}: {{none}}", Some("disk")),
            ("{{none}} - {{name}} ({{none}})", Some("disk")),
            ("{{none}} {{absent.deep}}", None),
            ("{{[odd name].x}}", Some("<&>")),
            ("{{{[odd name].x}}}", Some("<&>")),
            ("{{@root.who}}/{{tags}}/{{tags.1}}", Some("R/p, q/q")),
            ("{{#if on}}{{name}}{{else}}off{{/if}}", Some("disk")),
            ("{{#each @root.list}}{{n}},{{/each}}", Some("a,b")),
            ("{{upper name}} {{default none \"x\"}} {{join tags \"+\"}}", Some("DISK x p+q")),
            ("{{#if none}}x{{/if}}", None),
            ("{{upper none}}: {{lower name}} -", Some("disk")),
            ("{{json tags}}", Some("[\"p\",\"q\"]")),
            ("{{first_line markup}}|{{last_segment arn}}", Some("%%%|db-7")),
            ("{{plain markup}}", Some("Disk\nis < 5 % & \"full\" & &x; y")),
            ("{{#if on}}{{[odd name].x}}{{/if}}", Some("<&>")),
        ];
        for (source, expected) in rows {
            assert_eq!(render(source).as_deref(), expected, "{source}");
        }
    }

    #[test]
    fn output_is_bounded_and_partials_are_refused() {
        let grown = render("{{#each @root.many}}{{#each @root.many}}xxxxxxxx{{/each}}{{/each}}");
        assert!(grown.is_some_and(|text| text.len() <= RENDERED_BYTES_MAX));
        for source in ["{{> a}}", "{{#> a}}{{/a}}", "{{~> a}}", "{{#*inline \"a\"}}{{/inline}}"] {
            assert!(Template::parse(source).is_err(), "{source}");
        }
    }
}
