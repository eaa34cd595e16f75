//! Reads for people, between two batches of the committer.

use super::core::Core;
use super::embedded::Embedded;
use super::kv::{Pair, Span};
use super::record::{self, History};
use super::{Answer, Attempt, Counts, Error, Filter, IncidentRecord, Kept, Records, flow};
use crate::domain::{Head, Reason, Timestamp};
use crate::limits::{HISTORY_READ_MAX, UPKEEP_PAGE_MAX};

fn incident(core: &Core, number: u64) -> Result<Option<IncidentRecord>, Error> {
    let Some(head) = core.staged.get(&record::head_key(number))? else { return Ok(None) };
    let members = flow::members(core, number, UPKEEP_PAGE_MAX)?;
    let members = flow::with_bodies(core, number, members)?;
    let attempts = Span::prefix(&record::of_incident(record::ATTEMPT, number));
    let attempts = core.staged.scan(&attempts, UPKEEP_PAGE_MAX)?;
    let attempts = decoded::<Attempt>(core, &attempts)?;
    Ok(Some(IncidentRecord { head, members, attempts }))
}

fn decoded<T: serde::de::DeserializeOwned>(core: &Core, pairs: &[Pair]) -> Result<Vec<T>, Error> {
    pairs.iter().map(|(key, bytes)| core.staged.decode(key, bytes)).collect()
}

fn incidents(core: &Core, filter: &Filter) -> Result<Vec<Head>, Error> {
    let limit = filter.limit.min(UPKEEP_PAGE_MAX);
    let before = filter.before.unwrap_or(u64::MAX);
    if filter.open {
        let open = |live: &super::index::Live| live.standing != super::index::Standing::Resolved;
        return core
            .index
            .live
            .range(..before)
            .rev()
            .filter(|(_, live)| open(live))
            .take(limit)
            .map(|(number, _)| core.head(*number))
            .collect();
    }
    let span = Span::new(record::head_key(0), record::head_key(before)).backwards();
    decoded(core, &core.staged.scan(&span, limit)?)
}

fn inbox(core: &Core, limit: usize) -> Result<Vec<Kept>, Error> {
    let span = Span::prefix(&[record::KEPT]).backwards();
    decoded(core, &core.staged.scan(&span, limit.min(UPKEEP_PAGE_MAX))?)
}

/// The first history record whose time is not before `at`: they are numbered in order of time, so halving finds it.
fn history_from(core: &Core, at: Timestamp) -> Result<u64, Error> {
    let span = Span::prefix(&[record::HISTORY]);
    let first = core.staged.scan(&span, 1)?;
    let mut low = first.first().and_then(|(key, _)| record::number_in(key)).unwrap_or(0);
    let mut high = core.next_history;
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<History> = core.staged.get(&record::history_key(middle))?;
        if found.is_some_and(|history| history.at < at) { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// One page of an incident's history.
struct Page {
    entries: Vec<(Timestamp, Reason)>,
    next: u64,
    read: usize,
}

fn history_page(core: &Core, number: u64, from: Option<u64>) -> Result<Page, Error> {
    let from = match (from, core.staged.get::<Head>(&record::head_key(number))?) {
        (Some(from), _) => from,
        (None, Some(head)) => {
            // A batch is stamped with its first entry's time, and callers' clocks differ a little.
            let slack = std::time::Duration::from_mins(1);
            history_from(core, head.first_opened_at.minus(slack))?
        }
        (None, None) => core.next_history,
    };
    let span = Span::new(record::history_key(from), record::history_key(u64::MAX));
    let pairs = core.staged.scan(&span, UPKEEP_PAGE_MAX)?;
    let mut entries = Vec::new();
    for history in decoded::<History>(core, &pairs)? {
        let own = history.entries.iter().filter(|(of, ..)| *of == number);
        entries.extend(own.map(|(_, after, reason)| {
            (Timestamp::from_micros(history.at.as_micros().saturating_add(*after)), *reason)
        }));
    }
    let next = pairs.last().and_then(|(key, _)| record::number_in(key)).map_or(from, |at| at + 1);
    Ok(Page { entries, next, read: pairs.len() })
}

fn counts(core: &Core) -> Result<Counts, Error> {
    let size = core.staged.size()?;
    let index = &core.index;
    Ok(Counts {
        open: index.open,
        acknowledged: index.acknowledged,
        resolved: index.incidents.saturating_sub(index.open + index.acknowledged),
        members: index.firing,
        lanes: core.lanes.counts(),
        disk_bytes: size.used_bytes,
        disk_free_bytes: size.free_bytes.unwrap_or(u64::MAX),
    })
}

impl Records for Embedded {
    fn incident(&self, number: u64) -> Answer<'_, Option<IncidentRecord>> {
        self.call(move |core| incident(core, number))
    }

    fn incidents(&self, filter: Filter) -> Answer<'_, Vec<Head>> {
        self.call(move |core| incidents(core, &filter))
    }

    fn inbox(&self, limit: usize) -> Answer<'_, Vec<Kept>> {
        self.call(move |core| inbox(core, limit))
    }

    fn history(&self, number: u64) -> Answer<'_, Vec<(Timestamp, Reason)>> {
        Box::pin(async move {
            let (mut entries, mut from, mut read) = (Vec::new(), None, 0);
            while read < HISTORY_READ_MAX {
                let page = self.call(move |core| history_page(core, number, from)).await?;
                entries.extend(page.entries);
                read += page.read;
                from = Some(page.next);
                if page.read < UPKEEP_PAGE_MAX {
                    break;
                }
            }
            Ok(entries)
        })
    }

    fn counts(&self) -> Answer<'_, Counts> {
        self.call(|core| counts(core))
    }
}
