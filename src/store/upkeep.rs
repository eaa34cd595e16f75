//! Housekeeping: drops what is older than its retention, a bounded piece at a time.

use std::time::Duration;

use super::core::Core;
use super::index::chain_key;
use super::kv::Span;
use super::record::{self, History, Tombstone};
use super::{Error, Retention, flow, open};
use crate::domain::{Head, Member, State, Timestamp, Wanted, Why, wanted};
use crate::limits::{TOMBSTONE_SECONDS, UPKEEP_PAGE_MAX};

/// Drops at most `limit` records that are older than `retention`. Returns how many went.
pub(super) fn prune(
    core: &mut Core,
    retention: Retention,
    limit: usize,
    now: Timestamp,
) -> Result<u64, Error> {
    let mut left = limit;
    prune_tombstones(core, &mut left, now);
    prune_kept(core, retention.inbox, &mut left)?;
    prune_history(core, retention.history, &mut left, now)?;
    prune_incidents(core, retention.resolved, &mut left, now)?;
    Ok((limit - left) as u64)
}

fn prune_tombstones(core: &mut Core, left: &mut usize, now: Timestamp) {
    let age = Duration::from_secs(TOMBSTONE_SECONDS);
    let old = |tombstone: &Tombstone| now.since(tombstone.at) >= age;
    let gone: Vec<_> = core
        .index
        .tombstones
        .iter()
        .filter(|(_, tombstone)| old(tombstone))
        .map(|(key, _)| *key)
        .take(*left)
        .collect();
    for key in gone {
        core.index.tombstones.remove(&key);
        core.staged.delete(record::tombstone_key(key));
        *left -= 1;
    }
}

fn prune_kept(core: &mut Core, keep: usize, left: &mut usize) -> Result<(), Error> {
    let until = core.next_kept.saturating_sub(keep as u64);
    let span = Span::new(record::kept_key(0), record::kept_key(until));
    for (key, _) in core.staged.scan(&span, *left)? {
        core.staged.delete(key);
        *left -= 1;
    }
    Ok(())
}

fn prune_history(
    core: &mut Core,
    age: Duration,
    left: &mut usize,
    now: Timestamp,
) -> Result<(), Error> {
    for (key, bytes) in core.staged.scan(&Span::prefix(&[record::HISTORY]), *left)? {
        let history: History = core.staged.decode(&key, &bytes)?;
        // The newest record stays: the next one is numbered after it.
        let newest = record::number_in(&key).is_some_and(|at| at + 1 == core.next_history);
        if newest || now.since(history.at) < age {
            break;
        }
        core.staged.delete(key);
        *left -= 1;
    }
    Ok(())
}

/// Looks at one page of heads, going on where the last call ended.
fn prune_incidents(
    core: &mut Core,
    age: Duration,
    left: &mut usize,
    now: Timestamp,
) -> Result<(), Error> {
    let span = Span::new(record::head_key(core.prune_from), record::head_key(u64::MAX));
    let page = core.staged.scan(&span, UPKEEP_PAGE_MAX)?;
    for (key, bytes) in &page {
        if *left == 0 {
            return Ok(());
        }
        let head: Head = core.staged.decode(key, bytes)?;
        match head.state {
            State::Resolved { at } => {
                if now.since(at) >= age && !is_busy(core, &head) {
                    if !remove(core, &head, left)? {
                        return Ok(());
                    }
                } else if open::is_over(core, &head, now) {
                    forget_members(core, &head)?;
                }
            }
            State::Open | State::Acknowledged { .. } => drop_resolved(core, &head, left, now)?,
        }
        core.prune_from = head.number + 1;
    }
    if page.len() < UPKEEP_PAGE_MAX {
        core.prune_from = 0;
    }
    Ok(())
}

/// Whether somebody is still to be told, or is being told.
fn is_busy(core: &Core, head: &Head) -> bool {
    head.told.iter().any(|told| {
        core.lanes.is_busy(head.number, &told.receiver)
            || (told.may_be_open() && told.dead.is_none() && told.retry.is_some())
    })
}

/// Removes a resolved incident with all that belongs to it; the head goes last. `false`: it takes
/// another call.
fn remove(core: &mut Core, head: &Head, left: &mut usize) -> Result<bool, Error> {
    forget_members(core, head)?;
    // A member goes together with its body: a call that ends in between leaves an incident that can still be read.
    for (prefix, with) in [(record::ATTEMPT, None), (record::MEMBER, Some(record::BODY))] {
        let span = Span::prefix(&record::of_incident(prefix, head.number));
        let each = 1 + usize::from(with.is_some());
        loop {
            let page = core.staged.scan(&span, (*left / each).min(UPKEEP_PAGE_MAX))?;
            if page.is_empty() {
                break;
            }
            for (mut key, _) in page {
                core.staged.delete(key.clone());
                if let Some(with) = with {
                    key[0] = with;
                    core.staged.delete(key);
                }
                *left -= each;
            }
        }
        if *left < 2 {
            return Ok(false);
        }
    }
    core.staged.delete(record::head_key(head.number));
    core.staged.put(record::META_NEXT.to_vec(), &core.next_number);
    *left -= 1;
    core.index.incidents -= 1;
    if core.index.groups.get(&head.group) == Some(&head.number) {
        core.index.groups.remove(&head.group);
    }
    for told in &head.told {
        core.lanes.forget(head.number, &told.receiver);
    }
    core.index.stand(head.number, None);
    Ok(true)
}

/// Takes the members of an incident that is over out of memory.
fn forget_members(core: &mut Core, head: &Head) -> Result<(), Error> {
    let span = Span::prefix(&record::of_incident(record::MEMBER, head.number));
    let mut gone = Vec::new();
    open::pages(core, span, |core, key, bytes| {
        let member: Member = core.staged.decode(key, bytes)?;
        gone.push((chain_key(member.key, head.notice), member.ordinal));
        Ok(())
    })?;
    for (key, ordinal) in gone {
        if let Some(slot) = core.index.slot(key, head.number, ordinal) {
            core.index.remove(key, slot);
        }
    }
    Ok(())
}

/// Drops members of an open incident that ended a day ago and of which everybody who wants to knows.
fn drop_resolved(
    core: &mut Core,
    head: &Head,
    left: &mut usize,
    now: Timestamp,
) -> Result<(), Error> {
    if head.next_ordinal == head.firing_count() {
        return Ok(());
    }
    let rules = &core.rules;
    let policy = rules.policy(&head.route);
    let waits = |told: &&crate::domain::Told| {
        let traits = rules.traits(&told.receiver);
        let verdict = wanted(head, told, policy, traits, rules.loaded_at, now);
        !matches!(verdict, Wanted::Nothing(_) | Wanted::At(_, Why::Repeat))
    };
    let known = head.told.iter().filter(waits).map(|told| told.seq).min().unwrap_or(u32::MAX);
    for member in flow::members(core, head.number, UPKEEP_PAGE_MAX)? {
        let old = now.since(member.last_at) >= Duration::from_secs(TOMBSTONE_SECONDS);
        if *left < 2 {
            break;
        }
        if !member.firing && old && member.changed_seq <= known {
            core.staged.delete(record::member_key(head.number, member.ordinal));
            core.staged.delete(record::body_key(head.number, member.ordinal));
            *left -= 2;
            let key = chain_key(member.key, head.notice);
            if let Some(slot) = core.index.slot(key, head.number, member.ordinal) {
                core.index.remove(key, slot);
            }
        }
    }
    Ok(())
}
