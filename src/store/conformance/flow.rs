//! Claims, attempts, timers.

use super::*;

#[test]
fn told_once_and_closed() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Critical), &["own"]).await;
        assert_eq!(world.ear.take(), ["chat", "pager"]);
        assert_eq!(world.deliver("pager").await, [(1, Why::Open)]);
        assert_eq!(world.deliver("pager").await, []);
        world.later(5);
        world.send(resolved("db"), &[]).await;
        assert_eq!(world.deliver("pager").await, [(1, Why::Resolved)]);
        // Chat was not told that it opened, so it need not hear of the end.
        assert_eq!(world.deliver("chat").await, []);
        let pager = world.head(1).await.told("pager").expect("row").clone();
        assert_eq!((pager.state, pager.maybe), (ToldState::Resolved, None));
        world.reopen();
        assert_eq!(world.deliver("pager").await, []);
    });
}

#[test]
fn expiry_waits_for_senders_after_a_restart() {
    check(|mut world| async move {
        let hour = Duration::from_hours(1);
        let alert = || Alert {
            life: Life::Expires,
            expires_after: Some(hour),
            ..firing("disk", Severity::Error)
        };
        world.send(alert(), &["own"]).await;
        world.later(3000);
        // Heard again: the later expiry is known at once, and on disk when the stored one is half gone.
        assert_eq!(world.send(alert(), &["own"]).await.reason, Reason::Repeated);
        world.later(1200);
        world.wake().await;
        assert!(!world.head(1).await.state.is_resolved());
        world.later(3 * 3600);
        world.reopen();
        world.wake().await;
        assert!(!world.head(1).await.state.is_resolved(), "nobody could reach us meanwhile");
        world.later(3601);
        world.wake().await;
        assert!(world.head(1).await.state.is_resolved());
        let history = world.store().history(1).await.expect("history");
        let reasons: Vec<_> = history.into_iter().map(|(_, reason)| reason).collect();
        assert_eq!(reasons, [Reason::Opened, Reason::Expired]);
    });
}

#[test]
fn a_lease_lapses_and_work_is_done_once() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        let first = world.claim("chat").await.remove(0);
        assert_eq!(world.claim("chat").await, []);
        let next = world.wake().await;
        assert_eq!(next, Some(world.now.plus(Duration::from_secs(30))));
        world.later(31);
        world.ear.take();
        world.wake().await;
        assert_eq!(world.ear.take(), ["chat"]);
        let second = world.claim("chat").await.remove(0);
        assert_ne!(first.epoch, second.epoch);
        assert_eq!(world.store().start(first.clone(), world.now).await.expect("start"), None);
        let started = world.store().start(second, world.now).await.expect("start").expect("wanted");
        // An attempt under way keeps its place when the lease is over.
        world.later(60);
        world.wake().await;
        assert_eq!(world.claim("chat").await, []);
        let stale = Started { claim: first, ..started.clone() };
        let done = world.settlement(&stale, Settled::Refused { mendable: false });
        assert_eq!(world.store().settle(done).await.expect("settle"), Reason::Duplicate);
        let done = world.settlement(&started, Settled::Delivered { remember: None });
        assert_eq!(world.store().settle(done).await.expect("settle"), Reason::Delivered);
        assert_eq!(world.head(1).await.told("chat").expect("row").state, ToldState::Open);
    });
}

#[test]
fn released_work_is_ready_again() {
    check(|world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        let claims = world.claim("chat").await;
        world.store().release(claims).await.expect("release");
        assert_eq!(world.deliver("chat").await, [(1, Why::Open)]);
    });
}

#[test]
fn what_may_have_been_told_is_told_again_or_closed() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        for receiver in ["chat", "pager"] {
            let claim = world.claim(receiver).await.remove(0);
            world.store().start(claim, world.now).await.expect("start").expect("wanted");
        }
        world.reopen();
        assert!(world.head(1).await.told("chat").expect("row").maybe.is_some());
        assert_eq!(world.deliver("chat").await, [(1, Why::Open)], "while open it is told again");
        world.send(resolved("db"), &[]).await;
        assert_eq!(
            world.deliver("pager").await,
            [(1, Why::Resolved)],
            "it may know, so it is closed"
        );
    });
}

#[test]
fn failures_wait_and_come_back() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        let claim = world.claim("chat").await.remove(0);
        let started = world.store().start(claim, world.now).await.expect("start").expect("wanted");
        let after = Some(Duration::from_secs(90));
        let failed = world.settlement(&started, Settled::Failed { after, maybe: false });
        assert_eq!(world.store().settle(failed).await.expect("settle"), Reason::Retrying);
        assert_eq!(world.deliver("chat").await, []);
        assert_eq!(lane(&world, "chat").await.failing, 1);
        world.reopen();
        assert_eq!(lane(&world, "chat").await.failing, 1);
        world.later(91);
        world.wake().await;
        assert_eq!(world.deliver("chat").await, [(1, Why::Open)]);
        assert_eq!(lane(&world, "chat").await.failing, 0);
        assert_eq!(world.record(1).await.attempts.len(), 1, "the latest attempt of each receiver");
    });
}

async fn lane(world: &World, receiver: &str) -> LaneCounts {
    let counts = world.store().counts().await.expect("counts");
    counts.lanes.into_iter().find(|lane| lane.receiver == receiver).expect("known")
}

#[test]
fn a_held_attempt_leaves_no_trace() {
    check(|world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        let claim = world.claim("chat").await.remove(0);
        let started = world.store().start(claim, world.now).await.expect("start").expect("wanted");
        let held = world.settlement(&started, Settled::Held);
        assert_eq!(world.store().settle(held).await.expect("settle"), Reason::Waiting);
        let record = world.record(1).await;
        assert_eq!(
            (record.head.told("chat").expect("row").maybe, record.attempts.len()),
            (None, 0)
        );
        assert_eq!(world.deliver("chat").await, [(1, Why::Open)]);
    });
}

#[test]
fn given_up_news_is_armed_by_more() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        world.deliver("chat").await;
        world.send(resolved("db"), &[]).await;
        let claim = world.claim("chat").await.remove(0);
        let started = world.store().start(claim, world.now).await.expect("start").expect("wanted");
        let refused = world.settlement(&started, Settled::Refused { mendable: false });
        assert_eq!(world.store().settle(refused).await.expect("settle"), Reason::GaveUp);
        assert_eq!(lane(&world, "chat").await.dead, 1);
        world.reopen();
        assert_eq!(world.deliver("chat").await, []);
        assert_eq!(lane(&world, "chat").await.dead, 1);
        world.later(120);
        world.send(firing("db", Severity::Error), &["own"]).await;
        world.later(60);
        world.wake().await;
        assert_eq!(world.deliver("chat").await, [(1, Why::Reopened)]);
        assert_eq!(lane(&world, "chat").await.dead, 0);
    });
}

#[test]
fn a_close_that_a_person_can_mend_is_tried_until_it_is_too_old() {
    check(|mut world| async move {
        for key in ["db", "web"] {
            world.send(firing(key, Severity::Error), &["own"]).await;
        }
        world.deliver("pager").await;
        for key in ["db", "web"] {
            world.send(resolved(key), &[]).await;
        }
        for claim in world.claim("pager").await {
            let started = world.store().start(claim, world.now).await.expect("start").expect("due");
            let refused = world.settlement(&started, Settled::Refused { mendable: true });
            assert_eq!(world.store().settle(refused).await.expect("settle"), Reason::Refused);
        }
        world.reopen();
        assert_eq!(world.deliver("pager").await, [], "not before the delay is over");
        world.later(300);
        world.wake().await;
        let mut claims = world.claim("pager").await;
        let last = claims.remove(1);
        let started = world.store().start(claims.remove(0), world.now).await.expect("start");
        let done = Settled::Delivered { remember: None };
        let done = world.settlement(&started.expect("due"), done);
        let credential = done.credential;
        assert_eq!(world.store().settle(done).await.expect("settle"), Reason::Delivered);
        let head = world.head(1).await;
        assert_eq!(head.told("pager").expect("row").credential, Some(credential));
        let started = world.store().start(last, world.now).await.expect("start").expect("due");
        world.later(24 * 3600);
        let refused = world.settlement(&started, Settled::Refused { mendable: true });
        assert_eq!(world.store().settle(refused).await.expect("settle"), Reason::GaveUp);
        assert_eq!(lane(&world, "pager").await.dead, 1);
    });
}

/// `chat` falls back to `phone` after five minutes.
fn with_fallback() -> Rules {
    let mut rules = rules();
    let after = Duration::from_mins(5);
    rules.traits.insert("phone".into(), Traits::SMS);
    rules.fallbacks.insert("chat".into(), Fallback { receiver: "phone".into(), after });
    rules
}

/// One failed attempt of `chat` at the only incident.
async fn fail(world: &World) {
    let claim = world.claim("chat").await.remove(0);
    let started = world.store().start(claim, world.now).await.expect("start").expect("wanted");
    let failed = world.settlement(&started, Settled::Failed { after: None, maybe: false });
    assert_eq!(world.store().settle(failed).await.expect("settle"), Reason::Retrying);
}

#[test]
fn a_fallback_is_told_and_closed() {
    check_with(with_fallback(), |mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        world.later(10);
        fail(&world).await;
        world.later(200);
        world.wake().await;
        fail(&world).await;
        assert_eq!(world.deliver("phone").await, []);
        // The time goes on counting while nobody is there.
        world.reopen();
        world.later(99);
        world.wake().await;
        assert_eq!(world.deliver("phone").await, [], "a second too early");
        assert_eq!(world.wake().await, Some(world.now.plus(Duration::from_secs(1))));
        world.later(1);
        world.wake().await;
        assert!(world.ear.take().contains(&"phone".to_owned()), "its lane is rung for");
        world.reopen();
        assert_eq!(world.deliver("phone").await, [(1, Why::Open)]);
        let head = world.head(1).await;
        assert_eq!(head.told("phone").expect("row").via.as_deref(), Some("chat"));
        let history = world.store().history(1).await.expect("history");
        assert_eq!(history.iter().filter(|(_, reason)| *reason == Reason::FellBack).count(), 1);
        world.wake().await;
        fail(&world).await;
        world.send(resolved("db"), &[]).await;
        assert_eq!(world.deliver("phone").await, [(1, Why::Resolved)]);
        assert_eq!(world.deliver("chat").await, [], "it never heard of it");
        world.later(3600);
        assert_eq!(world.wake().await, None, "nothing is left to do");
    });
}

#[test]
fn who_is_told_in_time_needs_no_fallback() {
    check_with(with_fallback(), |mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        fail(&world).await;
        world.later(299);
        world.wake().await;
        assert_eq!(world.deliver("chat").await, [(1, Why::Open)]);
        world.later(600);
        world.wake().await;
        assert_eq!(world.deliver("phone").await, []);
        assert!(world.head(1).await.told("phone").is_none());
    });
}

#[test]
fn a_fallback_that_a_reload_brings_counts_from_the_first_failure() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        fail(&world).await;
        world.later(400);
        world.wake().await;
        world.rules = Arc::new(with_fallback());
        world.store().adopt(world.rules.clone(), world.now).await.expect("adopt");
        world.wake().await;
        assert_eq!(world.deliver("phone").await, [(1, Why::Open)]);
    });
}

#[test]
fn receivers_that_are_gone_are_closed() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        world.send(firing("web", Severity::Error), &["own"]).await;
        world.deliver("chat").await;
        let mut rules = rules();
        rules.traits.remove("chat");
        world.rules = Arc::new(rules);
        let gone = world.store().adopt(world.rules.clone(), world.now).await.expect("adopt");
        assert_eq!(gone, [("chat".to_owned(), 2)]);
        world.later(300);
        world.send(firing("db", Severity::Critical), &["own"]).await;
        assert_eq!(world.deliver("chat").await, [], "it hears of the end only");
        world.send(resolved("db"), &[]).await;
        assert_eq!(world.deliver("chat").await, [(1, Why::Resolved)]);
        let gone = world.store().adopt(world.rules.clone(), world.now).await.expect("adopt");
        assert_eq!(gone, [("chat".to_owned(), 1)]);
    });
}

#[test]
fn a_receiver_that_replaces_one_nobody_reached_is_told() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        fail(&world).await;
        let mut rules = rules();
        let mut policy = Policy::clone(rules.policy("own"));
        policy.receivers = vec![Arc::from("second")];
        rules.policies.insert(Arc::from("own"), Arc::new(policy));
        rules.traits = [(Arc::from("second"), Traits::CHAT)].into_iter().collect();
        world.rules = Arc::new(rules);
        world.store().adopt(world.rules.clone(), world.now).await.expect("adopt");
        assert_eq!(world.deliver("second").await, [(1, Why::Open)]);
        world.send(resolved("db"), &[]).await;
        assert_eq!(world.deliver("second").await, [(1, Why::Resolved)]);
    });
}

#[test]
fn a_receiver_that_joins_a_route_is_not_told_of_what_others_know() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        world.deliver("chat").await;
        let mut rules = rules();
        let mut policy = Policy::clone(rules.policy("own"));
        policy.receivers.push(Arc::from("second"));
        rules.policies.insert(Arc::from("own"), Arc::new(policy));
        rules.traits.insert(Arc::from("second"), Traits::CHAT);
        world.rules = Arc::new(rules);
        world.store().adopt(world.rules.clone(), world.now).await.expect("adopt");
        assert_eq!(world.deliver("second").await, []);
    });
}

#[test]
fn changes_wait_for_their_flush() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["team"]).await;
        world.deliver("chat").await;
        world.later(10);
        world.send(firing("web", Severity::Error), &["team"]).await;
        assert_eq!(world.deliver("chat").await, []);
        let next = world.wake().await.expect("a flush is due");
        assert_eq!(next, world.now.plus(Duration::from_secs(50)));
        world.later(50);
        world.reopen();
        world.wake().await;
        assert_eq!(world.deliver("chat").await, [(1, Why::Joined)]);
        world.later(4 * 3600);
        world.wake().await;
        assert_eq!(world.deliver("chat").await, [(1, Why::Repeat)]);
    });
}

#[test]
fn overdue_repeats_are_spread_over_a_restart() {
    check(|mut world| async move {
        for n in 0..50 {
            world.send(firing(&format!("db{n}"), Severity::Error), &["own"]).await;
        }
        world.deliver("chat").await;
        world.later(5 * 3600);
        world.send(firing("new", Severity::Error), &["own"]).await;
        world.reopen();
        world.wake().await;
        let said = world.deliver("chat").await;
        assert!(said.contains(&(51, Why::Open)), "first notices go at once");
        assert!(said.len() < 10, "{said:?}");
        world.later(600);
        world.wake().await;
        assert_eq!(said.len() + world.deliver("chat").await.len(), 51);
    });
}

#[test]
fn work_is_taken_by_urgency() {
    check(|world| async move {
        world.send(firing("a", Severity::Info), &["own"]).await;
        world.send(firing("b", Severity::Critical), &["own"]).await;
        world.send(firing("c", Severity::Error), &["own"]).await;
        let numbers: Vec<_> = world.claim("chat").await.iter().map(|claim| claim.number).collect();
        assert_eq!(numbers, [2, 3, 1]);
    });
}

#[test]
fn inbox_keeps_texts_in_the_same_commit() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        let claim = world.claim("chat").await.remove(0);
        let started = world.store().start(claim, world.now).await.expect("start").expect("wanted");
        let mut done = world.settlement(&started, Settled::Delivered { remember: None });
        done.keep = Some("é".repeat(20_000));
        world.store().settle(done).await.expect("settle");
        world.reopen();
        let kept = world.store().inbox(10).await.expect("inbox");
        assert_eq!((kept.len(), kept[0].number, kept[0].why), (1, 1, Why::Open));
        assert!(kept[0].text.len() < crate::limits::RECORD_BYTES_MAX);
    });
}
