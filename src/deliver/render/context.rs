//! What a template sees: one type for all media, documented field by field in `docs/templates.md`.
//!
//! Texts in it are cleaned and cut, but not escaped: the form of the template escapes them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::Facts;
use super::words;
use crate::deliver::clean;
use crate::deliver::senders::News;
use crate::domain::{Alert, Body, Labels, Member, State, Why};

/// How much of the news is shown. Senders go down [`super::super::fit::LADDER`] until it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Characters of the incident's title.
    pub title: usize,
    /// Characters of the longer text.
    pub text: usize,
    /// Annotations of a single alert.
    pub annotations: usize,
    /// Labels that all members share.
    pub labels: usize,
    /// Characters of one label's value.
    pub value: usize,
    /// Members listed; the rest is counted.
    pub members: usize,
    /// Labels of one member that others do not share.
    pub differing: usize,
    pub links: usize,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    pub name: String,
    pub value: String,
}

/// A link that is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Linked {
    pub name: String,
    pub url: String,
}

/// One alert of the incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberView {
    pub title: String,
    /// `firing`, `acknowledged` or `resolved`.
    pub state: &'static str,
    pub severity: &'static str,
    pub emoji: &'static str,
    /// `new`, `resolved` or empty: what changed since this receiver was told last.
    pub change: &'static str,
    pub resource: String,
    pub service: String,
    pub env: String,
    pub alertname: String,
    pub source: String,
    /// Labels that not all members share.
    pub labels: Vec<Pair>,
    /// The same as one line: `name=value, name=value`.
    pub summary: String,
    /// How often the source said so.
    pub count: u32,
    pub since: String,
    pub duration: String,
    /// The first link of the alert, or empty.
    pub url: String,
}

/// Everything that a template can show.
#[derive(Clone, Debug, Serialize)]
pub struct Context {
    pub title: String,
    /// `open`, `acknowledged` or `resolved`.
    pub state: &'static str,
    /// State and severity in one upper-case word: `CRITICAL`, `ACKNOWLEDGED`, `RESOLVED`, `NOTICE`, `ALERT`.
    pub word: &'static str,
    pub emoji: &'static str,
    /// `#rrggbb`.
    pub color: &'static str,
    /// The same colour as a number, as Discord wants it.
    pub color_number: u32,
    pub severity: &'static str,
    /// The highest severity of the episode.
    pub peak: &'static str,
    /// What news this is: `open`, `rise`, `joined`, `partial_resolve`, `resolved`, `acknowledged`, `reopened`, `repeat`.
    pub why: &'static str,
    /// The news as a sentence without full stop.
    pub news: String,
    /// Whether this receiver hears of the incident for the first time.
    pub first: bool,
    pub notice: bool,
    pub number: u64,
    /// `#number`.
    pub id: String,
    pub episode: u32,
    /// Episodes since this receiver was told last.
    pub flaps: u32,
    pub previous: Option<u64>,
    pub route: String,
    pub receiver: String,
    /// The receiver that could not be reached, where this one is told as its fallback; else empty.
    pub via: String,
    pub group: Vec<Pair>,
    pub firing: u32,
    pub resolved: u32,
    pub new: u32,
    /// Firing and resolved members together.
    pub total: u32,
    pub withheld: u32,
    /// The counts as words: `3 firing, 2 new, 1 resolved`.
    pub counts: String,
    /// Whether there is more than one member.
    pub many: bool,
    /// What is affected, as words; empty if unknown.
    pub affected: String,
    pub text: String,
    pub service: String,
    pub env: String,
    pub alertname: String,
    pub source: String,
    /// RFC 3339.
    pub opened_at: String,
    /// RFC 3339.
    pub now: String,
    /// `2026-03-01 14:03 UTC`.
    pub since: String,
    /// How long it has been, or was, open: `2h 5m`.
    pub duration: String,
    pub duration_seconds: u64,
    /// Who acknowledged it; empty unless acknowledged.
    pub acknowledged_by: String,
    pub labels: Vec<Pair>,
    /// Common labels left out for room.
    pub labels_more: usize,
    pub annotations: Vec<Pair>,
    pub members: Vec<MemberView>,
    /// Members left out for room.
    pub members_more: u32,
    pub links: Vec<Linked>,
    /// The first link that is a runbook; empty if none.
    pub runbook: String,
    pub images: Vec<String>,
    /// This incident in our own UI, else the first link of the alert, else empty.
    pub url: String,
    pub dedup_key: String,
    pub message_id: String,
    /// Parameters of the receiver that are no secrets.
    pub params: BTreeMap<String, String>,
    /// What the receiver's API gave us to find the earlier message.
    pub remember: BTreeMap<String, String>,
}

impl Context {
    /// What `news` shows with so much `detail`.
    pub fn new(news: &News<'_>, detail: Detail) -> Self {
        let facts = Facts::gather(news);
        Self::from_facts(news, &facts, detail)
    }

    /// As [`Self::new`] from facts that were gathered before.
    pub fn from_facts(news: &News<'_>, facts: &Facts<'_>, detail: Detail) -> Self {
        let head = &news.snapshot.head;
        let glance = words::glance(head);
        let links = facts.links(detail.links);
        let url = facts.own_url(news).or_else(|| links.first().map(|l| l.url.clone()));
        let members = facts.views(news, detail);
        let shown = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let open_for = facts.duration(news);
        Self {
            title: cut_line(&head.title, detail.title, "(no title)"),
            state: head.state.as_str(),
            word: glance.word,
            emoji: glance.emoji,
            color: glance.color,
            color_number: u32::from_str_radix(glance.color.trim_start_matches('#'), 16)
                .unwrap_or(0),
            severity: facts.severity.as_str(),
            peak: head.peak.as_str(),
            why: news.why.as_str(),
            news: facts.sentence(news),
            first: facts.first,
            notice: head.notice,
            number: head.number,
            id: format!("#{}", head.number),
            episode: head.episode,
            flaps: facts.flaps,
            previous: head.previous,
            route: cut_line(&head.route, 80, "-"),
            receiver: cut_line(news.receiver, 80, "-"),
            via: cut_line(news.told.via.as_deref().unwrap_or(""), 80, ""),
            group: pairs(
                head.values.iter().map(|(n, v)| (n.as_str(), v.as_str())),
                12,
                detail.value.max(20),
            ),
            firing: facts.firing,
            resolved: facts.resolved,
            new: facts.new,
            total: facts.firing.saturating_add(facts.resolved),
            withheld: news.told.withheld,
            counts: facts.counts(),
            many: facts.firing.saturating_add(facts.resolved) > 1,
            affected: facts.affected(detail.value),
            text: cut_text(facts.text, detail.text),
            service: cut_line(facts.common(|a| a.service.as_deref()), detail.value.max(40), ""),
            env: cut_line(facts.common(|a| a.env.as_deref()), detail.value.max(40), ""),
            alertname: cut_line(facts.common(|a| a.alertname.as_deref()), detail.value.max(40), ""),
            source: cut_line(facts.source, 80, ""),
            opened_at: head.opened_at.to_string(),
            now: news.now.to_string(),
            since: words::stamp(head.opened_at),
            duration: words::duration(open_for),
            duration_seconds: open_for.as_secs(),
            acknowledged_by: acknowledged_by(&head.state),
            labels: pairs(facts.labels.iter().copied(), detail.labels, detail.value),
            labels_more: facts.labels.len().saturating_sub(detail.labels),
            annotations: facts.annotations(detail),
            members_more: facts.firing.saturating_add(facts.resolved).saturating_sub(shown),
            members,
            runbook: runbook(&links),
            links,
            images: facts.images(),
            url: url.unwrap_or_default(),
            dedup_key: news.dedup_key.to_owned(),
            message_id: news.message_id.to_owned(),
            params: BTreeMap::new(),
            remember: BTreeMap::new(),
        }
    }
}

fn runbook(links: &[Linked]) -> String {
    links.iter().find(|l| words::is_runbook(&l.name)).map(|l| l.url.clone()).unwrap_or_default()
}

/// Where a member itself is shown: its first link that is no runbook, else its first.
fn own_link(alert: &Alert) -> Option<String> {
    let (runbooks, others): (Vec<_>, Vec<_>) =
        alert.links.iter().partition(|link| words::is_runbook(&link.name));
    others.into_iter().chain(runbooks).find_map(|link| clean::link(&link.url))
}

fn acknowledged_by(state: &State) -> String {
    match state {
        State::Acknowledged { by, .. } => cut_line(by, 80, "someone"),
        State::Open | State::Resolved { .. } => String::new(),
    }
}

/// One member as a template sees it; `differing` are the labels to show.
pub(super) fn view(
    news: &News<'_>,
    member: &Member,
    body: &Body,
    differing: &[(&str, &str)],
    detail: Detail,
) -> MemberView {
    let alert = &body.alert;
    let told = news.told;
    let told_before = told.seq > 0;
    let change = match member.firing {
        true if told_before && member.fired_seq > told.seq => "new",
        false if news.why != Why::Resolved && member.changed_seq > told.seq => "resolved",
        _ => "",
    };
    let end = if member.firing { news.now } else { member.last_at };
    let labels = pairs(differing.iter().copied(), detail.differing, detail.value);
    let summary =
        labels.iter().map(|p| format!("{}={}", p.name, p.value)).collect::<Vec<_>>().join(", ");
    MemberView {
        title: cut_line(&alert.title, detail.title.min(200), "(no title)"),
        state: match (member.firing, member.acknowledged) {
            (true, true) => "acknowledged",
            (true, false) => "firing",
            (false, _) => "resolved",
        },
        severity: member.severity.as_str(),
        emoji: if member.firing { words::emoji(member.severity) } else { "✅" },
        change,
        resource: cut_line(alert.resource.as_deref().unwrap_or(""), detail.value, ""),
        service: cut_line(alert.service.as_deref().unwrap_or(""), detail.value, ""),
        env: cut_line(alert.env.as_deref().unwrap_or(""), detail.value, ""),
        alertname: cut_line(alert.alertname.as_deref().unwrap_or(""), detail.value, ""),
        source: cut_line(&body.source, 80, ""),
        labels,
        summary,
        count: member.count,
        since: words::stamp(member.first_at),
        duration: words::duration(end.since(member.first_at)),
        url: own_link(alert).unwrap_or_default(),
    }
}

/// The first `count` pairs, cleaned and cut; pairs without a value are left out before.
pub(super) fn pairs<'a>(
    from: impl Iterator<Item = (&'a str, &'a str)>,
    count: usize,
    chars: usize,
) -> Vec<Pair> {
    from.filter(|(_, value)| !value.trim().is_empty())
        .take(count)
        .map(|(name, value)| Pair {
            name: cut_line(name, 60, "-"),
            value: cut_line(value, chars, "-"),
        })
        .collect()
}

/// The labels of `labels` as pairs of borrowed text.
pub(super) fn borrowed(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// `raw` as one clean line of at most `chars`, or `or` where nothing is left.
pub(super) fn cut_line(raw: &str, chars: usize, or: &str) -> String {
    let cleaned = clean::line(raw);
    let cut = clean::cut(&cleaned, chars);
    if cut.is_empty() { or.to_owned() } else { cut.into_owned() }
}

fn cut_text(raw: &str, chars: usize) -> String {
    clean::cut(&clean::text(raw), chars).into_owned()
}
