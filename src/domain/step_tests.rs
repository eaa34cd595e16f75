//! Stories of one incident as tables: each line is a signal, its reason and what is true after it.

use std::sync::Arc;

use std::time::Duration;

use super::super::schedule::grid;
use super::super::{Fingerprint, Timing, flush};
use super::Reason as R;
use super::*;

const DB: u8 = 1;
const WEB: u8 = 2;

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + second)
}

fn key(id: u8) -> Fingerprint {
    Fingerprint([id; 16])
}

fn seen(severity: Severity, observed: Option<i64>) -> Observation {
    Observation {
        severity,
        title: format!("it is {severity}"),
        observed_at: observed.map(at),
        message: None,
        body: severity as u64,
        expiry: None,
        notice: false,
        by: None,
    }
}

fn message(severity: Severity, id: u64) -> Observation {
    Observation { message: Some(id), ..seen(severity, None) }
}

fn policy() -> Policy {
    Policy::new("db", vec![Arc::from("chat")])
}

/// An incident and its members, driven signal by signal.
struct Story {
    head: Head,
    members: Vec<Member>,
    policy: Policy,
}

impl Story {
    fn new(policy: Policy) -> Self {
        let join = Join {
            policy: Arc::new(policy.clone()),
            group: key(9),
            was: Vec::new(),
            values: Vec::new(),
        };
        Self {
            head: open(Fresh { number: 7, previous: None }, &join, false, at(0)),
            members: Vec::new(),
            policy,
        }
    }

    fn tell(&mut self, second: i64, id: u8, signal: Signal) -> (Reason, bool) {
        let known = self.members.iter().find(|member| member.key == key(id)).cloned();
        let slots = vec![Slot::new(key(id), known)];
        let done = step(
            self.head.clone(),
            slots,
            &[Touch { slot: 0, signal }],
            &self.policy,
            at(0),
            at(second),
        );
        self.head = done.head;
        if let Some(member) = done.slots.into_iter().next().and_then(|slot| slot.member) {
            self.members.retain(|known| known.key != member.key);
            self.members.push(member);
        }
        (done.reasons[0], done.changed)
    }

    /// (state, firing, severity, peak, seq)
    fn stands(&self) -> (&'static str, u32, Severity, Severity, u32) {
        let head = &self.head;
        (head.state.as_str(), head.firing_count(), head.severity, head.peak, head.seq)
    }
}

/// Second, member, signal; then the reason, the state, firing members, peak and seq after it.
type Row = (i64, u8, Signal, Reason, &'static str, u32, Severity, u32);

fn check(rows: &[Row]) {
    let mut story = Story::new(policy());
    for (second, id, signal, reason, state, firing, peak, seq) in rows.iter().cloned() {
        let case = format!("{signal:?} of {id} at {second}");
        let (got, _) = story.tell(second, id, signal);
        assert_eq!(got, reason, "{case}");
        let (is, fires, _, top, now_seq) = story.stands();
        assert_eq!((is, fires, top, now_seq), (state, firing, peak, seq), "{case}");
    }
}

use Severity::{Critical, Error, Warning};
use Signal::{Acknowledge, Expire, Fire, Leave, Resolve};

#[rustfmt::skip]
#[test]
fn opens_joins_and_resolves() {
    check(&[
        (0, DB,  Fire(seen(Warning, Some(0))),     R::Opened,         "open",     1, Warning, 1),
        (1, DB,  Fire(seen(Warning, Some(0))),     R::Duplicate,      "open",     1, Warning, 1),
        (2, WEB, Fire(seen(Error, Some(2))),       R::Joined,         "open",     2, Error,   2),
        (3, DB,  Resolve(seen(Warning, Some(3))),  R::PartlyResolved, "open",     1, Error,   3),
        (4, DB,  Resolve(seen(Warning, Some(3))),  R::Duplicate,      "open",     1, Error,   3),
        (5, WEB, Resolve(seen(Error, Some(5))),    R::Resolved,       "resolved", 0, Error,   4),
        (6, WEB, Resolve(seen(Error, Some(6))),    R::NothingOpen,    "resolved", 0, Error,   4),
    ]);
}

#[rustfmt::skip]
#[test]
fn repeats_are_no_news() {
    check(&[
        (0, DB, Fire(seen(Warning, None)),              R::Opened,   "open", 1, Warning, 1),
        (9, DB, Fire(seen(Warning, None)),              R::Repeated, "open", 1, Warning, 1),
        (9, DB, Fire(Observation { body: 77, ..seen(Warning, None) }), R::Updated, "open", 1, Warning, 1),
    ]);
}

#[rustfmt::skip]
#[test]
fn redelivered_and_late_messages_change_nothing() {
    check(&[
        (0, DB, Fire(message(Warning, 11)),            R::Opened,    "open", 1, Warning, 1),
        (1, DB, Fire(message(Critical, 11)),           R::Duplicate, "open", 1, Warning, 1),
    ]);
    check(&[
        (0, DB, Fire(seen(Warning, Some(10))),         R::Opened,    "open", 1, Warning, 1),
        (1, DB, Resolve(seen(Warning, Some(9))),       R::Stale,     "open", 1, Warning, 1),
        (2, DB, Fire(seen(Critical, Some(8))),         R::Stale,     "open", 1, Warning, 1),
        (3, DB, Resolve(seen(Warning, Some(20))),      R::Resolved,  "resolved", 0, Warning, 2),
        (4, DB, Fire(seen(Warning, Some(15))),         R::Stale,     "resolved", 0, Warning, 2),
    ]);
}

/// Alertmanager sends a false resolve when Prometheus was away for a while, then the alert with its old start.
#[rustfmt::skip]
#[test]
fn an_old_start_fires_again_once_the_resolve_is_no_news() {
    check(&[
        (0,   DB, Fire(seen(Warning, Some(0))),      R::Opened,   "open",     1, Warning, 1),
        (300, DB, Resolve(seen(Warning, Some(290))), R::Resolved, "resolved", 0, Warning, 2),
        (320, DB, Fire(seen(Warning, Some(0))),      R::Stale,    "resolved", 0, Warning, 2),
        (400, DB, Fire(seen(Warning, Some(0))),      R::Reopened, "open",     1, Warning, 3),
        (500, DB, Resolve(seen(Warning, Some(490))), R::Resolved, "resolved", 0, Warning, 4),
    ]);
}

#[rustfmt::skip]
#[test]
fn an_outgrown_acknowledge_can_be_given_again() {
    check(&[
        (0, DB, Fire(seen(Warning, None)),         R::Opened,       "open",         1, Warning, 1),
        (1, DB, Acknowledge(seen(Warning, None)),  R::Acknowledged, "acknowledged", 1, Warning, 2),
        (2, DB, Fire(seen(Error, None)),           R::SeverityRose, "open",         1, Error,   3),
        (3, DB, Acknowledge(seen(Error, None)),    R::Acknowledged, "acknowledged", 1, Error,   4),
        (4, DB, Acknowledge(seen(Error, None)),    R::Duplicate,    "acknowledged", 1, Error,   4),
    ]);
}

#[rustfmt::skip]
#[test]
fn severity_rises_and_falls() {
    check(&[
        (0, DB, Fire(seen(Warning, None)),   R::Opened,       "open", 1, Warning,  1),
        (1, DB, Fire(seen(Critical, None)),  R::SeverityRose, "open", 1, Critical, 2),
        (2, DB, Fire(seen(Error, None)),     R::SeverityFell, "open", 1, Critical, 3),
        (3, DB, Fire(seen(Critical, None)),  R::SeverityRose, "open", 1, Critical, 4),
    ]);
}

#[rustfmt::skip]
#[test]
fn an_acknowledge_holds_until_it_is_outgrown() {
    check(&[
        (0, DB,  Fire(seen(Warning, None)),         R::Opened,             "open",         1, Warning, 1),
        (1, WEB, Fire(seen(Warning, None)),         R::Joined,             "open",         2, Warning, 2),
        (2, DB,  Acknowledge(seen(Warning, None)),  R::PartlyAcknowledged, "open",         2, Warning, 2),
        (3, WEB, Acknowledge(seen(Warning, None)),  R::Acknowledged,       "acknowledged", 2, Warning, 3),
        (4, WEB, Acknowledge(seen(Warning, None)),  R::Duplicate,          "acknowledged", 2, Warning, 3),
        (5, WEB, Fire(seen(Warning, None)),         R::Repeated,           "acknowledged", 2, Warning, 3),
        (6, DB,  Fire(seen(Error, None)),           R::SeverityRose,       "open",         2, Error,   4),
        (7, 3,   Acknowledge(seen(Warning, None)),  R::NothingOpen,        "open",         2, Error,   4),
    ]);
}

#[rustfmt::skip]
#[test]
fn members_leave_and_expire() {
    check(&[
        (0, DB,  Fire(seen(Warning, None)), R::Opened,      "open",     1, Warning, 1),
        (1, WEB, Fire(seen(Warning, None)), R::Joined,      "open",     2, Warning, 2),
        (2, DB,  Leave,                     R::Rerouted,    "open",     1, Warning, 3),
        (3, WEB, Expire,                    R::Expired,     "resolved", 0, Warning, 4),
        (4, WEB, Expire,                    R::NothingOpen, "resolved", 0, Warning, 4),
    ]);
}

#[rustfmt::skip]
#[test]
fn firing_again_is_the_next_episode() {
    check(&[
        (0, DB, Fire(seen(Critical, None)),    R::Opened,   "open",     1, Critical, 1),
        (1, DB, Resolve(seen(Critical, None)), R::Resolved, "resolved", 0, Critical, 2),
        (2, DB, Fire(seen(Warning, None)),     R::Reopened, "open",     1, Warning,  3),
    ]);
}

/// When changes may be told: seconds of (`flushed_seq`, `next_flush`) after each signal.
#[test]
fn prompt_timing() {
    let mut story = Story::new(Policy {
        group_wait: Duration::from_secs(30),
        resolve_wait: Duration::from_secs(5),
        ..policy()
    });
    story.tell(0, DB, Fire(seen(Warning, None)));
    assert_eq!(
        (story.head.flushed_seq, story.head.next_flush),
        (0, Some(at(30))),
        "waits group_wait"
    );
    flush(&mut story.head, at(30));
    story.tell(31, WEB, Fire(seen(Warning, None)));
    assert_eq!(story.head.next_flush, Some(at(90)), "paced by group_interval");
    story.tell(32, WEB, Fire(seen(Critical, None)));
    assert_eq!((story.head.flushed_seq, story.head.next_flush), (3, None), "a rise goes at once");
    story.tell(40, DB, Resolve(seen(Warning, None)));
    assert_eq!(story.head.next_flush, Some(at(92)), "a partial resolve is paced");
    story.tell(41, WEB, Resolve(seen(Warning, None)));
    assert_eq!(story.head.next_flush, Some(at(46)), "a full resolve waits resolve_wait");
    flush(&mut story.head, at(46));
    story.tell(50, DB, Fire(seen(Warning, None)));
    assert_eq!(story.head.next_flush, Some(at(106)), "a reopen is paced");
    flush(&mut story.head, at(106));
    story.tell(107, DB, Resolve(seen(Warning, None)));
    assert_eq!(story.head.next_flush, Some(at(166)), "and so is the resolve of a later episode");
}

#[test]
fn grid_timing_keeps_to_its_points() {
    let waits = Policy { timing: Timing::Grid, group_wait: Duration::from_secs(10), ..policy() };
    let mut story = Story::new(waits);
    story.tell(0, DB, Fire(seen(Warning, None)));
    assert_eq!(story.head.next_flush, Some(at(10)));
    flush(&mut story.head, at(10));
    story.tell(11, DB, Fire(seen(Critical, None)));
    assert_eq!(story.head.next_flush, Some(at(70)), "even a rise waits for the grid");
    assert_eq!(grid(&story.head, &story.policy, at(0), at(70)), at(70));
    assert_eq!(grid(&story.head, &story.policy, at(0), at(71)), at(130));
    assert_eq!(
        grid(&story.head, &story.policy, at(35), at(71)),
        at(105),
        "a reload starts the grid anew"
    );
}

#[test]
fn receivers_are_enlisted_and_never_dropped() {
    let mut story = Story::new(policy());
    story.tell(0, DB, Fire(seen(Warning, None)));
    story.policy.receivers = vec![Arc::from("pager")];
    story.tell(1, WEB, Fire(seen(Warning, None)));
    let names: Vec<_> = story.head.told.iter().map(|told| told.receiver.as_str()).collect();
    assert_eq!(names, ["chat", "pager"]);
}

#[test]
fn one_payload_may_fire_and_resolve() {
    let story = Story::new(policy());
    let touches = [
        Touch { slot: 0, signal: Fire(seen(Warning, Some(0))) },
        Touch { slot: 0, signal: Resolve(seen(Warning, Some(1))) },
    ];
    let done =
        step(story.head, vec![Slot::new(key(DB), None)], &touches, &story.policy, at(0), at(2));
    assert_eq!(done.reasons, [R::Opened, R::Resolved]);
    assert!(done.head.state.is_resolved() && done.changed);
}

#[test]
fn counters_alone_need_no_write() {
    let mut story = Story::new(policy());
    story.tell(0, DB, Fire(seen(Warning, Some(0))));
    assert!(!story.tell(1, DB, Fire(seen(Warning, Some(0)))).1);
    assert!(story.tell(2, DB, Fire(seen(Error, Some(0)))).1);
}

#[test]
fn times_in_the_future_are_clamped() {
    assert_eq!(seen(Warning, Some(301)).clamped(at(0)).observed_at, Some(at(0)));
    assert_eq!(seen(Warning, Some(300)).clamped(at(0)).observed_at, Some(at(300)));
}

#[test]
fn message_ids_and_reasons_are_bounded() {
    let mut story = Story::new(policy());
    for n in 0..50 {
        let signal =
            if n % 2 == 0 { Fire(message(Warning, n)) } else { Resolve(message(Warning, n)) };
        story.tell(i64::try_from(n).expect("small"), DB, signal);
    }
    assert_eq!(story.members[0].messages, [46, 47, 48, 49]);
    assert_eq!(story.head.reasons.len(), crate::limits::REASONS_KEPT_MAX);
    assert_eq!(story.head.episode, 25);
}
