//! What lanes and timers ask of the committer: wake, claim, start, settle, adopt.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::Core;
use super::draft::Draft;
use super::index::chain_key;
use super::lanes::Held;
use super::record;
use super::{Claim, Error, Kept, Settlement, Started};
use crate::domain::{
    self, Body, Head, Member, Patience, Reason, Rules, Settled, Signal, Snapshot, Timestamp, Told,
    ToldState, Wanted, fall_back, flush, wanted,
};
use crate::limits::{
    ATTEMPT_BODY_BYTES_MAX, EXTERNAL_BYTES_MAX, MEMBERS_READ_MAX, MEMBERS_SHOWN_MAX,
    RECORD_BYTES_MAX, WAKE_BATCH_MAX,
};

/// Does what is due by `now`. Returns when to come again.
pub(super) fn wake(core: &mut Core, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    core.lanes.lapse(now);
    expire(core, now)?;
    for number in core.index.due(now, WAKE_BATCH_MAX) {
        let mut head = match core.head(number) {
            Ok(head) => head,
            Err(error) => {
                skip(core, number, &error)?;
                continue;
            }
        };
        let flushes = head.next_flush.is_some_and(|at| at <= now);
        if flushes {
            flush(&mut head, now);
        }
        let fallbacks = fall_back(&mut head, &core.rules, now);
        for _ in 0..fallbacks {
            core.happened(number, now, Reason::FellBack);
        }
        if flushes || fallbacks > 0 {
            core.put_head(&head);
        }
        core.evaluate(&head, now, None);
    }
    Ok(core.next_wake())
}

/// One unreadable incident must not hold up the others; only a store that cannot be read at all does.
fn skip(core: &mut Core, number: u64, error: &Error) -> Result<(), Error> {
    tracing::error!(number, error = %error, "incident is left out: its record cannot be read");
    core.index.stand(number, None);
    core.staged.size().map(|_| ())
}

fn expire(core: &mut Core, now: Timestamp) -> Result<(), Error> {
    let mut incidents: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for slot in core.index.expired(now, WAKE_BATCH_MAX) {
        incidents.entry(core.index.hot(slot).number).or_default().push(slot);
    }
    for (number, slots) in incidents {
        match expire_members(core, number, &slots, now) {
            Ok(draft) => draft.publish(core, "", &[], now),
            Err(error) => {
                for slot in slots {
                    core.index.touch(slot, |hot| hot.expires_at = Timestamp::MAX);
                }
                skip(core, number, &error)?;
            }
        }
    }
    Ok(())
}

fn expire_members(core: &Core, number: u64, slots: &[u32], now: Timestamp) -> Result<Draft, Error> {
    let head = core.head(number)?;
    let policy = Arc::clone(core.rules.policy(&head.route));
    let mut draft = Draft::new(head, policy, false);
    for slot in slots {
        let hot = core.index.hot(*slot);
        let member = core.member(hot)?;
        let key = member.key;
        draft.bring(key, Some((*slot, hot, member)));
        draft.touch(key, Signal::Expire, None);
    }
    draft.run(core, now, &mut []);
    Ok(draft)
}

/// Judges the incidents after number `from` by the present rules. Returns where to go on, and adds up what receivers
/// that are gone still have open.
pub(super) fn adopt_page(
    core: &mut Core,
    from: u64,
    gone: &mut BTreeMap<String, u64>,
    now: Timestamp,
) -> Result<Option<u64>, Error> {
    let page: Vec<u64> =
        core.index.live.range(from..).take(WAKE_BATCH_MAX).map(|(number, _)| *number).collect();
    for number in &page {
        let mut head = match core.head(*number) {
            Ok(head) => head,
            Err(error) => {
                skip(core, *number, &error)?;
                continue;
            }
        };
        let policy = Arc::clone(core.rules.policy(&head.route));
        if nobody_left(&head, &core.rules) && domain::enlist(&mut head, &policy) {
            core.put_head(&head);
        }
        for told in head.told.iter().filter(|told| told.may_be_open()) {
            if core.rules.traits(&told.receiver).draining {
                *gone.entry(told.receiver.clone()).or_default() += 1;
            }
        }
        core.evaluate(&head, now, None);
    }
    Ok(page.last().filter(|_| page.len() == WAKE_BATCH_MAX).map(|last| last + 1))
}

/// Whether an open incident is known to no receiver that is still there: then those that the route names now are told.
/// Where somebody knows of it, a receiver that joins the route is not told of what is open already.
fn nobody_left(head: &Head, rules: &Rules) -> bool {
    let knows =
        |told: &Told| told.state != ToldState::Never && !rules.traits(&told.receiver).draining;
    !head.state.is_resolved() && !head.notice && !head.told.iter().any(knows)
}

/// Takes over `rules`.
pub(super) fn adopt(core: &mut Core, rules: Arc<Rules>) {
    core.rules = rules;
}

/// Begins an attempt, if it is still wanted and the claim still counts.
pub(super) fn start(
    core: &mut Core,
    claim: &Claim,
    now: Timestamp,
) -> Result<Option<Started>, Error> {
    if core.lanes.held(claim) != Held::Yes {
        return Ok(None);
    }
    let started = prepare(core, claim, now);
    let Ok(Some((head, started))) = started else {
        core.lanes.end(claim);
        return match core.head(claim.number) {
            Ok(head) => {
                core.evaluate(&head, now, None);
                started.map(|_| None)
            }
            Err(error) => skip(core, claim.number, &error).and(Err(error)),
        };
    };
    core.put_head(&head);
    core.lanes.started(claim, now);
    Ok(Some(started))
}

fn prepare(core: &Core, claim: &Claim, now: Timestamp) -> Result<Option<(Head, Started)>, Error> {
    let mut head = core.head(claim.number)?;
    let Some(row) = head.told.iter().position(|told| *told.receiver == *claim.receiver) else {
        return Ok(None);
    };
    let told = head.told[row].clone();
    let rules = &core.rules;
    let traits = rules.traits(&claim.receiver);
    let verdict = wanted(&head, &told, rules.policy(&head.route), traits, rules.loaded_at, now);
    let Wanted::Send(why) = verdict else { return Ok(None) };
    let telling = domain::start(&mut head, row, why);
    let members = shown(core, claim.number)?;
    let claim = Claim { why, class: why.class(head.severity), ..claim.clone() };
    let snapshot = Snapshot { head: head.clone(), members };
    Ok(Some((head, Started { claim, telling, snapshot, told })))
}

/// The members that a notification shows: firing first, worst first, then newest.
fn shown(core: &Core, number: u64) -> Result<Vec<(Member, Body)>, Error> {
    let mut members = members(core, number, MEMBERS_READ_MAX)?;
    members.sort_by_key(|member| {
        let newest = std::cmp::Reverse(member.changed_seq);
        (!member.firing, std::cmp::Reverse(member.severity), newest, member.ordinal)
    });
    members.truncate(MEMBERS_SHOWN_MAX);
    with_bodies(core, number, members)
}

/// The newest `limit` members of an incident, oldest first.
pub(super) fn members(core: &Core, number: u64, limit: usize) -> Result<Vec<Member>, Error> {
    let span = super::kv::Span::prefix(&record::of_incident(record::MEMBER, number)).backwards();
    let mut members = Vec::new();
    for (key, bytes) in core.staged.scan(&span, limit)? {
        let mut member: Member = core.staged.decode(&key, &bytes)?;
        let chains = [chain_key(member.key, false), chain_key(member.key, true)];
        let known = chains.iter().find_map(|key| core.index.slot(*key, number, member.ordinal));
        if let Some(slot) = known {
            core.index.hot(slot).complete(&mut member);
        }
        members.push(member);
    }
    members.reverse();
    Ok(members)
}

/// Members with their bodies.
pub(super) fn with_bodies(
    core: &Core,
    number: u64,
    members: Vec<Member>,
) -> Result<Vec<(Member, Body)>, Error> {
    let mut found = Vec::with_capacity(members.len());
    for member in members {
        match core.staged.need(&record::body_key(number, member.ordinal)) {
            Ok(body) => found.push((member, body)),
            // The head alone can page; `store verify` names what is damaged.
            Err(error @ Error::Damaged { .. }) => {
                tracing::error!(number, ordinal = member.ordinal, %error, "a member cannot be shown");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Writes how an attempt ended.
pub(super) fn settle(core: &mut Core, end: &Settlement) -> Result<Reason, Error> {
    let (claim, now) = (&end.claim, end.now);
    if core.lanes.held(claim) == Held::Lost {
        // The lease lapsed and another attempt is on its way: that one will say how things stand.
        return Ok(Reason::Duplicate);
    }
    let mut head = core.head(claim.number)?;
    let Some(row) = head.told.iter().position(|told| *told.receiver == *claim.receiver) else {
        core.lanes.end(claim);
        return Ok(Reason::NoReceiver);
    };
    let patience = Patience {
        backoff: end.backoff,
        max_age: core.rules.traits(&claim.receiver).max_age,
        seed: end.seed,
    };
    let settled = bounded(&end.settled);
    let (telling, credential) = (end.telling, end.credential);
    let reason = domain::settle(&mut head, row, telling, &settled, credential, patience, now);
    core.put_head(&head);
    if settled != Settled::Held {
        let mut attempt = end.attempt.clone();
        attempt.reason = reason;
        if attempt.body.len() > ATTEMPT_BODY_BYTES_MAX {
            attempt.body.clear();
        }
        attempt.error = attempt.error.map(|error| clip(error, RECORD_BYTES_MAX / 8));
        core.staged.put(record::attempt_key(claim.number, &claim.receiver), &attempt);
        core.happened(claim.number, now, reason);
    }
    if let Some(text) = &end.keep {
        let kept = Kept {
            sequence: core.next_kept,
            receiver: claim.receiver.to_string(),
            number: claim.number,
            at: now,
            why: end.telling.why,
            text: clip(text.clone(), RECORD_BYTES_MAX - 1024),
        };
        core.staged.put(record::kept_key(kept.sequence), &kept);
        core.next_kept += 1;
    }
    core.lanes.end(claim);
    core.evaluate(&head, now, None);
    Ok(reason)
}

fn bounded(settled: &Settled) -> Settled {
    match settled {
        Settled::Delivered { remember: Some(external) } if external.len() > EXTERNAL_BYTES_MAX => {
            Settled::Delivered { remember: None }
        }
        other => other.clone(),
    }
}

/// `text` with at most `bytes` bytes, cut between characters.
fn clip(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
    }
    text
}

/// Gives claims back untouched.
pub(super) fn release(core: &mut Core, claims: &[Claim]) {
    for claim in claims {
        core.lanes.release(claim);
    }
}
