//! TLS without a proxy.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::certificate::{Certificate, TlsError, provider};
use crate::config;

/// ALPN protocol.
const ALPN: &[u8] = b"http/1.1";

/// TLS configuration of the gateway.
pub(crate) struct Tls {
    certificate: Arc<Certificate>,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Loads the certificate; `None` if the settings name none.
    pub(crate) fn new(settings: &config::Tls) -> Result<Option<Self>, TlsError> {
        if settings.certificate.is_empty() {
            return Ok(None);
        }
        let watch = Duration::from_millis(settings.watch_ms);
        let certificate = Certificate::open(&settings.certificate, &settings.key, watch)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificate.current());
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Some(Self { certificate: Arc::new(certificate), acceptor: TlsAcceptor::from(Arc::new(config)) }))
    }

    /// Acceptor for TLS handshakes.
    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// The certificate of the handshakes.
    pub(crate) fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }
}

/// `Debug` without the settings of the handshakes.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
