//! Fetches what authentication needs from outside: certificates of SNS, keys of Entra ID.
//!
//! Whoever calls this has pinned the address. Tests give a function instead of the network.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::redirect;
use url::Url;

use crate::limits::CERTIFICATE_FETCH_SECONDS_MAX;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client could not be built.
    #[error("build the client for certificates and keys")]
    Client(#[source] reqwest::Error),
    /// No answer, or not a whole one. The URL is left out: it may hold a token.
    #[error("ask")]
    Request(#[source] reqwest::Error),
    /// Another status than 200; redirects are not followed.
    #[error("the answer is {status}")]
    Status { status: u16 },
    /// More than such an answer ever has.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
}

type Get = dyn Fn(Url, usize) -> BoxFuture<'static, Result<Vec<u8>, Error>> + Send + Sync;

/// Gets the body at an address, of at most so many bytes.
#[derive(Clone)]
pub struct Fetcher(Arc<Get>);

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

impl Fetcher {
    /// A client for https that follows no redirect, uses no proxy of the environment and waits 5 s.
    pub fn https() -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(true)
            .retry(reqwest::retry::never())
            .timeout(Duration::from_secs(CERTIFICATE_FETCH_SECONDS_MAX))
            .build()
            .map_err(Error::Client)?;
        Ok(Self::new(move |url, limit| Box::pin(read(client.clone(), url, limit))))
    }

    /// Any function that gets a body.
    pub fn new(
        get: impl Fn(Url, usize) -> BoxFuture<'static, Result<Vec<u8>, Error>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(get))
    }

    /// The body at `url`.
    pub async fn get(&self, url: Url, limit: usize) -> Result<Vec<u8>, Error> {
        (self.0)(url, limit).await
    }
}

async fn read(client: reqwest::Client, url: Url, limit: usize) -> Result<Vec<u8>, Error> {
    let request = |cause: reqwest::Error| Error::Request(cause.without_url());
    let mut answer = client.get(url).send().await.map_err(request)?;
    if answer.status().as_u16() != 200 {
        return Err(Error::Status { status: answer.status().as_u16() });
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(request)? {
        if body.len() + chunk.len() > limit {
            return Err(Error::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
