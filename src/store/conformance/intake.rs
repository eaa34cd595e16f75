//! What payloads do to incidents.

use super::*;

#[test]
fn accepted_means_durable() {
    check(|mut world| async move {
        let outcome = world.send(firing("db", Severity::Error), &["own"]).await;
        assert_eq!((outcome.reason, outcome.incidents), (Reason::Opened, vec![1]));
        world.reopen();
        let record = world.record(1).await;
        assert_eq!(
            (record.head.state, record.head.title),
            (State::Open, "db is broken".to_owned())
        );
        assert_eq!(record.members[0].1.alert.key, "db");
        let again = world.send(firing("db", Severity::Error), &["own"]).await;
        assert_eq!((again.reason, again.incidents), (Reason::Repeated, vec![1]));
        assert_eq!(world.send(resolved("db"), &[]).await.reason, Reason::Resolved);
        world.reopen();
        assert_eq!(world.head(1).await.state, State::Resolved { at: world.now });
    });
}

#[test]
fn duplicates_are_silent() {
    check(|mut world| async move {
        let alert = Alert {
            message_id: Some("m1".into()),
            ..world.observed(firing("db", Severity::Error), 0)
        };
        world.send(alert.clone(), &["own"]).await;
        assert_eq!(world.deliver("chat").await, [(1, Why::Open)]);
        world.later(10);
        assert_eq!(world.send(alert.clone(), &["own"]).await.reason, Reason::Duplicate);
        let newer = Alert {
            message_id: Some("m2".into()),
            ..world.observed(firing("db", Severity::Error), 0)
        };
        assert_eq!(world.send(newer, &["own"]).await.reason, Reason::Repeated);
        assert_eq!(world.send(alert, &["own"]).await.reason, Reason::Duplicate);
        assert_eq!(world.deliver("chat").await, []);
        let member = &world.record(1).await.members[0].0;
        assert_eq!((member.count, member.last_at), (3, world.now));
    });
}

#[test]
fn a_payload_is_one_unit_in_order() {
    check(|world| async move {
        let alerts = vec![
            world.routed(firing("db", Severity::Error), &["own"]),
            world.routed(resolved("db"), &[]),
            world.routed(firing("db", Severity::Critical), &["own"]),
            world.routed(firing("web", Severity::Error), &["own"]),
            world.routed(firing("web", Severity::Error), &["own"]),
        ];
        let outcomes = world.commit(alerts).await;
        let reasons: Vec<_> = outcomes.iter().map(|outcome| outcome.reason).collect();
        let expected =
            [Reason::Opened, Reason::Resolved, Reason::Reopened, Reason::Opened, Reason::Repeated];
        assert_eq!(reasons, expected);
        assert_eq!(outcomes[4].incidents, [2]);
        let head = world.head(1).await;
        assert_eq!((head.episode, head.severity, head.firing_count()), (2, Severity::Critical, 1));
        assert_eq!(world.store().counts().await.expect("counts").open, 2);
    });
}

#[test]
fn late_messages_change_nothing() {
    check(|mut world| async move {
        world.send(world.observed(firing("db", Severity::Error), 0), &["own"]).await;
        world.later(60);
        world.send(world.observed(resolved("db"), 0), &[]).await;
        let late = world.observed(firing("db", Severity::Critical), -30);
        assert_eq!(world.send(late.clone(), &["own"]).await.reason, Reason::Stale);
        // A restart does not make the old message news.
        world.later(60);
        world.reopen();
        assert_eq!(world.send(late.clone(), &["own"]).await.reason, Reason::Stale);
        assert_eq!(world.store().counts().await.expect("counts").resolved, 1);
        // By now nothing is under way any more: it fires again, with the time at which it once began.
        world.later(3600);
        let outcome = world.send(late, &["own"]).await;
        assert_eq!((outcome.reason, outcome.incidents), (Reason::Opened, vec![2]));
        assert_eq!(world.head(2).await.previous, Some(1));
    });
}

#[test]
fn a_redelivery_after_the_end_is_known() {
    check(|mut world| async move {
        let named = |alert: Alert, id: &str| Alert { message_id: Some(id.into()), ..alert };
        world.send(named(firing("db", Severity::Error), "m1"), &["own"]).await;
        world.send(named(resolved("db"), "m2"), &[]).await;
        world.reopen();
        let again = named(firing("db", Severity::Error), "m1");
        assert_eq!(world.send(again.clone(), &["own"]).await.reason, Reason::Duplicate);
        world.later(3600);
        assert_eq!(world.send(again, &["own"]).await.reason, Reason::Duplicate);
        assert!(world.head(1).await.state.is_resolved());
    });
}

#[test]
fn an_early_resolve_is_remembered() {
    check(|mut world| async move {
        let end = world.observed(resolved("db"), 0);
        assert_eq!(world.send(end, &[]).await.reason, Reason::NothingOpen);
        world.reopen();
        let late = world.observed(firing("db", Severity::Error), -5);
        assert_eq!(world.send(late, &["own"]).await.reason, Reason::Stale);
        let news = world.observed(firing("db", Severity::Error), 5);
        assert_eq!(world.send(news, &["own"]).await.reason, Reason::Opened);
        // Without a time nobody can tell what came first.
        assert_eq!(world.send(resolved("web"), &[]).await.reason, Reason::NothingOpen);
        assert_eq!(
            world.send(firing("web", Severity::Error), &["own"]).await.reason,
            Reason::Opened
        );
    });
}

#[test]
fn rerouted_alerts_leave_after_they_joined() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        world.deliver("pager").await;
        world.later(60);
        let outcome = world.send(firing("db", Severity::Critical), &["other"]).await;
        assert_eq!((outcome.reason, outcome.incidents), (Reason::Opened, vec![1, 2]));
        assert!(world.head(1).await.state.is_resolved());
        let mut said = world.deliver("pager").await;
        said.sort_unstable_by_key(|(number, _)| *number);
        assert_eq!(said, [(1, Why::Resolved), (2, Why::Open)]);
        // A route with `drop` takes it out of everything.
        let dropped =
            Routed { alert: firing("db", Severity::Critical), joins: vec![], dropped: true };
        assert_eq!(world.commit(vec![dropped]).await[0].reason, Reason::Dropped);
        assert!(world.head(2).await.state.is_resolved());
    });
}

#[test]
fn resolves_ignore_routes() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own", "team"]).await;
        world.reopen();
        let outcome = world.send(resolved("db"), &[]).await;
        assert_eq!(outcome.incidents.len(), 2);
        let counts = world.store().counts().await.expect("counts");
        assert_eq!((counts.open, counts.resolved, counts.members), (0, 2, 0));
    });
}

#[test]
fn reopens_within_the_window_and_not_later() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        world.send(resolved("db"), &[]).await;
        world.later(299);
        world.reopen();
        let outcome = world.send(firing("db", Severity::Error), &["own"]).await;
        assert_eq!((outcome.reason, outcome.incidents), (Reason::Reopened, vec![1]));
        assert_eq!((world.head(1).await.episode, world.record(1).await.members.len()), (2, 1));
        world.send(resolved("db"), &[]).await;
        world.later(300);
        let outcome = world.send(firing("db", Severity::Error), &["own"]).await;
        assert_eq!((outcome.reason, outcome.incidents), (Reason::Opened, vec![2]));
        assert_eq!(world.head(2).await.previous, Some(1));
    });
}

#[test]
fn a_group_has_many_members_and_small_records() {
    check(|mut world| async move {
        let alerts: Vec<_> = (0..500)
            .map(|n| world.routed(firing(&format!("db{n}"), Severity::Warning), &["team"]))
            .collect();
        let outcomes = world.commit(alerts).await;
        assert_eq!((outcomes[0].reason, outcomes[499].reason), (Reason::Opened, Reason::Joined));
        let claim = world.claim("chat").await.remove(0);
        let started = world.store().start(claim, world.now).await.expect("start").expect("wanted");
        assert_eq!(started.snapshot.members.len(), crate::limits::MEMBERS_SHOWN_MAX);
        assert_eq!(started.snapshot.head.firing_count(), 500);
        let done =
            world.settlement(&started, Settled::Delivered { remember: Some("\"ts\"".into()) });
        world.store().settle(done).await.expect("settle");
        world.later(60);
        let outcome = world.send(firing("db7", Severity::Critical), &["team"]).await;
        assert_eq!(outcome.reason, Reason::SeverityRose);
        let claim = world.claim("chat").await.remove(0);
        assert_eq!((claim.why, claim.class), (Why::Rise, 1));
        let started = world.store().start(claim, world.now).await.expect("start").expect("wanted");
        assert_eq!(started.snapshot.members[0].1.alert.key, "db7", "the worst comes first");
        assert_eq!(started.told.external.as_deref(), Some("\"ts\""));
        let ends: Vec<_> =
            (0..500).map(|n| world.routed(resolved(&format!("db{n}")), &[])).collect();
        let outcomes = world.commit(ends).await;
        assert_eq!(
            (outcomes[0].reason, outcomes[499].reason),
            (Reason::PartlyResolved, Reason::Resolved)
        );
        assert!(world.head(1).await.state.is_resolved());
    });
}

#[test]
fn acknowledges_cover_what_fires() {
    check(|mut world| async move {
        let taken = |key: &str| Alert { status: Status::Acknowledged, ..Alert::new(key, "taken") };
        assert_eq!(world.send(taken("db"), &[]).await.reason, Reason::NothingOpen);
        world.send(firing("db", Severity::Error), &["team"]).await;
        world.send(firing("web", Severity::Error), &["team"]).await;
        assert_eq!(world.send(taken("db"), &[]).await.reason, Reason::PartlyAcknowledged);
        world.reopen();
        assert_eq!(world.send(taken("web"), &[]).await.reason, Reason::Acknowledged);
        assert_eq!(world.store().counts().await.expect("counts").acknowledged, 1);
        world.send(firing("web", Severity::Critical), &["team"]).await;
        assert_eq!(world.head(1).await.state, State::Open);
    });
}

#[test]
fn notices_stand_alone() {
    check(|mut world| async move {
        let notice = |id: &str| Alert {
            status: Status::Notice,
            life: Life::Event,
            message_id: Some(id.into()),
            ..firing("deploy", Severity::Info)
        };
        assert_eq!(world.send(notice("n1"), &["team"]).await.reason, Reason::Notice);
        assert_eq!(world.send(notice("n1"), &["team"]).await.reason, Reason::Duplicate);
        assert_eq!(world.send(notice("n2"), &["team"]).await.incidents, [2]);
        world.reopen();
        assert_eq!(world.send(notice("n1"), &["team"]).await.reason, Reason::Duplicate);
        // A firing alert of the same key and route is another matter.
        assert_eq!(world.send(firing("deploy", Severity::Error), &["team"]).await.incidents, [3]);
        assert_eq!(world.deliver("pager").await, [(3, Why::Open)], "pagers want no notices here");
        world.later(24 * 3600);
        world.wake().await;
        assert!(
            world.head(1).await.state.is_resolved() && !world.head(3).await.state.is_resolved()
        );
    });
}

#[test]
fn was_names_find_open_incidents() {
    check(|world| async move {
        world.send(firing("db", Severity::Error), &["team"]).await;
        let old = world.join("team", "");
        let join = Join { group: Fingerprint::of(["renamed"]), was: vec![old.group], ..old };
        let routed =
            Routed { alert: firing("web", Severity::Error), joins: vec![join], dropped: false };
        let outcome = world.commit(vec![routed]).await.remove(0);
        assert_eq!((outcome.reason, outcome.incidents), (Reason::Joined, vec![1]));
    });
}

#[test]
fn long_alerts_are_kept_in_part() {
    check(|world| async move {
        let mut alert = firing("db", Severity::Error);
        for n in 0..300 {
            alert.labels.insert(format!("l{n}"), "x".repeat(1000));
        }
        world.send(alert, &["own"]).await;
        let body = &world.record(1).await.members[0].1;
        assert!(body.alert.annotations.contains_key("truncated"));
    });
}
