//! TLS to the server: rustls, with the certificates that the operating system trusts unless the application has its
//! own settings.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How TLS is spoken.
#[derive(Clone, Default)]
pub struct Tls(Option<Arc<ClientConfig>>);

impl Tls {
    /// With these settings: other roots, a client certificate.
    pub fn new(config: Arc<ClientConfig>) -> Self {
        Self(Some(config))
    }

    /// The settings of rustls, for connections that something else makes. The certificates of the operating system are
    /// read when they are asked for first.
    pub fn config(&self) -> io::Result<Arc<ClientConfig>> {
        match &self.0 {
            Some(config) => Ok(Arc::clone(config)),
            None => of_the_system(),
        }
    }

    /// Speaks TLS with a server, which has to prove that it is this host: a name, or an address without brackets.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(self.config()?).connect(name, stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tls(own settings)" } else { "Tls(the system's certificates)" })
    }
}

/// Made once, as reading the certificates takes some milliseconds.
fn of_the_system() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}
