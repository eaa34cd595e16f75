//! Alert data is hostile text: what is dropped, how it is cut, and how markup and mentions in it are made harmless.
//!
//! The order is always: clean, cut the raw text, escape for the medium. So a cut never falls inside an escape.

use std::borrow::Cow;

use url::Url;

use crate::limits::LINK_BYTES_MAX;

/// How far before a backslash a Windows path is looked for.
const WORD_BYTES_MAX: usize = 64;

/// What shows that something was cut, except in SMS.
pub const CUT: &str = "…";

/// `raw` with HTML entities read: many monitors escape their texts for a web page that nobody looks at here.
fn unescape(raw: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(raw);
    // Twice escaped texts exist; more rounds would only help somebody who plays.
    for _ in 0..3 {
        match unescape_once(&text) {
            Some(next) => text = Cow::Owned(next),
            None => break,
        }
    }
    match unwritten(&text) {
        Some(next) => Cow::Owned(next),
        None => text,
    }
}

/// `raw` with the escapes `\n`, `\r`, `\t` and `\"` read where a sender wrote them out twice; `None` if there are none.
///
/// A backslash is also a separator (`C:\\new`, `CORP\\nora`): inside a Windows path, and before a lower-case word that
/// follows another word, it stays.
fn unwritten(raw: &str) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    let many = raw.matches("\\n").count() > 1;
    for (at, _) in raw.match_indices('\\') {
        let Some(c) = raw[at + 1..].chars().next().filter(|_| at >= done) else { continue };
        let plain = match c {
            'n' | 'r' => '\n',
            't' => ' ',
            '"' => '"',
            _ => continue,
        };
        // A bounded look back: hostile text is one long word of backslashes.
        let from =
            (at.saturating_sub(WORD_BYTES_MAX)..=at).find(|from| raw.is_char_boundary(*from));
        let word = raw[from.unwrap_or(at)..at].rsplit(char::is_whitespace).next().unwrap_or("");
        let next = raw[at + 2..].chars().next();
        let apart = !word.ends_with(char::is_alphanumeric)
            || !next.is_some_and(char::is_lowercase)
            || (many && c == 'n');
        if c != '"' && (is_path(word) || !apart) {
            continue;
        }
        out.push_str(&raw[done..at]);
        out.push(plain);
        done = at + 2;
    }
    (done > 0).then(|| out + &raw[done..])
}

/// Whether what stands before a backslash begins a Windows path.
fn is_path(word: &str) -> bool {
    let drive = word.find(":\\").or_else(|| word.ends_with(':').then(|| word.len() - 1));
    drive.is_some_and(|at| word[..at].ends_with(|c: char| c.is_ascii_alphabetic()))
        || word.contains("\\\\")
}

fn unescape_once(raw: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = raw;
    let mut changed = false;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(10).position(|byte| byte == b';');
        if let Some((end, c)) = end.and_then(|end| Some((end, entity(&rest[1..end])?))) {
            out.push(c);
            rest = &rest[end + 1..];
            changed = true;
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    changed.then_some(out)
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            return char::from_u32(code);
        }
    })
}

/// One line: HTML entities read, controls and bidi overrides dropped, every kind of white space becomes one space.
pub fn line(raw: &str) -> String {
    let raw = unescape(raw);
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if let Some(c) = kept(c) {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Several lines: as [`line()`], but line breaks stay (`\r\n` and its relatives become `\n`), at most one empty line
/// in a row, no white space at line ends.
pub fn text(raw: &str) -> String {
    let unified = unescape(raw).replace("\r\n", "\n");
    let mut out = String::with_capacity(unified.len());
    let mut breaks = 0;
    for part in unified.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        let indent: String =
            part.chars().take_while(|c| matches!(c, ' ' | '\t')).map(|_| ' ').collect();
        let cleaned = line(part);
        if cleaned.is_empty() {
            breaks += 1;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if breaks > 0 { "\n\n" } else { "\n" });
            out.push_str(&indent);
        }
        breaks = 0;
        out.push_str(&cleaned);
    }
    out
}

/// `c` unless it is a control, a bidi override or isolate, or the mark of undecodable bytes, which becomes `?`.
fn kept(c: char) -> Option<char> {
    match c {
        '\u{fffd}' => Some('?'),
        '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => None,
        c if c.is_control() => None,
        c => Some(c),
    }
}

/// At most `max` characters of `text`, ending in `marker` where something was cut. Never inside a character, nor
/// between a character and the marks that belong to it.
pub fn cut_with<'a>(text: &'a str, max: usize, marker: &str) -> Cow<'a, str> {
    let Some((over, _)) = text.char_indices().nth(max) else { return Cow::Borrowed(text) };
    let Some(room) = max.checked_sub(marker.chars().count()) else {
        return Cow::Borrowed(&text[..over]);
    };
    let mut end = text.char_indices().nth(room).map_or(over, |(at, _)| at);
    while let Some(last) = text[..end].chars().next_back() {
        let next = text[end..].chars().next();
        if !next.is_some_and(extends) && last != '\u{200d}' {
            break;
        }
        end -= last.len_utf8();
    }
    let kept = text[..end].trim_end();
    Cow::Owned(format!("{kept}{marker}"))
}

/// [`cut_with`] the usual marker.
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    cut_with(text, max, CUT)
}

/// Whether `c` belongs to the character before it: combining marks, variation selectors, skin tones, joiners.
const fn extends(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{64b}'..='\u{65f}'
        | '\u{93a}'..='\u{94f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200d}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{1f3fb}'..='\u{1f3ff}')
}

/// `raw` as a link that is safe in every medium, or nothing: absolute http, https or mailto, without user name or
/// password, and with every character encoded that Slack, Markdown or HTML give a meaning.
pub fn link(raw: &str) -> Option<String> {
    let raw = raw.trim();
    if raw.len() > LINK_BYTES_MAX || raw.chars().any(char::is_control) {
        return None;
    }
    let url = Url::parse(raw).ok()?;
    let safe = match url.scheme() {
        "http" | "https" => url.has_host() && url.username().is_empty() && url.password().is_none(),
        "mailto" => !url.path().is_empty(),
        _ => false,
    };
    if !safe {
        return None;
    }
    let whole = url.as_str();
    // Brackets stand in the authority of an IPv6 address and must stay there.
    let rest_at = whole.len() - url[url::Position::BeforePath..].len();
    let mut out = whole[..rest_at].to_owned();
    for c in whole[rest_at..].chars() {
        match c {
            '|' | '<' | '>' | '"' | '\'' | '`' | '{' | '}' | '^' | '\\' | '(' | ')' | '[' | ']'
            | '*' | ' ' => {
                out.push_str(&percent(c));
            }
            c => out.push(c),
        }
    }
    (out.len() <= LINK_BYTES_MAX).then_some(out)
}

/// An ASCII character percent-encoded.
fn percent(c: char) -> String {
    format!("%{:02X}", u32::from(c))
}

/// What a medium reads out of a text besides the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Markup {
    /// Nothing.
    #[default]
    None,
    /// Slack's mrkdwn: `<!channel>`, `<@U...>`, `<url|label>`, `&...;`.
    Mrkdwn,
    /// The Markdown subset of Adaptive Cards (Teams).
    Markdown,
    /// Discord's Markdown and mentions.
    Discord,
}

impl Markup {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Mrkdwn, Self::Markdown, Self::Discord];

    /// The markup called `name` in `receivers/*.toml`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "mrkdwn" => Self::Mrkdwn,
            "markdown" => Self::Markdown,
            "discord" => Self::Discord,
            _ => return None,
        })
    }

    /// `raw` written so that the medium shows it as it is: no mention, link, style or expansion can come out of it.
    pub fn escape(self, raw: &str) -> String {
        match self {
            Self::None => raw.to_owned(),
            Self::Mrkdwn => mrkdwn(raw),
            Self::Markdown => markdown(raw),
            Self::Discord => discord(raw),
        }
    }
}

/// Slack: exactly `&`, `<` and `>` are special (Slack, "Formatting message text"). Doubled stars, fences and Markdown
/// links are only ugly there, so they are broken up with characters that take no room.
fn mrkdwn(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut before = ' ';
    let mut word = 0;
    for (at, c) in raw.char_indices() {
        match c {
            // Slack links bare URLs by itself; without a space it would take what follows the bar into the link.
            '|' if raw[word..at].contains("://") => out.push_str("\u{2009}|"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '`' => out.push('\''),
            '*' if before == '*' => out.push_str("\u{2060}*"),
            '(' if before == ']' => out.push_str("\u{2060}("),
            c => out.push(c),
        }
        if c.is_whitespace() {
            word = at + c.len_utf8();
        }
        before = c;
    }
    out
}

/// Adaptive Cards: backslashes before what Markdown reads, and `{{DATE(...)}}` broken up, which Teams would expand.
fn markdown(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + raw.len() / 8);
    let mut before = '\n';
    for c in raw.chars() {
        match c {
            '\\' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '~' | '|' | '`' => {
                out.push('\\');
                out.push(c);
            }
            '-' | '+' | '>' if before == '\n' => {
                out.push('\\');
                out.push(c);
            }
            '.' if before.is_ascii_digit() && starts_list(&out) => out.push_str("\\."),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '{' if before == '{' => out.push_str("\u{200b}{"),
            '\n' => out.push_str("\n\n"),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Whether the last line so far is nothing but digits, so that a point would make it a numbered list.
fn starts_list(so_far: &str) -> bool {
    let last = so_far.rsplit('\n').next().unwrap_or("");
    !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
}

/// Discord: backslashes before what its Markdown reads, mentions broken up (`allowed_mentions` guards them as well).
fn discord(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + raw.len() / 8);
    for c in raw.chars() {
        match c {
            '\\' | '*' | '_' | '~' | '|' | '>' | '[' | ']' | '`' | '#' | '<' => {
                out.push('\\');
                out.push(c);
            }
            '@' => out.push_str("@\u{200b}"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_lines_and_texts() {
        assert_eq!(line("  a\r\n\tb\u{0}\u{7}\u{202e}c\u{2028}d \u{fffd} "), "a bc d ?");
        assert_eq!(text("a \r\n\r\n\r\n  b\rc\u{2029}"), "a\n\n  b\nc");
        assert_eq!(
            line("שלום 👩\u{200d}🚀"),
            "שלום 👩\u{200d}🚀",
            "other characters pass unchanged"
        );
    }

    #[test]
    fn reads_escapes_that_were_written_out_but_no_paths() {
        let rows = [
            (r"it ends here.\n", "it ends here."),
            (r"one\nTwo", "one\nTwo"),
            (r"first\nsecond\nthird", "first\nsecond\nthird"),
            (r#"disk \"data\" is full"#, "disk \"data\" is full"),
            (r"C:\new\temp is full", r"C:\new\temp is full"),
            (r"\\files\new\thing", r"\\files\new\thing"),
            (r"CORP\nora logged in", r"CORP\nora logged in"),
            (r"a\", r"a\"),
        ];
        for (raw, expected) in rows {
            assert_eq!(text(raw), expected, "{raw}");
        }
    }

    #[test]
    fn cuts_between_characters() {
        let rows = [
            ("abcdef", 6, "abcdef"),
            ("abcdef", 5, "abcd…"),
            ("ab cdef", 4, "ab…"),
            ("e\u{301}e\u{301}e\u{301}", 4, "e\u{301}…"),
            ("👩\u{200d}🚀x👩\u{200d}🚀", 6, "👩\u{200d}🚀x…"),
            ("abc", 0, ""),
        ];
        for (raw, max, want) in rows {
            assert_eq!(cut(raw, max), want, "{raw:?} to {max}");
        }
        assert_eq!(cut_with("abcdefgh", 6, "..."), "abc...");
    }

    #[test]
    fn links_carry_no_markup() {
        let rows = [
            ("https://e.com/a|b?q=<x>&y=(1)", Some("https://e.com/a%7Cb?q=%3Cx%3E&y=%281%29")),
            ("http://[::1]:9090/g[0]", Some("http://[::1]:9090/g%5B0%5D")),
            ("mailto:ops@example.com", Some("mailto:ops@example.com")),
            ("javascript:alert(1)", None),
            ("https://user:pass@e.com/", None),
            ("http://:9093/x", None),
            ("/relative", None),
        ];
        for (raw, want) in rows {
            assert_eq!(link(raw).as_deref(), want, "{raw}");
        }
    }

    #[test]
    fn escapes_for_each_medium() {
        let raw = "<!channel> @everyone **b** [l](http://x) a_b {{DATE(1)}} & `c`";
        let slack = Markup::Mrkdwn.escape(raw);
        assert!(
            slack.starts_with("&lt;!channel&gt;") && !slack.contains("**") && !slack.contains("]("),
            "{slack}"
        );
        assert!(slack.contains("&amp;") && !slack.contains('`'), "{slack}");
        assert_eq!(Markup::Mrkdwn.escape("a|b https://e.com|x"), "a|b https://e.com\u{2009}|x");
        let teams = Markup::Markdown.escape(raw);
        assert!(
            !teams.contains("{{") && teams.contains(r"\*\*b\*\*") && teams.contains(r"a\_b"),
            "{teams}"
        );
        assert_eq!(Markup::Markdown.escape("1. x\n- y"), "1\\. x\n\n\\- y");
        let discord = Markup::Discord.escape(raw);
        assert!(!discord.contains("@everyone") && discord.contains("\\<!channel\\>"), "{discord}");
        assert_eq!(Markup::None.escape(raw), raw);
    }
}
