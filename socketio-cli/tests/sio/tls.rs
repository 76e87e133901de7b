//! `sio` with servers whose certificate the operating system does not trust.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::{diagnosis, sio, start, text};

/// TLS at `localhost` in front of the test server: its URL, and its certificate as PEM.
async fn start_tls() -> (String, String) {
    let server = start().await;
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut upstream = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
            });
        }
    });
    (format!("https://localhost:{port}"), cert.pem())
}

#[tokio::test]
async fn a_certificate_is_trusted_by_an_option() {
    let (url, pem) = start_tls().await;
    let file = tempfile::Builder::new().suffix(".pem").tempfile().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let ca = file.path().to_str().unwrap();
    for flags in [&["--ca", ca][..], &["--insecure"]] {
        let output = sio(&[&["emit", &url, "echo", "--ack", "1"], flags].concat(), "").await;
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("[1]\n", ""), "{flags:?}");
        let output = sio(&[&["doctor", &url], flags].concat(), "").await;
        assert!(output.status.success(), "{flags:?}: {}", text(&output.stdout));
    }
    let found = diagnosis(&url, &[]).await;
    assert!(found.contains("the certificate is not trusted (see --ca and --insecure)"), "{found}");
}

#[tokio::test]
async fn a_file_without_certificates_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (path, expected) in
        [(file.path().to_str().unwrap(), "no certificate"), ("/nonexistent.pem", "/nonexistent.pem")]
    {
        let output = sio(&["emit", "https://localhost:1", "echo", "--ca", path], "").await;
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}
