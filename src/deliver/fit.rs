//! Making news fit its medium by showing less: annotations first, then labels, then members, then the longer text.
//! Title, severity and link stay.

use std::borrow::Cow;

use serde_json::Value;

use super::clean::{CUT, Markup};
use super::render::{Context, Detail, Facts};
use super::senders::{News, RenderError};

/// From all to almost nothing. Each step gives up what a reader misses least.
pub const LADDER: [Detail; 10] = [
    Detail {
        title: 512,
        text: 1_500,
        annotations: 12,
        labels: 24,
        value: 300,
        members: 20,
        differing: 6,
        links: 8,
    },
    Detail {
        title: 512,
        text: 1_500,
        annotations: 4,
        labels: 16,
        value: 200,
        members: 15,
        differing: 4,
        links: 6,
    },
    Detail {
        title: 512,
        text: 1_200,
        annotations: 0,
        labels: 12,
        value: 120,
        members: 12,
        differing: 4,
        links: 6,
    },
    Detail {
        title: 512,
        text: 1_000,
        annotations: 0,
        labels: 8,
        value: 80,
        members: 10,
        differing: 3,
        links: 5,
    },
    Detail {
        title: 512,
        text: 800,
        annotations: 0,
        labels: 6,
        value: 60,
        members: 6,
        differing: 3,
        links: 4,
    },
    Detail {
        title: 400,
        text: 600,
        annotations: 0,
        labels: 4,
        value: 60,
        members: 4,
        differing: 2,
        links: 4,
    },
    Detail {
        title: 400,
        text: 400,
        annotations: 0,
        labels: 2,
        value: 60,
        members: 2,
        differing: 2,
        links: 3,
    },
    Detail {
        title: 300,
        text: 200,
        annotations: 0,
        labels: 0,
        value: 60,
        members: 0,
        differing: 0,
        links: 2,
    },
    Detail {
        title: 200,
        text: 0,
        annotations: 0,
        labels: 0,
        value: 60,
        members: 0,
        differing: 0,
        links: 1,
    },
    Detail {
        title: 120,
        text: 0,
        annotations: 0,
        labels: 0,
        value: 40,
        members: 0,
        differing: 0,
        links: 0,
    },
];

/// Goes down the ladder until `attempt` accepts. It gets the context and whether this is the last step, where it must
/// accept something. `prepare` fills in what the context needs beside the news.
pub fn fitted<T>(
    news: &News<'_>,
    ladder: &[Detail],
    mut attempt: impl FnMut(&mut Context, bool) -> Result<Option<T>, RenderError>,
) -> Result<T, RenderError> {
    let facts = Facts::gather(news);
    let last = ladder.len().saturating_sub(1);
    for (step, detail) in ladder.iter().enumerate() {
        let mut context = Context::from_facts(news, &facts, *detail);
        if let Some(done) = attempt(&mut context, step == last)? {
            return Ok(done);
        }
    }
    Err(RenderError {
        template: "built-in".to_owned(),
        receiver: news.receiver.to_owned(),
        detail: "does not fit in the least detail".to_owned(),
    })
}

/// At most `max` characters of a text that is already escaped for `markup`: the cut never falls inside an entity, a
/// link or a backslash pair, and shows.
pub fn cut_escaped(markup: Markup, text: &str, max: usize) -> Cow<'_, str> {
    if text.chars().count() <= max {
        return Cow::Borrowed(text);
    }
    let room = max.saturating_sub(CUT.chars().count());
    let mut end = 0;
    let mut used = 0;
    while let Some(unit) = next_unit(markup, &text[end..]) {
        used += unit.chars().count();
        if used > room {
            break;
        }
        end += unit.len();
    }
    let kept = text[..end].trim_end();
    Cow::Owned(if max == 0 { String::new() } else { format!("{kept}{CUT}") })
}

/// The next piece of `text` that must stay whole.
fn next_unit(markup: Markup, text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    let whole = |end: Option<usize>| end.map(|end| &text[..=end]);
    let unit = match (markup, first) {
        (Markup::Mrkdwn, '<') => whole(text.find('>')),
        (Markup::Mrkdwn | Markup::Markdown, '&') => whole(text.find(';').filter(|end| *end < 10)),
        (Markup::Markdown | Markup::Discord, '\\') => {
            let second = text.chars().nth(1).map_or(0, char::len_utf8);
            Some(&text[..=second])
        }
        _ => None,
    };
    Some(unit.unwrap_or(&text[..first.len_utf8()]))
}

/// Cuts every string that `pointer` names to `max` characters; `*` in the pointer stands for every element.
pub fn cut_at(value: &mut Value, markup: Markup, pointer: &str, max: usize) {
    let path: Vec<&str> = pointer.split('/').skip(1).collect();
    each_at(value, &path, &mut |found| {
        if let Value::String(text) = found
            && let Cow::Owned(cut) = cut_escaped(markup, text, max)
        {
            *text = cut;
        }
    });
}

/// Shortens every list that `pointer` names to `max` elements.
pub fn shorten_at(value: &mut Value, pointer: &str, max: usize) {
    let path: Vec<&str> = pointer.split('/').skip(1).collect();
    each_at(value, &path, &mut |found| {
        if let Value::Array(list) = found {
            list.truncate(max);
        }
    });
}

fn each_at(value: &mut Value, path: &[&str], act: &mut impl FnMut(&mut Value)) {
    let Some((step, rest)) = path.split_first() else { return act(value) };
    match value {
        Value::Array(list) if *step == "*" => {
            for item in list {
                each_at(item, rest, act);
            }
        }
        Value::Object(map) if *step == "*" => {
            for item in map.values_mut() {
                each_at(item, rest, act);
            }
        }
        Value::Array(list) => {
            if let Some(item) = step.parse::<usize>().ok().and_then(|at| list.get_mut(at)) {
                each_at(item, rest, act);
            }
        }
        Value::Object(map) => {
            if let Some(item) = map.get_mut(*step) {
                each_at(item, rest, act);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cuts_keep_escapes_whole() {
        let rows = [
            (Markup::Mrkdwn, "ab&amp;cd", 5, "ab…"),
            (Markup::Mrkdwn, "ab&amp;cd", 8, "ab&amp;…"),
            (Markup::Mrkdwn, "x <https://e.com|l> y z", 10, "x…"),
            (Markup::Markdown, r"ab\*cd", 4, "ab…"),
            (Markup::None, "abcdef", 4, "abc…"),
            (Markup::None, "abc", 3, "abc"),
        ];
        for (markup, text, max, want) in rows {
            assert_eq!(cut_escaped(markup, text, max), want, "{text} to {max}");
        }
    }

    #[test]
    fn cuts_by_pointer() {
        let mut value = json!({"a": [{"t": "12345"}, {"t": 7}, {}], "l": [1, 2, 3]});
        cut_at(&mut value, Markup::None, "/a/*/t", 3);
        shorten_at(&mut value, "/l", 2);
        assert_eq!(value, json!({"a": [{"t": "12…"}, {"t": 7}, {}], "l": [1, 2]}));
    }

    #[test]
    fn each_step_shows_no_more_than_the_one_before() {
        for pair in LADDER.windows(2) {
            let (more, less) = (pair[0], pair[1]);
            assert!(
                less.title <= more.title && less.text <= more.text && less.labels <= more.labels
            );
            assert!(
                less.members <= more.members
                    && less.value <= more.value
                    && less.links <= more.links
            );
        }
    }
}
