//! TLS to the server: rustls, with the certificates that the operating system trusts unless the application
//! sets others.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The TLS settings. Default: the certificates that the operating system trusts.
#[derive(Clone, Default)]
pub struct Tls {
    config: Option<Arc<ClientConfig>>,
    kind: Kind,
}

#[derive(Clone, Copy, Default)]
enum Kind {
    #[default]
    System,
    Trusting,
    Unverified,
    Own,
}

/// A text in PEM contains no certificate that can be used as an authority.
#[derive(Debug, Error)]
#[error("invalid certificates: {0}")]
pub struct CertificateError(String);

impl Tls {
    /// This rustls configuration, such as one with a client certificate.
    ///
    /// `ClientConfig::builder` of rustls panics if a program links more than one crypto provider, or none that is
    /// the default. `ClientConfig::builder_with_provider` does not; this crate uses aws-lc-rs.
    pub fn new(config: Arc<ClientConfig>) -> Self {
        Self { config: Some(config), kind: Kind::Own }
    }

    /// Trusts the certificate authorities in a PEM text, and no others (`ca`). For servers with certificates of an
    /// authority of one's own, and for self-signed certificates.
    ///
    /// # Errors
    ///
    /// The text is not PEM, contains no certificate, or one that cannot be used.
    pub fn trusting(pem: impl AsRef<[u8]>) -> Result<Self, CertificateError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_ref()) {
            let certificate = certificate.map_err(|error| CertificateError(error.to_string()))?;
            roots.add(certificate).map_err(|error| CertificateError(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(CertificateError("no certificate in PEM".to_owned()));
        }
        let config = with_roots(roots).map_err(|error| CertificateError(error.to_string()))?;
        Ok(Self { config: Some(Arc::new(config)), kind: Kind::Trusting })
    }

    /// Accepts any certificate of the server (`rejectUnauthorized: false`). A machine between client and server can then
    /// read and change all traffic, so this is for tests and development alone.
    pub fn danger_accept_invalid_certificates() -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(AcceptAll(provider.signature_verification_algorithms));
        let config = with_provider(provider).map(|builder| {
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        });
        // The provider supports the default versions of TLS, so there is no error.
        Self { config: config.ok().map(Arc::new), kind: Kind::Unverified }
    }

    /// The rustls configuration, for connections that other code opens. The certificates of the operating
    /// system are read at the first call.
    pub fn config(&self) -> io::Result<Arc<ClientConfig>> {
        match &self.config {
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
        f.write_str(match self.kind {
            Kind::System => "Tls(the system's certificates)",
            Kind::Trusting => "Tls(own authorities)",
            Kind::Unverified => "Tls(any certificate)",
            Kind::Own => "Tls(own settings)",
        })
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
    let config = with_roots(roots).map_err(io::Error::other)?;
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

fn with_roots(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let builder = with_provider(Arc::new(aws_lc_rs::default_provider()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The provider is named, because rustls panics without a default one.
fn with_provider(
    provider: Arc<CryptoProvider>,
) -> Result<tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

/// Accepts every certificate. The signatures of the handshake are verified all the same.
#[derive(Debug)]
struct AcceptAll(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
