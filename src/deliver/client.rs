//! The one HTTP client of all lanes.
//!
//! Redirects are not followed (a receiver's host is fixed when it is configured), nothing is sent twice, answers are
//! read up to `RESPONSE_BYTES_MAX`, and addresses are checked after name resolution. No URL is part of any error text:
//! it may be a credential.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Proxy, Url, redirect, retry};
use url::Host;

use super::guard;
use super::senders::{Request, Response};
use crate::limits::{RESPONSE_BYTES_MAX, RESPONSE_HEADER_BYTES_MAX, RESPONSE_HEADERS_MAX};
use crate::secret::Secret;

/// How the client reaches the world.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Whether receivers may live at loopback and private addresses. Link-local and metadata addresses never may.
    pub private: bool,
    /// URL of the proxy for all requests; the environment is not asked. A proxy resolves names itself, so then only
    /// the proxy's own address and literal addresses are checked here.
    pub proxy: Option<Secret>,
    /// Upper bound for name resolution, connection and TLS handshake.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Unused connections kept per host.
    pub idle_max: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            private: true,
            proxy: None,
            connect_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_mins(1),
            idle_max: 8,
        }
    }
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("proxy URL")]
    Proxy { source: reqwest::Error },
    #[error("set up the HTTP client")]
    Setup { source: reqwest::Error },
}

/// Why there is no answer. Texts are for people and name no URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing left this machine: name, address, connection or TLS.
    #[error("{detail}")]
    NotSent { detail: String },
    /// The request may have arrived: the connection broke or time ran out.
    #[error("{detail}")]
    NoAnswer { detail: String },
    /// No request can be made of it, now or later.
    #[error("{detail}")]
    Unsendable { detail: String },
}

/// A request on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>>;

/// What lanes send through.
pub trait Transport: Send + Sync {
    /// Sends once and reads the answer, within `timeout` for everything.
    fn send<'a>(&'a self, request: &'a Request, timeout: Duration) -> Sending<'a>;
}

/// The transport over HTTP.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    private: bool,
}

impl Client {
    /// Makes the client. Reads the system's certificates; no connection is made.
    pub fn new(config: &ClientConfig) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .no_proxy()
            .dns_resolver(GuardedResolver { private: config.private })
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.idle_max)
            .user_agent(concat!("alertbridge/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &config.proxy {
            let proxy =
                Proxy::all(proxy.expose()).map_err(|e| Error::Proxy { source: e.without_url() })?;
            builder = builder.proxy(proxy);
        }
        let http = builder.build().map_err(|e| Error::Setup { source: e.without_url() })?;
        Ok(Self { http, private: config.private })
    }

    async fn exchange(&self, request: &Request, timeout: Duration) -> Result<Response, Failure> {
        let (method, url, headers) = parts(request)?;
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(address) = literal.filter(|address| !guard::allowed(*address, self.private)) {
            return Err(Failure::NotSent { detail: refusal(address) });
        }
        let sent = self
            .http
            .request(method, url)
            .headers(headers)
            .body(request.body.clone())
            .timeout(timeout)
            .send();
        read(sent.await.map_err(failure)?).await
    }
}

impl Transport for Client {
    fn send<'a>(&'a self, request: &'a Request, timeout: Duration) -> Sending<'a> {
        Box::pin(self.exchange(request, timeout))
    }
}

fn refusal(address: IpAddr) -> String {
    format!("address {address} is not allowed for receivers")
}

fn parts(request: &Request) -> Result<(Method, Url, HeaderMap), Failure> {
    let unsendable = |detail: String| Failure::Unsendable { detail };
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| unsendable(format!("{} is no HTTP method", request.method)))?;
    let url = Url::parse(request.url.expose())
        .map_err(|error| unsendable(format!("the receiver's URL is not valid: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unsendable("the receiver's URL is neither http nor https".to_owned()));
    }
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        let key = HeaderName::try_from(name.as_str())
            .map_err(|_| unsendable(format!("{name:?} is no header name")))?;
        let mut value = HeaderValue::try_from(value.expose())
            .map_err(|_| unsendable(format!("the value of header {name} is not valid")))?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok((method, url, headers))
}

async fn read(mut answer: reqwest::Response) -> Result<Response, Failure> {
    let status = answer.status();
    let headers = answer
        .headers()
        .iter()
        .take(RESPONSE_HEADERS_MAX)
        .map(|(name, value)| {
            let kept = &value.as_bytes()[..value.len().min(RESPONSE_HEADER_BYTES_MAX)];
            (name.as_str().to_owned(), String::from_utf8_lossy(kept).into_owned())
        })
        .collect();
    let mut body = Vec::new();
    while body.len() < RESPONSE_BYTES_MAX {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                let room = RESPONSE_BYTES_MAX - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            // Whether a success counts may stand in the part that is missing.
            Err(error) if status.is_success() => return Err(failure(error)),
            Ok(None) | Err(_) => break,
        }
    }
    Ok(Response { status: status.as_u16(), headers, body })
}

/// Says in words what went wrong and whether anything can have arrived.
fn failure(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if error.is_builder() {
        return Failure::Unsendable { detail: chain(&error) };
    }
    let timeout = error.is_timeout();
    if error.is_connect() {
        let detail = if timeout { "timeout while connecting".to_owned() } else { chain(&error) };
        return Failure::NotSent { detail };
    }
    let detail =
        if timeout { "timeout while waiting for the answer".to_owned() } else { chain(&error) };
    Failure::NoAnswer { detail }
}

/// The innermost causes say most; the outer ones only that a request was sent.
fn chain(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        texts.push(inner.to_string());
        cause = inner.source();
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

/// The system's resolver without the addresses that may not be called.
#[derive(Debug)]
struct GuardedResolver {
    private: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refused = found.iter().find(|at| !guard::allowed(at.ip(), private)).copied();
            let kept: Vec<SocketAddr> =
                found.into_iter().filter(|at| guard::allowed(at.ip(), private)).collect();
            match refused {
                Some(address) if kept.is_empty() => Err(refusal(address.ip()).into()),
                _ => Ok(Box::new(kept.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
