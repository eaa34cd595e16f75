//! The inbox: keeps the rendered notification in our own store and prints a line. The default receiver, so that a
//! newcomer sees results without any account.

use std::sync::Arc;

use super::common::{self, Chosen};
use super::{Action, News, Outcome, ParamError, Params, RenderError, Response, Sender, SenderKind};
use crate::deliver::clean::Markup;
use crate::deliver::fit::{self, LADDER};
use crate::deliver::plain;
use crate::deliver::render::{Form, Templates};
use crate::domain::{Timestamp, Traits};

/// Largest kept text: it goes into one stored record.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// The kind `inbox`. Nothing leaves the process, so the rate only keeps a flood out of the log.
pub const KIND: SenderKind = SenderKind {
    name: "inbox",
    about: "keeps the notification in the store and prints a line",
    params: &[],
    traits: Traits::CHAT,
    rate: (1_000.0, 1_000),
    build: &build,
};

#[derive(Debug)]
struct Inbox {
    template: Chosen,
}

fn build(
    _: &str,
    params: &Params,
    templates: &Arc<Templates>,
) -> Result<Box<dyn Sender>, ParamError> {
    common::tried(Inbox { template: Chosen::new(params, templates, "inbox", Form::Text)? })
}

impl Sender for Inbox {
    fn action(&self, news: &News<'_>) -> Result<Action, RenderError> {
        if news.plain.is_some() {
            return Ok(Action::Keep(plain::lines(news).join("\n")));
        }
        let text = fit::fitted(news, &LADDER, |context, last| {
            let rendered = self.template.templates.render(
                Form::Text,
                Markup::None,
                &self.template.name,
                context,
            );
            let mut text =
                rendered.map_err(|problem| common::failed(news, &problem))?.trim().to_owned();
            if last && text.len() > TEXT_BYTES_MAX {
                text = fit::cut_escaped(Markup::None, &text, TEXT_BYTES_MAX / 4).into_owned();
            }
            Ok((text.len() <= TEXT_BYTES_MAX).then_some(text))
        })?;
        Ok(Action::Keep(text))
    }

    /// Nothing is sent, so nothing answers; a lane that asks all the same hears that it is done.
    fn judge(&self, _: &Response, _: Timestamp) -> Outcome {
        Outcome::Delivered { remember: None }
    }

    fn credential(&self) -> u64 {
        common::credential(["inbox"])
    }
}
