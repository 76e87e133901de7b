//! TLS termination in front of servers without TLS, as a proxy does it, and certificates for servers with TLS.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use engineio::client::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};

/// TLS at `localhost` in front of a server, and settings that trust it.
///
/// # Panics
///
/// When no key can be made.
pub async fn in_front_of(server: SocketAddr) -> (SocketAddr, Tls) {
    let (addr, pem) = with_certificate(server).await;
    (addr, Tls::trusting(pem).unwrap())
}

/// TLS at `localhost` in front of a server, and its self-signed certificate in PEM.
///
/// # Panics
///
/// When no key can be made.
pub async fn with_certificate(server: SocketAddr) -> (SocketAddr, String) {
    let made = generate();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    (listen(server, config).await, made.cert.pem())
}

/// Settings of clients of a server that wants their certificates.
pub struct Clients {
    /// Presents the certificate that the server trusts.
    pub with_certificate: Tls,
    /// Presents none.
    pub without: Tls,
}

/// TLS at `localhost` that refuses clients without a certificate.
///
/// # Panics
///
/// When no key can be made.
pub async fn requiring_certificates(server: SocketAddr) -> (SocketAddr, Clients) {
    let ((certificate, key), (of_client, key_of_client)) = (certificate(), certificate());
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(of_client.clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    let with_certificate =
        trusting(certificate.clone()).with_client_auth_cert(vec![of_client], key_of_client.into()).unwrap();
    let without = trusting(certificate).with_no_client_auth();
    let [with_certificate, without] = [with_certificate, without].map(|config| Tls::new(Arc::new(config)));
    (listen(server, config).await, Clients { with_certificate, without })
}

/// A certificate for `localhost` that signs itself, and its key.
fn certificate() -> (CertificateDer<'static>, PrivatePkcs8KeyDer<'static>) {
    let made = generate();
    (made.cert.der().clone(), PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()))
}

fn generate() -> rcgen::CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// Settings of a client that trusts this certificate alone.
fn trusting(certificate: CertificateDer<'static>) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

async fn listen(server: SocketAddr, config: ServerConfig) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut onward = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    addr
}

/// A certificate authority, with a certificate for servers of this machine.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    root: String,
    arguments: Vec<String>,
}

impl Authority {
    /// A new one of this name.
    ///
    /// # Panics
    ///
    /// When no key can be made, or no file can be written.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let mut arguments = Vec::new();
        for (option, file, pem) in [
            ("--tls-ca-cert-file", "root.pem", &root),
            ("--tls-cert-file", "server.pem", &certificate.pem()),
            ("--tls-key-file", "server.key", &key.serialize_pem()),
        ] {
            let path = folder.path().join(file);
            std::fs::write(&path, pem).unwrap();
            arguments.extend([option.to_owned(), path.to_str().unwrap().to_owned()]);
        }
        for option in ["--tls-replication", "--tls-cluster"] {
            arguments.extend([option.to_owned(), "yes".to_owned()]);
        }
        arguments.extend(["--tls-auth-clients", "no"].map(str::to_owned));
        Self { folder, root, arguments }
    }

    /// The certificate of the authority, in PEM.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The file with the certificate of the authority.
    pub fn root_path(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// The certificate of `localhost`, and its key, in PEM.
    ///
    /// # Panics
    ///
    /// When a file cannot be read.
    pub fn certificate_and_key(&self) -> [String; 2] {
        ["server.pem", "server.key"]
            .map(|file| std::fs::read_to_string(self.folder.path().join(file)).unwrap())
    }

    /// Settings of a server with the certificate.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let [certificate, key] = self.certificate_and_key();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Arc::new(config)
    }

    /// Settings of a client that trusts this authority alone.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        let root = CertificateDer::from_pem_slice(self.root.as_bytes()).unwrap();
        Arc::new(trusting(root).with_no_client_auth())
    }

    /// Arguments of Redis servers and sentinels, which use TLS among each other too.
    pub(crate) fn arguments_of_redis(&self) -> Vec<&str> {
        self.arguments.iter().map(String::as_str).collect()
    }
}
