//! `auth = ...` of a source: how its sender proves who it is.

use std::str::FromStr;
use std::time::Duration;

use super::document::{Node, Table, Value};
use super::mtls;
use super::problem::{Problem, Span, Word};
use super::reader::{Reader, Section};
use crate::ingest::Kind;
use crate::ingest::auth::entra::{ACTION_GROUPS_APP, ACTION_GROUPS_ROLE, Cloud, Entra, Tenant};
use crate::ingest::auth::profiles::{self, Row};
use crate::ingest::auth::sns::Topics;
use crate::ingest::auth::{
    Algorithm, Auth, Credential, DeliveryId, Encoding, Error, Hmac, HmacParts, KeyForm, Mtls,
    Place, Secrets, Signature, SignedContent, SigningTime, Strength, Twilio,
};
use crate::secret::Secret;

/// How far a signed time may be away where the configuration does not say.
const FIVE_MINUTES: Duration = Duration::from_mins(5);
const FORMS: &str = "auth is \"none\", \"sns\", \"mtls\" or one profile with its secret, such as \
                     { github = \"${SECRET}\" }; docs/sources.md lists them";

/// What the value of `auth` belongs to.
pub(super) struct Owner<'a> {
    /// The name of the source.
    pub(super) name: &'a str,
    /// Where people reach this bridge, if that is set.
    pub(super) public_url: Option<&'a str>,
    /// They belong to the form "sns".
    pub(super) topics: &'a Topics,
}

/// The value of `auth`.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, owner: &Owner<'_>) -> Option<Auth> {
    match &node.value {
        Value::Text(text) if text == "none" => Some(Auth::None),
        Value::Text(text) if text == "sns" => Some(Auth::Sns(owner.topics.clone())),
        Value::Text(text) if text == "mtls" => Some(Auth::Mtls(Mtls::default())),
        Value::Table(table) => auth_table(reader, table, node, owner),
        _ => {
            let problem = Problem::error(Word::InvalidValue, node.span.clone(), "unknown auth");
            reader.report(problem.hint(FORMS));
            None
        }
    }
}

fn auth_table(
    reader: &mut Reader<'_>,
    table: &Table,
    node: &Node,
    owner: &Owner<'_>,
) -> Option<Auth> {
    let mut section = Section::new("auth", table, node.span.clone());
    let named = profiles::ROWS.iter().filter(|row| row.name != "sns");
    let mut found: Vec<(&Row, &Node)> =
        named.filter_map(|row| Some((row, section.get(row.name)?))).collect();
    if found.len() > 1 {
        // Beside another profile this is the name of its header.
        found.retain(|(row, _)| row.name != "header");
    }
    let [(row, value)] = found.as_slice() else {
        section.finish(reader);
        if found.len() > 1 || table.entries.is_empty() {
            let message = "auth has exactly one profile";
            let problem = Problem::error(Word::InvalidValue, node.span.clone(), message);
            reader.report(problem.hint(FORMS));
        }
        return None;
    };
    let auth = match row.name {
        "hmac" => hmac(reader, value).map(|hmac| Auth::Signature(Signature::of(hmac))),
        "basic" => basic(reader, value),
        "entra" => entra(reader, value).map(Auth::Entra),
        "mtls" => mtls::read(reader, value).map(Auth::Mtls),
        "twilio" => twilio(reader, value, &mut section, owner),
        "grafana" => grafana(reader, value, &mut section, row),
        "header" => header(reader, value, &mut section),
        "token" => credential(reader, value, row, Place::UrlOrBearer),
        "bearer" => credential(reader, value, row, Place::Bearer),
        "nrdp" => credential(reader, value, row, Place::Parameter("token")),
        _ if row.schemes.is_empty() => {
            credential(reader, value, row, Place::Header(row.header.to_owned()))
        }
        _ => vendor(reader, value, &mut section, row),
    };
    section.finish(reader);
    auth
}

/// One secret, or two while they rotate.
fn secrets(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Secrets> {
    let secrets = reader.secrets(node, what)?;
    checked(reader, &node.span, Secrets::new(secrets))
}

fn credential(reader: &mut Reader<'_>, node: &Node, row: &Row, place: Place) -> Option<Auth> {
    let secrets = secrets(reader, node, "the token")?;
    Some(Auth::Credential(Credential { profile: row.name, place, secrets }))
}

/// `header = "X-Api-Key", value = "${KEY}"`.
fn header(reader: &mut Reader<'_>, node: &Node, section: &mut Section<'_>) -> Option<Auth> {
    let name = reader.placed(node);
    let value = section.required(reader, "value");
    let secrets = value.and_then(|node| secrets(reader, node, "the header's value"));
    let (name, span) = name?;
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(fine) {
        return reader.invalid(&span, "this is no name of a header");
    }
    let place = Place::Header(name.to_ascii_lowercase());
    Some(Auth::Credential(Credential { profile: "header", place, secrets: secrets? }))
}

/// A profile that is all data; those that sign the time take a `tolerance`.
fn vendor(
    reader: &mut Reader<'_>,
    node: &Node,
    section: &mut Section<'_>,
    row: &Row,
) -> Option<Auth> {
    let secrets = secrets(reader, node, "the signing secret");
    let timed = row.schemes.iter().any(|scheme| scheme.time.is_some());
    let tolerance = if timed { tolerance(reader, section) } else { Some(FIVE_MINUTES) };
    let signature = Signature::vendor(row, &secrets?, tolerance?);
    checked(reader, &node.span, signature).map(Auth::Signature)
}

fn tolerance(reader: &mut Reader<'_>, section: &mut Section<'_>) -> Option<Duration> {
    section.get("tolerance").map_or(Some(FIVE_MINUTES), |node| reader.interval(node))
}

fn grafana(
    reader: &mut Reader<'_>,
    node: &Node,
    section: &mut Section<'_>,
    row: &Row,
) -> Option<Auth> {
    let secrets = secrets(reader, node, "the signing secret");
    let header = section.get("header").map(|node| reader.text(node));
    let time = section.get("timestamp_header").map(|node| reader.placed(node));
    let tolerance = tolerance(reader, section)?;
    let time = match time {
        Some(placed) => {
            let (header, span) = placed?;
            Some(checked(reader, &span, SigningTime::new(&header, tolerance))?)
        }
        None => None,
    };
    let header = match header {
        Some(header) => Some(header?),
        None => None,
    };
    let signature = Signature::grafana(row, header, time, secrets?);
    checked(reader, &node.span, signature).map(Auth::Signature)
}

fn twilio(
    reader: &mut Reader<'_>,
    node: &Node,
    section: &mut Section<'_>,
    owner: &Owner<'_>,
) -> Option<Auth> {
    let secrets = secrets(reader, node, "the auth token");
    let own = owner.public_url.map(|base| format!("{base}/hooks/{}", owner.name));
    let given = section.get("url").map(|node| reader.placed(node));
    let Some(placed) = given.or_else(|| Some(Some((own?, node.span.clone())))) else {
        let message = "twilio signs the URL that it calls, and that is not known";
        let problem = Problem::error(Word::MissingKey, node.span.clone(), message);
        let hint = "give `url` beside it as in Twilio's form, or set `server.public_url`";
        reader.report(problem.hint(hint));
        return None;
    };
    let (url, span) = placed?;
    checked(reader, &span, Twilio::new(&url, secrets?)).map(Auth::Twilio)
}

/// `{ tenant = "...", audience = "...", app = "...", role = "...", cloud = "us" }`.
fn entra(reader: &mut Reader<'_>, node: &Node) -> Option<Entra> {
    let mut section = reader.table(node, "entra")?;
    let tenant = section.required(reader, "tenant").and_then(|node| reader.placed(node));
    let audience = section.required(reader, "audience");
    let audiences = audience.and_then(|node| match &node.value {
        Value::List(_) => reader.texts(node),
        _ => reader.placed(node).map(|one| vec![one]),
    });
    let cloud = section.get("cloud").map(|node| word::<Cloud>(reader, node));
    let app = section.get("app").map(|node| reader.text(node));
    let role = section.get("role").map(|node| reader.text(node));
    section.finish(reader);
    let (tenant, span) = tenant?;
    let tenant = Tenant::new(cloud.unwrap_or(Some(Cloud::Public))?, &tenant);
    let tenant = checked(reader, &span, tenant)?;
    let audiences = audiences?.into_iter().map(|(audience, _)| audience).collect();
    let app = app.unwrap_or_else(|| Some(ACTION_GROUPS_APP.to_owned()))?;
    let role = role.unwrap_or_else(|| Some(ACTION_GROUPS_ROLE.to_owned()))?;
    checked(reader, &node.span, Entra::new(tenant, audiences, &app, &role))
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
    let secrets = checked(reader, &node.span, Secrets::new(pairs))?;
    Some(Auth::Credential(Credential { profile: "basic", place: Place::Basic, secrets }))
}

fn hmac(reader: &mut Reader<'_>, node: &Node) -> Option<Hmac> {
    let mut section = reader.table(node, "hmac")?;
    let found = section.required(reader, "secret");
    let found = found.and_then(|node| reader.secrets(node, "the signing secret"));
    // Standard Webhooks marks its keys; any other secret is the key as it is.
    let marked = found.iter().flatten().all(|secret| secret.expose().starts_with("whsec_"));
    let marked = if marked { KeyForm::Base64 } else { KeyForm::Text };
    let found = found.and_then(|list| checked(reader, &node.span, Secrets::new(list)));
    let header = section.required(reader, "header").and_then(|node| reader.text(node));
    let algorithm = section.get("algorithm").map(|node| word(reader, node));
    let encoding = section.get("encoding").map(|node| word(reader, node));
    let key = section.get("key").map(|node| word(reader, node));
    let prefix = section.get("prefix").and_then(|node| reader.text(node)).unwrap_or_default();
    let time = section.get("timestamp_header").map(|node| reader.text(node));
    let tolerance = tolerance(reader, &mut section);
    let signed = section.get("signed").map(|node| word::<SignedContent>(reader, node));
    section.finish(reader);

    let content = match (signed, &time) {
        (Some(signed), _) => signed?,
        (None, Some(_)) => "{timestamp}.{body}".parse().ok()?,
        (None, None) => SignedContent::body(),
    };
    let time = match time {
        Some(header) => Some(checked(reader, &node.span, SigningTime::new(&header?, tolerance?))?),
        None => None,
    };
    let parts = HmacParts {
        scheme: "hmac",
        header: header?,
        algorithm: algorithm.unwrap_or(Some(Algorithm::Sha256))?,
        encoding: encoding.unwrap_or(Some(Encoding::Hex))?,
        prefix,
        content,
        time,
        id: DeliveryId::None,
        key: key.unwrap_or(Some(marked))?,
        secrets: found?,
    };
    checked(reader, &node.span, Hmac::new(parts))
}

fn word<T: FromStr<Err = Error>>(reader: &mut Reader<'_>, node: &Node) -> Option<T> {
    let text = reader.text(node)?;
    checked(reader, &node.span, text.parse())
}

fn checked<T>(reader: &mut Reader<'_>, span: &Span, result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => reader.invalid(span, error.to_string()),
    }
}

/// Warns where the vendor of `kind` can do better than `auth`.
pub(super) fn lint(reader: &mut Reader<'_>, kind: &Kind, auth: &Auth, span: &Span) {
    let supported = kind.auth();
    let strengths = supported.iter().filter_map(|name| Some((*name, profiles::strength(name)?)));
    // Of equally strong ones the first: tables name the best first.
    let best = strengths.rev().max_by_key(|(_, strength)| *strength);
    let Some((best, strength)) = best.filter(|(_, strength)| auth.strength() < *strength) else {
        return;
    };
    let (kind, chosen) = (kind.name(), auth.as_str());
    let message = format!("senders of `{kind}` can prove more than `{chosen}`");
    let better = match strength {
        Strength::SignedTime => {
            "signs the body and its time, so that nobody can forge or repeat it"
        }
        Strength::Signature => "signs the body, so that nobody can forge it",
        Strength::Token => "presents what a third party vouches for, and only for a while",
        Strength::Credential => "presents a secret in a header, not in the URL that proxies log",
        Strength::UrlCredential | Strength::None => "presents a secret",
    };
    let problem = Problem::warning(Word::WeakAuth, span.clone(), message);
    reader.report(problem.hint(format!("`{best}` {better}")));
}

/// The best profile of senders of `kind` that needs nothing but a secret.
pub(super) fn example(kind: &Kind) -> &'static str {
    let plain = |name: &&str| {
        let row = profiles::find(name)?;
        let bare = ["bearer", "token"].contains(&row.name);
        (bare || !row.schemes.is_empty() || !row.header.is_empty()).then_some(row.name)
    };
    kind.auth().iter().find_map(plain).unwrap_or("token")
}
