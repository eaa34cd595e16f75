//! The files of the listener's TLS, read and checked as a whole. What a private key holds is never part of a message.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest as sha;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use zeroize::Zeroizing;

use crate::config;
use crate::domain::Timestamp;
use crate::limits::TLS_FILE_BYTES_MAX;
use crate::x509::{self, Certificate};

/// How long before its end a certificate is worth a warning.
const RENEW_WITHIN: Duration = Duration::from_hours(7 * 24);

/// Why files cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is larger than {TLS_FILE_BYTES_MAX} bytes", path.display())]
    TooLarge { path: PathBuf },
    /// Sections are there, but broken. Says nothing of what is in them: it may be the key.
    #[error("{} is not PEM: {detail}", path.display())]
    Pem { path: PathBuf, detail: &'static str },
    #[error("{} holds no certificate: expected PEM with BEGIN CERTIFICATE{hint}", path.display())]
    NoCertificate { path: PathBuf, hint: &'static str },
    #[error("the first certificate of {} cannot be read", path.display())]
    Certificate { path: PathBuf, source: x509::Error },
    #[error("{} holds no private key: expected PEM with BEGIN PRIVATE KEY{hint}", path.display())]
    NoKey { path: PathBuf, hint: &'static str },
    #[error("the private key in {} is none that TLS can use: expected RSA, ECDSA or Ed25519", path.display())]
    Key { path: PathBuf, source: rustls::Error },
    #[error(
        "the key in {} does not belong to the first certificate in {}: the listener's own certificate comes first, its \
         intermediates after it", key.display(), cert.display()
    )]
    Mismatch { cert: PathBuf, key: PathBuf },
    #[error("certificate {number} of {} cannot be a root", path.display())]
    Root { path: PathBuf, number: usize, source: rustls::Error },
    #[error("roots in {} cannot be used", path.display())]
    Roots { path: PathBuf, source: rustls::server::VerifierBuilderError },
    #[error("set up TLS")]
    Config { source: rustls::Error },
}

/// Files that were read and fit together.
pub struct Loaded {
    /// The listener's own certificate.
    pub certificate: Certificate,
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) clients: Option<Arc<dyn ClientCertVerifier>>,
    pub(super) digest: [u8; 32],
    /// The roots for clients that can be read, with their numbers.
    roots: Vec<(usize, Certificate)>,
    files: config::Tls,
}

impl Loaded {
    /// What is not wrong, but will be or may be: dates.
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let path = self.files.cert.display();
        let (from, until) = (self.certificate.not_before(), self.certificate.not_after());
        let mut warnings = Vec::new();
        if until < now {
            warnings.push(format!("the certificate in {path} has expired: it ended {until}"));
        } else if until.since(now) < RENEW_WITHIN {
            warnings.push(format!("the certificate in {path} ends soon: {until}"));
        }
        if from > now {
            warnings.push(format!("the certificate in {path} is not valid yet: it begins {from}"));
        }
        let client_ca = self.files.client_ca.as_deref().unwrap_or(Path::new(""));
        for (number, root) in self.roots.iter().filter(|(_, root)| root.not_after() < now) {
            let (path, until) = (client_ca.display(), root.not_after());
            warnings.push(format!(
                "root {number} of {path} has expired: it ended {until}, and is trusted all the same"
            ));
        }
        warnings
    }
}

/// The bytes of the files, in order: certificate, key, roots.
fn read_all(files: &config::Tls) -> Result<[Zeroizing<Vec<u8>>; 3], Error> {
    let client_ca = files.client_ca.as_deref().map(read).transpose()?;
    Ok([read(&files.cert)?, read(&files.key)?, client_ca.unwrap_or_default()])
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    // At its largest from the beginning: a buffer that grows leaves copies of the key behind.
    let file = std::fs::File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len().min(TLS_FILE_BYTES_MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    file.take(TLS_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > TLS_FILE_BYTES_MAX {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn digest_of(parts: &[Zeroizing<Vec<u8>>; 3]) -> [u8; 32] {
    let mut context = sha::Context::new(&sha::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// Tells whether the files changed, whatever their times say. Blocks on the disk.
pub fn digest(files: &config::Tls) -> Result<[u8; 32], Error> {
    read_all(files).map(|parts| digest_of(&parts))
}

/// Reads the files and checks that they fit together. Dates are no errors: see [`Loaded::warnings`]. Blocks on the disk.
pub fn load(files: &config::Tls) -> Result<Loaded, Error> {
    let provider = super::provider();
    let parts = read_all(files)?;
    let [cert, key, client_ca] = &parts;
    let chain = certificates(&files.cert, cert)?;
    let Some(own) = chain.first() else { return Err(no_certificate(&files.cert, cert)) };
    let certificate = Certificate::parse(own)
        .map_err(|source| Error::Certificate { path: files.cert.clone(), source })?;
    let key = private_key(&files.key, key)?;
    let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|source| {
        let (cert, key) = (files.cert.clone(), files.key.clone());
        match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                Error::Mismatch { cert, key }
            }
            source => Error::Key { path: key, source },
        }
    })?;
    let mut roots = Vec::new();
    let mut clients = None;
    if let Some(path) = &files.client_ca {
        let ders = certificates(path, client_ca)?;
        let read = |(at, der)| Some((at + 1, Certificate::parse(der).ok()?));
        roots = ders.iter().enumerate().filter_map(read).collect();
        clients = Some(verifier(path, ders)?);
    }
    let digest = digest_of(&parts);
    let certified = Arc::new(certified);
    Ok(Loaded { certificate, certified, clients, digest, roots, files: files.clone() })
}

fn verifier(
    path: &Path,
    ders: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut store = RootCertStore::empty();
    for (at, der) in ders.into_iter().enumerate() {
        let path = || path.to_owned();
        store.add(der).map_err(|source| Error::Root { path: path(), number: at + 1, source })?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(store), super::provider()).build();
    verifier.map_err(|source| Error::Roots { path: path.to_owned(), source })
}

/// All certificates of a file; at least one.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| broken(path, &error))?;
    if found.is_empty() {
        return Err(no_certificate(path, pem));
    }
    Ok(found)
}

fn no_certificate(path: &Path, pem: &[u8]) -> Error {
    let key = PrivateKeyDer::from_pem_slice(pem).is_ok();
    let hint = if key { "; there is a private key: are the files swapped?" } else { "" };
    Error::NoCertificate { path: path.to_owned(), hint }
}

fn private_key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    let encrypted = b"BEGIN ENCRYPTED PRIVATE KEY";
    let hint = match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => return Ok(key),
        Err(pem::Error::NoItemsFound) if pem.windows(encrypted.len()).any(|w| w == encrypted) => {
            "; keys with a passphrase are not supported"
        }
        Err(pem::Error::NoItemsFound) if CertificateDer::from_pem_slice(pem).is_ok() => {
            "; there is a certificate: are the files swapped?"
        }
        Err(pem::Error::NoItemsFound) => "",
        Err(error) => return Err(broken(path, &error)),
    };
    Err(Error::NoKey { path: path.to_owned(), hint })
}

fn broken(path: &Path, error: &pem::Error) -> Error {
    let detail = match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no END line",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is broken",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "a section cannot be read",
    };
    Error::Pem { path: path.to_owned(), detail }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    struct Pair {
        cert: String,
        key: String,
    }

    fn pair() -> Pair {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let cert = params.self_signed(&key).expect("a certificate").pem();
        Pair { cert, key: key.serialize_pem() }
    }

    fn loaded(cert: &str, key: &str, client_ca: Option<&str>) -> Result<Loaded, Error> {
        let folder = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("writable");
            path
        };
        load(&config::Tls {
            cert: write("cert.pem", cert),
            key: write("key.pem", key),
            client_ca: client_ca.map(|text| write("roots.pem", text)),
        })
    }

    fn check(cert: &str, key: &str, client_ca: Option<&str>, expected: &str) {
        let Err(error) = loaded(cert, key, client_ca) else { panic!("not: {expected}") };
        let text = crate::http::error::chain(&error);
        assert!(text.contains(expected), "{text} is not {expected}");
        // Whatever is wrong, no line of a key is told.
        for line in key.lines().filter(|line| line.len() > 20 && !line.contains("PRIVATE")) {
            assert!(!text.contains(line), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_file() {
        let (good, other) = (pair(), pair());
        let Pair { cert, key } = &good;
        check(cert, &other.key, None, "key.pem does not belong to the first certificate in");
        check(&format!("{}{cert}", other.cert), key, None, "comes first");
        check("", key, None, "cert.pem holds no certificate");
        check(
            key,
            cert,
            None,
            "cert.pem holds no certificate: expected PEM with BEGIN CERTIFICATE; there is a private key",
        );
        check(
            cert,
            cert,
            None,
            "key.pem holds no private key: expected PEM with BEGIN PRIVATE KEY; there is a certificate",
        );
        check(cert, "", None, "key.pem holds no private key");
        check(cert, &key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), None, "passphrase");
        check(
            cert,
            key.split("-----END").next().expect("a part"),
            None,
            "key.pem is not PEM: a section has no END",
        );
        check(
            &cert.replace("MII", "!!!"),
            key,
            None,
            "cert.pem is not PEM: a section is not base64",
        );
        let number = "-----BEGIN CERTIFICATE-----\nAgEF\n-----END CERTIFICATE-----\n";
        check(number, key, None, "the first certificate of ");
        let secret =
            "-----BEGIN PRIVATE KEY-----\nAgEFAgEFAgEFAgEFAgEFAgEF\n-----END PRIVATE KEY-----\n";
        check(cert, secret, None, "is none that TLS can use");
        check(cert, key, Some(""), "roots.pem holds no certificate");
        check(cert, key, Some(number), "certificate 1 of ");
        check(
            &"x".repeat(1 + usize::try_from(TLS_FILE_BYTES_MAX).expect("small")),
            key,
            None,
            "is larger than",
        );
        let missing = config::Tls { cert: "missing.pem".into(), key: "k".into(), client_ca: None };
        assert!(load(&missing).is_err_and(|error| error.to_string() == "read missing.pem"));
    }

    #[test]
    fn dates_are_warnings() {
        let Pair { cert, key } = pair();
        let loaded = loaded(&format!("{cert}{cert}"), &key, Some(&cert)).expect("a pair");
        for (now, expected) in [
            ("2019-12-31T00:00:00Z", &["is not valid yet: it begins 2020-01-01"][..]),
            ("2025-01-01T00:00:00Z", &[]),
            ("2029-12-26T00:00:00Z", &["ends soon: 2030-01-01"]),
            ("2030-01-02T00:00:00Z", &["cert.pem has expired: it ended 2030", "root 1 of "]),
        ] {
            let warnings = loaded.warnings(Timestamp::parse_rfc3339(now).expect("a time"));
            assert_eq!(warnings.len(), expected.len(), "{now}: {warnings:?}");
            for (warning, expected) in warnings.iter().zip(expected) {
                assert!(warning.contains(expected), "{warning} is not {expected}");
            }
        }
    }
}
