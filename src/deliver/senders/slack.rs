//! Slack, incoming webhook: a headline as text, the details as blocks in a coloured attachment.
//!
//! The webhook gives no message id back, so every piece of news is a message of its own. Limits: Slack, Block Kit
//! reference; errors: Slack changelog 2016-05-17 "Improving error conditions for incoming webhooks".

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::answers;
use super::common::{self, Chosen};
use super::{
    Action, News, Outcome, Param, ParamError, ParamType, Params, Rejection, RenderError, Response,
    Sender, SenderKind,
};
use crate::deliver::clean::Markup;
use crate::deliver::fit::{self, LADDER};
use crate::deliver::plain;
use crate::deliver::render::{Form, Templates};
use crate::domain::{Timestamp, Traits};
use crate::secret::Secret;

/// Slack asks for at most 4,000 characters of text; it cuts at 40,000.
const TEXT_CHARS_MAX: usize = 4_000;
/// Blocks of one message (Block Kit).
const BLOCKS_MAX: usize = 50;
/// `msg_blocks_too_long` is reported from about 13,200 characters of blocks on; undocumented.
const BLOCKS_CHARS_MAX: usize = 12_000;
/// Attachments of one message.
const ATTACHMENTS_MAX: usize = 20;

const PARAMS: &[Param] = &[Param {
    name: "url",
    of: ParamType::Url,
    required: true,
    doc: "the incoming webhook's URL (https://hooks.slack.com/services/...); it is the credential",
}];

/// The kind `slack`.
pub const KIND: SenderKind = SenderKind {
    name: "slack",
    about: "a message in a Slack channel through an incoming webhook",
    params: PARAMS,
    traits: Traits::CHAT,
    rate: (1.0, 3),
    build: &build,
};

#[derive(Debug)]
struct Slack {
    url: Secret,
    template: Chosen,
}

fn build(
    _: &str,
    params: &Params,
    templates: &Arc<Templates>,
) -> Result<Box<dyn Sender>, ParamError> {
    let url = common::fixed_url(params, "url")?;
    let template = Chosen::new(params, templates, "slack", Form::Json)?;
    common::tried(Slack { url: Secret::new(url), template })
}

impl Sender for Slack {
    fn action(&self, news: &News<'_>) -> Result<Action, RenderError> {
        if news.plain.is_some() {
            return Ok(common::post_json(&self.url, &plain_message(news)));
        }
        let body = fit::fitted(news, &LADDER, |context, last| {
            let rendered =
                self.template.templates.render_json(Markup::Mrkdwn, &self.template.name, context);
            let mut body = rendered.map_err(|problem| common::failed(news, &problem))?;
            if !body.is_object() {
                return Err(common::misshapen(
                    news,
                    &self.template.name,
                    "renders to no JSON object",
                ));
            }
            let fits = fit_message(&mut body, last);
            if !has_content(&body) {
                return Err(common::misshapen(
                    news,
                    &self.template.name,
                    "renders to a message without content",
                ));
            }
            Ok(fits.then_some(body))
        })?;
        Ok(common::post_json(&self.url, &body))
    }

    fn judge(&self, response: &Response, now: Timestamp) -> Outcome {
        let secrets = [&self.url];
        let error = answers::describe(response, &secrets);
        let said = String::from_utf8_lossy(&response.body);
        let said = said.trim();
        if response.status == 200 {
            // Anything but `ok` is a failure, even with 200.
            return match said {
                "ok" => Outcome::Delivered { remember: None },
                _ => Outcome::Retry { after: None, maybe: true, error },
            };
        }
        let why = match said {
            _ if response.status == 429 || response.status >= 500 => {
                return answers::by_status(response, now, &secrets);
            }
            "channel_is_archived"
            | "channel_not_found"
            | "no_service"
            | "no_service_id"
            | "no_team"
            | "no_active_hooks"
            | "team_disabled" => Rejection::Gone,
            "invalid_token" | "action_prohibited" | "posting_to_general_channel_denied" => {
                Rejection::Credential
            }
            _ if said.starts_with("invalid_")
                || matches!(said, "no_text" | "too_many_attachments") =>
            {
                Rejection::Rendering
            }
            _ => return answers::by_status(response, now, &secrets),
        };
        Outcome::Reject { why, error }
    }

    fn credential(&self) -> u64 {
        common::credential([self.url.expose()])
    }
}

fn plain_message(news: &News<'_>) -> Value {
    let text: Vec<String> =
        plain::lines(news).iter().map(|line| Markup::Mrkdwn.escape(line)).collect();
    json!({ "text": fit::cut_escaped(Markup::Mrkdwn, &text.join("\n"), TEXT_CHARS_MAX), "unfurl_links": false })
}

/// Cuts every field to its limit. False if the blocks together are too large, which less detail can help; at the `last`
/// step blocks are left out from the end instead.
fn fit_message(body: &mut Value, last: bool) -> bool {
    if let Some(Value::String(text)) = body.get_mut("text")
        && let Cow::Owned(cut) = fit::cut_escaped(Markup::Mrkdwn, text, TEXT_CHARS_MAX)
    {
        *text = cut;
    }
    let mut room = BLOCKS_CHARS_MAX;
    let mut fits = body.get_mut("blocks").is_none_or(|blocks| fit_blocks(blocks, &mut room, last));
    if let Some(Value::Array(attachments)) = body.get_mut("attachments") {
        attachments.truncate(ATTACHMENTS_MAX);
        for attachment in attachments {
            for key in ["text", "pretext", "fallback", "title", "footer"] {
                fit::cut_at(attachment, Markup::Mrkdwn, &format!("/{key}"), 3_000);
            }
            if let Some(blocks) = attachment.get_mut("blocks") {
                fits &= fit_blocks(blocks, &mut room, last);
            }
        }
    }
    fits
}

fn fit_blocks(blocks: &mut Value, room: &mut usize, last: bool) -> bool {
    let Value::Array(list) = blocks else { return true };
    for block in list.iter_mut() {
        fit_block(block);
    }
    list.retain(|block| !is_blank(block));
    list.truncate(BLOCKS_MAX);
    let sizes: Vec<usize> =
        list.iter().map(|block| block.to_string().chars().count() + 1).collect();
    let whole: usize = sizes.iter().sum();
    if whole > *room && last {
        let mut kept = 0;
        while kept < sizes.len() && sizes[kept] <= *room {
            *room -= sizes[kept];
            kept += 1;
        }
        list.truncate(kept);
        return true;
    }
    let fits = whole <= *room;
    *room = room.saturating_sub(whole);
    fits
}

/// The limits of the Block Kit reference, field by field.
fn fit_block(block: &mut Value) {
    let text_max = if block["type"] == "header" { 150 } else { 3_000 };
    fit::cut_at(block, Markup::Mrkdwn, "/text/text", text_max);
    fit::shorten_at(block, "/fields", 10);
    fit::cut_at(block, Markup::Mrkdwn, "/fields/*/text", 2_000);
    match block["type"].as_str() {
        Some("context") => {
            fit::shorten_at(block, "/elements", 10);
            fit::cut_at(block, Markup::Mrkdwn, "/elements/*/text", 2_000);
        }
        Some("actions") => {
            fit::shorten_at(block, "/elements", 25);
            fit::cut_at(block, Markup::Mrkdwn, "/elements/*/text/text", 75);
        }
        Some("image") => fit::cut_at(block, Markup::None, "/alt_text", 2_000),
        _ => {}
    }
}

/// Whether Slack would refuse the block because its text is empty.
fn is_blank(block: &Value) -> bool {
    let blank = |at: &str| {
        block.pointer(at).and_then(Value::as_str).is_some_and(|text| text.trim().is_empty())
    };
    let empty = |at: &str| block.pointer(at).and_then(Value::as_array).is_some_and(Vec::is_empty);
    blank("/text/text") || empty("/elements") || (empty("/fields") && block.get("text").is_none())
}

fn has_content(body: &Value) -> bool {
    let listed =
        |key: &str| body.get(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let text = body.get("text").and_then(Value::as_str).unwrap_or("");
    !text.trim().is_empty() || listed("attachments") || listed("blocks")
}
