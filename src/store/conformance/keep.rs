//! Retention, verify, export, import.

use super::*;

async fn prune(world: &World) -> u64 {
    let retention = Retention { inbox: 1, ..Retention::default() };
    let gone = world.store().prune(retention, 10_000, world.now).await.expect("prune");
    world.sound().await;
    gone
}

#[test]
fn old_incidents_go_and_numbers_stay_unique() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["own"]).await;
        world.send(firing("web", Severity::Error), &["own"]).await;
        world.send(world.observed(resolved("never seen"), 0), &[]).await;
        world.deliver("chat").await;
        world.send(resolved("web"), &[]).await;
        world.deliver("chat").await;
        assert_eq!(prune(&world).await, 0);
        world.later(15 * 24 * 3600);
        // Head, member, body and attempt of the resolved one, and the tombstone.
        assert_eq!(prune(&world).await, 5);
        assert_eq!(world.store().incident(2).await.expect("read"), None);
        assert!(world.store().incident(1).await.expect("read").is_some());
        world.send(resolved("db"), &[]).await;
        world.deliver("chat").await;
        world.later(31 * 24 * 3600);
        prune(&world).await;
        assert_eq!(world.store().counts().await.expect("counts").resolved, 0);
        world.reopen();
        let outcome = world.send(firing("db", Severity::Error), &["own"]).await;
        assert_eq!((outcome.reason, outcome.incidents), (Reason::Opened, vec![3]));
    });
}

#[test]
fn pruning_is_bounded_and_goes_on() {
    check(|mut world| async move {
        let all = |world: &World, alert: fn(&str) -> Alert, routes: &'static [&'static str]| {
            (0..30).map(|n| world.routed(alert(&format!("db{n}")), routes)).collect::<Vec<_>>()
        };
        world.commit(all(&world, |key| firing(key, Severity::Error), &["team"])).await;
        world.commit(all(&world, resolved, &[])).await;
        world.later(40 * 24 * 3600);
        let retention = Retention::default();
        let mut calls = 0;
        while world.store().incident(1).await.expect("read").is_some() {
            let gone = world.store().prune(retention, 10, world.now).await.expect("prune");
            assert!((1..=10).contains(&gone));
            calls += 1;
        }
        assert!(calls >= 6, "61 records, 10 a call");
        world.sound().await;
    });
}

#[test]
fn resolved_members_of_open_incidents_go_after_a_day() {
    check(|mut world| async move {
        world.send(firing("db", Severity::Error), &["team"]).await;
        world.send(firing("web", Severity::Error), &["team"]).await;
        world.send(resolved("web"), &[]).await;
        world.later(25 * 3600);
        // Nobody was told of it yet.
        assert_eq!(prune(&world).await, 0);
        world.wake().await;
        world.deliver("chat").await;
        world.deliver("pager").await;
        assert_eq!(prune(&world).await, 2);
        assert_eq!(world.record(1).await.members.len(), 1);
        world.reopen();
        assert_eq!(
            world.send(firing("web", Severity::Error), &["team"]).await.reason,
            Reason::Joined
        );
    });
}

#[test]
fn texts_are_kept_by_number() {
    check(|mut world| async move {
        for n in 0..3 {
            world.send(firing(&format!("db{n}"), Severity::Error), &["own"]).await;
            let claim = world.claim("chat").await.remove(0);
            let started =
                world.store().start(claim, world.now).await.expect("start").expect("wanted");
            let mut done = world.settlement(&started, Settled::Delivered { remember: None });
            done.keep = Some(format!("text {n}"));
            world.store().settle(done).await.expect("settle");
        }
        assert_eq!(prune(&world).await, 2);
        world.reopen();
        let kept = world.store().inbox(10).await.expect("inbox");
        assert_eq!((kept.len(), kept[0].text.as_str(), kept[0].sequence), (1, "text 2", 2));
    });
}

#[test]
fn listings_go_from_new_to_old() {
    check(|world| async move {
        for n in 0..5 {
            world.send(firing(&format!("db{n}"), Severity::Error), &["own"]).await;
        }
        world.send(resolved("db3"), &[]).await;
        let list = async |filter: Filter| -> Vec<u64> {
            let heads = world.store().incidents(filter).await.expect("list");
            heads.iter().map(|head| head.number).collect()
        };
        assert_eq!(list(Filter { limit: 2, ..Filter::default() }).await, [5, 4]);
        assert_eq!(
            list(Filter { limit: 9, before: Some(4), ..Filter::default() }).await,
            [3, 2, 1]
        );
        assert_eq!(list(Filter { open: true, limit: 9, before: None }).await, [5, 3, 2, 1]);
        assert_eq!(list(Filter { open: true, limit: 2, before: Some(5) }).await, [3, 2]);
    });
}

/// Some of everything.
async fn fill(world: &mut World) {
    for n in 0..40 {
        world.send(firing(&format!("db{n}"), Severity::Error), &["own", "team"]).await;
    }
    world.send(resolved("db3"), &[]).await;
    world.send(world.observed(resolved("never seen"), 0), &[]).await;
    world.deliver("chat").await;
}

async fn export(store: &dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    let records = store.export(&mut |line| lines.push(line)).await.expect("export");
    assert_eq!(lines.len() as u64, records + 2);
    lines
}

#[test]
fn exports_come_back_whole() {
    check(|mut world| async move {
        fill(&mut world).await;
        let lines = export(world.store()).await;
        for place in stores() {
            let open =
                || (place.open)(world.rules.clone(), world.ear.clone(), world.now).expect("open");
            let copy = open();
            let count = copy.import(&mut lines.clone().into_iter()).await.expect("import");
            assert_eq!(count + 2, lines.len() as u64);
            assert_eq!(export(&*copy).await, lines);
            assert_eq!(copy.counts().await.expect("counts").open, 40);
            assert!(matches!(
                copy.import(&mut lines.clone().into_iter()).await,
                Err(Error::NotEmpty)
            ));
            drop(copy);
            let copy = open();
            assert_eq!(copy.instance(), world.store().instance());
            assert_eq!(
                copy.incident(4).await.expect("read"),
                world.store().incident(4).await.expect("read")
            );
        }
    });
}

#[test]
fn broken_exports_are_refused() {
    check(|mut world| async move {
        fill(&mut world).await;
        let lines = export(world.store()).await;
        let cut = lines[..lines.len() - 1].to_vec();
        let without_one = [&lines[..5], &lines[6..]].concat();
        let mut changed = lines.clone();
        changed[5] = changed[5].replacen("\"value\":\"AQ", "\"value\":\"AR", 1);
        assert_ne!(changed[5], lines[5]);
        let cases =
            [("cut", cut), ("without one", without_one), ("changed", changed), ("empty", vec![])];
        for (case, lines) in cases {
            for place in stores() {
                let open = || (place.open)(world.rules.clone(), world.ear.clone(), world.now);
                let copy = open().expect("open");
                let refused = copy.import(&mut lines.clone().into_iter()).await;
                assert!(matches!(refused, Err(Error::Import { .. })), "{case}: {refused:?}");
                drop(copy);
                assert!(
                    matches!(open(), Err(Error::Damaged { .. })),
                    "{case}: a part is not a store"
                );
            }
        }
    });
}
