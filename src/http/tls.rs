//! TLS of the listener: its certificate, which can be exchanged while it runs, and the certificates of clients.
//!
//! [`load`] reads and checks the files; [`Tls`] is what the TLS library asks at each handshake, so that what was [adopted]
//! counts from the next connection on. Connections that are open stay as they are.
//!
//! [adopted]: Tls::adopt

mod files;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

pub use files::{Error, Loaded, digest, load};

use crate::config;
use crate::domain::Timestamp;
use crate::x509::Certificate;

/// The cryptography of all TLS: the library's only choice here.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The TLS of the running listener.
pub struct Tls {
    files: config::Tls,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<Loaded>,
}

impl Tls {
    /// With the files that `loaded` comes from.
    pub fn new(files: config::Tls, loaded: Loaded) -> Arc<Self> {
        Arc::new(Self { files, provider: provider(), current: ArcSwap::from_pointee(loaded) })
    }

    /// Where certificate, key and roots are read from.
    pub const fn files(&self) -> &config::Tls {
        &self.files
    }

    /// What [`digest`] said of the files that are in use.
    pub fn digest(&self) -> [u8; 32] {
        self.current.load().digest
    }

    /// When the certificate in use ends.
    pub fn expires(&self) -> Timestamp {
        self.current.load().certificate.not_after()
    }

    /// From now on handshakes use `loaded`.
    pub fn adopt(&self, loaded: Loaded) {
        self.current.store(Arc::new(loaded));
    }

    /// What the listener works with, from now to its end.
    pub fn config(self: &Arc<Self>) -> Result<ServerConfig, Error> {
        let versions = &[&rustls::version::TLS13, &rustls::version::TLS12];
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .map_err(|source| Error::Config { source })?;
        let asks = self.files.client_ca.is_some();
        let builder = if asks {
            builder.with_client_cert_verifier(Arc::clone(self) as Arc<dyn ClientCertVerifier>)
        } else {
            builder.with_no_client_auth()
        };
        let mut config =
            builder.with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        if asks {
            // A resumed session is not verified again: it would outlive the root that it was verified with.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }
}

impl fmt::Debug for Tls {
    /// The files; never what is in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().certified))
    }
}

/// Asks every client for a certificate, and verifies it against the roots in use when there is one.
impl ClientCertVerifier for Tls {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// No hints: they would have to stay as long as the listener, and clients without a hint show what they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let current = self.current.load_full();
        let Some(clients) = &current.clients else {
            return Err(rustls::Error::General("there are no roots for clients".to_owned()));
        };
        clients.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Keeps the verified certificate of a new connection's client for its requests: [`client`] finds it.
pub fn connected(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() else { return };
    let (_, session) = stream.get_ref();
    let Some(shown) = session.peer_certificates().and_then(<[_]>::first) else { return };
    match Certificate::parse(shown) {
        Ok(certificate) => drop(data.insert(certificate)),
        // Verified, but without a subject that we could compare: as good as none.
        Err(error) => tracing::warn!(%error, "certificate of a client cannot be read"),
    }
}

/// The certificate that the client showed, if it showed one: its chain was verified in the handshake.
pub fn client(request: &actix_web::HttpRequest) -> Option<&Certificate> {
    request.conn_data()
}
