//! The loop of one lane: look for work while there is room, else wait for what can change that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};

use super::attempt::{self, Unit};
use super::{DeliveryEvent, Error, Orders, Parts, Plan, Traffic};
use crate::limits::LANE_UNITS_MAX;
use crate::store::Claim;

/// How far starts may run ahead of a quick receiver's slots: as many share one flush of the store.
const AHEAD_MAX: usize = 32;
/// How long a busy store is left alone.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// A look without a ring, in case a lease lapsed unnoticed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Beyond twice the timeout (a second request may follow with the plain rendering): time for a slow store.
const LEASE_SLACK: Duration = Duration::from_mins(1);

/// Runs until it is told to stop and its attempts are settled.
pub(super) async fn run(
    parts: Arc<Parts>,
    orders: watch::Receiver<Orders>,
    traffic: Arc<Traffic>,
    bell: Arc<Notify>,
) -> Result<(), Error> {
    let plan = Arc::clone(&orders.borrow().plan);
    Lane {
        parts,
        orders,
        traffic,
        plan,
        units: JoinSet::new(),
        dry: false,
        slow: false,
        blocked: None,
    }
    .run(&bell)
    .await
}

struct Lane {
    parts: Arc<Parts>,
    orders: watch::Receiver<Orders>,
    traffic: Arc<Traffic>,
    plan: Arc<Plan>,
    units: JoinSet<Result<(), Error>>,
    /// The latest look found all there was: only a ring makes more.
    dry: bool,
    /// The rate limit bites: claims are taken one by one, so that few have to be given back.
    slow: bool,
    /// The rate limit or a busy store: no look before then, however often the bell rings.
    blocked: Option<Instant>,
}

impl Lane {
    async fn run(mut self, bell: &Notify) -> Result<(), Error> {
        loop {
            let stop = self.follow_orders();
            if stop && self.units.is_empty() {
                return Ok(());
            }
            let pause = if stop { None } else { self.fill().await? };
            let parked = pause.unwrap_or(LOOK_AGAIN);
            tokio::select! {
                Some(ended) = self.units.join_next() => self.reap(ended)?,
                () = self.traffic.answered.notified() => {}
                changed = self.orders.changed(), if !stop => if changed.is_err() { self.abandon() },
                () = bell.notified(), if !stop => self.dry = false,
                () = sleep(parked), if !stop => self.dry = false,
            }
        }
    }

    /// Takes over the latest plan. Returns whether to stop.
    fn follow_orders(&mut self) -> bool {
        let orders = self.orders.borrow_and_update();
        if !Arc::ptr_eq(&self.plan, &orders.plan) {
            self.plan = Arc::clone(&orders.plan);
            self.dry = false;
            self.slow = false;
            self.blocked = None;
        }
        orders.stop || self.traffic.stopping()
    }

    /// Nobody commands this lane any more: the same as an order to stop.
    fn abandon(&self) {
        self.traffic.stopping.store(true, Ordering::Release);
    }

    /// Claims and begins as much as there is room for. Returns how long to wait where a pause, the rate limit or a
    /// busy store says so.
    async fn fill(&mut self) -> Result<Option<Duration>, Error> {
        while !self.dry {
            let room = self.room();
            if room == 0 {
                return Ok(None);
            }
            if let Some(left) = self.closed() {
                return Ok(Some(left));
            }
            let limit = if self.slow { 1 } else { room };
            match self.claim(limit).await? {
                Some(claims) => {
                    self.dry = claims.len() < limit;
                    self.slow &= !self.dry;
                    self.begin(claims).await?;
                }
                None => self.blocked = Some(Instant::now() + BUSY_PAUSE),
            }
        }
        Ok(None)
    }

    /// How long nothing may be claimed, if so.
    fn closed(&self) -> Option<Duration> {
        let blocked = self.blocked.map(|until| until.saturating_duration_since(Instant::now()));
        self.plan.gate.paused().max(blocked.filter(|left| !left.is_zero()))
    }

    /// Room for attempts without an answer: as many as may be on their way, and more that start meanwhile where the
    /// receiver is quicker than the store.
    fn room(&self) -> usize {
        let slots = self.plan.concurrency();
        let quick = self.traffic.quick.load(Ordering::Relaxed);
        let window = if quick { slots.max(AHEAD_MAX) } else { slots };
        let open = window.saturating_sub(self.traffic.open.load(Ordering::Acquire));
        open.min(LANE_UNITS_MAX.max(slots).saturating_sub(self.units.len()))
    }

    /// `None` where the store is busy.
    async fn claim(&self, limit: usize) -> Result<Option<Vec<Claim>>, Error> {
        let config = &self.plan.config;
        let lease = config.timeout.saturating_mul(2).saturating_add(LEASE_SLACK);
        let now = self.parts.clock.now();
        let receiver = Arc::clone(&config.receiver);
        match self.parts.ledger.claim(Arc::clone(&receiver), limit, lease, now).await {
            Ok(claims) => Ok(Some(claims)),
            Err(error) if error.is_transient() => Ok(None),
            Err(source) => Err(Error::Store { operation: "claim work", receiver, source }),
        }
    }

    /// Begins attempts as far as the rate limit allows and gives the other claims back.
    async fn begin(&mut self, claims: Vec<Claim>) -> Result<(), Error> {
        let mut claims = claims.into_iter();
        while let Some(claim) = claims.next() {
            let Err(wait) = self.plan.gate.check() else {
                let unit = Unit::new(&self.parts, &self.plan, &self.traffic);
                self.units.spawn(unit.run(claim));
                continue;
            };
            self.blocked = Some(Instant::now() + wait);
            self.slow = true;
            self.dry = false;
            let receiver = &self.plan.config.receiver;
            (self.parts.observer)(&DeliveryEvent::Limited { receiver, wait });
            let rest = std::iter::once(claim).chain(claims).collect();
            return attempt::release(&self.parts, receiver, rest).await;
        }
        Ok(())
    }

    fn reap(&self, ended: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
        let receiver = || Arc::clone(&self.plan.config.receiver);
        ended.unwrap_or_else(|_| Err(Error::Panicked { receiver: receiver() }))
    }
}
