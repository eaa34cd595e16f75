//! What receivers hear, as tables: the incident, what it was told, and the verdict.

use std::sync::Arc;

use super::super::{Fingerprint, Fresh, Join, Rules, Tells, open};
use super::Reason as R;
use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + second)
}

fn policy() -> Policy {
    Policy::new("db", vec![Arc::from("chat")])
}

/// An incident that opened at 0 with one warning; everything is flushed.
fn opened() -> Head {
    let join = Join {
        policy: Arc::new(policy()),
        group: Fingerprint([1; 16]),
        was: Vec::new(),
        values: Vec::new(),
    };
    let mut head = open(Fresh { number: 1, previous: None }, &join, false, at(0));
    head.state = State::Open;
    head.episode = 1;
    head.seq = 1;
    head.marks.opened = 1;
    head.flushed_seq = 1;
    head.severity = Severity::Warning;
    head.peak = Severity::Warning;
    head.firing[Severity::Warning as usize] = 1;
    head.told.push(Told::new("chat"));
    head
}

/// The same, and the receiver was told of it at 0.
fn told() -> Head {
    let mut head = opened();
    deliver(&mut head, Why::Open, 0);
    head
}

fn deliver(head: &mut Head, why: Why, second: i64) {
    let telling = start(head, 0, why);
    settle(head, 0, telling, &Settled::Delivered { remember: None }, KEY, patience(), at(second));
}

fn patience() -> Patience {
    Patience { backoff: Backoff::default(), max_age: Duration::from_hours(1), seed: 900 }
}

fn change(mut head: Head, edit: impl FnOnce(&mut Head, u32)) -> Head {
    head.seq += 1;
    let seq = head.seq;
    edit(&mut head, seq);
    head.flushed_seq = head.seq;
    head
}

fn resolved(head: Head) -> Head {
    change(head, |head, seq| {
        head.state = State::Resolved { at: at(10) };
        head.firing = [0; 5];
        head.marks.resolved = seq;
    })
}

fn reopened(head: Head) -> Head {
    change(head, |head, seq| {
        head.state = State::Open;
        head.episode += 1;
        head.marks.opened = seq;
    })
}

fn risen(head: Head) -> Head {
    change(head, |head, seq| {
        head.peak = Severity::Critical;
        head.marks.rise = seq;
    })
}

fn joined(head: Head) -> Head {
    change(head, |head, seq| head.marks.joined = seq)
}

fn acknowledged(head: Head) -> Head {
    change(head, |head, seq| {
        head.state =
            State::Acknowledged { by: "someone".into(), at: at(5), severity: Severity::Warning };
        head.marks.acknowledged = seq;
    })
}

fn verdict(head: &Head, traits: Traits, second: i64) -> Wanted {
    wanted(head, &head.told[0], &policy(), traits, at(0), at(second))
}

/// The credential of these tests.
const KEY: u64 = 7;

const HOURS_4: i64 = 4 * 3600;

#[rustfmt::skip]
#[test]
fn verdicts() {
    use Wanted::{At, Nothing, Send};
    let mute = Traits { tells: Tells::of(&[]), ..Traits::CHAT };
    let rows = [
        ("open, never told",              opened(),                          Traits::CHAT,  20, Send(Why::Open)),
        ("open, told",                    told(),                            Traits::CHAT,  20, At(at(HOURS_4), Why::Repeat)),
        ("open, told, repeat is due",     told(),                            Traits::CHAT,  HOURS_4, Send(Why::Repeat)),
        ("open, told, pager",             told(),                            Traits::SMS,   HOURS_4, Nothing(R::UpToDate)),
        ("open, wants nothing",           opened(),                          mute,          20, Nothing(R::NotWanted)),
        ("joined, chat",                  joined(told()),                    Traits::CHAT,  20, Send(Why::Joined)),
        ("joined, pager",                 joined(told()),                    Traits::PAGER, 20, Nothing(R::UpToDate)),
        ("rise, pager",                   risen(told()),                     Traits::PAGER, 20, Send(Why::Rise)),
        ("rise and join, chat",           joined(risen(told())),             Traits::CHAT,  20, Send(Why::Rise)),
        ("acknowledged, pager",           acknowledged(told()),              Traits::PAGER, 20, Send(Why::Acknowledged)),
        ("acknowledged, SMS",             acknowledged(told()),              Traits::SMS,   20, Nothing(R::UpToDate)),
        ("resolved, told",                resolved(told()),                  Traits::CHAT,  20, Send(Why::Resolved)),
        ("resolved, never told",          resolved(opened()),                Traits::CHAT,  20, Nothing(R::NeverTold)),
        ("resolved, wants no resolve",    resolved(told()),                  mute,          20, Nothing(R::NotWanted)),
        ("resolved, receiver is gone",    resolved(told()),                  Traits::CHAT.drained(), 20, Send(Why::Resolved)),
        ("joined, receiver is gone",      joined(told()),                    Traits::CHAT.drained(), 20, Nothing(R::Draining)),
        ("reopened, not told of the end", reopened(resolved(told())),        Traits::CHAT,  20, Send(Why::Reopened)),
        ("reopened and worse, SMS",       risen(reopened(resolved(told()))), Traits::SMS,   20, Send(Why::Rise)),
        ("reopened, SMS hears no reopen", reopened(resolved(told())),        Traits::SMS,   20, Nothing(R::NotWanted)),
    ];
    for (case, head, traits, second, expected) in rows {
        assert_eq!(verdict(&head, traits, second), expected, "{case}");
    }
}

#[test]
fn a_fallback_hears_of_a_reopen_whatever_it_tells() {
    let mut head = told();
    head.told[0].via = Some("pager".into());
    let mut head = resolved(head);
    deliver(&mut head, Why::Resolved, 11);
    assert_eq!(verdict(&reopened(head), Traits::SMS, 20), Wanted::Send(Why::Reopened));
}

#[test]
fn an_acknowledged_incident_is_not_repeated() {
    let mut head = acknowledged(told());
    deliver(&mut head, Why::Acknowledged, 6);
    assert_eq!(verdict(&head, Traits::CHAT, 10 * HOURS_4), Wanted::Nothing(R::UpToDate));
}

#[test]
fn news_waits_for_its_flush() {
    let mut head = joined(told());
    head.flushed_seq = 1;
    head.next_flush = Some(at(60));
    assert_eq!(verdict(&head, Traits::CHAT, 20), Wanted::At(at(60), Why::Joined));
}

#[test]
fn what_may_have_been_told_is_told_again_and_closed() {
    let mut head = opened();
    start(&mut head, 0, Why::Open);
    assert_eq!(
        verdict(&head, Traits::CHAT, 1),
        Wanted::Send(Why::Open),
        "the process died while sending"
    );
    let head = resolved(head);
    assert_eq!(verdict(&head, Traits::CHAT, 11), Wanted::Send(Why::Resolved));
}

#[test]
fn notices() {
    let mut head = opened();
    head.notice = true;
    assert_eq!(verdict(&head, Traits::CHAT, 1), Wanted::Send(Why::Open));
    assert_eq!(verdict(&head, Traits::PAGER, 1), Wanted::Nothing(R::NoticeNotWanted));
    deliver(&mut head, Why::Open, 1);
    assert_eq!(
        verdict(&head, Traits::CHAT, 10 * HOURS_4),
        Wanted::Nothing(R::UpToDate),
        "no repeat"
    );
    let head = resolved(head);
    assert_eq!(verdict(&head, Traits::CHAT, 11), Wanted::Nothing(R::UpToDate), "chat needs no end");
    let pager = Traits { notices: true, ..Traits::PAGER };
    assert_eq!(verdict(&head, pager, 11), Wanted::Send(Why::Resolved), "a pager is closed");
}

#[test]
fn failures_are_retried_and_given_up_when_old() {
    let mut head = opened();
    let failed = Settled::Failed { after: None, maybe: false };
    let telling = start(&mut head, 0, Why::Open);
    assert_eq!(settle(&mut head, 0, telling, &failed, KEY, patience(), at(1)), R::Retrying);
    assert_eq!(head.told[0].maybe, None, "a clear failure was not told");
    assert_eq!(
        verdict(&head, Traits::CHAT, 1),
        Wanted::At(at(2), Why::Open),
        "a second of full jitter"
    );
    let after = Settled::Failed { after: Some(Duration::from_secs(40)), maybe: true };
    let telling = start(&mut head, 0, Why::Open);
    settle(&mut head, 0, telling, &after, KEY, patience(), at(2));
    assert_eq!(
        verdict(&head, Traits::CHAT, 3),
        Wanted::At(at(42), Why::Open),
        "as the receiver asked"
    );
    let mut head = resolved(head);
    assert_eq!(
        verdict(&head, Traits::CHAT, 42),
        Wanted::Send(Why::Resolved),
        "it may have been told"
    );
    let telling = start(&mut head, 0, Why::Resolved);
    assert_eq!(settle(&mut head, 0, telling, &failed, KEY, patience(), at(10 + 3600)), R::GaveUp);
    assert_eq!(verdict(&head, Traits::CHAT, 9999), Wanted::Nothing(R::GaveUp));
    assert_eq!(
        verdict(&reopened(head), Traits::CHAT, 9999),
        Wanted::Send(Why::Open),
        "new news re-arms it"
    );
}

#[test]
fn refusals() {
    const MENDABLE: Settled = Settled::Refused { mendable: true };
    const FINAL: Settled = Settled::Refused { mendable: false };
    let closing = || resolved(told());
    let max_age = 10 + 3600;
    // The incident, how the receiver refuses, when, what is said of it, and when it is tried again.
    let rows = [
        ("open, final", joined(told()), FINAL, 20, R::Refused, Some(320)),
        ("open, mendable", joined(told()), MENDABLE, 20, R::Refused, Some(320)),
        ("resolved, final", closing(), FINAL, 20, R::GaveUp, None),
        ("resolved, mendable", closing(), MENDABLE, 20, R::Refused, Some(320)),
        ("resolved, mendable, last", closing(), MENDABLE, max_age - 1, R::Refused, Some(3909)),
        ("resolved, mendable, too old", closing(), MENDABLE, max_age, R::GaveUp, None),
    ];
    for (case, mut head, refusal, second, reason, again) in rows {
        let Wanted::Send(why) = verdict(&head, Traits::CHAT, second) else { panic!("{case}") };
        let telling = start(&mut head, 0, why);
        let said = settle(&mut head, 0, telling, &refusal, KEY, patience(), at(second));
        assert_eq!(said, reason, "{case}");
        let expected = again.map_or(Wanted::Nothing(R::GaveUp), |again| Wanted::At(at(again), why));
        assert_eq!(verdict(&head, Traits::CHAT, second + 1), expected, "{case}");
    }
}

#[test]
fn being_asked_to_wait_is_no_attempt() {
    let mut head = opened();
    let before = head.told[0].clone();
    let telling = start(&mut head, 0, Why::Open);
    assert_eq!(settle(&mut head, 0, telling, &Settled::Held, KEY, patience(), at(1)), R::Waiting);
    assert_eq!(head.told[0], before);
}

#[test]
fn backoff_doubles_to_its_cap() {
    let backoff = Backoff::default();
    assert_eq!(backoff.delay(1, 900), Duration::from_secs(1));
    assert_eq!(backoff.delay(4, 900), Duration::from_secs(8));
    assert_eq!(backoff.delay(60, 900), Duration::from_mins(5));
    assert_eq!(backoff.delay(4, 0), Duration::from_millis(800), "jitter reaches down to a tenth");
}

#[test]
fn urgent_news_comes_first() {
    let order = [
        Why::Open.class(Severity::Critical),
        Why::Rise.class(Severity::Error),
        Why::Resolved.class(Severity::Unknown),
        Why::Open.class(Severity::Warning),
        Why::Joined.class(Severity::Critical),
        Why::Repeat.class(Severity::Critical),
    ];
    assert_eq!(order, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn unknown_receivers_only_close() {
    let rules = Rules {
        policies: std::collections::HashMap::new(),
        fallback: Arc::new(policy()),
        traits: std::collections::HashMap::new(),
        fallbacks: std::collections::HashMap::new(),
        loaded_at: at(0),
    };
    assert!(rules.traits("gone").draining);
    assert_eq!(&*rules.policy("gone").route, "db");
}
