//! What one batch has staged so far, over what is durable: operations of a batch see each other's writes.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use super::kv::{Kv, KvError, Pair, Size, Span, Writes};
use super::record::{self, Unreadable};

/// The bytes of the store as the present batch sees them.
pub(super) struct Staged {
    kv: Box<dyn Kv>,
    place: PathBuf,
    writes: Writes,
    /// The first failure of the bytes: the batch must not be applied any more.
    broken: std::cell::RefCell<Option<KvError>>,
}

impl Staged {
    /// `place` is named in errors.
    pub(super) fn new(kv: Box<dyn Kv>, place: PathBuf) -> Self {
        Self { kv, place, writes: Writes::new(), broken: std::cell::RefCell::default() }
    }

    /// The record at `key`.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        match self.bytes(key)? {
            Some(bytes) => self.decode(key, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The record at `key`, which must be there.
    pub(super) fn need<T: DeserializeOwned>(&self, key: &[u8]) -> Result<T, Error> {
        self.get(key)?.ok_or_else(|| Error::Damaged {
            key: record::show(key),
            detail: "it is missing".to_owned(),
        })
    }

    /// The stored bytes at `key`.
    pub(super) fn bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if let Some(staged) = self.writes.get(key) {
            return Ok(staged.clone());
        }
        self.kv.get(key).map_err(|error| self.fail("read", error))
    }

    /// The record in `bytes`, which were read at `key`.
    pub(super) fn decode<T: DeserializeOwned>(&self, key: &[u8], bytes: &[u8]) -> Result<T, Error> {
        record::decode(bytes).map_err(|unreadable| match unreadable {
            Unreadable::TooNew(found) => {
                Error::TooNew { path: self.place.clone(), found, known: record::FORMAT }
            }
            Unreadable::Damaged(detail) => Error::Damaged { key: record::show(key), detail },
        })
    }

    /// Up to `limit` pairs of `span`.
    pub(super) fn scan(&self, span: &Span, limit: usize) -> Result<Vec<Pair>, Error> {
        let read = |limit| self.kv.scan(span, limit).map_err(|error| self.fail("scan", error));
        if self.writes.is_empty() || span.from >= span.to {
            return read(limit);
        }
        let staged: Vec<_> = self.writes.range(span.bounds()).collect();
        if staged.is_empty() {
            return read(limit);
        }
        // Each staged removal takes away at most one of what was read.
        let mut merged: Writes = read(limit.saturating_add(staged.len()))?
            .into_iter()
            .map(|(key, value)| (key, Some(value)))
            .collect();
        merged.extend(staged.into_iter().map(|(key, value)| (key.clone(), value.clone())));
        let pairs = merged.into_iter().filter_map(|(key, value)| value.map(|value| (key, value)));
        Ok(if span.backwards {
            pairs.rev().take(limit).collect()
        } else {
            pairs.take(limit).collect()
        })
    }

    pub(super) fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) {
        self.put_bytes(key, record::encode(value));
    }

    pub(super) fn put_bytes(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// Makes what is staged durable. Without anything staged the disk is left alone.
    pub(super) fn apply(&mut self) -> Result<(), KvError> {
        if let Some(error) = self.broken.get_mut().take() {
            return Err(error);
        }
        let writes = std::mem::take(&mut self.writes);
        if writes.is_empty() { Ok(()) } else { self.kv.apply_durably(writes) }
    }

    pub(super) fn size(&self) -> Result<Size, Error> {
        self.kv.size().map_err(|error| self.fail("measure", error))
    }

    pub(super) fn place(&self) -> &PathBuf {
        &self.place
    }

    fn fail(&self, operation: &'static str, error: KvError) -> Error {
        self.broken.borrow_mut().get_or_insert_with(|| error.clone());
        backend(operation, error)
    }
}

/// The error of an operation that the bytes could not carry out.
pub(super) fn backend(operation: &'static str, error: KvError) -> Error {
    Error::Backend { operation, source: Box::new(Shared(error)) }
}

/// One cause that many answers carry.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Shared(KvError);
