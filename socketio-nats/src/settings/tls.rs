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

    /// Begins TLS with a server. `is_named` says whether the settings name it.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        host: &str,
        is_named: bool,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = expected_name(self.name.as_deref(), host, is_named).to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

/// The provider is named, because rustls panics without a default one.
fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, SettingsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(wrong)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// The name that the certificate of a server has to have. Servers name others by their address, which their certificates need
/// not have: such a one has to have the name of a server of the settings.
fn expected_name<'a>(known: Option<&'a str>, host: &'a str, is_named: bool) -> &'a str {
    known.filter(|_| !is_named && host.parse::<IpAddr>().is_ok()).unwrap_or(host)
}

fn wrong(error: impl std::fmt::Display) -> SettingsError {
    SettingsError::Certificates(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_known_by_its_address_alone_has_the_name_of_the_settings() {
        for (known, host, is_named, expected) in [
            (Some("nats.example"), "10.0.0.1", false, "nats.example"),
            (Some("nats.example"), "::1", false, "nats.example"),
            (Some("nats.example"), "10.0.0.1", true, "10.0.0.1"),
            (Some("nats.example"), "other.example", false, "other.example"),
            (None, "10.0.0.1", false, "10.0.0.1"),
        ] {
            assert_eq!(expected_name(known, host, is_named), expected);
        }
    }
}
