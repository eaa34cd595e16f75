//! From what `routes.toml` says about a source to the profile that its requests are checked by.

use crate::config::{self, Source};
use crate::secret::Secret;

use super::sns::Topics;
use super::{
    Algorithm, AllowList, Auth, Encoding, Error, Hmac, HmacParts, KeyForm, Profile, Secrets,
    SigningTime,
};

impl Profile {
    /// The profile of a configured source. Fails where the parts of a signature contradict each other, a topic is no
    /// ARN, or more secrets are live than a rotation needs.
    pub fn of(source: &Source) -> Result<Self, Error> {
        let auth = match &source.auth {
            config::Auth::None => Auth::None,
            config::Auth::Token(tokens) => Auth::Token(Secrets::new(tokens.clone())?),
            config::Auth::Basic(users) => {
                let pairs: Vec<Secret> = users.iter().map(pair).collect::<Result<_, _>>()?;
                Auth::Basic(Secrets::new(pairs)?)
            }
            config::Auth::Hmac(parts) => Auth::Hmac(hmac(parts)?),
            config::Auth::Sns => Auth::Sns(Topics::new(source.topics.clone())?),
        };
        Ok(Self { auth, allow: AllowList::new(source.allow.clone()) })
    }
}

/// A colon ends the user, so a user with one would be somebody else.
fn pair(basic: &config::Basic) -> Result<Secret, Error> {
    let password = basic.password.expose();
    let detail = match (basic.user.contains(':'), password.is_empty()) {
        (true, _) => "a user has a colon in it",
        (_, true) => "a password is empty",
        (false, false) => return Ok(Secret::new(format!("{}:{password}", basic.user))),
    };
    Err(Error::Secrets { detail })
}

fn hmac(parts: &config::Hmac) -> Result<Hmac, Error> {
    let header = parts.timestamp_header.as_deref();
    // Standard Webhooks marks its keys; any other secret is the key as it is.
    let marked = parts.secrets.iter().all(|secret| secret.expose().starts_with("whsec_"));
    Hmac::new(HmacParts {
        header: parts.header.clone(),
        algorithm: match parts.algorithm {
            config::Algorithm::Sha1 => Algorithm::Sha1,
            config::Algorithm::Sha256 => Algorithm::Sha256,
            config::Algorithm::Sha512 => Algorithm::Sha512,
        },
        encoding: match parts.encoding {
            config::Encoding::Hex => Encoding::Hex,
            config::Encoding::Base64 => Encoding::Base64,
        },
        prefix: parts.prefix.clone(),
        content: parts.signed.parse()?,
        time: header.map(|header| SigningTime::new(header, parts.tolerance)).transpose()?,
        key: if marked { KeyForm::Base64 } else { KeyForm::Text },
        secrets: Secrets::new(parts.secrets.clone())?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(auth: config::Auth, topics: &[&str], expected: Result<&str, &str>) {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let source = Source { auth, topics, ..Source::builtin("generic") };
        let built = Profile::of(&source).map_err(|cause| cause.to_string());
        match (built, expected) {
            (Ok(profile), Ok(scheme)) => assert_eq!(profile.auth.as_str(), scheme),
            (Err(cause), Err(part)) => assert!(cause.contains(part), "{cause}"),
            (built, expected) => panic!("{built:?}, expected {expected:?}"),
        }
    }

    fn signed(content: &str, timestamp_header: Option<&str>, secret: &str) -> config::Auth {
        config::Auth::Hmac(Box::new(config::Hmac {
            secrets: vec![Secret::new(secret)],
            header: "x-signature".to_owned(),
            algorithm: config::Algorithm::Sha256,
            encoding: config::Encoding::Hex,
            prefix: String::new(),
            timestamp_header: timestamp_header.map(str::to_owned),
            tolerance: Duration::from_mins(5),
            signed: content.to_owned(),
        }))
    }

    fn basic(user: &str, password: &str) -> config::Auth {
        config::Auth::Basic(vec![config::Basic {
            user: user.to_owned(),
            password: Secret::new(password),
        }])
    }

    #[test]
    fn every_form_becomes_a_profile_or_says_why_not() {
        let tokens = |count| config::Auth::Token(vec![Secret::new("t"); count]);
        check(config::Auth::None, &[], Ok("none"));
        check(tokens(2), &[], Ok("token"));
        check(tokens(3), &[], Err("more than two"));
        check(basic("azure", "p:w"), &[], Ok("basic"));
        check(basic("az:ure", "pw"), &[], Err("colon"));
        check(basic("azure", ""), &[], Err("empty"));
        check(signed("{body}", None, "s"), &[], Ok("hmac"));
        check(signed("v0:{timestamp}:{body}", Some("x-time"), "s"), &[], Ok("hmac"));
        check(signed("{body}", Some("x-time"), "s"), &[], Err("stops no replay"));
        check(signed("{timestamp}{body}", None, "s"), &[], Err("{timestamp}"));
        check(signed("{body}", None, "whsec_*"), &[], Err("base64"));
        check(config::Auth::Sns, &["arn:aws:sns:eu-west-1:111122223333:ops"], Ok("sns"));
        check(config::Auth::Sns, &["ops"], Err("not an ARN"));
    }
}
