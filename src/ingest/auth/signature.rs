//! A sender that signs what it sends: one profile, in whichever of its forms the sender uses.

use std::time::Duration;

use crate::domain::Timestamp;

use super::credential::{Credential, Place};
use super::hmac::{DeliveryId, Hmac, HmacParts, KeyForm};
use super::profiles::{Row, Scheme};
use super::replay::Delivery;
use super::{Error, Presented, Refused, Secrets, SignedContent, SigningTime, Strength};

/// The signature schemes of one profile.
#[derive(Clone, Debug)]
pub struct Signature {
    profile: &'static str,
    schemes: Vec<Hmac>,
    /// What the sender may present instead of a signature.
    credential: Option<Credential>,
}

impl Signature {
    /// A scheme that the configuration spells out.
    pub fn of(scheme: Hmac) -> Self {
        Self { profile: "hmac", schemes: vec![scheme], credential: None }
    }

    /// The schemes of a vendor, with the `tolerance` of those that sign the time.
    pub fn vendor(row: &Row, secrets: &Secrets, tolerance: Duration) -> Result<Self, Error> {
        let schemes = row.schemes.iter().map(|scheme| {
            Hmac::new(HmacParts {
                scheme: row.name,
                header: scheme.header.to_owned(),
                algorithm: scheme.algorithm,
                encoding: scheme.encoding,
                prefix: scheme.prefix.to_owned(),
                content: scheme.signed.parse()?,
                time: scheme
                    .time
                    .map(|(header, prefix)| SigningTime::in_list(header, prefix, tolerance))
                    .transpose()?,
                id: id(scheme),
                key: if scheme.base64_key { KeyForm::Base64 } else { KeyForm::Text },
                secrets: secrets.clone(),
            })
        });
        let schemes = schemes.collect::<Result<Vec<Hmac>, Error>>()?;
        let credential = (!row.header.is_empty()).then(|| Credential {
            profile: row.name,
            place: Place::Header(row.header.to_owned()),
            secrets: secrets.clone(),
        });
        let schemes = schemes.into_iter().filter(Hmac::has_keys).collect();
        Ok(Self { profile: row.name, schemes, credential })
    }

    /// Grafana's, whose headers the user chooses: over the body, or with `time` over `{timestamp}:{body}`.
    pub fn grafana(
        row: &Row,
        header: Option<String>,
        time: Option<SigningTime>,
        secrets: Secrets,
    ) -> Result<Self, Error> {
        let content = if time.is_some() { "{timestamp}:{body}" } else { "{body}" };
        let scheme = row.schemes.first().ok_or(Error::Signature { detail: "a row without one" })?;
        let parts = HmacParts {
            scheme: row.name,
            header: header.unwrap_or_else(|| scheme.header.to_owned()),
            algorithm: scheme.algorithm,
            encoding: scheme.encoding,
            prefix: String::new(),
            content: content.parse::<SignedContent>()?,
            time,
            id: DeliveryId::None,
            key: KeyForm::Text,
            secrets,
        };
        Ok(Self { profile: row.name, schemes: vec![Hmac::new(parts)?], credential: None })
    }

    /// The name of the profile.
    pub const fn profile(&self) -> &'static str {
        self.profile
    }

    /// With or without the time under the signature.
    pub(super) fn strength(&self) -> Strength {
        let timed = self.schemes.iter().all(Hmac::is_timed);
        if timed { Strength::SignedTime } else { Strength::Signature }
    }

    /// The position of the secret that signed the request, and what tells the delivery from others.
    pub(super) fn verify(
        &self,
        presented: &Presented<'_>,
        now: Timestamp,
    ) -> Result<(usize, Option<Delivery>), Refused> {
        let mut refused = Refused::Missing { scheme: self.profile };
        // The first header that is there decides: a weaker one beside it cannot make up for it.
        let used = self.schemes.iter().find(|scheme| presented.header(scheme.header()).is_some());
        let Some(used) = used else {
            let credential = self.credential.as_ref().ok_or(refused)?;
            return credential.verify(presented).map(|position| (position, None));
        };
        for scheme in self.schemes.iter().filter(|scheme| scheme.header() == used.header()) {
            match scheme.verify(presented, now) {
                Err(reason) => refused = reason,
                Ok(verified) => return Ok(verified),
            }
        }
        Err(refused)
    }
}

/// A header that the signed content names is signed.
fn id(scheme: &Scheme) -> DeliveryId {
    match scheme.id {
        "" => DeliveryId::None,
        id if scheme.signed.contains(&format!("{{{id}}}")) => DeliveryId::Signed(id.to_owned()),
        id => DeliveryId::Named(id.to_owned()),
    }
}
