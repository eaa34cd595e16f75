//! The listener: its address, its TLS, its server.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::{App, HttpServer, middleware, web};
use tokio::sync::watch;

use super::Error;
use crate::config::Settings;
use crate::domain::Timestamp;
use crate::http::error::chain;
use crate::http::tls::{self, Tls, connected};
use crate::http::{self, Shared};
use crate::limits::TLS_HANDSHAKES_MAX;
use crate::telemetry::Metrics;

/// Binds first: a port that is taken is the most likely mistake, and must not touch the store of the one who has it.
pub(super) fn bind(settings: &Settings) -> Result<(SocketAddr, TcpListener), Error> {
    let address = settings.server.listen;
    if !address.ip().to_canonical().is_loopback() && settings.server.api_token.is_none() {
        return Err(Error::PublicWithoutToken { address });
    }
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    Ok((listener.local_addr().map_err(failed)?, listener))
}

/// Reads the files of TLS, if the settings name any.
pub(super) fn tls(
    settings: &Settings,
    metrics: &Metrics,
    now: Timestamp,
) -> Result<Option<Arc<Tls>>, Error> {
    let Some(files) = &settings.server.tls else { return Ok(None) };
    let loaded = tls::load(files).map_err(|source| Error::Tls { source })?;
    for warning in loaded.warnings(now) {
        tracing::warn!("{warning}");
    }
    let tls = Tls::new(files.clone(), loaded);
    metrics.certificate(tls.expires());
    Ok(Some(tls))
}

pub(super) fn serve(
    settings: &Settings,
    listener: TcpListener,
    tls: Option<&Arc<Tls>>,
    shared: &Arc<Shared>,
    mut closed: watch::Receiver<bool>,
) -> Result<actix_web::dev::Server, Error> {
    let server = &settings.server;
    let workers = match server.workers {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        workers => workers,
    };
    let shared = web::Data::from(Arc::clone(shared));
    let built = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .wrap(middleware::from_fn(http::root))
            .configure(http::routes)
    });
    let built = built
        .workers(workers)
        // Nothing blocks in a handler: the store has its own thread.
        .worker_max_blocking_threads(1)
        .max_connections(server.max_connections.div_ceil(workers))
        .keep_alive(server.keep_alive)
        .tcp_nodelay(true)
        .client_request_timeout(server.header_timeout)
        .tls_handshake_timeout(server.header_timeout)
        .max_connection_rate(TLS_HANDSHAKES_MAX)
        .on_connect(connected)
        .shutdown_timeout(server.shutdown_timeout.as_secs().max(1))
        .shutdown_signal(async move {
            // A sender that is gone means the same.
            drop(closed.wait_for(|closed| *closed).await);
        });
    let source = |source| Error::Server { source };
    let built = match tls {
        None => built.listen(listener),
        Some(tls) => {
            let config = tls.config().map_err(|source| Error::Tls { source })?;
            built.listen_rustls_0_23(listener, config)
        }
    };
    Ok(built.map_err(source)?.run())
}

/// Notices that the files of TLS changed. By what is in them: times say nothing where files are links that get exchanged.
pub(super) struct Watch {
    tls: Arc<Tls>,
    /// What could not be used was said once, and is not said again until it changes.
    refused: Option<[u8; 32]>,
    unreadable: bool,
}

impl Watch {
    pub(super) const fn new(tls: Arc<Tls>) -> Self {
        Self { tls, refused: None, unreadable: false }
    }

    /// Takes over what changed, if it can be used. A pair of which one file is not there yet is looked at again later.
    pub(super) async fn look(&mut self, metrics: &Metrics, now: Timestamp) {
        let (tls, refused) = (Arc::clone(&self.tls), self.refused);
        let looked = tokio::task::spawn_blocking(move || {
            let digest = tls::digest(tls.files()).map_err(|error| (None, Box::new(error)))?;
            if digest == tls.digest() || refused == Some(digest) {
                return Ok((digest, None));
            }
            let loaded = tls::load(tls.files()).map_err(|error| (Some(digest), Box::new(error)))?;
            Ok((digest, Some(loaded)))
        });
        // Only a panic or the end of the process keeps it from coming back.
        let Ok(looked) = looked.await else { return };
        match looked {
            Ok((digest, None)) => {
                self.unreadable = false;
                if digest == self.tls.digest() {
                    self.refused = None;
                }
            }
            Ok((_, Some(loaded))) => {
                for warning in loaded.warnings(now) {
                    tracing::warn!("{warning}");
                }
                self.tls.adopt(loaded);
                (self.refused, self.unreadable) = (None, false);
                metrics.certificate(self.tls.expires());
                tracing::info!(expires = %self.tls.expires(), "took over a new certificate");
            }
            Err((digest, error)) => {
                if digest.is_some() || !self.unreadable {
                    let error = chain(&*error);
                    tracing::error!(error, "new certificate is not taken over; the old one stays");
                }
                self.unreadable = digest.is_none();
                self.refused = digest.or(self.refused);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A certificate that ends in `year`, and its key.
    fn pair(year: i32) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }

    #[tokio::test]
    async fn new_files_are_taken_over_when_they_fit_together() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = |name: &str| folder.path().join(name);
        let files =
            crate::config::Tls { cert: path("cert.pem"), key: path("key.pem"), client_ca: None };
        let write = |(cert, key): (&str, &str)| {
            std::fs::write(&files.cert, cert).expect("writable");
            std::fs::write(&files.key, key).expect("writable");
        };
        let (old, new) = (pair(2040), pair(2050));
        write((&old.0, &old.1));
        let tls = Tls::new(files.clone(), tls::load(&files).expect("a pair"));
        let mut watch = Watch::new(Arc::clone(&tls));
        let metrics = Metrics::default();
        let mut check = async |expected: &str, refused: bool, unreadable: bool| {
            watch.look(&metrics, Timestamp::from_secs(1_800_000_000)).await;
            assert!(tls.expires().to_string().starts_with(expected), "{}", tls.expires());
            assert_eq!((watch.refused.is_some(), watch.unreadable), (refused, unreadable));
        };
        check("2040", false, false).await;
        write((&new.0, &old.1));
        check("2040", true, false).await;
        check("2040", true, false).await;
        std::fs::remove_file(&files.key).expect("removed");
        check("2040", true, true).await;
        write((&new.0, &new.1));
        check("2050", false, false).await;
        write((&new.0, "nonsense"));
        check("2050", true, false).await;
        write((&new.0, &new.1));
        check("2050", false, false).await;
        assert!(metrics.render().contains("\"listener\"} 2524608000.0"));
    }
}
