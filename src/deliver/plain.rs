//! The built-in rendering that needs no template: what is sent when a template fails or a receiver refuses its output.

use super::clean;
use super::render::{Context, Detail};
use super::senders::News;

/// What the plain rendering shows: no labels and no members, so that little can go wrong.
const DETAIL: Detail = Detail {
    title: 300,
    text: 400,
    annotations: 0,
    labels: 6,
    value: 80,
    members: 0,
    differing: 0,
    links: 3,
};

/// The plain lines of `news`, unescaped; the first is the headline, the last names the error.
pub fn lines(news: &News<'_>) -> Vec<String> {
    let context = Context::new(news, DETAIL);
    let mut lines =
        vec![format!("{}: {} {}", context.word, context.title, context.id), context.news];
    if context.many {
        lines.push(format!("Alerts: {}", context.counts));
    }
    if !context.affected.is_empty() {
        lines.push(format!("Affected: {}", context.affected));
    }
    if !context.text.is_empty() {
        lines.push(context.text);
    }
    if !context.labels.is_empty() {
        lines.push(
            context
                .labels
                .iter()
                .map(|p| format!("{}={}", p.name, p.value))
                .collect::<Vec<_>>()
                .join(", "),
        );
    }
    if !context.url.is_empty() {
        lines.push(context.url);
    }
    if let Some(error) = news.plain {
        lines.push(format!("Shown plainly because: {}", clean::cut(&clean::line(error), 300)));
    }
    lines
}
