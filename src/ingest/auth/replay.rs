//! A request that was taken once has no effect a second time.
//!
//! Only what is authenticated gets here, and only what was *taken*, answered with 2xx after the commit, is remembered: a
//! sender that repeats a request after our 5xx or a timeout must get through, for a lost page is an outage. The memory is of
//! this process; what a restart forgets is still bounded by the time in the signature and by the message ids of alerts.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::Timestamp;
use crate::limits::{MESSAGE_ID_SECONDS, REPLAYS_REMEMBERED_MAX};

type Digest = [u8; 32];

/// What tells one delivery of a sender from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Digest of what identifies it.
    id: Digest,
    /// Digest of the content that belongs to the id, where the id alone is what identifies it.
    content: Option<Digest>,
    /// How long a copy of the request would still be taken.
    keep: Duration,
}

impl Delivery {
    /// A request that names its time under the signature: what was signed is the identity, for as long as it is good.
    pub(super) fn timed(signed: &[u8], window: Duration) -> Self {
        Self { id: of(&[signed]), content: None, keep: window }
    }

    /// A request whose signature covers its id. A retry may be signed anew, so the content is the body's.
    pub(super) fn identified(id: &[u8], body: &[u8]) -> Self {
        Self { id: of(&[id]), content: Some(of(&[body])), keep: DAY }
    }

    /// A request with an id that is not signed: the id counts together with the body only, as anybody could change it.
    pub(super) fn named(id: &[u8], body: &[u8]) -> Self {
        Self { id: of(&[id, body]), content: None, keep: DAY }
    }
}

/// As long as message ids.
const DAY: Duration = Duration::from_secs(MESSAGE_ID_SECONDS);

/// The digest of the parts, each with its length, so that no two lists of parts are alike.
fn of(parts: &[&[u8]]) -> Digest {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &text).as_ref());
    out
}

/// What a delivery is to what was taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not seen, or forgotten.
    New,
    /// The same was taken before.
    Again,
    /// Its id was taken before with other content.
    Other,
}

/// The deliveries of one source.
#[derive(Debug, Default)]
struct Memory {
    by_id: HashMap<Digest, (Option<Digest>, Timestamp)>,
    /// Ids in the order in which they came.
    order: VecDeque<Digest>,
}

impl Memory {
    /// Drops what is over, and the oldest where there is no room.
    fn trim(&mut self, now: Timestamp) {
        while let Some(oldest) = self.order.front() {
            let over = self.by_id.get(oldest).is_none_or(|(_, until)| *until < now);
            if !over && self.order.len() < REPLAYS_REMEMBERED_MAX {
                return;
            }
            self.by_id.remove(oldest);
            self.order.pop_front();
        }
    }
}

/// What was taken lately, for each source. One for the whole process.
#[derive(Debug, Default)]
pub struct Replays(Mutex<HashMap<String, Memory>>);

impl Replays {
    /// What `delivery` is to `source`.
    pub fn look(&self, source: &str, delivery: &Delivery, now: Timestamp) -> Seen {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sources.get(source).and_then(|memory| memory.by_id.get(&delivery.id));
        match known {
            Some((content, until)) if *until >= now => {
                if *content == delivery.content {
                    Seen::Again
                } else {
                    Seen::Other
                }
            }
            _ => Seen::New,
        }
    }

    /// Remembers that `delivery` was taken.
    pub fn taken(&self, source: &str, delivery: &Delivery, now: Timestamp) {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !sources.contains_key(source) {
            sources.insert(source.to_owned(), Memory::default());
        }
        let Some(memory) = sources.get_mut(source) else { return };
        memory.trim(now);
        let entry = (delivery.content, now.plus(delivery.keep));
        if memory.by_id.insert(delivery.id, entry).is_none() {
            memory.order.push_back(delivery.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn what_was_taken_is_known_while_it_is_good() {
        let replays = Replays::default();
        let timed = Delivery::timed(b"1:body", Duration::from_mins(10));
        assert_eq!(replays.look("a", &timed, at(0)), Seen::New);
        // Looking remembers nothing: the request may still fail.
        assert_eq!(replays.look("a", &timed, at(0)), Seen::New);
        replays.taken("a", &timed, at(0));
        assert_eq!(replays.look("a", &timed, at(600)), Seen::Again);
        assert_eq!(replays.look("a", &timed, at(601)), Seen::New);
        assert_eq!(replays.look("b", &timed, at(1)), Seen::New, "another source");
        let other = Delivery::timed(b"2:body", Duration::from_mins(10));
        assert_eq!(replays.look("a", &other, at(1)), Seen::New);
    }

    #[test]
    fn ids_that_are_signed_belong_to_one_body() {
        let replays = Replays::default();
        replays.taken("a", &Delivery::identified(b"msg_1", b"body"), at(0));
        let look = |delivery| replays.look("a", &delivery, at(1));
        assert_eq!(look(Delivery::identified(b"msg_1", b"body")), Seen::Again);
        assert_eq!(look(Delivery::identified(b"msg_1", b"other")), Seen::Other);
        assert_eq!(look(Delivery::identified(b"msg_2", b"body")), Seen::New);
        replays.taken("a", &Delivery::named(b"id", b"body"), at(0));
        assert_eq!(look(Delivery::named(b"id", b"body")), Seen::Again);
        assert_eq!(look(Delivery::named(b"id", b"other")), Seen::New);
        assert_eq!(look(Delivery::named(b"idb", b"ody")), Seen::New);
    }

    #[test]
    fn the_memory_is_bounded() {
        let replays = Replays::default();
        let delivery = |number: usize| Delivery::identified(&number.to_be_bytes(), b"");
        for number in 0..=REPLAYS_REMEMBERED_MAX {
            replays.taken("a", &delivery(number), at(0));
        }
        assert_eq!(replays.look("a", &delivery(0), at(1)), Seen::New);
        assert_eq!(replays.look("a", &delivery(1), at(1)), Seen::Again);
        let sources = replays.0.lock().expect("not poisoned");
        assert_eq!(sources["a"].by_id.len(), REPLAYS_REMEMBERED_MAX);
        assert_eq!(sources["a"].order.len(), REPLAYS_REMEMBERED_MAX);
    }
}
