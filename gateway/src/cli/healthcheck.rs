//! `healthcheck`: one HTTP request to the gateway, as any other program could send it.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::failed;
use crate::config::Config;
use crate::listen::certificate::provider;
use crate::process::reachable;

const LIMIT: Duration = Duration::from_secs(5);
const PATH: &str = "/health/ready";

/// Exits with status 0 if a gateway with these settings accepts new clients.
pub(super) fn healthcheck(config: &Config) -> Result<(), ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (address, is_tls) = target(config);
    let request = runtime.block_on(async { tokio::time::timeout(LIMIT, ask(address, is_tls)).await });
    let url = format!("{}://{address}{PATH}", if is_tls { "https" } else { "http" });
    let status = match request {
        Ok(answered) => answered.map_err(|error| failed(format_args!("{url}: {error}")))?,
        Err(_) => return Err(failed(format_args!("{url}: no response within {} s", LIMIT.as_secs()))),
    };
    if status.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(failed(format_args!("{url}: {status}")))
    }
}

/// Address of the operator port, or of the port of the clients if there is none, and whether it expects TLS.
fn target(config: &Config) -> (SocketAddr, bool) {
    let address = SocketAddr::from((config.server.host, config.server.port));
    let internal = config.internal.listen().filter(|address| address.port() != 0);
    let (address, is_tls) =
        internal.map_or((address, !config.tls.certificate.is_empty()), |internal| (internal, false));
    (reachable(address), is_tls)
}

async fn ask(address: SocketAddr, is_tls: bool) -> io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    if !is_tls {
        return status(stream).await;
    }
    let settings = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
        .with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    status(TlsConnector::from(Arc::new(settings)).connect(name, stream).await?).await
}

async fn status<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<String> {
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    let mut part = [0; 512];
    while !response.contains(&b'\n') && response.len() < 4096 {
        match stream.read(&mut part).await? {
            0 => break,
            read => response.extend_from_slice(&part[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&response).lines().next().unwrap_or_default().to_owned())
}

/// Certificate verifier that accepts any certificate. The certificate is for a host name, not for the
/// loopback address, and the request contains no secrets.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
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
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
