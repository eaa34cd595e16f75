//! Fallbacks as tables: what a receiver failed to hear, and who hears it instead.

use std::collections::HashMap;
use std::time::Duration;

use super::super::{
    Backoff, Fallback, Fingerprint, Fresh, Join, Patience, Policy, Settled, Severity, State,
    Traits, open, settle, start,
};
use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + second)
}

/// `chat` falls back to `sms`, that to `pager`, that to `inbox`, that to `last`, each after a minute.
fn rules() -> Rules {
    let names = ["chat", "sms", "pager", "inbox", "last"];
    let fallback = |pair: &[&str]| {
        (Arc::from(pair[0]), Fallback { receiver: pair[1].into(), after: Duration::from_mins(1) })
    };
    Rules {
        policies: HashMap::new(),
        fallback: Arc::new(Policy::new("db", vec!["chat".into()])),
        traits: names.map(|name| (Arc::from(name), Traits::CHAT)).into(),
        fallbacks: names.windows(2).map(fallback).collect(),
        loaded_at: at(0),
    }
}

/// An incident that opened at 0; `chat` knows nothing of it.
fn opened() -> Head {
    let rules = rules();
    let group = Fingerprint([1; 16]);
    let policy = Arc::clone(&rules.fallback);
    let join = Join { policy, group, was: Vec::new(), values: Vec::new() };
    let mut head = open(Fresh { number: 1, previous: None }, &join, false, at(0));
    (head.state, head.episode, head.seq) = (State::Open, 1, 1);
    (head.marks.opened, head.flushed_seq) = (1, 1);
    head.firing[Severity::Warning as usize] = 1;
    (head.severity, head.peak) = (Severity::Warning, Severity::Warning);
    head.told.push(Told::new("chat"));
    head
}

/// The incident after `receiver` was tried at `second`.
fn tried(mut head: Head, receiver: &str, settled: &Settled, second: i64) -> Head {
    let rules = rules();
    let row = head.told.iter().position(|told| told.receiver == receiver).expect("a row");
    let (policy, traits) = (rules.policy("db"), rules.traits(receiver));
    let why = match wanted(&head, &head.told[row], policy, traits, at(0), at(second)) {
        Wanted::Send(why) | Wanted::At(_, why) => why,
        Wanted::Nothing(reason) => panic!("{receiver} wants nothing: {reason}"),
    };
    let telling = start(&mut head, row, why);
    let patience =
        Patience { backoff: Backoff::default(), max_age: Duration::from_hours(1), seed: 0 };
    settle(&mut head, row, telling, settled, 7, patience, at(second));
    head
}

const FAILED: Settled = Settled::Failed { after: None, maybe: false };
const LOST: Settled = Settled::Failed { after: None, maybe: true };
const REFUSED: Settled = Settled::Refused { mendable: true };
const TAKEN: Settled = Settled::Delivered { remember: None };

fn failing(second: i64) -> Head {
    tried(opened(), "chat", &FAILED, second)
}

fn told() -> Head {
    tried(opened(), "chat", &TAKEN, 0)
}

fn change(mut head: Head, edit: impl FnOnce(&mut Head, u32)) -> Head {
    head.seq += 1;
    let seq = head.seq;
    edit(&mut head, seq);
    head.flushed_seq = seq;
    head
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

fn resolved(head: Head) -> Head {
    change(head, |head, seq| {
        head.state = State::Resolved { at: at(10) };
        head.marks.resolved = seq;
    })
}

fn reopened(head: Head, second: i64) -> Head {
    change(head, |head, seq| {
        head.state = State::Open;
        head.episode += 1;
        head.opened_at = at(second);
        head.marks.opened = seq;
    })
}

fn with_row(mut head: Head, receiver: &str) -> Head {
    head.told.push(Told::new(receiver));
    head
}

#[rustfmt::skip]
#[test]
fn when_a_fallback_is_due() {
    let lost_repeat = tried(told(), "chat", &LOST, 4 * 3600);
    // The incident, and when `sms` is told in place of `chat`.
    let rows = [
        ("nothing was tried",              opened(),                                        None),
        ("open failed",                    failing(1),                                      Some(61)),
        ("open failed twice",              tried(failing(1), "chat", &FAILED, 9),           Some(61)),
        ("open was refused",               tried(opened(), "chat", &REFUSED, 1),            Some(61)),
        ("open may have arrived",          tried(opened(), "chat", &LOST, 1),               Some(61)),
        ("the receiver asked to wait",     tried(opened(), "chat", &Settled::Held, 1),      None),
        ("open arrived after all",         tried(failing(1), "chat", &TAKEN, 9),            None),
        ("a rise failed",                  tried(risen(told()), "chat", &FAILED, 5),        Some(65)),
        ("only a join failed",             tried(joined(told()), "chat", &FAILED, 5),       None),
        ("a join failed, then a rise",     tried(risen(tried(joined(told()), "chat", &FAILED, 5)), "chat", &FAILED, 9), Some(69)),
        ("a repeat may have arrived",      lost_repeat.clone(),                             None),
        ("and failed when told again",     tried(lost_repeat, "chat", &FAILED, 4 * 3600 + 9), None),
        ("a close failed",                 tried(resolved(told()), "chat", &FAILED, 11),    None),
        ("it resolved meanwhile",          resolved(failing(1)),                            None),
        ("a reopening failed",             tried(reopened(resolved(told()), 30), "chat", &FAILED, 31), Some(91)),
        ("failed in an earlier episode",   reopened(resolved(failing(1)), 300),             Some(360)),
        ("the fallback has a row",         with_row(failing(1), "sms"),                     None),
        ("too many rows",                  (0..TOLD_ROWS_MAX).fold(failing(1), |head, n| with_row(head, &n.to_string())), None),
    ];
    for (case, head, expected) in rows {
        let due = fallback(&head, &head.told[0], &rules(), at(0));
        let expected = expected.map(|second| FallbackDue { at: at(second), receiver: "sms".into() });
        assert_eq!(due, expected, "{case}");
    }
}

#[test]
fn a_fallback_is_no_use_where_the_configuration_has_none() {
    let head = failing(1);
    let due = |rules: &Rules| fallback(&head, &head.told[0], rules, at(0));
    let mut gone = rules();
    gone.traits.remove("sms");
    assert_eq!(due(&gone), None, "the fallback is gone");
    let mut gone = rules();
    gone.traits.remove("chat");
    assert_eq!(due(&gone), None, "the receiver is gone: it is only closed");
    assert_eq!(due(&Rules { fallbacks: HashMap::new(), ..rules() }), None);
}

#[test]
fn fallbacks_fall_back_three_deep() {
    let mut head = failing(1);
    assert_eq!(fall_back(&mut head, &rules(), at(60)), 0, "not yet");
    let mut second = 61;
    for (receiver, via) in [("sms", "chat"), ("pager", "sms"), ("inbox", "pager")] {
        assert_eq!(fall_back(&mut head, &rules(), at(second)), 1, "{receiver}");
        let row = head.told(receiver).expect("a row");
        assert_eq!((row.via.as_deref(), row.state), (Some(via), ToldState::Never));
        assert_eq!(fall_back(&mut head, &rules(), at(second)), 0, "once");
        head = tried(head, receiver, &FAILED, second);
        second += 60;
    }
    assert_eq!(fall_back(&mut head, &rules(), at(second)), 0, "the fourth is too far");
    let fell = head.reasons.iter().filter(|(_, reason)| *reason == Reason::FellBack).count();
    assert_eq!(fell, 3);
}

#[test]
fn receivers_that_share_a_fallback_give_it_one_row() {
    let mut rules = rules();
    rules.fallbacks.insert("last".into(), rules.fallbacks["chat"].clone());
    let mut head = tried(with_row(failing(1), "last"), "last", &FAILED, 1);
    assert_eq!(fall_back(&mut head, &rules, at(100)), 1);
    assert_eq!(head.told("sms").and_then(|told| told.via.as_deref()), Some("chat"));
}
