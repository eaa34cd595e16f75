//! The live secrets of a source: one, or two while it rotates.

use crate::limits::LIVE_SECRETS_MAX;
use crate::secret::Secret;

use super::Error;

/// One or two live secrets. All are compared each time, in constant time.
#[derive(Clone, Debug)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Takes one or two secrets, none of them empty.
    pub fn new(secrets: Vec<Secret>) -> Result<Self, Error> {
        let detail = match secrets.len() {
            0 => "there is none",
            count if count > LIVE_SECRETS_MAX => "more than two",
            _ if secrets.iter().any(|secret| secret.expose().is_empty()) => "one is empty",
            _ => return Ok(Self(secrets)),
        };
        Err(Error::Secrets { detail })
    }

    /// The position of the secret that equals `presented`.
    pub(super) fn find(&self, presented: &[u8]) -> Option<usize> {
        let mut found = None;
        for (position, secret) in self.0.iter().enumerate() {
            let matched = secret.matches(presented);
            found = found.or(matched.then_some(position));
        }
        found
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_two_and_none_empty() {
        for (values, fine) in [
            (&[][..], false),
            (&["a"][..], true),
            (&["a", "b"][..], true),
            (&["a", ""][..], false),
            (&["a", "b", "c"][..], false),
        ] {
            let secrets = values.iter().map(|value| Secret::new(*value)).collect();
            assert_eq!(Secrets::new(secrets).is_ok(), fine, "{values:?}");
        }
    }
}
