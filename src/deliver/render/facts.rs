//! What the snapshot says, gathered once per notification; the context cuts it to size.

use std::time::Duration;

use super::context::{Detail, Linked, MemberView, Pair, borrowed, cut_line, pairs, view};
use super::words;
use crate::deliver::clean;
use crate::deliver::senders::News;
use crate::domain::{Alert, Body, Member, Severity, Snapshot, State, ToldState, Why};

/// Labels that people look for first; the others follow in alphabetical order.
const FIRST_LABELS: [&str; 14] = [
    "cluster",
    "namespace",
    "instance",
    "host",
    "node",
    "pod",
    "container",
    "job",
    "region",
    "resource_group",
    "database",
    "queue",
    "team",
    "url",
];

/// Links whose label names are looked at; more are never useful and cost time.
const LINKS_LOOKED_AT: usize = 64;

/// The facts of one notification, borrowed from its snapshot.
pub struct Facts<'a> {
    snapshot: &'a Snapshot,
    /// Members in the order to show: those that changed since the last message first.
    order: Vec<&'a (Member, Body)>,
    pub(super) severity: Severity,
    pub(super) first: bool,
    pub(super) flaps: u32,
    pub(super) firing: u32,
    pub(super) resolved: u32,
    pub(super) new: u32,
    gone: u32,
    /// Labels that all members share.
    pub(super) labels: Vec<(&'a str, &'a str)>,
    pub(super) text: &'a str,
    pub(super) source: &'a str,
}

impl<'a> Facts<'a> {
    /// Looks at every member once.
    pub fn gather(news: &News<'a>) -> Self {
        let snapshot = news.snapshot;
        let head = &snapshot.head;
        let told = news.told;
        let first = told.state == ToldState::Never;
        let changed =
            |member: &Member| !first && member.changed_seq.max(member.fired_seq) > told.seq;
        let count = |of: &dyn Fn(&Member) -> bool| {
            u32::try_from(snapshot.members.iter().filter(|(m, _)| of(m)).count())
                .unwrap_or(u32::MAX)
        };
        let mut order: Vec<_> = snapshot.members.iter().collect();
        order.sort_by_key(|(member, _)| (!changed(member), !member.firing));
        let lead =
            snapshot.members.iter().find(|(m, _)| m.firing).or_else(|| snapshot.members.first());
        Self {
            snapshot,
            order,
            severity: head.severity,
            first,
            flaps: if first { 0 } else { head.episode.saturating_sub(told.episode) },
            firing: head.firing_count(),
            resolved: count(&|m| !m.firing),
            new: count(&|m| m.firing && !first && m.fired_seq > told.seq),
            gone: count(&|m| !m.firing && !first && m.changed_seq > told.seq),
            labels: shared_labels(snapshot),
            text: shared_text(snapshot, lead),
            source: lead.map_or("", |(_, body)| body.source.as_str()),
        }
    }

    /// The value that `of` has in every member, or "".
    pub(super) fn common(&self, of: impl Fn(&'a Alert) -> Option<&'a str>) -> &'a str {
        let mut values =
            self.snapshot.members.iter().map(|(_, body)| of(&body.alert).unwrap_or(""));
        let Some(first) = values.next() else { return "" };
        if values.all(|value| value == first) { first } else { "" }
    }

    /// How long the episode lasts, or lasted.
    pub(super) fn duration(&self, news: &News<'_>) -> Duration {
        let head = &self.snapshot.head;
        match head.state {
            State::Resolved { at } => at.since(head.opened_at),
            State::Open | State::Acknowledged { .. } => news.now.since(head.opened_at),
        }
    }

    /// `3 firing, 2 new, 1 resolved`.
    pub(super) fn counts(&self) -> String {
        let mut parts = Vec::new();
        if self.firing > 0 || self.resolved == 0 {
            parts.push(format!("{} firing", self.firing));
        }
        if self.new > 0 {
            parts.push(format!("{} new", self.new));
        }
        if self.resolved > 0 {
            parts.push(format!("{} resolved", self.resolved));
        }
        parts.join(", ")
    }

    /// The news as a sentence. Who is told in place of another learns at first why.
    pub(super) fn sentence(&self, news: &News<'_>) -> String {
        let change = self.change(news);
        match &news.told.via {
            Some(via) if self.first => {
                format!("{change}, told here because {} cannot be reached", cut_line(via, 80, "-"))
            }
            _ => change,
        }
    }

    fn change(&self, news: &News<'_>) -> String {
        let head = &self.snapshot.head;
        let lasted = words::duration(self.duration(news));
        let alerts = |count| words::plural(count, "alert", "alerts");
        let flapped =
            if self.flaps > 1 { format!(", flapped {} times", self.flaps) } else { String::new() };
        match (news.why, &head.state) {
            (Why::Open | Why::Rise | Why::Repeat, _) if head.notice => "Notice".to_owned(),
            (_, State::Resolved { .. }) => format!("Resolved after {lasted}{flapped}"),
            (_, State::Acknowledged { by, .. }) => {
                format!("Acknowledged by {}, open for {lasted}", cut_line(by, 80, "someone"))
            }
            (Why::Rise, _) if news.told.max_severity > Severity::Unknown => {
                format!(
                    "Rose from {} to {}, open for {lasted}{flapped}",
                    news.told.max_severity, head.peak
                )
            }
            (Why::Joined, _) if self.new > 0 => {
                format!("{} joined, open for {lasted}{flapped}", alerts(self.new))
            }
            (Why::PartialResolve, _) if self.gone > 0 => {
                format!(
                    "{} resolved, {} still firing, open for {lasted}{flapped}",
                    alerts(self.gone),
                    self.firing
                )
            }
            (Why::Reopened, _) => format!("Firing again (episode {}){flapped}", head.episode),
            (Why::Repeat, _) => format!("Still firing after {lasted}{flapped}"),
            (Why::Open, _) if self.firing > 1 => format!("{} firing", alerts(self.firing)),
            _ if news.now.since(head.opened_at).as_secs() < 60 => format!("Firing{flapped}"),
            _ => format!("Firing for {lasted}{flapped}"),
        }
    }

    /// Up to three distinct resources and the number of the others; else the service. Only one resource where values
    /// are cut short, and nothing where there is no room for values at all.
    pub(super) fn affected(&self, value: usize) -> String {
        let chars = value.clamp(40, 80);
        let most = match value {
            0 => return String::new(),
            1..60 => 1,
            _ => 3,
        };
        let mut names: Vec<&str> = Vec::new();
        for (_, body) in &self.snapshot.members {
            let name = body.alert.resource.as_deref().unwrap_or("").trim();
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return cut_line(self.common(|a| a.service.as_deref()), chars, "");
        }
        let shown: Vec<_> =
            names.iter().take(most).map(|name| cut_line(name, chars, "-")).collect();
        let unseen = usize::try_from(self.firing)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.snapshot.members.len());
        match names.len() - shown.len() {
            0 if unseen == 0 => shown.join(", "),
            _ if unseen > 0 => format!("{} and others", shown.join(", ")),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }

    /// The members to list.
    pub(super) fn views(&self, news: &News<'_>, detail: Detail) -> Vec<MemberView> {
        self.order
            .iter()
            .take(detail.members)
            .map(|(member, body)| {
                let differing: Vec<_> = sorted(borrowed(&body.alert.labels))
                    .into_iter()
                    .filter(|pair| !self.labels.contains(pair))
                    .collect();
                view(news, member, body, &differing, detail)
            })
            .collect()
    }

    /// Annotations of a single alert.
    pub(super) fn annotations(&self, detail: Detail) -> Vec<Pair> {
        match self.snapshot.members.as_slice() {
            [(_, body)] => {
                pairs(borrowed(&body.alert.annotations), detail.annotations, detail.value)
            }
            _ => Vec::new(),
        }
    }

    /// Distinct safe links: runbooks first, then in the order of the members.
    pub(super) fn links(&self, count: usize) -> Vec<Linked> {
        let several = self.snapshot.members.len() > 1;
        let mut links: Vec<Linked> = Vec::new();
        let all = self.snapshot.members.iter().flat_map(|(_, body)| &body.alert.links);
        for given in all.take(LINKS_LOOKED_AT) {
            let Some(url) = clean::link(&given.url) else { continue };
            let name = cut_line(&given.name, 40, "link");
            // Each member of a group has its own source or dashboard: that of the worst stands for all, the others are
            // at the members.
            let known = |link: &Linked| link.url == url || (several && link.name == name);
            if !links.iter().any(known) {
                links.push(Linked { name, url });
            }
        }
        links.sort_by_key(|link| !words::is_runbook(&link.name));
        links.truncate(count);
        links
    }

    /// Distinct https images, at most three.
    pub(super) fn images(&self) -> Vec<String> {
        let mut images: Vec<String> = Vec::new();
        for raw in self
            .snapshot
            .members
            .iter()
            .flat_map(|(_, body)| &body.alert.images)
            .take(LINKS_LOOKED_AT)
        {
            let Some(url) = clean::link(raw).filter(|url| url.starts_with("https://")) else {
                continue;
            };
            if images.len() < 3 && !images.contains(&url) {
                images.push(url);
            }
        }
        images
    }

    /// The page of this incident in our own UI.
    pub(super) fn own_url(&self, news: &News<'_>) -> Option<String> {
        let base = news.base_url?.trim_end_matches('/');
        clean::link(&format!("{base}/incidents/{}", self.snapshot.head.number))
    }
}

/// Names and values that all members share, the ones people look for first in front.
fn shared_labels(snapshot: &Snapshot) -> Vec<(&str, &str)> {
    let Some(((_, first), others)) = snapshot.members.split_first() else { return Vec::new() };
    sorted(borrowed(&first.alert.labels).filter(|(_, value)| !value.trim().is_empty()).filter(
        |(name, value)| {
            others.iter().all(|(_, body)| body.alert.labels.get(*name).is_some_and(|v| v == value))
        },
    ))
}

fn sorted<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by_key(|(name, _)| {
        FIRST_LABELS.iter().position(|first| first == name).unwrap_or(FIRST_LABELS.len())
    });
    pairs
}

/// The longer text, if all members have the same; a single member's always. A text that only repeats the title is none.
fn shared_text<'a>(snapshot: &'a Snapshot, lead: Option<&'a (Member, Body)>) -> &'a str {
    let Some((_, body)) = lead else { return "" };
    let text = body.alert.text.as_deref().unwrap_or("");
    let same =
        snapshot.members.iter().all(|(_, other)| other.alert.text.as_deref().unwrap_or("") == text);
    if same && text.trim() != snapshot.head.title.trim() { text } else { "" }
}
