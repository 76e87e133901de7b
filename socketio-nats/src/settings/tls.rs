//! TLS, by rustls.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::SettingsError;

/// Which certificates are trusted.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    /// The name of the first server of the settings that has one.
    name: Option<String>,
}

impl Tls {
    /// Those that the system trusts.
    pub(super) fn system(name: Option<String>) -> Result<Self, SettingsError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Ok(Self { config: config(roots)?, name })
    }

    /// Those of these authorities, in PEM.
    pub(super) fn trusting(&self, pem: &[u8]) -> Result<Self, SettingsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(wrong)?).map_err(wrong)?;
        }
        if roots.is_empty() {
            return Err(SettingsError::Certificates("there is none".to_owned()));
        }
        Ok(Self { config: config(roots)?, name: self.name.clone() })
    }

    /// Begins TLS with a server. Servers name others by their address, which their certificates need not have: such a one is
    /// expected to have the name of a server of the settings (`is_named` is `false`).
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        host: &str,
        is_named: bool,
    ) -> io::Result<TlsStream<TcpStream>> {
        let other = self.name.as_deref().filter(|_| !is_named && host.parse::<IpAddr>().is_ok());
        let name = ServerName::try_from(other.unwrap_or(host).to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

/// The provider is named, because rustls panics without a default one.
fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, SettingsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(wrong)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn wrong(error: impl std::fmt::Display) -> SettingsError {
    SettingsError::Certificates(error.to_string())
}
