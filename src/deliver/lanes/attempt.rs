//! One attempt: start (durable), render, send, judge, settle.
//!
//! Whatever happens between start and settle, the attempt is settled: as delivered, failed, refused or held back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use super::{DeliveryEvent, Error, Parts, Plan, Traffic, kept};
use crate::deliver::client::Failure;
use crate::deliver::senders::{Action, News, Outcome, Rejection, RenderError, Request};
use crate::domain::{Reason, Settled, Timestamp, Why};
use crate::limits::PAUSE_SECONDS_MAX;
use crate::store::{self, Answer, Attempt, Claim, Settlement, Started};

/// A receiver that answers faster than this is about as quick as the store's flush.
const QUICK: Duration = Duration::from_millis(50);
/// Who waited longer for a slot goes back: by now something else may be more urgent, and the news has changed.
const SLOT_WAIT_MAX: Duration = Duration::from_secs(2);
/// Failed attempts in a row after which the receiver counts as failing; a refusal counts as so many.
const FAILING_AFTER: u32 = 3;
/// The first pause between calls of a busy store; it doubles up to the last.
const BUSY_FIRST: Duration = Duration::from_millis(20);
const BUSY_LAST: Duration = Duration::from_secs(1);

/// An attempt in the making, with the definition of the receiver it began with.
pub(super) struct Unit {
    parts: Arc<Parts>,
    plan: Arc<Plan>,
    traffic: Arc<Traffic>,
    open: Option<Open>,
}

/// Counts an attempt as unanswered while it lives.
struct Open(Arc<Traffic>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.answered.notify_one();
    }
}

/// What came of an attempt, before it is written down.
struct Ending {
    settled: Settled,
    error: Option<String>,
    status: Option<u16>,
    keep: Option<String>,
    /// The last sent body.
    body: Vec<u8>,
}

impl Ending {
    fn new(settled: Settled, error: Option<String>) -> Self {
        Self { settled, error, status: None, keep: None, body: Vec::new() }
    }

    fn delivered(remember: Option<String>) -> Self {
        Self::new(Settled::Delivered { remember }, None)
    }

    fn failed(after: Option<Duration>, maybe: bool, error: String) -> Self {
        let after = after.map(|after| after.min(Duration::from_secs(PAUSE_SECONDS_MAX)));
        Self::new(Settled::Failed { after, maybe }, Some(error))
    }

    fn refused(mendable: bool, error: String) -> Self {
        Self::new(Settled::Refused { mendable }, Some(error))
    }
}

/// What one request came to: an end, or the error that the plain rendering has to name.
enum Sent {
    Ended(Ending),
    Misrendered { error: String },
}

impl Unit {
    pub(super) fn new(parts: &Arc<Parts>, plan: &Arc<Plan>, traffic: &Arc<Traffic>) -> Self {
        traffic.open.fetch_add(1, Ordering::AcqRel);
        Self {
            parts: Arc::clone(parts),
            plan: Arc::clone(plan),
            traffic: Arc::clone(traffic),
            open: Some(Open(Arc::clone(traffic))),
        }
    }

    /// Brings one claim to its end.
    pub(super) async fn run(mut self, claim: Claim) -> Result<(), Error> {
        if self.traffic.stopping() {
            return release(&self.parts, &self.plan.config.receiver, vec![claim]).await;
        }
        let start = || self.parts.ledger.start(claim.clone(), self.parts.clock.now());
        let started = match patiently(start).await {
            Ok(Some(started)) => started,
            Ok(None) => return Ok(()),
            Err(error) => return self.give_up("start", error, claim.number),
        };

        let queued = Instant::now();
        let slot = self.plan.slots.acquire().await.expect("slots are never closed");
        let at = self.parts.clock.now();
        let began = Instant::now();
        let ending = if self.held(began - queued) {
            Ending::new(Settled::Held, None)
        } else {
            let told = AssertUnwindSafe(self.tell(&started)).catch_unwind().await;
            let panicked = || Ending::failed(None, true, "the sender panicked".to_owned());
            told.unwrap_or_else(|_| panicked())
        };
        let took = began.elapsed();
        drop(slot);
        let quick = took < QUICK && matches!(ending.settled, Settled::Delivered { .. });
        self.traffic.quick.store(quick, Ordering::Relaxed);
        drop(self.open.take());
        self.settle(started, ending, at, took).await
    }

    /// Whether a started attempt is not to be sent after all.
    fn held(&self, queued: Duration) -> bool {
        self.traffic.stopping() || self.plan.gate.paused().is_some() || queued > SLOT_WAIT_MAX
    }

    /// Renders and sends; where the template or the rendering is at fault, once more at once with the plain rendering.
    async fn tell(&self, started: &Started) -> Ending {
        let error = match self.say(started, None).await {
            Sent::Ended(ending) => return ending,
            Sent::Misrendered { error } => error,
        };
        let error = self.plan.mask.error(&error);
        let number = started.claim.number;
        let receiver = &*self.plan.config.receiver;
        (self.parts.observer)(&DeliveryEvent::Plain { receiver, number, error: &error });
        match self.say(started, Some(&error)).await {
            Sent::Ended(ending) => ending,
            Sent::Misrendered { error } => Ending::refused(false, error),
        }
    }

    async fn say(&self, started: &Started, plain: Option<&str>) -> Sent {
        let request = match self.render(started, plain) {
            Ok(Action::Http(request)) => request,
            Ok(Action::Keep(text)) => {
                return Sent::Ended(Ending { keep: Some(text), ..Ending::delivered(None) });
            }
            Err(error) => return Sent::Misrendered { error: error.to_string() },
        };
        if plain.is_some() {
            self.wait_for_permit().await;
        }
        match self.post(&request).await {
            Sent::Ended(ending) => Sent::Ended(Ending { body: request.body, ..ending }),
            misrendered @ Sent::Misrendered { .. } => misrendered,
        }
    }

    fn render(&self, started: &Started, plain: Option<&str>) -> Result<Action, RenderError> {
        let (parts, config) = (&self.parts, &self.plan.config);
        let (number, seq) = (started.claim.number, started.telling.seq);
        let repeats = (started.telling.why == Why::Repeat).then_some(started.told.at);
        let message_id = kept::message_id(&parts.instance, number, &config.receiver, seq, repeats);
        config.sender.action(&News {
            snapshot: &started.snapshot,
            told: &started.told,
            why: started.telling.why,
            receiver: &config.receiver,
            dedup_key: &kept::dedup_key(&parts.instance, number),
            message_id: &message_id,
            base_url: parts.base_url.as_deref(),
            now: parts.clock.now(),
            plain,
        })
    }

    /// The second request of an attempt obeys the rate limit too, but a page is worth more than the limit: it waits
    /// no longer than a request may take.
    async fn wait_for_permit(&self) {
        let until = Instant::now() + self.plan.config.timeout;
        while let Err(wait) = self.plan.gate.check() {
            if Instant::now() + wait > until {
                return;
            }
            sleep(wait).await;
        }
    }

    async fn post(&self, request: &Request) -> Sent {
        let config = &self.plan.config;
        let response = match self.parts.transport.send(request, config.timeout).await {
            Ok(response) => response,
            Err(Failure::NotSent { detail }) => {
                return Sent::Ended(Ending::failed(None, false, detail));
            }
            Err(Failure::NoAnswer { detail }) => {
                return Sent::Ended(Ending::failed(None, true, detail));
            }
            Err(Failure::Unsendable { detail }) => {
                return Sent::Ended(Ending::refused(false, detail));
            }
        };
        let ending = match config.sender.judge(&response, self.parts.clock.now()) {
            Outcome::Delivered { remember } => {
                self.plan.gate.delivered();
                Ending::delivered(remember)
            }
            Outcome::Retry { after, maybe, error } => Ending::failed(after, maybe, error),
            Outcome::Wait { after, error } => {
                let wait = self.plan.gate.pause(after);
                let receiver = &*config.receiver;
                (self.parts.observer)(&DeliveryEvent::Paused { receiver, wait });
                Ending::new(Settled::Held, Some(error))
            }
            Outcome::Reject { why: Rejection::Rendering, error } => {
                return Sent::Misrendered { error };
            }
            Outcome::Reject { why: Rejection::Credential | Rejection::Gone, error } => {
                Ending::refused(true, error)
            }
            Outcome::Reject { why: Rejection::Other, error } => Ending::refused(false, error),
        };
        Sent::Ended(Ending { status: Some(response.status), ..ending })
    }

    /// Writes the end down, then says so.
    async fn settle(
        &self,
        started: Started,
        ending: Ending,
        at: Timestamp,
        took: Duration,
    ) -> Result<(), Error> {
        let Started { claim, telling, snapshot, .. } = started;
        let error = ending.error.as_deref().map(|error| self.plan.mask.error(error));
        let settlement = Settlement {
            attempt: Attempt {
                number: claim.number,
                receiver: claim.receiver.to_string(),
                seq: telling.seq,
                why: telling.why,
                at,
                took,
                reason: Reason::Waiting,
                status: ending.status,
                error,
                body_hash: kept::body_hash(&ending.body),
                body: self.plan.mask.body(&ending.body),
            },
            claim,
            telling,
            settled: ending.settled,
            credential: self.plan.config.sender.credential(),
            keep: ending.keep,
            backoff: self.plan.config.backoff,
            seed: seed(),
            now: self.parts.clock.now(),
        };
        let settle = || self.parts.ledger.settle(settlement.clone());
        let reason = match patiently(settle).await {
            Ok(reason) => reason,
            Err(error) => return self.give_up("settle", error, settlement.claim.number),
        };
        let news = telling.why != Why::Repeat && reason == Reason::Delivered;
        let latency = news.then(|| settlement.now.since(snapshot.head.changed_at));
        self.report(&settlement, reason, latency);
        Ok(())
    }

    fn report(&self, settlement: &Settlement, reason: Reason, latency: Option<Duration>) {
        let receiver = &*self.plan.config.receiver;
        let Attempt { number, why, status, took, .. } = settlement.attempt;
        let error = settlement.attempt.error.as_deref();
        if let Some(text) = &settlement.keep {
            (self.parts.printer)(receiver, text);
        }
        let observe = &self.parts.observer;
        observe(&DeliveryEvent::Settled {
            receiver,
            number,
            why,
            reason,
            status,
            error,
            took,
            latency,
        });
        if let Some(failing) = self.turned(reason) {
            observe(&DeliveryEvent::Failing { receiver, failing, error });
        }
    }

    /// Whether `reason` makes the receiver begin to fail, or work again.
    fn turned(&self, reason: Reason) -> Option<bool> {
        let failures = &self.traffic.failures;
        let weight = match reason {
            Reason::Delivered => {
                return (failures.swap(0, Ordering::Relaxed) >= FAILING_AFTER).then_some(false);
            }
            Reason::Retrying => 1,
            Reason::Refused | Reason::GaveUp => FAILING_AFTER,
            _ => return None,
        };
        // At most one attempt passes the mark: the sum wraps after billions of failures only.
        let before = failures.fetch_add(weight, Ordering::Relaxed);
        (before < FAILING_AFTER && before.saturating_add(weight) >= FAILING_AFTER).then_some(true)
    }

    /// A damaged record ends this delivery alone; what else a store cannot do ends the lane.
    fn give_up(
        &self,
        operation: &'static str,
        source: store::Error,
        incident: u64,
    ) -> Result<(), Error> {
        let receiver = &self.plan.config.receiver;
        if let store::Error::Damaged { key, detail } = &source {
            tracing::error!(%receiver, incident, operation, key, detail, "delivery is left out");
            return Ok(());
        }
        Err(Error::Store { operation, receiver: Arc::clone(receiver), source })
    }
}

/// Gives claims back untouched.
pub(super) async fn release(
    parts: &Parts,
    receiver: &Arc<str>,
    claims: Vec<Claim>,
) -> Result<(), Error> {
    let released = patiently(|| parts.ledger.release(claims.clone())).await;
    let receiver = || Arc::clone(receiver);
    released.map_err(|source| Error::Store { operation: "release", receiver: receiver(), source })
}

/// Calls a store until it is not busy any more: what was sent has to be written down.
async fn patiently<'a, T>(call: impl Fn() -> Answer<'a, T>) -> Result<T, store::Error> {
    let mut pause = BUSY_FIRST;
    loop {
        match call().await {
            Err(error) if error.is_transient() => sleep(pause).await,
            answer => return answer,
        }
        pause = (pause * 2).min(BUSY_LAST);
    }
}

/// Fresh randomness for the jitter; without any, delays are short but still grow.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => 0,
    }
}
