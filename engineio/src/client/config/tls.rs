//! TLS to the server: rustls, with the certificates that the operating system trusts unless the application
//! sets its own configuration.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The TLS configuration.
#[derive(Clone, Default)]
pub struct Tls(Option<Arc<ClientConfig>>);

impl Tls {
    /// This rustls configuration: other root certificates, or a client certificate.
    pub fn new(config: Arc<ClientConfig>) -> Self {
        Self(Some(config))
    }

    /// The rustls configuration, for connections that other code opens. The certificates of the operating
    /// system are read at the first call.
    pub fn config(&self) -> io::Result<Arc<ClientConfig>> {
        match &self.0 {
            Some(config) => Ok(Arc::clone(config)),
            None => of_the_system(),
        }
    }

    /// Starts TLS with a server. The server has to prove its identity as this host: a name, or an address
    /// without brackets.
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

/// Created once, as reading the certificates takes some milliseconds.
fn of_the_system() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}
