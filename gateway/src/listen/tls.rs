//! TLS without a proxy: the certificate and its key, and their reload when the files change.
//!
//! A new certificate applies to later handshakes; open connections are not affected. If the files are
//! unusable, the error is logged and the current certificate stays.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::RwLock;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config;

/// ALPN protocol.
const ALPN: &[u8] = b"http/1.1";

/// Error of loading the certificate or its key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// I/O error.
        source: std::io::Error,
    },
    /// A file is not PEM, or contains something else.
    #[error("{}: {source}", path.display())]
    Pem {
        /// Path of the file.
        path: PathBuf,
        /// Error of the PEM parser.
        source: pem::Error,
    },
    /// The file contains no certificate.
    #[error("{}: no certificate found", path.display())]
    NoCertificate {
        /// Path of the file.
        path: PathBuf,
    },
    /// The certificate and the key do not match, or are unusable.
    #[error("the certificate or its key is unusable: {0}")]
    Unusable(#[from] rustls::Error),
}

/// TLS configuration of the gateway.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    watch: Duration,
    /// Contents of the files at the start.
    first: PemFiles,
    current: Arc<CurrentCertificate>,
    acceptor: TlsAcceptor,
}

/// Certificate for the next handshake.
#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

/// Contents of the certificate file and the key file.
#[derive(PartialEq, Eq)]
pub(crate) struct PemFiles {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Loads the certificate; `None` if the settings name none.
    pub(crate) fn new(settings: &config::Tls) -> Result<Option<Self>, TlsError> {
        if settings.certificate.is_empty() {
            return Ok(None);
        }
        let (certificate, key) = (PathBuf::from(&settings.certificate), PathBuf::from(&settings.key));
        let first = read(&certificate, &key)?;
        let certified = certified(&certificate, &key, &first)?;
        let current = Arc::new(CurrentCertificate(RwLock::new(certified)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![ALPN.to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let watch = Duration::from_millis(settings.watch_ms);
        Ok(Some(Self { certificate, key, watch, first, current, acceptor }))
    }

    /// Acceptor for TLS handshakes.
    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Reads the files again. On an error the current certificate stays.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        self.replace(&read(&self.certificate, &self.key)?)
    }

    /// Replaces the current certificate by the given file contents.
    fn replace(&self, files: &PemFiles) -> Result<(), TlsError> {
        let certified = certified(&self.certificate, &self.key, files)?;
        *self.current.0.write() = certified;
        Ok(())
    }

    /// Checks the files for changes periodically, and never completes unless it is dropped. It compares their
    /// contents, because modification times are unreliable for symbolic links that are switched, as in
    /// containers.
    pub(crate) async fn watch(self: Arc<Self>) {
        if self.watch.is_zero() {
            return std::future::pending().await;
        }
        let mut seen = None;
        loop {
            tokio::time::sleep(self.watch).await;
            // A file may be missing for a moment while it is being replaced.
            let Ok(files) = self.read_blocking().await else { continue };
            if *seen.as_ref().unwrap_or(&self.first) == files {
                continue;
            }
            match self.replace(&files) {
                Ok(()) => tracing::info!("certificate reloaded"),
                // The certificate and the key may be replaced one after the other. The next check sees the
                // second change.
                Err(error) => tracing::error!(%error, "certificate not reloaded"),
            }
            seen = Some(files);
        }
    }

    /// Reads the files on a thread for blocking work.
    async fn read_blocking(self: &Arc<Self>) -> Result<PemFiles, TlsError> {
        let tls = Arc::clone(self);
        let path = self.certificate.clone();
        let read = tokio::task::spawn_blocking(move || read(&tls.certificate, &tls.key)).await;
        read.unwrap_or_else(|error| Err(TlsError::Read { path, source: std::io::Error::other(error) }))
    }
}

/// `Debug` without the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

/// Cryptography provider. It is named explicitly, because a process may have no default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read(certificate: &Path, key: &Path) -> Result<PemFiles, TlsError> {
    let read =
        |path: &Path| std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source });
    Ok(PemFiles { certificate: read(certificate)?, key: read(key)? })
}

fn certified(certificate: &Path, key: &Path, files: &PemFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let pem = |path: &Path, source| TlsError::Pem { path: path.to_owned(), source };
    let chain = CertificateDer::pem_slice_iter(&files.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| pem(certificate, error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: certificate.to_owned() });
    }
    let private = PrivateKeyDer::from_pem_slice(&files.key).map_err(|error| pem(key, error))?;
    Ok(Arc::new(CertifiedKey::from_der(chain, private, &provider())?))
}
