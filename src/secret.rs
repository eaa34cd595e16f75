//! A string that is never printed.

use std::fmt;

use zeroize::Zeroize;

/// A credential. Prints `***`, never serializes, is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a credential.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The credential itself: for the request that needs it, never for a message.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `presented` is this credential, compared in constant time over digests of equal length.
    pub fn matches(&self, presented: &[u8]) -> bool {
        use aws_lc_rs::{constant_time, digest};
        let own = digest::digest(&digest::SHA256, self.0.as_bytes());
        let other = digest::digest(&digest::SHA256, presented);
        constant_time::verify_slices_are_equal(own.as_ref(), other.as_ref()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_prints_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }

    #[test]
    fn compares_whole_values() {
        let secret = Secret::new("hunter2");
        assert!(secret.matches(b"hunter2"));
        assert!(!secret.matches(b"hunter"));
        assert!(!secret.matches(b""));
    }
}
