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
