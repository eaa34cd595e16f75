//! The four calls the embedded store needs of what keeps its bytes, and a map that keeps them in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

/// Why the bytes could not be read or kept. Shared: one failure answers every operation of a batch.
pub type KvError = Arc<dyn std::error::Error + Send + Sync>;

/// What one batch changes: a value to keep, or `None` for a key that goes.
pub type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The keys from `from` (included) to `to` (not included).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Vec<u8>,
    pub to: Vec<u8>,
    /// From the last key to the first.
    pub backwards: bool,
}

impl Span {
    /// The keys from `from` to `to`, in ascending order.
    pub fn new(from: Vec<u8>, to: Vec<u8>) -> Self {
        Self { from, to, backwards: false }
    }

    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut to = prefix.to_vec();
        while let Some(last) = to.pop() {
            if last < u8::MAX {
                to.push(last + 1);
                break;
            }
        }
        Self::new(prefix.to_vec(), to)
    }

    /// The same keys, last first.
    #[must_use]
    pub fn backwards(mut self) -> Self {
        self.backwards = true;
        self
    }

    /// The span as bounds of a sorted map.
    pub fn bounds(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        (Bound::Included(self.from.clone()), Bound::Excluded(self.to.clone()))
    }
}

/// How much room is used and left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub used_bytes: u64,
    /// `None` where there is no disk.
    pub free_bytes: Option<u64>,
}

/// Sorted bytes that survive what they promise to survive. Used by one thread.
pub trait Kv: Send {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// Up to `limit` pairs of `span` in its order.
    fn scan(&self, span: &Span, limit: usize) -> Result<Vec<Pair>, KvError>;

    /// Applies all of `writes` or nothing, and returns when they would survive a power cut.
    fn apply_durably(&mut self, writes: Writes) -> Result<(), KvError>;

    /// How much room is used and left.
    fn size(&self) -> Result<Size, KvError>;
}

/// A map in memory. Clones share it, so that a store can be opened again over what an earlier one wrote.
#[derive(Clone, Debug, Default)]
pub struct MemKv {
    pairs: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
}

impl MemKv {
    /// Everything in it, for comparing.
    pub fn pairs(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Kv for MemKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.pairs.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, span: &Span, limit: usize) -> Result<Vec<Pair>, KvError> {
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if span.from >= span.to {
            return Ok(Vec::new());
        }
        let range = pairs.range(span.bounds()).map(|(key, value)| (key.clone(), value.clone()));
        Ok(if span.backwards {
            range.rev().take(limit).collect()
        } else {
            range.take(limit).collect()
        })
    }

    fn apply_durably(&mut self, writes: Writes) -> Result<(), KvError> {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in writes {
            match value {
                Some(value) => pairs.insert(key, value),
                None => pairs.remove(&key),
            };
        }
        Ok(())
    }

    fn size(&self) -> Result<Size, KvError> {
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let used = pairs.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        Ok(Size { used_bytes: used as u64, free_bytes: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cut_and_turn() {
        let mut kv = MemKv::default();
        let keys: [&[u8]; 4] = [b"a1", b"b\xff", b"b\xff\xff", b"c"];
        kv.apply_durably(keys.iter().map(|key| (key.to_vec(), Some(vec![1]))).collect())
            .expect("memory");
        let scan = |span: Span, limit| -> Vec<Vec<u8>> {
            kv.scan(&span, limit).expect("memory").into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(scan(Span::prefix(b"b"), 9), [b"b\xff".to_vec(), b"b\xff\xff".to_vec()]);
        assert_eq!(scan(Span::prefix(b"b\xff"), 9).len(), 2);
        assert_eq!(scan(Span::prefix(b"b").backwards(), 1), [b"b\xff\xff".to_vec()]);
        assert!(scan(Span::new(b"c".to_vec(), b"a".to_vec()), 9).is_empty());
    }
}
