//! Microsoft Teams through a Workflows (Power Automate) webhook: an Adaptive Card.
//!
//! The answer 202 only says that a run of the flow was queued: a bad or oversized card fails later, where nobody
//! looks. So the size is kept with a margin and the envelope is checked here. The retired Office 365 connectors are
//! refused at load. Limits: Microsoft, "Create incoming webhooks with Workflows" and msteams-docs.

use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::answers;
use super::common::{self, Chosen, wrong};
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

/// The limit is 28 KB for the whole message; failures are reported from 26 KB on.
const MESSAGE_BYTES_MAX: usize = 25 << 10;

const PARAMS: &[Param] = &[Param {
    name: "url",
    of: ParamType::Url,
    required: true,
    doc: "the URL of the Workflows trigger \"When a Teams webhook request is received\", with its whole query; it is the credential",
}];

/// The kind `teams`. Teams throttles above 4 requests a second and 100 an hour per channel.
pub const KIND: SenderKind = SenderKind {
    name: "teams",
    about: "an Adaptive Card in a Teams channel or chat through a workflow",
    params: PARAMS,
    traits: Traits::CHAT,
    rate: (1.0, 4),
    build: &build,
};

#[derive(Debug)]
struct Teams {
    url: Secret,
    template: Chosen,
}

fn build(
    _: &str,
    params: &Params,
    templates: &Arc<Templates>,
) -> Result<Box<dyn Sender>, ParamError> {
    let url = common::fixed_url(params, "url")?;
    if is_retired(&url) {
        let hint = "make a workflow \"Send webhook alerts to a channel\" and use its URL";
        return Err(wrong(
            "url",
            "belongs to an Office 365 connector, which Microsoft switched off",
            Some(hint),
        ));
    }
    let template = Chosen::new(params, templates, "teams", Form::Json)?;
    common::tried(Teams { url: Secret::new(url), template })
}

fn is_retired(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host.ends_with(".webhook.office.com")
            || (host == "outlook.office.com" && url.path().starts_with("/webhook"))
    })
}

impl Sender for Teams {
    fn action(&self, news: &News<'_>) -> Result<Action, RenderError> {
        if news.plain.is_some() {
            return Ok(common::post_json(&self.url, &plain_message(news)));
        }
        let body = fit::fitted(news, &LADDER, |context, last| {
            let rendered =
                self.template.templates.render_json(Markup::Markdown, &self.template.name, context);
            let mut body = rendered.map_err(|problem| common::failed(news, &problem))?;
            if body.pointer("/attachments/0/content/body").and_then(Value::as_array).is_none() {
                let detail =
                    "renders to no message with an Adaptive Card in attachments[0].content";
                return Err(common::misshapen(news, &self.template.name, detail));
            }
            tidy(&mut body);
            if last {
                drop_from_end(&mut body);
            }
            Ok((size(&body) <= MESSAGE_BYTES_MAX).then_some(body))
        })?;
        Ok(common::post_json(&self.url, &body))
    }

    fn judge(&self, response: &Response, now: Timestamp) -> Outcome {
        let secrets = [&self.url];
        let error = answers::describe(response, &secrets);
        match response.status {
            // The trigger's own schema refused it, or the JSON was not read: our rendering.
            400 | 413 => Outcome::Reject { why: Rejection::Rendering, error },
            401 | 403 => Outcome::Reject { why: Rejection::Credential, error },
            404 | 410 => Outcome::Reject { why: Rejection::Gone, error },
            _ => answers::by_status(response, now, &secrets),
        }
    }

    fn credential(&self) -> u64 {
        common::credential([self.url.expose()])
    }
}

fn size(body: &Value) -> usize {
    body.to_string().len()
}

/// Leaves out what Teams would show as nothing: empty texts and an empty list of actions; at most six buttons.
fn tidy(body: &mut Value) {
    let Some(card) = body.pointer_mut("/attachments/0/content") else { return };
    if let Some(Value::Array(actions)) = card.get_mut("actions") {
        actions.truncate(6);
    }
    if card.get("actions").and_then(Value::as_array).is_some_and(Vec::is_empty)
        && let Value::Object(card) = card
    {
        card.shift_remove("actions");
    }
    if let Some(Value::Array(elements)) = card.get_mut("body") {
        elements.retain(|element| {
            element["type"] != "TextBlock"
                || element["text"].as_str().is_some_and(|text| !text.trim().is_empty())
        });
    }
}

/// The last resort for templates of users: elements are left out from the end until the card fits.
fn drop_from_end(body: &mut Value) {
    while size(body) > MESSAGE_BYTES_MAX {
        let elements =
            body.pointer_mut("/attachments/0/content/body").and_then(Value::as_array_mut);
        if elements.is_none_or(|elements| elements.pop().is_none()) {
            return;
        }
    }
}

fn plain_message(news: &News<'_>) -> Value {
    let elements: Vec<Value> = plain::lines(news)
        .into_iter()
        .map(|line| json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": line }] }))
        .collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard", "version": "1.2", "body": elements,
            },
        }],
    })
}
