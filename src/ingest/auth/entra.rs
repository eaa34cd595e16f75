//! Access tokens of Microsoft Entra ID: what Azure's secure webhooks send.
//!
//! Facts: Azure Monitor docs, "Action groups", Secure webhook authentication; Microsoft identity platform docs, "Access
//! tokens", Validate tokens, and "Signing key rollover". A token is signed with RS256 by a key of the tenant. Its issuer is
//! `https://login.microsoftonline.com/<tenant>/v2.0`, or in version 1.0 `https://sts.windows.net/<tenant>/`; `aud` is the
//! application that was registered for us; `azp` (version 1.0: `appid`) is the application that calls; `roles` lists what it
//! may do here. Action groups call as 461e8683-5575-4561-ac7f-899cc907d62a with the role `ActionGroupsSecureWebhook`.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, dangerous};
use serde::Deserialize;
use url::Url;

use crate::domain::Timestamp;
use crate::limits::{ACCESS_TOKEN_BYTES_MAX, JWT_LEEWAY_SECONDS};

use super::{Error, Evidence, Presented, Refused};

const SCHEME: &str = "entra";
/// The application as which Azure's action groups call.
pub const ACTION_GROUPS_APP: &str = "461e8683-5575-4561-ac7f-899cc907d62a";
/// The role that Azure's set-up script gives it.
pub const ACTION_GROUPS_ROLE: &str = "ActionGroupsSecureWebhook";

/// Which of Microsoft's clouds the tenant is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cloud {
    #[default]
    Public,
    /// Azure Government.
    Us,
    /// Azure operated by 21Vianet.
    China,
}

impl Cloud {
    /// The host that signs people in, and whose keys count.
    const fn host(self) -> &'static str {
        match self {
            Self::Public => "login.microsoftonline.com",
            Self::Us => "login.microsoftonline.us",
            Self::China => "login.partner.microsoftonline.cn",
        }
    }

    /// The host in the issuer of tokens of version 1.0.
    const fn first_issuer(self) -> &'static str {
        match self {
            Self::Public | Self::Us => "sts.windows.net",
            Self::China => "sts.chinacloudapi.cn",
        }
    }
}

impl std::str::FromStr for Cloud {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        match word {
            "public" => Ok(Self::Public),
            "us" => Ok(Self::Us),
            "china" => Ok(Self::China),
            _ => Err(Error::Unknown {
                what: "cloud",
                word: word.to_owned(),
                known: "public, us, china",
            }),
        }
    }
}

/// A tenant in its cloud: whoever has its keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant {
    cloud: Cloud,
    /// Lower-case GUID.
    id: String,
}

impl Tenant {
    /// Takes the tenant's id: tokens name it so, never by a domain.
    pub fn new(cloud: Cloud, id: &str) -> Result<Self, Error> {
        let id = id.to_ascii_lowercase();
        let groups: Vec<usize> = id.split('-').map(str::len).collect();
        let hex = id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if hex && groups == [8, 4, 4, 4, 12] {
            Ok(Self { cloud, id })
        } else {
            Err(Error::Entra {
                detail: "the tenant is not an id such as 00000000-0000-4000-8000-000000000000",
            })
        }
    }

    /// Where its keys are. The host is one of three.
    pub fn keys_url(&self) -> Url {
        let url = format!("https://{}/{}/discovery/v2.0/keys", self.cloud.host(), self.id);
        Url::parse(&url).expect("a known host and a checked id are a URL")
    }

    /// Whether `issuer` is this tenant in either version of tokens.
    fn issued(&self, issuer: &str) -> bool {
        let second = format!("https://{}/{}/v2.0", self.cloud.host(), self.id);
        let first = format!("https://{}/{}/", self.cloud.first_issuer(), self.id);
        issuer == second || issuer == first
    }
}

/// A key of a tenant: RSA, for RS256.
pub struct SigningKey(DecodingKey);

impl SigningKey {
    /// Takes modulus and exponent as a JWK has them.
    pub(super) fn new(modulus: &str, exponent: &str) -> Option<Self> {
        DecodingKey::from_rsa_components(modulus, exponent).ok().map(Self)
    }
}

/// Who may call: one application, in one role, for one audience, from one tenant.
#[derive(Clone, Debug)]
pub struct Entra {
    tenant: Tenant,
    audiences: Vec<String>,
    app: String,
    role: String,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    iss: String,
    aud: Option<Audience>,
    exp: Option<i64>,
    nbf: Option<i64>,
    azp: Option<String>,
    appid: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

/// RFC 7519, 4.1.3: a text or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Entra {
    /// One or more audiences: the application's id and its `api://` URI name the same.
    pub fn new(
        tenant: Tenant,
        audiences: Vec<String>,
        app: &str,
        role: &str,
    ) -> Result<Self, Error> {
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(Error::Entra { detail: "an audience is empty" });
        }
        if app.is_empty() || role.is_empty() {
            return Err(Error::Entra { detail: "app or role is empty" });
        }
        Ok(Self { tenant, audiences, app: app.to_ascii_lowercase(), role: role.to_owned() })
    }

    /// The tenant whose keys count.
    pub const fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Checks the claims, then the signature: a stranger's token costs no fetch of keys.
    pub(super) fn verify(
        &self,
        presented: &Presented<'_>,
        evidence: &Evidence<'_>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let wrong = |detail| Refused::AccessToken { detail };
        let token = presented.authorization("bearer").ok_or(Refused::Missing { scheme: SCHEME })?;
        if token.len() > ACCESS_TOKEN_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        let unverified = dangerous::insecure_decode::<Claims>(token)
            .map_err(|_| wrong("it is not a JSON web token"))?;
        if unverified.header.alg != Algorithm::RS256 {
            return Err(wrong("its algorithm is not RS256"));
        }
        let kid = unverified.header.kid.ok_or(wrong("it names no key"))?;
        self.check(&unverified.claims, now).map_err(wrong)?;
        let Some(key) = (evidence.key)(&self.tenant, &kid) else {
            return Err(Refused::NoKey { tenant: self.tenant.clone(), kid });
        };
        // The claims were read from the very bytes whose signature is checked now; our clock has judged the times.
        let mut validation = Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        jsonwebtoken::decode::<Claims>(token, &key.0, &validation)
            .map(|_| ())
            .map_err(|_| Refused::Wrong { scheme: SCHEME })
    }

    fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), &'static str> {
        const LEEWAY: Duration = Duration::from_secs(JWT_LEEWAY_SECONDS);
        if !self.tenant.issued(&claims.iss) {
            return Err("another issuer");
        }
        let audience = match &claims.aud {
            Some(Audience::One(one)) => std::slice::from_ref(one),
            Some(Audience::Many(many)) => many,
            None => &[],
        };
        if !audience.iter().any(|one| self.audiences.contains(one)) {
            return Err("another audience");
        }
        let expires_at = claims.exp.map(Timestamp::from_secs).ok_or("it never expires")?;
        if now > expires_at.plus(LEEWAY) {
            return Err("it is expired");
        }
        if claims.nbf.is_some_and(|begin| Timestamp::from_secs(begin) > now.plus(LEEWAY)) {
            return Err("it is not valid yet");
        }
        let app = claims.azp.as_ref().or(claims.appid.as_ref());
        if !app.is_some_and(|app| app.eq_ignore_ascii_case(&self.app)) {
            return Err("another application calls");
        }
        if !claims.roles.contains(&self.role) {
            return Err("the application lacks the role");
        }
        Ok(())
    }
}

/// Looks up a key of a tenant that is at hand.
pub type KeyLookup<'a> = &'a dyn Fn(&Tenant, &str) -> Option<Arc<SigningKey>>;

#[cfg(test)]
mod tests;
