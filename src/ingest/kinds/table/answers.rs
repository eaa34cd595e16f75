//! What a sender is answered: some retry on any status but one, some give up on a 4xx for good.

use std::borrow::Cow;

use super::choices::field;
use super::field::Field;
use super::late::Problems;
use super::reader::{Section, problem};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// The body; empty means our own JSON report.
    pub body: Cow<'static, str>,
}

/// The four answers of a source kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Everything is stored.
    pub accepted: Answer,
    /// Some alerts are stored, some were rejected.
    pub partly: Answer,
    /// Nothing could be read; sending it again will not help.
    pub rejected: Answer,
    /// Nothing is stored now; the sender should try again.
    pub busy: Answer,
}

impl Answers {
    /// 200, 200, 400 and 503: what most senders understand. A 429 is final for SNS and Alertmanager, so it is not used.
    pub const DEFAULT: Self = {
        const fn plain(status: u16) -> Answer {
            Answer { status, body: Cow::Borrowed("") }
        }
        Self { accepted: plain(200), partly: plain(200), rejected: plain(400), busy: plain(503) }
    };
}

impl Default for Answers {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the sender of a handshake or a callback is answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Field,
    pub(super) media_type: String,
}

/// Reads `answer` of a shape that is no alert.
pub(super) fn reply(section: &Section<'_, '_>, problems: &mut Problems) -> Option<Reply> {
    let inner = section.section("answer", problems)?;
    inner.only(&["status", "body", "type"], problems);
    Some(Reply {
        status: status(&inner, problems).unwrap_or(200),
        body: inner.get("body").map_or_else(Field::default, |it| field(it, "body", problems)),
        media_type: inner.text("type", problems).unwrap_or("application/json").to_owned(),
    })
}

/// The HTTP status under `status`.
fn status(section: &Section<'_, '_>, problems: &mut Problems) -> Option<u16> {
    let item = section.get("status")?;
    let status = item.get_ref().as_integer().and_then(|it| it.as_str().parse::<u16>().ok());
    let status = status.filter(|status| (200..600).contains(status));
    if status.is_none() {
        let message = "`status` is no HTTP status";
        problems.push(problem(item.span(), message, "a number from 200 to 599"));
    }
    status
}

/// Reads `[answers]`.
pub(super) fn parse(section: &Section<'_, '_>, problems: &mut Problems) -> Answers {
    section.only(&["accepted", "partly", "rejected", "busy"], problems);
    let mut answers = Answers::DEFAULT;
    let places = [
        ("accepted", &mut answers.accepted),
        ("partly", &mut answers.partly),
        ("rejected", &mut answers.rejected),
        ("busy", &mut answers.busy),
    ];
    for (name, answer) in places {
        let Some(inner) = section.section(name, problems) else { continue };
        inner.only(&["status", "body"], problems);
        if let Some(body) = inner.text("body", problems) {
            answer.body = Cow::Owned(body.to_owned());
        }
        answer.status = status(&inner, problems).unwrap_or(answer.status);
    }
    answers
}
