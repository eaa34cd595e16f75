//! What receivers got, in words: a few lines for each notification, as its reader would see it.

use serde_json::Value;

use super::receivers::Got;
use crate::deliver::sms;

/// A notification for the story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) receiver: String,
    /// What kind of message it is.
    pub(super) head: String,
    /// What it says.
    pub(super) lines: Vec<String>,
    /// The dedup key of a pager's event.
    pub(super) key: Option<String>,
    /// Whether the receiver took it.
    pub(super) taken: bool,
}

/// What a stand-in got.
pub(super) fn request(got: &Got) -> Shown {
    let mut shown = match got.vendor {
        "PagerDuty" => pagerduty(&json(&got.body)),
        "Twilio" => twilio(&got.body),
        "Slack" => slack(&json(&got.body)),
        _ => teams(&json(&got.body)),
    };
    got.receiver.clone_into(&mut shown.receiver);
    shown.taken = (200..300).contains(&got.status);
    if !shown.taken {
        shown.head = format!("{} answers {}: it is tried again", got.vendor, got.status);
        shown.lines.clear();
    }
    shown
}

/// Says of deliveries that failed at first how they went on.
pub(super) fn mark_retries(told: &mut [Shown]) {
    for at in 1..told.len() {
        let (before, rest) = told.split_at_mut(at);
        let (failed, again) = (&before[at - 1], &mut rest[0]);
        if !failed.taken && failed.receiver == again.receiver && failed.key == again.key {
            again.head.push_str(", 2nd try");
        }
    }
}

/// What an inbox kept: its first lines, it says all there is.
pub(super) fn inbox(receiver: &str, text: &str) -> Shown {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Shown {
        receiver: receiver.to_owned(),
        head: format!("kept in the inbox, {} lines", lines.len()),
        lines: lines.iter().take(2).map(|line| (*line).to_owned()).collect(),
        key: None,
        taken: true,
    }
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_default()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn pagerduty(event: &Value) -> Shown {
    let (action, key) = (text(event, "/event_action"), text(event, "/dedup_key"));
    let severity = text(event, "/payload/severity");
    let with = if severity.is_empty() { String::new() } else { format!(" severity {severity},") };
    let summary = text(event, "/payload/summary");
    Shown {
        head: format!("PagerDuty event: {action},{with} dedup key {key}"),
        lines: Some(summary)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .into_iter()
            .collect(),
        key: Some(key.to_owned()),
        ..Shown::default()
    }
}

fn twilio(form: &str) -> Shown {
    let field = |wanted: &str| {
        let mut pairs = url::form_urlencoded::parse(form.as_bytes());
        pairs.find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
    };
    let body = field("Body").unwrap_or_default();
    let segments = sms::cost(&body).segments;
    let plural = if segments == 1 { "" } else { "s" };
    Shown {
        head: format!(
            "SMS to {}: {} characters, {segments} segment{plural}",
            field("To").unwrap_or_default(),
            body.chars().count()
        ),
        lines: body.lines().map(str::to_owned).collect(),
        ..Shown::default()
    }
}

fn slack(message: &Value) -> Shown {
    let mut lines = vec![mrkdwn(text(message, "/text"))];
    for block in list(message, "/attachments/0/blocks") {
        for element in list(block, "/elements") {
            match text(element, "/type") {
                "rich_text_list" => {
                    lines.extend(
                        list(element, "/elements").map(|item| format!("• {}", joined(item))),
                    );
                }
                "rich_text_section" => lines.extend(joined(element).lines().map(str::to_owned)),
                "rich_text_quote" => {
                    lines.extend(joined(element).lines().map(|line| format!("> {line}")));
                }
                _ => {}
            }
        }
    }
    Shown { head: "Slack message".to_owned(), lines, ..Shown::default() }
}

/// The texts of a rich text element, one after the other; code as in Markdown.
fn joined(element: &Value) -> String {
    let shown = |part: &Value| match part.pointer("/style/code") {
        Some(Value::Bool(true)) => format!("`{}`", text(part, "/text")),
        _ => text(part, "/text").to_owned(),
    };
    list(element, "/elements").map(shown).collect()
}

/// Slack's markup as its reader sees it: `*bold*`, `<url|text>` and the three escapes.
fn mrkdwn(markup: &str) -> String {
    let mut plain = String::new();
    let mut rest = markup;
    while let Some((before, link)) = rest.split_once('<') {
        let (link, after) = link.split_once('>').unwrap_or((link, ""));
        plain.push_str(before);
        plain.push_str(link.split_once('|').map_or(link, |(_, shown)| shown));
        rest = after;
    }
    plain.push_str(rest);
    plain.replace('*', "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn teams(message: &Value) -> Shown {
    let mut lines = Vec::new();
    for block in list(message, "/attachments/0/content/body") {
        if text(block, "/type") != "Container" {
            lines.push(inlines(block));
            continue;
        }
        // The head of the card is one line: the word, the number, the title.
        let items: Vec<String> = list(block, "/items").map(inlines).collect();
        if lines.is_empty() {
            lines.push(items.join("  "));
        } else {
            lines.extend(items.iter().map(|item| format!("• {item}")));
        }
    }
    Shown { head: "Teams card".to_owned(), lines, ..Shown::default() }
}

fn inlines(block: &Value) -> String {
    list(block, "/inlines").map(|run| text(run, "/text")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(vendor: &'static str, status: u16, body: &str, want: &[&str]) {
        let got = Got { receiver: "r", vendor, status, body: body.to_owned() };
        let shown = request(&got);
        let lines: Vec<&str> =
            std::iter::once(&shown.head).chain(&shown.lines).map(String::as_str).collect();
        assert_eq!(lines, want);
    }

    #[test]
    fn notifications_in_words() {
        let event = r#"{"event_action":"trigger","dedup_key":"ab-x-1","payload":{"summary":"CPU","severity":"critical"}}"#;
        let head = "PagerDuty event: trigger, severity critical, dedup key ab-x-1";
        check("PagerDuty", 202, event, &[head, "CPU"]);
        check("PagerDuty", 503, event, &["PagerDuty answers 503: it is tried again"]);
        let sms = ["SMS to +1555: 6 characters, 1 segment", "a b", "#1"];
        check("Twilio", 201, "To=%2B1555&Body=a+b%0A%231", &sms);
        let slack = r#"{"text":"*CRITICAL* <https://x|a &amp; b> #1","attachments":[{"blocks":[
            {"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"opened"},{"text":"  since"}]}]},
            {"type":"rich_text","elements":[{"type":"rich_text_list","elements":[{"elements":[{"text":"one"}]}]}]},
            {"type":"context","elements":[{"type":"mrkdwn","text":"x"}]}]}]}"#;
        let want = ["Slack message", "CRITICAL a & b #1", "opened  since", "• one"];
        check("Slack", 200, slack, &want);
        let teams = r#"{"attachments":[{"content":{"body":[
            {"type":"Container","items":[{"inlines":[{"text":"WARNING #2"}]},{"inlines":[{"text":"Lag"}]}]},
            {"type":"RichTextBlock","inlines":[{"text":"opened"},{"text":" now"}]},
            {"type":"Container","items":[{"inlines":[{"text":"one"}]}]}]}}]}"#;
        check("Teams", 202, teams, &["Teams card", "WARNING #2  Lag", "opened now", "• one"]);
    }

    #[test]
    fn an_inbox_shows_its_beginning() {
        let shown = inbox("inbox", "a\n\nb\nc\n");
        assert_eq!(shown.lines, ["a", "b"]);
        assert_eq!(shown.head, "kept in the inbox, 3 lines");
    }
}
