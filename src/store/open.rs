//! Opens a store: checks whose data it is and rebuilds the indexes from heads and members alone.

use std::time::Duration;

use super::Error;
use super::core::Core;
use super::index::{Hot, Standing, chain_key};
use super::kv::Span;
use super::record::{self, Tombstone};
use crate::domain::{Head, Member, State, Timestamp};
use crate::limits::{TOMBSTONE_SECONDS, UPKEEP_PAGE_MAX};

/// Overdue repeats after a start go out over this time.
const SPREAD: Duration = Duration::from_mins(10);

/// Checks that the records are ours and readable, or claims an empty place. Writes only there.
pub(super) fn claim(core: &mut Core, fresh_instance: String) -> Result<(), Error> {
    let damaged =
        |key: &str, detail: &str| Error::Damaged { key: key.to_owned(), detail: detail.to_owned() };
    let format = core.staged.bytes(record::META_FORMAT)?;
    let Some(format) = format else {
        if !core.staged.scan(&Span::new(vec![0], vec![u8::MAX]), 1)?.is_empty() {
            return Err(damaged("zformat", "it is missing, but there are records"));
        }
        core.staged.put_bytes(record::META_FORMAT.to_vec(), vec![record::FORMAT]);
        core.staged.put(record::META_INSTANCE.to_vec(), &fresh_instance);
        core.instance = fresh_instance;
        return core.apply().map_err(|error| super::staged::backend("begin", error));
    };
    let found = format.first().copied().unwrap_or(0);
    if found > record::FORMAT {
        let path = core.staged.place().clone();
        return Err(Error::TooNew { path, found, known: record::FORMAT });
    }
    if found == 0 {
        return Err(damaged("zformat", "it is 0"));
    }
    if core.staged.bytes(record::META_IMPORTING)?.is_some() {
        return Err(damaged(
            "zimporting",
            "an import did not finish; import again into an empty directory",
        ));
    }
    core.instance = core.staged.need(record::META_INSTANCE)?;
    Ok(())
}

/// What members need to know of their incident.
struct Known {
    number: u64,
    notice: bool,
    /// Its members are remembered no longer.
    over: bool,
}

/// Rebuilds everything that is in memory.
pub(super) fn rebuild(core: &mut Core, now: Timestamp) -> Result<(), Error> {
    let known = heads(core, now)?;
    members(core, &known, now)?;
    let tombstones = Span::prefix(&[record::TOMBSTONE]);
    pages(core, tombstones, |core, key, bytes| {
        let tombstone: Tombstone = core.staged.decode(key, bytes)?;
        if let Some(Ok(key)) = key.get(1..).map(TryInto::try_into) {
            core.index.tombstones.insert(crate::domain::Fingerprint(key), tombstone);
        }
        Ok(())
    })?;
    core.next_history = next(core, record::HISTORY)?;
    core.next_kept = next(core, record::KEPT)?;
    let next: u64 = core.staged.get(record::META_NEXT)?.unwrap_or(1);
    core.next_number = core.next_number.max(next);
    Ok(())
}

fn next(core: &Core, prefix: u8) -> Result<u64, Error> {
    let last = core.staged.scan(&Span::prefix(&[prefix]).backwards(), 1)?;
    Ok(last.first().and_then(|(key, _)| record::number_in(key)).map_or(0, |last| last + 1))
}

/// Whether members of an incident that ended at `at` need not be remembered any more.
pub(super) fn is_over(core: &Core, head: &Head, now: Timestamp) -> bool {
    let window = core.rules.policy(&head.route).reopen_window;
    match head.state {
        State::Resolved { at } => {
            now.since(at) > window.max(Duration::from_secs(TOMBSTONE_SECONDS))
        }
        State::Open | State::Acknowledged { .. } => false,
    }
}

fn heads(core: &mut Core, now: Timestamp) -> Result<Vec<Known>, Error> {
    let mut known = Vec::new();
    pages(core, Span::prefix(&[record::HEAD]), |core, key, bytes| {
        let head: Head = core.staged.decode(key, bytes)?;
        if record::number_in(key) != Some(head.number) {
            return Err(Error::Damaged {
                key: record::show(key),
                detail: format!("it says that it is number {}", head.number),
            });
        }
        core.next_number = head.number + 1;
        core.index.incidents += 1;
        if !head.notice {
            core.index.groups.insert(head.group, head.number);
        }
        known.push(Known {
            number: head.number,
            notice: head.notice,
            over: is_over(core, &head, now),
        });
        let open = Standing::of(&head.state) != Standing::Resolved;
        if open || head.told.iter().any(crate::domain::Told::may_be_open) {
            // A fixed share of the time for each incident: the same at every start, so no repeat waits twice as long.
            let share = u32::try_from(head.number.wrapping_mul(0x9e37_79b9) % 1000).unwrap_or(0);
            core.evaluate(&head, now, Some(now.plus(SPREAD * share / 1000)));
        }
        Ok(())
    })?;
    Ok(known)
}

fn members(core: &mut Core, known: &[Known], now: Timestamp) -> Result<(), Error> {
    let mut at = 0;
    pages(core, Span::prefix(&[record::MEMBER]), |core, key, bytes| {
        let member: Member = core.staged.decode(key, bytes)?;
        let number = record::number_in(key).unwrap_or(0);
        while known.get(at).is_some_and(|known| known.number < number) {
            at += 1;
        }
        let Some(known) = known.get(at).filter(|known| known.number == number) else {
            return Err(Error::Damaged {
                key: record::show(key),
                detail: "its incident is missing".to_owned(),
            });
        };
        if known.over {
            return Ok(());
        }
        let mut hot = Hot::of(number, &member);
        if hot.expires_at != Timestamp::MAX && !known.notice {
            // While we were away no sender could reach us: everybody gets the whole time again.
            let timeout = Duration::from_secs(u64::from(hot.timeout_secs));
            hot.expires_at = hot.expires_at.max(now.plus(timeout));
        }
        core.index.insert(chain_key(member.key, known.notice), hot, known.notice);
        Ok(())
    })
}

/// Calls `visit` with each record of `span`, reading a page at a time.
pub(super) fn pages(
    core: &mut Core,
    mut span: Span,
    mut visit: impl FnMut(&mut Core, &[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    loop {
        let page = core.staged.scan(&span, UPKEEP_PAGE_MAX)?;
        for (key, bytes) in &page {
            visit(core, key, bytes)?;
        }
        match page.last() {
            Some((last, _)) if page.len() == UPKEEP_PAGE_MAX => {
                span.from.clone_from(last);
                span.from.push(0);
            }
            _ => return Ok(()),
        }
    }
}
