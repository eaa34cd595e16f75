//! Credentials that are presented as they are: in the URL, in a header, in a field of the body.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::{Presented, Refused, Secrets};

/// Where a sender puts its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `?auth=` or `?access_token=` in the query, or `Authorization: Bearer`.
    UrlOrBearer,
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`; the secret is `user:password`.
    Basic,
    /// The whole value of this header (lower case).
    Header(String),
    /// This parameter of the query or of a form in the body.
    Parameter(&'static str),
}

/// A secret that is presented as it is.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The name of the profile.
    pub profile: &'static str,
    pub place: Place,
    pub secrets: Secrets,
}

impl Credential {
    /// The position of the presented secret.
    pub(super) fn verify(&self, presented: &Presented<'_>) -> Result<usize, Refused> {
        let scheme = self.profile;
        let found = self.found(presented).filter(|found| !found.is_empty());
        let found = found.ok_or(Refused::Missing { scheme })?;
        let secret = match self.place {
            Place::Basic => BASE64_STANDARD.decode(found.as_bytes()).ok(),
            _ => Some(found.into_owned().into_bytes()),
        };
        let position = secret.and_then(|secret| self.secrets.find(&secret));
        position.ok_or(Refused::Wrong { scheme })
    }

    /// Whether the secret may stand in the body.
    pub(super) const fn is_in_body(&self) -> bool {
        matches!(self.place, Place::Parameter(_))
    }

    fn found<'a>(&self, presented: &'a Presented<'_>) -> Option<Cow<'a, str>> {
        let bearer = || presented.authorization("bearer").map(Cow::Borrowed);
        match &self.place {
            Place::UrlOrBearer => {
                let query = presented.query.as_bytes();
                bearer().or_else(|| parameter(query, &["auth", "access_token"]))
            }
            Place::Bearer => bearer(),
            Place::Basic => presented.authorization("basic").map(Cow::Borrowed),
            Place::Header(name) => presented.header(name).map(Cow::Borrowed),
            Place::Parameter(name) => parameter(presented.query.as_bytes(), &[name])
                .or_else(|| parameter(presented.body, &[name])),
        }
    }
}

/// The first parameter of one of these names. A plus sign stays one: people paste tokens into URLs as they are.
fn parameter<'a>(form: &[u8], names: &[&str]) -> Option<Cow<'a, str>> {
    for pair in form.split(|byte| *byte == b'&') {
        let name = &pair[..pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len())];
        if !names.iter().any(|known| known.as_bytes() == name) {
            continue;
        }
        let kept = String::from_utf8_lossy(pair).replace('+', "%2B");
        let found = url::form_urlencoded::parse(kept.as_bytes()).next();
        return found.map(|(_, value)| Cow::Owned(value.into_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::secret::Secret;

    fn secrets(values: &[&str]) -> Secrets {
        Secrets::new(values.iter().map(|value| Secret::new(*value)).collect()).expect("secrets")
    }

    fn check(
        place: &Place,
        secrets: &Secrets,
        header: (&str, &str),
        rest: (&str, &str),
        expected: Result<usize, &str>,
    ) {
        let credential =
            Credential { profile: "token", place: place.clone(), secrets: secrets.clone() };
        let headers = [(header.0.to_owned(), header.1.to_owned())];
        let address = IpAddr::from([10, 1, 2, 3]);
        let (query, body) = (rest.0, rest.1.as_bytes());
        let got = credential.verify(&Presented {
            headers: &headers,
            query,
            body,
            address,
            certificate: None,
        });
        let got = got.as_ref().map_err(Refused::label).copied();
        assert_eq!(got, expected, "{place:?} {header:?} {rest:?}");
    }

    #[test]
    fn tokens() {
        let secrets = secrets(&["new+1/=", "old"]);
        let check = |header: &str, query: &str, expected| {
            let header = ("authorization", header);
            check(&Place::UrlOrBearer, &secrets, header, (query, ""), expected);
        };
        check("Bearer new+1/=", "", Ok(0));
        check("bearer  old", "", Ok(1));
        check("", "a=b&auth=old", Ok(1));
        check("", "auth=new+1/=", Ok(0));
        check("", "auth=new%2B1%2F%3D", Ok(0));
        check("", "auth=old&auth=x", Ok(1));
        check("", "access_token=old", Ok(1));
        check("", "auth=older", Err("wrong"));
        check("Bearer x", "auth=old", Err("wrong"));
        check("", "auth=", Err("missing"));
        check("", "auth", Err("missing"));
        check("", "token=old", Err("missing"));
        check("Basic b2xk", "", Err("missing"));
    }

    #[test]
    fn bearer_takes_no_url() {
        let secrets = secrets(&["old"]);
        let check = |header: &str, query: &str, expected| {
            check(&Place::Bearer, &secrets, ("authorization", header), (query, ""), expected);
        };
        check("Bearer old", "", Ok(0));
        check("", "auth=old", Err("missing"));
        check("Bearer ", "", Err("missing"));
        check("Bearer olds", "", Err("wrong"));
    }

    #[test]
    fn basic_credentials() {
        let secrets = secrets(&["azure:p:1", "azure:p2"]);
        let check = |header: &str, expected| {
            check(&Place::Basic, &secrets, ("authorization", header), ("", ""), expected);
        };
        check("Basic YXp1cmU6cDox", Ok(0)); // azure:p:1
        check("Basic YXp1cmU6cDI=", Ok(1)); // azure:p2
        check("Basic eHp1cmU6cDI=", Err("wrong")); // xzure:p2
        check("Basic YXp1cmU=", Err("wrong"));
        check("Basic ***", Err("wrong"));
        check("Bearer p2", Err("missing"));
        check("", Err("missing"));
    }

    #[test]
    fn headers() {
        let secrets = secrets(&["k1", "k2"]);
        let place = Place::Header("x-api-key".to_owned());
        check(&place, &secrets, ("x-api-key", " k2 "), ("", ""), Ok(1));
        check(&place, &secrets, ("x-api-key", "k3"), ("", ""), Err("wrong"));
        check(&place, &secrets, ("x-api-key", ""), ("", ""), Err("missing"));
        check(&place, &secrets, ("x-other", "k1"), ("x-api-key=k1", ""), Err("missing"));
    }

    #[test]
    fn parameters_of_query_or_body() {
        let secrets = secrets(&["k+1"]);
        let place = Place::Parameter("token");
        let check = |query, body, expected| {
            check(&place, &secrets, ("x", "y"), (query, body), expected);
        };
        check("token=k%2B1", "", Ok(0));
        check("", "cmd=submitcheck&token=k+1&xml=%3Ca%2F%3E", Ok(0));
        check("token=wrong", "token=k+1", Err("wrong"));
        check("", "xtoken=k+1", Err("missing"));
        check("", "{\"token\": \"k+1\"}", Err("missing"));
        check("", "token=", Err("missing"));
    }
}
