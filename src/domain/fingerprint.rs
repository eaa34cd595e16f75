//! Identities as fixed-size values: SHA-256 over length-prefixed fields, cut to 16 bytes.
//!
//! Length prefixes keep hostile labels from colliding by moving a separator; 128 bits keep accidents away.

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

/// The identity of a (source, alert key) or of a (route, group values).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// The fingerprint of `fields` in order.
    pub fn of<'a>(fields: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hasher = Fingerprinter::default();
        for field in fields {
            hasher.field(field.as_bytes());
        }
        hasher.finish()
    }

    /// The first eight bytes, for places where a collision only costs a little work.
    pub fn short(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Builds a [`Fingerprint`] field by field.
#[derive(Debug, Default)]
pub struct Fingerprinter {
    bytes: Vec<u8>,
}

impl Fingerprinter {
    /// Adds one field.
    pub fn field(&mut self, field: &[u8]) {
        self.bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        self.bytes.extend_from_slice(field);
    }

    /// The fingerprint of the fields added so far.
    pub fn finish(&self) -> Fingerprint {
        let digest = digest::digest(&digest::SHA256, &self.bytes);
        let mut short = [0; 16];
        short.copy_from_slice(&digest.as_ref()[..16]);
        Fingerprint(short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_together() {
        assert_ne!(Fingerprint::of(["ab", "c"]), Fingerprint::of(["a", "bc"]));
        assert_ne!(Fingerprint::of(["a"]), Fingerprint::of(["a", ""]));
        assert_eq!(Fingerprint::of(["a", "b"]), Fingerprint::of(["a", "b"]));
    }
}
