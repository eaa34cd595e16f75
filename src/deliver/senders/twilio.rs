//! Twilio SMS: one short text, fitted to a number of segments.
//!
//! Errors are told apart by Twilio's own code, not by the HTTP status (Twilio, Error and Warning Dictionary). There is no
//! idempotency key: a retry after a lost answer may send twice.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::answers;
use super::common::{self, Chosen, wrong};
use super::{
    Action, News, Outcome, Param, ParamError, ParamType, Params, Rejection, RenderError, Request,
    Response, Sender, SenderKind,
};
use crate::deliver::clean::Markup;
use crate::deliver::render::{Detail, Form, Templates};
use crate::deliver::{clean, fit, plain, sms};
use crate::domain::{Timestamp, Traits};
use crate::secret::Secret;

/// Where the API is.
const URL: &str = "https://api.twilio.com";
/// Most segments of one message: 1,600 characters are refused above, ten segments are a wall of text already.
const SEGMENTS_MAX: i64 = 10;
/// The API refuses longer bodies (21617).
const BODY_CHARS_MAX: usize = 1_600;

/// From a few lines to the shortest that still says what is wrong.
const LADDER: [Detail; 8] = [
    short(300, 60),
    short(140, 40),
    short(110, 0),
    short(90, 0),
    short(70, 0),
    short(55, 0),
    short(40, 0),
    short(25, 0),
];

const fn short(title: usize, value: usize) -> Detail {
    Detail { title, text: 0, annotations: 0, labels: 0, value, members: 0, differing: 0, links: 1 }
}

const PARAMS: &[Param] = &[
    Param { name: "account_sid", of: ParamType::Text, required: true, doc: "the account (AC...)" },
    Param {
        name: "auth_token",
        of: ParamType::Secret,
        required: false,
        doc: "the account's auth token; or use an API key",
    },
    Param {
        name: "api_key_sid",
        of: ParamType::Text,
        required: false,
        doc: "an API key (SK...) instead of the auth token",
    },
    Param {
        name: "api_key_secret",
        of: ParamType::Secret,
        required: false,
        doc: "the API key's secret",
    },
    Param {
        name: "from",
        of: ParamType::Text,
        required: false,
        doc: "the sending number in E.164, a short code or a sender name; or use messaging_service_sid",
    },
    Param {
        name: "messaging_service_sid",
        of: ParamType::Text,
        required: false,
        doc: "a messaging service (MG...) instead of from",
    },
    Param {
        name: "to",
        of: ParamType::Text,
        required: true,
        doc: "the number to send to in E.164 (+49...)",
    },
    Param {
        name: "segments",
        of: ParamType::Integer,
        required: false,
        doc: "most SMS segments of one message, 1 to 10; default 1",
    },
    Param {
        name: "url",
        of: ParamType::Url,
        required: false,
        doc: "base URL of the API; default https://api.twilio.com",
    },
];

/// The kind `twilio`. Long codes send about one segment a second.
pub const KIND: SenderKind = SenderKind {
    name: "twilio",
    about: "an SMS through Twilio",
    params: PARAMS,
    traits: Traits::SMS,
    rate: (1.0, 5),
    build: &build,
};

struct Twilio {
    url: Secret,
    authorization: Secret,
    secret: Secret,
    sender: (&'static str, String),
    to: String,
    segments: usize,
    template: Chosen,
}

fn build(
    _: &str,
    params: &Params,
    templates: &Arc<Templates>,
) -> Result<Box<dyn Sender>, ParamError> {
    let account = params.text("account_sid").unwrap_or("");
    if !account.starts_with("AC") || !account.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(wrong("account_sid", "is no account SID", Some("it begins with AC")));
    }
    let mut url = match params.secret("url") {
        Some(_) => common::fixed_url(params, "url")?,
        None => common::parse_url("url", URL)?,
    };
    url.path_segments_mut()
        .map_err(|()| wrong("url", "cannot be a base", None))?
        .pop_if_empty()
        .extend(["2010-04-01", "Accounts", account, "Messages.json"]);
    let (user, secret) = login(params, account)?;
    let to = params.text("to").unwrap_or("").to_owned();
    if !is_number(&to) {
        return Err(wrong("to", "is no number in E.164", Some("for example +4915112345678")));
    }
    let segments = params.integer("segments").unwrap_or(1);
    if !(1..=SEGMENTS_MAX).contains(&segments) {
        return Err(wrong("segments", format!("must be 1 to {SEGMENTS_MAX}"), None));
    }
    let basic = STANDARD.encode(format!("{user}:{}", secret.expose()));
    common::tried(Twilio {
        url: Secret::new(url),
        authorization: Secret::new(format!("Basic {basic}")),
        secret,
        sender: sender(params)?,
        to,
        segments: usize::try_from(segments).unwrap_or(1),
        template: Chosen::new(params, templates, "twilio", Form::Text)?,
    })
}

fn login(params: &Params, account: &str) -> Result<(String, Secret), ParamError> {
    match (params.secret("auth_token"), params.text("api_key_sid"), params.secret("api_key_secret"))
    {
        (Some(token), None, None) => Ok((account.to_owned(), token.clone())),
        (None, Some(key), Some(secret)) => Ok((key.to_owned(), secret.clone())),
        _ => Err(wrong(
            "auth_token",
            "give either auth_token or api_key_sid with api_key_secret",
            None,
        )),
    }
}

fn sender(params: &Params) -> Result<(&'static str, String), ParamError> {
    match (params.text("from"), params.text("messaging_service_sid")) {
        (Some(from), None) if !from.is_empty() => Ok(("From", from.to_owned())),
        (None, Some(service)) if service.starts_with("MG") => {
            Ok(("MessagingServiceSid", service.to_owned()))
        }
        (None, Some(_)) => {
            Err(wrong("messaging_service_sid", "is no service SID", Some("it begins with MG")))
        }
        _ => Err(wrong("from", "give either from or messaging_service_sid", None)),
    }
}

fn is_number(to: &str) -> bool {
    let number =
        ["whatsapp:", "rcs:"].iter().find_map(|prefix| to.strip_prefix(prefix)).unwrap_or(to);
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

impl Sender for Twilio {
    fn action(&self, news: &News<'_>) -> Result<Action, RenderError> {
        let text = if news.plain.is_some() { self.plain(news) } else { self.text(news)? };
        let text = clean::cut_with(&text, BODY_CHARS_MAX, "...");
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("To", &self.to)
            .append_pair(self.sender.0, &self.sender.1)
            .append_pair("Body", &text)
            .finish();
        Ok(Action::Http(Request {
            method: "POST",
            url: self.url.clone(),
            headers: vec![
                ("content-type".to_owned(), Secret::new("application/x-www-form-urlencoded")),
                ("authorization".to_owned(), self.authorization.clone()),
            ],
            body: form.into_bytes(),
        }))
    }

    fn judge(&self, response: &Response, now: Timestamp) -> Outcome {
        let secrets = [&self.secret, &self.authorization];
        let error = answers::describe(response, &secrets);
        let body = answers::json(response);
        let code = body.as_ref().and_then(|body| body.get("code")?.as_i64());
        let after = answers::retry_after(response, now);
        match (response.status, code) {
            (200..=299, _) => Outcome::Delivered { remember: None },
            // Too many requests, or the queue of the number is full.
            (_, Some(20_429 | 21_611 | 30_001)) => Outcome::Wait { after, error },
            (_, Some(20_003)) => Outcome::Reject { why: Rejection::Credential, error },
            // The recipient said STOP, or there is no such account or number.
            (_, Some(20_404 | 21_211 | 21_610 | 21_614 | 21_701)) => {
                Outcome::Reject { why: Rejection::Gone, error }
            }
            (_, Some(21_602 | 21_617 | 21_619)) => {
                Outcome::Reject { why: Rejection::Rendering, error }
            }
            (_, Some(21_212 | 21_408 | 21_603 | 21_604 | 21_606 | 21_608 | 21_612)) => {
                Outcome::Reject { why: Rejection::Other, error }
            }
            (_, Some(30_008)) => Outcome::Retry { after, maybe: false, error },
            (400, _) => Outcome::Reject { why: Rejection::Other, error },
            _ => answers::by_status(response, now, &secrets),
        }
    }

    fn credential(&self) -> u64 {
        common::credential([self.authorization.expose(), self.sender.1.as_str()])
    }
}

impl Twilio {
    fn text(&self, news: &News<'_>) -> Result<String, RenderError> {
        fit::fitted(news, &LADDER, |context, last| {
            let rendered = self.template.templates.render(
                Form::Text,
                Markup::None,
                &self.template.name,
                context,
            );
            let rendered = rendered.map_err(|problem| common::failed(news, &problem))?;
            let text = sms::to_gsm(clean::text(&rendered).trim());
            if text.is_empty() {
                return Err(common::misshapen(news, &self.template.name, "renders to no text"));
            }
            if sms::cost(&text).segments <= self.segments {
                return Ok(Some(text));
            }
            Ok(last.then(|| sms::cut(&text, self.segments)))
        })
    }

    fn plain(&self, news: &News<'_>) -> String {
        sms::cut(&sms::to_gsm(&plain::lines(news).join("\n")), self.segments)
    }
}
