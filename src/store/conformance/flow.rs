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
