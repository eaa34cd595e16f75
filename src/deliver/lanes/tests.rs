//! Tests of the lanes in a small world of fakes.

mod embedded;
mod world;

use std::io::Read;

use tokio::time::sleep;

use self::world::{Lines, SECOND, World, answer, answer_later, lane, lane_of, slow_answer};
use super::*;
use crate::deliver::client::Failure;
use crate::domain::{Severity, ToldState};

#[tokio::test(start_paused = true)]
async fn a_resolve_is_never_overtaken() {
    let world = World::new();
    world.script("chat", |_, _| slow_answer(5 * SECOND, 200));
    world.lanes.adopt(vec![lane("chat")]);
    world.open(1, &["chat"]);
    sleep(SECOND).await;
    world.resolve(1);
    world.ended(Reason::Delivered, 2).await;
    assert_eq!(world.log(), [(0, "chat 1 open".into()), (5, "chat 1 resolved".into())]);
    assert_eq!(world.fake.told(1, "chat").state, ToldState::Resolved);
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_goes_first() {
    let world = World::new();
    world.script("chat", |_, _| slow_answer(SECOND, 200));
    for (number, severity) in [(1, Severity::Info), (2, Severity::Critical), (3, Severity::Error)] {
        world.fake.open(number, severity, &["chat"], world.clock.now());
    }
    world.lanes.adopt(vec![LaneConfig { concurrency: 1, ..lane("chat") }]);
    world.ended(Reason::Delivered, 3).await;
    assert_eq!(world.texts(), ["chat 2 open", "chat 3 open", "chat 1 open"]);
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_pause_the_credential_and_are_no_attempt() {
    let world = World::new();
    world.script("one", |n, _| if n == 0 { answer_later(429, 30) } else { answer(200) });
    let other = Lines { credential: 2, ..Lines::WORKING };
    world.lanes.adopt(vec![lane("one"), lane("two"), lane_of("three", other)]);
    world.open(1, &["one"]);
    world.ended(Reason::Waiting, 1).await;
    let told = world.fake.told(1, "one");
    assert_eq!((told.retry, told.maybe), (None, None));
    world.open(2, &["two", "three"]);
    world.ended(Reason::Delivered, 3).await;
    let log = world.log();
    assert_eq!(log[..2], [(0, "one 1 open".into()), (0, "three 2 open".into())]);
    assert!(log[2..].iter().all(|(at, _)| *at == 30), "{log:?}");
    assert_eq!(log.len(), 4);
    assert!(world.events().contains(&"one paused 30s".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_burst_that_meets_a_429_are_held_back() {
    let world = World::new();
    world.script("chat", |n, _| match n {
        8 => answer_later(429, 60),
        _ => slow_answer(Duration::from_millis(5), 200),
    });
    world.lanes.adopt(vec![LaneConfig { concurrency: 1, ..lane("chat") }]);
    (1..=40).for_each(|number| world.open(number, &["chat"]));
    world.ended(Reason::Delivered, 40).await;
    let log = world.log();
    assert_eq!(log.iter().filter(|(at, _)| *at < 60).count(), 9, "{log:?}");
    assert_eq!(log.len(), 41, "nothing is sent twice but what was refused");
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_with_growing_delays() {
    let world = World::new();
    world.script("chat", |n, _| answer(if n < 5 { 500 } else { 200 }));
    world.lanes.adopt(vec![lane("chat")]);
    world.open(1, &["chat"]);
    world.ended(Reason::Retrying, 3).await;
    let told = world.fake.told(1, "chat");
    assert_eq!((told.retry.map(|retry| retry.attempts), told.maybe), (Some(3), None));
    world.ended(Reason::Delivered, 1).await;
    assert_eq!(world.log().len(), 6);
    // The delays are at most 1, 2, 4, 8 and 16 seconds, and at least a tenth of that.
    let elapsed = world.began.elapsed();
    assert!(elapsed >= 3 * SECOND && elapsed <= 32 * SECOND, "{elapsed:?}");
    assert_eq!(world.fake.told(1, "chat").external.as_deref(), Some("ts-1"));
    let turns: Vec<_> = world.events().into_iter().filter(|e| e.contains("failing")).collect();
    assert_eq!(turns, ["chat failing true", "chat failing false"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_waits_as_long_as_its_answer_says() {
    let world = World::new();
    world.script("chat", |n, _| match n {
        0 => answer_later(503, 120),
        1 => answer_later(503, 1_000_000),
        _ => answer(200),
    });
    world.lanes.adopt(vec![lane("chat")]);
    world.open(1, &["chat"]);
    world.ended(Reason::Delivered, 1).await;
    let at: Vec<u128> = world.log().into_iter().map(|(at, _)| at).collect();
    assert_eq!(at, [0, 120, 120 + 3600]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_may_have_been_told() {
    for (failure, maybe) in [
        (Failure::NoAnswer { detail: "reset".into() }, Some(1)),
        (Failure::NotSent { detail: "refused".into() }, None),
    ] {
        let world = World::new();
        let broken = failure.clone();
        world.script("chat", move |_, _| (Duration::ZERO, Err(broken.clone())));
        world.lanes.adopt(vec![lane("chat")]);
        world.open(1, &["chat"]);
        world.ended(Reason::Retrying, 1).await;
        assert_eq!(world.fake.told(1, "chat").maybe, maybe, "{failure:?}");
        // Resolved meanwhile: who may have been told hears of the end, who cannot have been does not.
        world.script("chat", |_, _| answer(200));
        world.resolve(1);
        sleep(60 * SECOND).await;
        let closed = world.texts().contains(&"chat 1 resolved".to_owned());
        assert_eq!(closed, maybe.is_some(), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_rendering_is_sent_plain_at_once() {
    let world = World::new();
    world.script("chat", |n, _| answer(if n == 0 { 400 } else { 200 }));
    world.lanes.adopt(vec![lane("chat")]);
    world.open(1, &["chat"]);
    world.ended(Reason::Delivered, 1).await;
    assert_eq!(
        world.log(),
        [(0, "chat 1 open".into()), (0, "chat 1 open plain: answered 400".into())]
    );
    assert_eq!(world.fake.book().attempts.len(), 1);
    assert_eq!(world.events()[0], "chat 1 plain answered 400");
}

#[tokio::test(start_paused = true)]
async fn a_broken_template_is_sent_plain_at_once() {
    let world = World::new();
    let broken = Lines { broken_template: true, ..Lines::WORKING };
    world.lanes.adopt(vec![lane_of("chat", broken)]);
    world.open(1, &["chat"]);
    world.ended(Reason::Delivered, 1).await;
    let error = "render lines for receiver chat: line 1: no field foo";
    assert_eq!(world.texts(), [format!("chat 1 open plain: {error}")]);
}

#[tokio::test(start_paused = true)]
async fn the_plain_request_obeys_the_rate_but_does_not_wait_for_ever() {
    for (per_second, at) in [(0.5, 2), (0.001, 0)] {
        let world = World::new();
        world.script("chat", |n, _| answer(if n == 0 { 400 } else { 200 }));
        world.lanes.adopt(vec![LaneConfig { rate: (per_second, 1), ..lane("chat") }]);
        world.open(1, &["chat"]);
        world.ended(Reason::Delivered, 1).await;
        assert_eq!(world.log()[1].0, at, "{per_second} per second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_only_for_what_is_over_and_cannot_be_mended() {
    // A place that is gone may come back, and a credential be renewed; what is wrong with us stays wrong.
    for (status, reason, dead) in
        [(409, Reason::GaveUp, Some(2)), (404, Reason::Refused, None), (401, Reason::Refused, None)]
    {
        let world = World::new();
        world.script("chat", move |n, _| answer(if n == 0 { 200 } else { status }));
        world.lanes.adopt(vec![lane("chat")]);
        world.open(1, &["chat"]);
        world.ended(Reason::Delivered, 1).await;
        world.resolve(1);
        world.ended(reason, 1).await;
        assert_eq!(world.fake.told(1, "chat").dead, dead, "{status}");
        world.open(2, &["chat"]);
        world.ended(Reason::Refused, 1 + usize::from(dead.is_none())).await;
        assert_eq!(world.fake.told(2, "chat").dead, None, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_row_says_with_which_credential_it_was_told() {
    let world = World::new();
    world.script("chat", |n, _| answer(if n == 0 { 500 } else { 200 }));
    let config = lane("chat");
    let credential = config.sender.credential();
    world.lanes.adopt(vec![config]);
    world.open(1, &["chat"]);
    world.ended(Reason::Retrying, 1).await;
    assert_eq!(world.fake.told(1, "chat").credential, None);
    world.ended(Reason::Delivered, 1).await;
    assert_eq!(world.fake.told(1, "chat").credential, Some(credential));
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_slows_nobody_else() {
    let world = World::new();
    world.script("slow", |_, _| slow_answer(1000 * SECOND, 200));
    world.lanes.adopt(vec![lane("slow"), lane("quick")]);
    (1..=100).for_each(|number| world.open(number, &["slow", "quick"]));
    world.ended(Reason::Delivered, 100).await;
    assert!(world.began.elapsed() < SECOND, "{:?}", world.began.elapsed());
    let texts = world.texts();
    assert_eq!(texts.iter().filter(|text| text.starts_with("slow")).count(), 4);
}

#[tokio::test(start_paused = true)]
async fn receivers_of_one_credential_share_its_rate() {
    let world = World::new();
    let rate = (1.0, 2);
    let lanes = ["one", "two"].map(|name| LaneConfig { rate, ..lane(name) });
    world.lanes.adopt(lanes.into());
    (1..=5).for_each(|number| world.open(number, &["one", "two"]));
    world.ended(Reason::Delivered, 10).await;
    let at: Vec<u128> = world.net.log.lock().unwrap().iter().map(|(at, _)| *at).collect();
    assert_eq!(at.len(), 10);
    for (n, at) in at.iter().enumerate() {
        let earliest = n.saturating_sub(1) as u128 * 1000;
        assert!((earliest..earliest + 50).contains(at), "request {n} came at {at} ms");
    }
    let claims = world.fake.book().claims;
    assert!(claims < 60, "{claims} claims: a lane that has to wait does not look for work");
}

#[tokio::test(start_paused = true)]
async fn a_quick_receiver_is_kept_busy() {
    let world = World::with_flush(Duration::from_millis(5));
    world.script("chat", |_, _| slow_answer(Duration::from_millis(1), 200));
    (1..=1000).for_each(|number| world.open(number, &["chat"]));
    world.lanes.adopt(vec![lane("chat")]);
    world.ended(Reason::Delivered, 1000).await;
    // One by one, start, send and settle take 11 ms for each four: 2.8 s. Four slots alone need 0.3 s.
    assert!(world.began.elapsed() < SECOND / 2, "{:?}", world.began.elapsed());
    assert_eq!(world.net.most.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn starts_that_ran_ahead_go_back_when_the_receiver_becomes_slow() {
    let world = World::with_flush(Duration::from_millis(5));
    world.script("chat", |n, _| {
        let delay = if n < 100 { Duration::from_millis(1) } else { 10 * SECOND };
        slow_answer(delay, 200)
    });
    (1..=200).for_each(|number| world.open(number, &["chat"]));
    world.lanes.adopt(vec![lane("chat")]);
    world.ended(Reason::Delivered, 100).await;
    sleep(SECOND).await;
    world.fake.open(500, Severity::Critical, &["chat"], world.clock.now());
    world.until(|book| book.attempts.iter().any(|(attempt, _)| attempt.number == 500)).await;
    let at = world.log().into_iter().find(|(_, text)| text == "chat 500 open").unwrap().0;
    assert!(at <= 11, "the critical one waited {at} s: one slow answer is the most it should");
}

#[tokio::test(start_paused = true)]
async fn shutdown_finishes_what_is_on_its_way_and_gives_back_the_rest() {
    let world = World::new();
    world.script("chat", |_, _| slow_answer(5 * SECOND, 200));
    world.lanes.adopt(vec![lane("chat")]);
    (1..=20).for_each(|number| world.open(number, &["chat"]));
    sleep(SECOND).await;
    assert_eq!(world.lanes.shutdown(30 * SECOND).await, 0);
    assert_eq!(world.began.elapsed().as_secs(), 5);
    let book = world.fake.book();
    assert_eq!(book.attempts.len(), 4);
    assert!(book.claimed.is_empty(), "{:?}", book.claimed);
    let maybe = book.heads.values().filter(|head| head.told[0].maybe.is_some()).count();
    assert_eq!(maybe, 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_cuts_off_what_does_not_end() {
    let world = World::new();
    world.script("chat", |_, _| slow_answer(1000 * SECOND, 200));
    world.lanes.adopt(vec![lane("chat"), lane("idle")]);
    world.open(1, &["chat"]);
    sleep(SECOND).await;
    assert_eq!(world.lanes.shutdown(10 * SECOND).await, 1);
    assert_eq!(world.began.elapsed().as_secs(), 11);
    assert_eq!(world.fake.told(1, "chat").maybe, Some(1), "it may have been told");
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_lanes_and_drains_those_that_are_gone() {
    let world = World::new();
    let slow = LaneConfig { rate: (0.01, 1), ..lane("slow") };
    let other = |name| lane_of(name, Lines { credential: 2, ..Lines::WORKING });
    world.lanes.adopt(vec![slow.clone(), other("old")]);
    world.open(1, &["slow", "old"]);
    world.ended(Reason::Delivered, 2).await;

    let draining = world.lanes.adopt(vec![slow, other("new")]);
    assert_eq!(draining, ["old".into()]);
    world.open(2, &["slow", "new"]);
    world.ended(Reason::Delivered, 3).await;
    world.resolve(1);
    world.ended(Reason::Delivered, 4).await;
    assert_eq!(
        world.texts()[2..],
        ["new 2 open", "old 1 resolved"],
        "the spent permit stays spent"
    );
    assert_eq!(world.began.elapsed().as_secs(), 0);

    world.lanes.retire("old");
    world.lanes.retire("slow");
    world.open(3, &["old", "new", "slow"]);
    world.ended(Reason::Delivered, 8).await;
    assert!(!world.texts().contains(&"old 3 open".to_owned()), "a retired lane is gone");
    assert!(world.texts().contains(&"slow 3 open".to_owned()), "only draining lanes retire");
}

#[tokio::test(start_paused = true)]
async fn a_reload_takes_effect_at_once() {
    let world = World::new();
    world.lanes.adopt(vec![LaneConfig { rate: (0.001, 1), ..lane("chat") }]);
    (1..=3).for_each(|number| world.open(number, &["chat"]));
    world.ended(Reason::Delivered, 1).await;
    world.lanes.adopt(vec![lane("chat")]);
    world.ended(Reason::Delivered, 3).await;
    assert_eq!(world.began.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_error_ends_the_lane_and_is_reported() {
    let mut world = World::new();
    world.lanes.adopt(vec![lane("chat")]);
    world.fake.book().broken = true;
    world.open(1, &["chat"]);
    let error = world.failed.recv().await.unwrap();
    assert_eq!(error.to_string(), "claim work for receiver chat");
    assert!(matches!(error, Error::Store { source: store::Error::Closed, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_incident_stops_nobody_else() {
    let mut world = World::new();
    world.fake.book().damaged = Some(1);
    world.lanes.adopt(vec![lane("chat")]);
    (1..=10).for_each(|number| world.open(number, &["chat"]));
    world.ended(Reason::Delivered, 9).await;
    assert!(world.failed.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_busy_store_is_asked_again() {
    for busy in 1..=6 {
        let world = World::new();
        world.lanes.adopt(vec![lane("chat")]);
        world.fake.book().busy = busy;
        world.open(1, &["chat"]);
        world.ended(Reason::Delivered, 1).await;
        assert_eq!(world.texts(), ["chat 1 open"], "{busy} times");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inbox_keeps_the_text_and_prints_it() {
    let world = World::new();
    world.lanes.adopt(vec![lane_of("inbox", Lines { keeps: true, ..Lines::WORKING })]);
    world.open(1, &["inbox"]);
    world.ended(Reason::Delivered, 1).await;
    let kept = world.fake.book().attempts[0].1.clone();
    assert_eq!(kept.as_deref(), Some("inbox 1 open"));
    assert_eq!(*world.printed.lock().unwrap(), ["inbox: inbox 1 open"]);
    assert!(world.texts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_sender_is_a_failed_attempt() {
    let world = World::new();
    world.lanes.adopt(vec![lane_of("chat", Lines { panics: true, ..Lines::WORKING })]);
    world.open(1, &["chat"]);
    world.open(2, &["chat"]);
    world.ended(Reason::Delivered, 1).await;
    world.ended(Reason::Retrying, 2).await;
    assert_eq!(world.texts(), ["chat 2 open"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_kept_without_secrets() {
    let world = World::new();
    let secrets = vec![Secret::new("1 open"), Secret::new("swered")];
    world.lanes.adopt(vec![LaneConfig { secrets, ..lane("chat") }]);
    world.script("chat", |_, _| slow_answer(SECOND, 500));
    world.open(1, &["chat"]);
    world.ended(Reason::Retrying, 1).await;
    let attempt = world.fake.book().attempts[0].0.clone();
    let mut body = String::new();
    flate2::read::DeflateDecoder::new(&*attempt.body).read_to_string(&mut body).unwrap();
    assert_eq!(body, "chat ***");
    assert_eq!(attempt.body_hash, kept::body_hash(b"chat 1 open"));
    assert_eq!(attempt.error.as_deref(), Some("an*** 500"));
    assert_eq!((attempt.status, attempt.seq, attempt.took), (Some(500), 1, SECOND));
}
