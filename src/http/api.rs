//! `/api/v1`: what is known, for people and scripts. Reads only; times are RFC 3339 in UTC.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Shared;
use super::error::{Error, bad_query};
use crate::domain::{Body, Head, Member, Rules, State, Timestamp, Told, ToldState, Wanted, wanted};
use crate::limits::API_PAGE_MAX;
use crate::store::{Attempt, Filter, IncidentRecord, Kept};

/// Records in an answer unless the client says otherwise.
const PAGE: usize = 50;

/// `?open=true&before=1042&limit=50`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Only incidents that are not resolved.
    #[serde(default)]
    open: bool,
    /// Only numbers below this one.
    before: Option<u64>,
    limit: Option<usize>,
}

/// `?limit=50`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InboxQuery {
    limit: Option<usize>,
}

fn query<T: serde::de::DeserializeOwned>(request: &HttpRequest) -> Result<T, Error> {
    web::Query::<T>::from_query(request.query_string())
        .map(web::Query::into_inner)
        .map_err(bad_query)
}

fn page(limit: Option<usize>) -> Result<usize, Error> {
    match limit {
        None => Ok(PAGE),
        Some(limit @ 1..=API_PAGE_MAX) => Ok(limit),
        Some(_) => Err(bad_query(format_args!("limit is between 1 and {API_PAGE_MAX}"))),
    }
}

/// `GET /api/v1/incidents`: heads, newest first.
pub async fn incidents(
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    shared.access.check(&request)?;
    let asked: ListQuery = query(&request)?;
    let filter = Filter { open: asked.open, before: asked.before, limit: page(asked.limit)? };
    let heads = shared.store.incidents(filter).await.map_err(|source| Error::Store { source })?;
    let list: Vec<HeadView> = heads.iter().map(HeadView::of).collect();
    Ok(HttpResponse::Ok().json(json!({"instance": shared.store.instance(), "incidents": list})))
}

/// `GET /api/v1/incidents/{number}`: all that is kept of one, and why each receiver was told or not.
pub async fn incident(
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    shared.access.check(&request)?;
    let number = request.match_info().get("number").unwrap_or("");
    let number: u64 =
        number.parse().map_err(|_| bad_query("an incident is named by its number"))?;
    let failed = |source| Error::Store { source };
    let record = shared.store.incident(number).await.map_err(failed)?;
    let record = record.ok_or(Error::UnknownIncident { number })?;
    let history = shared.store.history(number).await.map_err(failed)?;
    let active = shared.active.load();
    let now = shared.clock.now();
    Ok(HttpResponse::Ok().json(whole(&record, &history, &active.rules, now)))
}

/// `GET /api/v1/inbox`: what `inbox` receivers kept, newest first.
pub async fn inbox(shared: web::Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Error> {
    shared.access.check(&request)?;
    let asked: InboxQuery = query(&request)?;
    let kept = shared.store.inbox(page(asked.limit)?).await;
    let kept = kept.map_err(|source| Error::Store { source })?;
    let list: Vec<Value> = kept.iter().map(kept_view).collect();
    Ok(HttpResponse::Ok().json(json!({"inbox": list})))
}

/// An incident without its members.
#[derive(Clone, Debug, Serialize)]
struct HeadView<'a> {
    number: u64,
    state: &'static str,
    title: &'a str,
    severity: &'static str,
    peak: &'static str,
    route: &'a str,
    group: serde_json::Map<String, Value>,
    notice: bool,
    episode: u32,
    seq: u32,
    firing: u32,
    opened_at: String,
    changed_at: String,
    acknowledged: Option<Value>,
    resolved_at: Option<String>,
    previous: Option<u64>,
}

impl<'a> HeadView<'a> {
    fn of(head: &'a Head) -> Self {
        let (acknowledged, resolved_at) = match &head.state {
            State::Open => (None, None),
            State::Acknowledged { by, at, severity } => {
                let taken = json!({"by": by, "at": at.to_string(), "severity": severity.as_str()});
                (Some(taken), None)
            }
            State::Resolved { at } => (None, Some(at.to_string())),
        };
        let group = head.values.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        Self {
            number: head.number,
            state: head.state.as_str(),
            title: &head.title,
            severity: head.severity.as_str(),
            peak: head.peak.as_str(),
            route: &head.route,
            group,
            notice: head.notice,
            episode: head.episode,
            seq: head.seq,
            firing: head.firing_count(),
            opened_at: head.opened_at.to_string(),
            changed_at: head.changed_at.to_string(),
            acknowledged,
            resolved_at,
            previous: head.previous,
        }
    }
}

fn whole(
    record: &IncidentRecord,
    history: &[(Timestamp, crate::domain::Reason)],
    rules: &Rules,
    now: Timestamp,
) -> Value {
    let head = &record.head;
    let members: Vec<Value> =
        record.members.iter().map(|(member, body)| member_view(member, body)).collect();
    let told: Vec<Value> = head.told.iter().map(|told| told_view(head, told, rules, now)).collect();
    let attempts: Vec<Value> = record.attempts.iter().map(attempt_view).collect();
    let history: Vec<Value> = history
        .iter()
        .map(|(at, reason)| json!({"at": at.to_string(), "reason": reason.as_str()}))
        .collect();
    json!({
        "incident": HeadView::of(head), "members": members, "told": told,
        "attempts": attempts, "history": history,
    })
}

fn member_view(member: &Member, body: &Body) -> Value {
    let alert = &body.alert;
    json!({
        "source": body.source, "key": alert.key, "firing": member.firing,
        "acknowledged": member.acknowledged, "severity": member.severity.as_str(),
        "title": alert.title, "text": alert.text, "resource": alert.resource,
        "service": alert.service, "env": alert.env, "alertname": alert.alertname,
        "labels": alert.labels, "annotations": alert.annotations, "links": alert.links,
        "first_at": member.first_at.to_string(), "last_at": member.last_at.to_string(),
        "observed_at": member.observed_at.map(|at| at.to_string()), "count": member.count,
        "expires_at": member.expires_at.map(|at| at.to_string()), "muted": member.muted,
    })
}

/// What a receiver knows, and the verdict of this moment: the answer to "why was I not paged".
fn told_view(head: &Head, told: &Told, rules: &Rules, now: Timestamp) -> Value {
    let policy = rules.policy(&head.route);
    let verdict = wanted(head, told, policy, rules.traits(&told.receiver), rules.loaded_at, now);
    let verdict = match verdict {
        Wanted::Send(why) => json!({"wanted": "now", "why": why.as_str()}),
        Wanted::At(at, why) => {
            json!({"wanted": "later", "at": at.to_string(), "why": why.as_str()})
        }
        Wanted::Nothing(reason) => json!({"wanted": "nothing", "reason": reason.as_str()}),
    };
    let state = match told.state {
        ToldState::Never => "never",
        ToldState::Open => "open",
        ToldState::Acknowledged => "acknowledged",
        ToldState::Resolved => "resolved",
    };
    let never = told.state == ToldState::Never;
    json!({
        "receiver": told.receiver, "via": told.via, "state": state, "seq": told.seq,
        "at": (!never).then(|| told.at.to_string()), "maybe": told.maybe.is_some(),
        "gave_up": told.dead.is_some(),
        "retry": told.retry.map(|retry| json!({
            "attempts": retry.attempts, "at": retry.at.to_string(), "since": retry.since.to_string(),
        })),
        "verdict": verdict,
    })
}

fn attempt_view(attempt: &Attempt) -> Value {
    json!({
        "receiver": attempt.receiver, "seq": attempt.seq, "why": attempt.why.as_str(),
        "at": attempt.at.to_string(), "took_ms": u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
        "reason": attempt.reason.as_str(), "status": attempt.status, "error": attempt.error,
    })
}

fn kept_view(kept: &Kept) -> Value {
    json!({
        "sequence": kept.sequence, "receiver": kept.receiver, "incident": kept.number,
        "at": kept.at.to_string(), "why": kept.why.as_str(), "text": kept.text,
    })
}
