//! Who may use the API and the administrative paths.
//!
//! With a token: whoever presents it. Without one: only this machine, addressed as such, so that neither a proxy nor a web
//! page in somebody's browser reaches it (forwarded requests, DNS rebinding, cross-site requests).

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};

use super::error::Error;
use crate::secret::Secret;

/// The access rule of the API.
#[derive(Clone, Debug)]
pub struct Access {
    /// Tokens that open it; more than one while rotating. Empty: this machine only.
    pub tokens: Vec<Secret>,
}

/// Headers that only a proxy sets.
const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];

impl Access {
    /// Whether `request` may go on.
    pub fn check(&self, request: &HttpRequest) -> Result<(), Error> {
        let peer = request.peer_addr().map(|addr| addr.ip());
        self.judge(request.method(), request.headers(), peer)
    }

    fn judge(
        &self,
        method: &Method,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<(), Error> {
        if self.tokens.is_empty() {
            local(headers, peer)?;
        } else {
            self.bearer(headers)?;
        }
        if method.is_safe() { Ok(()) } else { json(headers) }
    }

    fn bearer(&self, headers: &HeaderMap) -> Result<(), Error> {
        let presented = headers.get(header::AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let Some(presented) = presented else {
            return Err(unauthenticated("no bearer token"));
        };
        // All are compared, so that time does not tell which one came close.
        let found = self
            .tokens
            .iter()
            .fold(false, |found, token| token.matches(presented.as_bytes()) | found);
        if found { Ok(()) } else { Err(unauthenticated("bearer token is not ours")) }
    }
}

fn unauthenticated(detail: &str) -> Error {
    Error::Unauthenticated { detail: detail.to_owned() }
}

/// Whether a request comes from this machine, for this machine, through nothing in between.
pub(super) fn local(headers: &HeaderMap, peer: Option<IpAddr>) -> Result<(), Error> {
    let refuse = |detail| Err(Error::Forbidden { detail });
    if !peer.is_some_and(|peer| peer.to_canonical().is_loopback()) {
        return refuse("without a token the API answers only this machine");
    }
    if FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        return refuse("without a token the API answers no forwarded request");
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if !is_local_name(host) {
        return refuse("without a token the API answers only to the host localhost");
    }
    let foreign = headers.get(header::ORIGIN).is_some_and(|origin| {
        // One port speaks one of the two, so that a page of the other one is none of ours and cannot be there.
        let origin = origin.to_str().ok().and_then(|origin| {
            origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
        });
        origin != Some(host)
    });
    if foreign { refuse("without a token the API answers no other origin") } else { Ok(()) }
}

/// Whether `host`, with or without a port, is a name of this machine that no DNS server hands out.
fn is_local_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

/// Web pages cannot send this type to another origin without being asked first. No body needs no type.
fn json(headers: &HeaderMap) -> Result<(), Error> {
    let Some(media) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let media = media.to_str().unwrap_or("").split(';').next().unwrap_or("").trim();
    if media.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Error::ContentType) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::StatusCode;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn check(tokens: &[&str], method: &Method, peer: &str, headers: &[(&str, &str)]) -> u16 {
        let access = Access { tokens: tokens.iter().map(|token| Secret::new(*token)).collect() };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).expect("name"),
                HeaderValue::from_str(value).expect("value"),
            );
        }
        let peer = Some(peer.parse().expect("address"));
        let judged = access.judge(method, &map, peer);
        judged.map_or_else(|error| error.meaning().status, |()| StatusCode::OK).as_u16()
    }

    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);

    #[rustfmt::skip]
    #[test]
    fn without_a_token_only_this_machine() {
        let rows: [Row<'_>; 15] = [
            ("127.0.0.1", &[("host", "localhost:8080")], 200),
            ("127.0.0.1", &[("host", "127.0.0.1")], 200),
            ("::1", &[("host", "[::1]:8080")], 200),
            ("::ffff:127.0.0.1", &[("host", "localhost")], 200),
            ("10.0.0.9", &[("host", "localhost")], 403),
            ("127.0.0.1", &[], 403),
            ("127.0.0.1", &[("host", "evil.example")], 403),
            ("127.0.0.1", &[("host", "localhost.evil.example")], 403),
            ("127.0.0.1", &[("host", "localhost:8080"), ("x-forwarded-for", "127.0.0.1")], 403),
            ("127.0.0.1", &[("host", "localhost:8080"), ("forwarded", "for=127.0.0.1")], 403),
            ("127.0.0.1", &[("host", "localhost:8080"), ("origin", "http://localhost:8080")], 200),
            ("127.0.0.1", &[("host", "localhost:8080"), ("origin", "https://localhost:8080")], 200),
            ("127.0.0.1", &[("host", "localhost:8080"), ("origin", "http://localhost:3000")], 403),
            ("127.0.0.1", &[("host", "localhost:8080"), ("origin", "https://evil.example")], 403),
            ("127.0.0.1", &[("host", "localhost:8080"), ("origin", "null")], 403),
        ];
        for (peer, headers, status) in rows {
            assert_eq!(check(&[], &Method::GET, peer, headers), status, "{peer} {headers:?}");
        }
    }

    #[rustfmt::skip]
    #[test]
    fn with_a_token_whoever_presents_it() {
        let rows: [(&[(&str, &str)], u16); 6] = [
            (&[("authorization", "Bearer new")], 200),
            (&[("authorization", "bearer old")], 200),
            (&[("authorization", "Bearer other")], 401),
            (&[("authorization", "Basic new")], 401),
            (&[("authorization", "new")], 401),
            (&[], 401),
        ];
        for (headers, status) in rows {
            assert_eq!(check(&["new", "old"], &Method::GET, "203.0.113.7", headers), status, "{headers:?}");
        }
    }

    #[test]
    fn writes_are_json_or_empty() {
        for (media, status) in [
            ("application/json; charset=utf-8", 200),
            ("text/plain", 415),
            ("application/x-www-form-urlencoded", 415),
        ] {
            let headers = [("authorization", "Bearer t"), ("content-type", media)];
            assert_eq!(check(&["t"], &Method::POST, "::1", &headers), status, "{media}");
        }
        assert_eq!(check(&["t"], &Method::POST, "::1", &[("authorization", "Bearer t")]), 200);
    }
}
