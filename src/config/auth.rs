//! `auth = ...` of a source: how its sender proves who it is.

use std::str::FromStr;
use std::time::Duration;

use super::document::{Node, Table, Value};
use super::mtls;
use super::problem::{Problem, Word};
use super::reader::{Reader, Section};
use crate::ingest::auth::sns::Topics;
use crate::ingest::auth::{
    Algorithm, Auth, Encoding, Error, Hmac, HmacParts, KeyForm, Mtls, Secrets, SignedContent,
    SigningTime,
};
use crate::secret::Secret;

/// The value of `auth`; `topics` belong to the form "sns".
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, topics: &Topics) -> Option<Auth> {
    const FORMS: &str = "auth is \"none\", \"sns\", \"mtls\" or one of { token = ... }, { basic = ... }, \
                         { hmac = ... }, { mtls = ... }";
    match &node.value {
        Value::Text(text) if text == "none" => Some(Auth::None),
        Value::Text(text) if text == "sns" => Some(Auth::Sns(topics.clone())),
        Value::Text(text) if text == "mtls" => Some(Auth::Mtls(Mtls::default())),
        Value::Table(table) => auth_table(reader, table, node, FORMS),
        _ => {
            let problem = Problem::error(Word::InvalidValue, node.span.clone(), "unknown auth");
            reader.report(problem.hint(FORMS));
            None
        }
    }
}

fn auth_table(reader: &mut Reader<'_>, table: &Table, node: &Node, forms: &str) -> Option<Auth> {
    let mut section = Section::new("auth", table, node.span.clone());
    let token = section.get("token");
    let basic = section.get("basic");
    let hmac = section.get("hmac");
    let mtls = section.get("mtls");
    section.finish(reader);
    let count = [token, basic, hmac, mtls].into_iter().flatten().count();
    if count > 1 || table.entries.is_empty() {
        let message = "auth has exactly one form";
        let problem = Problem::error(Word::InvalidValue, node.span.clone(), message);
        reader.report(problem.hint(forms));
        return None;
    }
    if let Some(node) = token {
        return secrets(reader, node, "the token").map(Auth::Token);
    }
    if let Some(node) = basic {
        return self::basic(reader, node);
    }
    if let Some(node) = mtls {
        return mtls::read(reader, node).map(Auth::Mtls);
    }
    hmac.and_then(|node| signature(reader, node)).map(Auth::Hmac)
}

/// One secret, or two while they rotate.
fn secrets(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Secrets> {
    let secrets = reader.secrets(node, what)?;
    checked(reader, node, Secrets::new(secrets))
}

/// One user or a list of them; each password may be a list of two.
fn basic(reader: &mut Reader<'_>, node: &Node) -> Option<Auth> {
    let nodes = match &node.value {
        Value::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut pairs = Vec::new();
    for node in nodes {
        let mut section = reader.table(node, "basic")?;
        let user = section.required(reader, "user").and_then(|node| reader.placed(node));
        let passwords = section.required(reader, "password");
        let passwords = passwords.and_then(|node| reader.secrets(node, "the password"));
        section.finish(reader);
        let (user, span) = user?;
        if user.contains(':') {
            // A colon ends the user, so a user with one would be somebody else.
            return reader.invalid(&span, "a user cannot have a colon");
        }
        let pair = |password: Secret| Secret::new(format!("{user}:{}", password.expose()));
        pairs.extend(passwords?.into_iter().map(pair));
    }
    checked(reader, node, Secrets::new(pairs)).map(Auth::Basic)
}

fn signature(reader: &mut Reader<'_>, node: &Node) -> Option<Hmac> {
    const FIVE_MINUTES: Duration = Duration::from_mins(5);
    let mut section = reader.table(node, "hmac")?;
    let found = section.required(reader, "secret");
    let found = found.and_then(|node| reader.secrets(node, "the signing secret"));
    // Standard Webhooks marks its keys; any other secret is the key as it is.
    let marked = found.iter().flatten().all(|secret| secret.expose().starts_with("whsec_"));
    let marked = if marked { KeyForm::Base64 } else { KeyForm::Text };
    let found = found.and_then(|list| checked(reader, node, Secrets::new(list)));
    let header = section.required(reader, "header").and_then(|node| reader.text(node));
    let algorithm = section.get("algorithm").map(|node| word(reader, node));
    let encoding = section.get("encoding").map(|node| word(reader, node));
    let key = section.get("key").map(|node| word(reader, node));
    let prefix = section.get("prefix").and_then(|node| reader.text(node)).unwrap_or_default();
    let time = section.get("timestamp_header").map(|node| reader.text(node));
    let tolerance = section.get("tolerance").map(|node| reader.interval(node));
    let signed = section.get("signed").map(|node| word::<SignedContent>(reader, node));
    section.finish(reader);

    let tolerance = tolerance.unwrap_or(Some(FIVE_MINUTES))?;
    let content = match (signed, &time) {
        (Some(signed), _) => signed?,
        (None, Some(_)) => "{timestamp}.{body}".parse().ok()?,
        (None, None) => SignedContent::body(),
    };
    let time = match time {
        Some(header) => Some(checked(reader, node, SigningTime::new(&header?, tolerance))?),
        None => None,
    };
    let parts = HmacParts {
        header: header?,
        algorithm: algorithm.unwrap_or(Some(Algorithm::Sha256))?,
        encoding: encoding.unwrap_or(Some(Encoding::Hex))?,
        prefix,
        content,
        time,
        key: key.unwrap_or(Some(marked))?,
        secrets: found?,
    };
    checked(reader, node, Hmac::new(parts))
}

fn word<T: FromStr<Err = Error>>(reader: &mut Reader<'_>, node: &Node) -> Option<T> {
    let text = reader.text(node)?;
    checked(reader, node, text.parse())
}

fn checked<T>(reader: &mut Reader<'_>, node: &Node, result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => reader.invalid(&node.span, error.to_string()),
    }
}
