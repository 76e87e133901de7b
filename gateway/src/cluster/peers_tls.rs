//! TLS between gateways that share their sessions: `cluster.peers_tls_certificate` and the settings beside it.
//!
//! Both sides of a connection present a certificate, and trust those of `cluster.peers_tls_ca` alone.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::ClusterError;
use crate::config;
use crate::listen::certificate::{self, Certificate, TlsError, provider};

/// The certificate of this gateway, and the settings of both sides of its connections.
pub(super) struct PeersTls {
    pub(super) certificate: Arc<Certificate>,
    pub(super) accept: Arc<ServerConfig>,
    pub(super) connect: Arc<ClientConfig>,
}

impl PeersTls {
    /// Reads the files. `None` if the settings name none.
    pub(super) fn open(settings: &config::Cluster, watch: Duration) -> Result<Option<Self>, ClusterError> {
        if !settings.has_peers_tls() {
            return Ok(None);
        }
        let trusted = roots(&settings.peers_tls_ca)
            .map_err(|source| ClusterError::PeersTls { setting: "cluster.peers_tls_ca", source })?;
        let own = Self::trusting(trusted, settings, watch);
        own.map(Some)
            .map_err(|source| ClusterError::PeersTls { setting: "cluster.peers_tls_certificate", source })
    }

    fn trusting(
        roots: Arc<RootCertStore>,
        settings: &config::Cluster,
        watch: Duration,
    ) -> Result<Self, TlsError> {
        let certificate = Certificate::open(&settings.peers_tls_certificate, &settings.peers_tls_key, watch)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider())
            .build()
            .map_err(|error| TlsError::Authorities(error.to_string()))?;
        let accept = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(certificate.current());
        let connect = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_cert_resolver(certificate.current());
        Ok(Self { certificate: Arc::new(certificate), accept: Arc::new(accept), connect: Arc::new(connect) })
    }
}

fn roots(path: &str) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificate::authorities(path)? {
        roots.add(authority)?;
    }
    Ok(Arc::new(roots))
}
