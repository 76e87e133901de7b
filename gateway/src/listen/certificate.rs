//! A certificate and its key in files, and their reload when the files change.
//!
//! A new certificate applies to later handshakes; open connections are not affected. If the files are
//! unusable, the error is logged and the current certificate stays.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::RwLock;
use thiserror::Error;
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, SignatureScheme};

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
    /// The trusted authorities are unusable.
    #[error("the trusted authorities are unusable: {0}")]
    Authorities(String),
}

/// A certificate that is read from files again when they change.
pub(crate) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    watch: Duration,
    /// Contents of the files at the start.
    first: PemFiles,
    current: Arc<CurrentCertificate>,
}

/// Certificate for the next handshake, of a server or a client.
#[derive(Debug)]
pub(crate) struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

/// Contents of the certificate file and the key file.
#[derive(PartialEq, Eq)]
struct PemFiles {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// Reads the files, which [`watch`](Self::watch) does again at this interval, unless it is zero.
    pub(crate) fn open(certificate: &str, key: &str, watch: Duration) -> Result<Self, TlsError> {
        let (certificate, key) = (PathBuf::from(certificate), PathBuf::from(key));
        let first = read(&certificate, &key)?;
        let certified = certified(&certificate, &key, &first)?;
        let current = Arc::new(CurrentCertificate(RwLock::new(certified)));
        Ok(Self { certificate, key, watch, first, current })
    }

    /// The certificate for handshakes.
    pub(crate) fn current(&self) -> Arc<CurrentCertificate> {
        Arc::clone(&self.current)
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
                Ok(()) => tracing::info!(file = %self.certificate.display(), "certificate reloaded"),
                // The certificate and the key may be replaced one after the other. The next check sees the
                // second change.
                Err(error) => tracing::error!(%error, "certificate not reloaded"),
            }
            seen = Some(files);
        }
    }

    /// Reads the files on a thread for blocking work.
    async fn read_blocking(self: &Arc<Self>) -> Result<PemFiles, TlsError> {
        let files = Arc::clone(self);
        let path = self.certificate.clone();
        let read = tokio::task::spawn_blocking(move || read(&files.certificate, &files.key)).await;
        read.unwrap_or_else(|error| Err(TlsError::Read { path, source: std::io::Error::other(error) }))
    }
}

/// `Debug` without the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

impl ResolvesClientCert for CurrentCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The certificates of a PEM file, such as those of trusted authorities.
pub(crate) fn authorities(path: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let path = Path::new(path);
    certificates(path, &read_file(path)?)
}

/// Cryptography provider. It is named explicitly, because a process may have no default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read(certificate: &Path, key: &Path) -> Result<PemFiles, TlsError> {
    Ok(PemFiles { certificate: read_file(certificate)?, key: read_file(key)? })
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(found)
}

fn certified(certificate: &Path, key: &Path, files: &PemFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(certificate, &files.certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&files.key)
        .map_err(|source| TlsError::Pem { path: key.to_owned(), source })?;
    Ok(Arc::new(CertifiedKey::from_der(chain, private, &provider())?))
}
