//! Holds every alert to `limits.rs`, in one place, so that no kind can forget it.
//!
//! Called by [`super::normalize`] alone. Cuts fall on character boundaries and end in `…`. Control characters go,
//! because no receiver shows them and some reject the whole message; line breaks stay in texts.

use std::borrow::Cow;

use crate::domain::{Alert, Fingerprint, Labels};
use crate::limits::{
    ALERT_BYTES_MAX, FIELD_CHARS_MAX, IMAGES_MAX, KEY_BYTES_MAX, LABEL_NAME_CHARS_MAX,
    LABEL_VALUE_CHARS_MAX, LABELS_MAX, LINK_BYTES_MAX, LINKS_MAX, TEXT_CHARS_MAX, TITLE_CHARS_MAX,
};

/// The annotation that counts the labels and annotations that were left out.
pub const LABELS_DROPPED: &str = "labels_dropped";

/// `alert` within all limits. Idempotent; an empty key stays empty.
pub fn alert(mut alert: Alert) -> Alert {
    alert.key = key(&alert.key);
    alert.title = line(&alert.title, TITLE_CHARS_MAX);
    alert.text = alert.text.map(|it| text(&it, TEXT_CHARS_MAX)).filter(|it| !it.is_empty());
    for field in [&mut alert.resource, &mut alert.service, &mut alert.env, &mut alert.alertname] {
        *field = field.take().map(|it| line(&it, FIELD_CHARS_MAX)).filter(|it| !it.is_empty());
    }
    if alert.title.is_empty() {
        alert.title = alert.alertname.clone().unwrap_or_else(|| line(&alert.key, TITLE_CHARS_MAX));
    }
    // A text that says the title again only costs space in every notification.
    alert.text = alert.text.take().filter(|text| *text != alert.title);
    alert.message_id = alert.message_id.take().map(|id| key(&id)).filter(|id| !id.is_empty());
    let mut dropped = bound_map(&mut alert.labels) + bound_map(&mut alert.annotations);
    alert.links.retain(|link| is_link(&link.url));
    alert.links.truncate(LINKS_MAX);
    for link in &mut alert.links {
        link.name = line(&link.name, LABEL_NAME_CHARS_MAX);
    }
    alert.images.retain(|url| url.starts_with("https://") && is_link(url));
    alert.images.truncate(IMAGES_MAX);
    dropped += fit(&mut alert);
    if dropped > 0 {
        alert.annotations.insert(LABELS_DROPPED.to_owned(), dropped.to_string());
    }
    alert
}

/// An identity of at most [`KEY_BYTES_MAX`] bytes without control characters; a longer one becomes its hash.
pub fn key(raw: &str) -> String {
    let clean = line(raw, usize::MAX);
    if clean.len() <= KEY_BYTES_MAX {
        return clean;
    }
    format!("sha256:{}", Fingerprint::of([clean.as_str()]))
}

/// One line of at most `chars_max` characters: control characters and line breaks become spaces, ends are trimmed.
pub fn line(raw: &str, chars_max: usize) -> String {
    cut(&clean(ahead(raw.trim(), chars_max), ' '), chars_max).trim().to_owned()
}

/// A text of at most `chars_max` characters that keeps its line breaks and tabs.
pub fn text(raw: &str, chars_max: usize) -> String {
    cut(&clean(ahead(raw.trim(), chars_max), '\n'), chars_max).trim().to_owned()
}

/// Whether `url` is an absolute http, https or mailto URL of a length that is kept.
pub fn is_link(url: &str) -> bool {
    url.len() <= LINK_BYTES_MAX
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
        && url::Url::parse(url).is_ok_and(|url| match url.scheme() {
            "http" | "https" => url.has_host(),
            scheme => scheme == "mailto",
        })
}

/// As much of a text as can matter: megabytes are not cleaned to keep their first line.
fn ahead(raw: &str, chars_max: usize) -> &str {
    /// Four bytes a character, and as much again for control characters that go.
    const BYTES_PER_CHAR: usize = 8;
    let bytes = chars_max.saturating_mul(BYTES_PER_CHAR);
    if raw.len() <= bytes { raw } else { &raw[..raw.floor_char_boundary(bytes)] }
}

/// Without control characters. `\r\n` counts as one line break; breaks become `line_break`.
fn clean(raw: &str, line_break: char) -> Cow<'_, str> {
    let keeps_breaks = line_break == '\n';
    let stays = |c: char| !c.is_control() || (keeps_breaks && matches!(c, '\n' | '\t'));
    if raw.chars().all(stays) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            _ if stays(c) => out.push(c),
            '\n' | '\t' => out.push(line_break),
            _ => {}
        }
    }
    Cow::Owned(out)
}

fn cut(raw: &str, chars_max: usize) -> Cow<'_, str> {
    if raw.len() <= chars_max || raw.chars().nth(chars_max).is_none() {
        return Cow::Borrowed(raw);
    }
    let keep = chars_max.saturating_sub(1);
    let end = raw.char_indices().nth(keep).map_or(raw.len(), |(at, _)| at);
    Cow::Owned(format!("{}…", raw[..end].trim_end()))
}

/// Bounds names, values and count; returns how many entries were left out.
fn bound_map(map: &mut Labels) -> usize {
    let fits = |name: &str, value: &str| {
        name.len() <= LABEL_NAME_CHARS_MAX
            && value.len() <= LABEL_VALUE_CHARS_MAX
            && !name.is_empty()
            && !name.chars().any(char::is_control)
            && !value.chars().any(char::is_control)
    };
    if map.len() <= LABELS_MAX && map.iter().all(|(name, value)| fits(name, value)) {
        return 0;
    }
    let before = map.len();
    *map = std::mem::take(map)
        .into_iter()
        .map(|(name, value)| {
            (line(&name, LABEL_NAME_CHARS_MAX), text(&value, LABEL_VALUE_CHARS_MAX))
        })
        .filter(|(name, _)| !name.is_empty())
        .take(LABELS_MAX)
        .collect();
    before - map.len()
}

/// Shortens the least useful first until the alert fits into its stored record: long annotations, the text, links,
/// long label values, then the last annotations and labels. Returns how many entries were left out.
fn fit(alert: &mut Alert) -> usize {
    const SHORT_CHARS: usize = 256;
    const SHORTEST_CHARS: usize = 64;
    const SHORT_TEXT_CHARS: usize = 1_024;
    let too_large = |alert: &Alert| size(alert) > ALERT_BYTES_MAX;
    if too_large(alert) {
        shorten(&mut alert.annotations, SHORT_CHARS);
    }
    if too_large(alert) {
        alert.text = alert.text.as_deref().map(|it| text(it, SHORT_TEXT_CHARS));
    }
    if too_large(alert) {
        alert.links.truncate(4);
        alert.images.truncate(1);
    }
    for chars_max in [SHORT_CHARS, SHORTEST_CHARS] {
        if too_large(alert) {
            shorten(&mut alert.annotations, SHORTEST_CHARS);
            shorten(&mut alert.labels, chars_max);
        }
    }
    let mut dropped = 0;
    let mut excess = size(alert).saturating_sub(ALERT_BYTES_MAX);
    for map in [&mut alert.annotations, &mut alert.labels] {
        while excess > 0 {
            let Some((name, value)) = map.pop_last() else { break };
            excess = excess.saturating_sub(name.len() + value.len());
            dropped += 1;
        }
    }
    dropped
}

fn shorten(map: &mut Labels, chars_max: usize) {
    for value in map.values_mut() {
        if value.len() > chars_max {
            *value = text(value, chars_max);
        }
    }
}

/// The bytes an alert takes in its record, near enough.
fn size(alert: &Alert) -> usize {
    /// Length prefixes of a name and a value.
    const ENTRY_BYTES: usize = 4;
    let map = |map: &Labels| -> usize {
        map.iter().map(|(name, value)| name.len() + value.len() + ENTRY_BYTES).sum()
    };
    let option = |it: &Option<String>| it.as_ref().map_or(0, String::len);
    let links: usize =
        alert.links.iter().map(|link| link.name.len() + link.url.len() + ENTRY_BYTES).sum();
    let fields = [&alert.text, &alert.resource, &alert.service, &alert.env, &alert.alertname];
    alert.key.len()
        + alert.title.len()
        + fields.into_iter().map(option).sum::<usize>()
        + map(&alert.labels)
        + map(&alert.annotations)
        + links
        + alert.images.iter().map(String::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Link;

    #[test]
    fn cuts_on_characters_and_says_so() {
        assert_eq!(line("äöüß", 3), "äö…");
        assert_eq!(line("äöü", 3), "äöü");
        assert_eq!(line("a\u{0}b\r\nc\td", 99), "ab c d");
        assert_eq!(text("a\u{7}\r\n\tb", 99), "a\n\tb");
    }

    #[test]
    fn long_keys_become_hashes_that_differ() {
        let (one, other) = ("x".repeat(KEY_BYTES_MAX + 1), "x".repeat(KEY_BYTES_MAX + 2));
        assert_ne!(key(&one), key(&other));
        assert!(key(&one).len() <= KEY_BYTES_MAX);
        assert_eq!(key(&one[1..]), one[1..]);
    }

    #[test]
    fn links_are_absolute() {
        let rows = [
            ("https://example.com/a?b=c", true),
            ("mailto:a@example.com", true),
            ("", false),
            ("?orgId=1", false),
            ("www.example.com", false),
            ("javascript:alert(1)", false),
            ("https://exa mple.com", false),
            ("/metrics/graph", false),
        ];
        for (url, expected) in rows {
            assert_eq!(is_link(url), expected, "{url}");
        }
    }

    #[test]
    fn a_hostile_alert_fits() {
        let mut hostile = Alert::new("k".repeat(9_000), "t\u{0}".repeat(9_000));
        hostile.text = Some("ä".repeat(90_000));
        for n in 0..400 {
            hostile.labels.insert(format!("l{n}{}", "n".repeat(500)), "ö".repeat(5_000));
            hostile.annotations.insert(format!("a{n}"), "ü".repeat(5_000));
            hostile
                .links
                .push(Link { name: "x".into(), url: format!("https://e/{}", "x".repeat(1_900)) });
        }
        let bounded = alert(hostile);
        assert!(size(&bounded) <= ALERT_BYTES_MAX + 64, "{}", size(&bounded));
        assert!(bounded.annotations.contains_key(LABELS_DROPPED));
        assert_eq!(alert(bounded.clone()), bounded, "bounding twice changes nothing");
    }

    #[test]
    fn an_ordinary_alert_is_untouched() {
        let mut plain = Alert::new("key", "title");
        plain.text = Some("two\nlines".into());
        plain.labels.insert("empty".into(), String::new());
        assert_eq!(alert(plain.clone()), plain);
    }

    #[test]
    fn a_title_is_never_empty() {
        let mut untitled = Alert::new("key", " \u{0} ");
        assert_eq!(alert(untitled.clone()).title, "key");
        untitled.alertname = Some("Rule".into());
        assert_eq!(alert(untitled).title, "Rule");
    }
}
