//! TLS of the gateway itself, and the renewal of its certificate.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use socketio_gateway::{Gateway, StartError, TlsError};
use tests::raw::{Request, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;

use crate::cli::{run, serve};
use crate::support::{config, start};

/// Certificate and key in files, as operators provide them.
pub(crate) struct Files {
    folder: tempfile::TempDir,
    trusted: CertificateDer<'static>,
}

impl Files {
    pub(crate) fn new() -> Self {
        let mut files = Self { folder: tempfile::tempdir().unwrap(), trusted: CertificateDer::from(vec![]) };
        files.renew();
        files
    }

    /// Replaces certificate and key.
    fn renew(&mut self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.write(&made.cert.pem(), &made.signing_key.serialize_pem());
        self.trusted = made.cert.der().clone();
    }

    fn write(&self, certificate: &str, key: &str) {
        // The key is written first: a certificate that does not match the key is not loaded.
        std::fs::write(self.key(), key).unwrap();
        std::fs::write(self.certificate(), certificate).unwrap();
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    pub(crate) fn settings(&self, watch_ms: u64) -> Value {
        json!({"certificate": self.certificate(), "key": self.key(), "watch_ms": watch_ms})
    }

    /// Connects, and trusts only the current certificate.
    async fn connect(&self, addr: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(addr).await?;
        let name = ServerName::try_from("localhost").unwrap();
        soon(self.connector().connect(name, stream)).await
    }

    /// A connector that trusts only the current certificate.
    pub(crate) fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone()).unwrap();
        let settings = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(settings))
    }

    /// Status line of a response.
    async fn get(&self, addr: SocketAddr, target: &str) -> String {
        self.answer(addr, target).await.lines().next().unwrap().to_owned()
    }

    /// Text of a whole response.
    async fn answer(&self, addr: SocketAddr, target: &str) -> String {
        let mut stream = self.connect(addr).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        soon(stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

#[tokio::test]
async fn both_protocols_are_spoken_over_tls() {
    let files = Files::new();
    let running = start(json!({"tls": files.settings(0)})).await;
    assert_eq!(files.get(running.addr, "/health/ready").await, "HTTP/1.1 200 OK");
    assert_eq!(files.get(running.addr, "/socket.io/?EIO=4&transport=polling").await, "HTTP/1.1 200 OK");
    for (target, asks, answers) in [
        ("/", r#"{"event":"echo","data":[1],"id":7}"#, r#"{"data":{"received":[1],"#),
        ("/socket.io/?EIO=4&transport=websocket", r#"427["echo",[1]]"#, r#"437[{"received":[1],"#),
    ] {
        let stream = files.connect(running.addr).await.unwrap();
        let url = format!("ws://localhost{target}");
        let (mut ws, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        if answers.starts_with("43") {
            ws.send(Message::text("40")).await.unwrap();
        }
        ws.send(Message::text(asks)).await.unwrap();
        loop {
            let text = soon(ws.next()).await.unwrap().unwrap().into_text().unwrap();
            let answered = match serde_json::from_str::<Value>(&text) {
                Ok(native) => native["id"] == 7,
                Err(_) => text.starts_with("437"),
            };
            if answered {
                assert!(text.contains(r#""received":[1]"#), "{text}");
                break;
            }
        }
    }
    // A client without TLS gets no response.
    assert!(!is_answered(running.addr).await);
}

#[tokio::test]
async fn browsers_receive_strict_transport_security() {
    let files = Files::new();
    for (seconds, said) in [(None, "max-age=31536000"), (Some(60), "max-age=60"), (Some(0), "max-age=0")] {
        let mut tls = files.settings(0);
        if let Some(seconds) = seconds {
            tls["hsts_seconds"] = json!(seconds);
        }
        let running = start(json!({"tls": tls})).await;
        for target in ["/info", "/nothing", "/socket.io/?EIO=4&transport=polling"] {
            let answer = files.answer(running.addr, target).await.to_ascii_lowercase();
            let header = format!("\r\nstrict-transport-security: {said}\r\n");
            assert_eq!(answer.matches(&header).count(), 1, "{answer}");
        }
        // The internal port speaks no TLS.
        let internal = crate::internal::open(&running).await;
        let plain = Request::new("GET", "/info").send(internal).await;
        assert_eq!((plain.status, plain.header("strict-transport-security")), (200, None));
    }
}

/// Whether a client without TLS gets an HTTP response.
async fn is_answered(addr: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The server may reset the connection before the request is read.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer.starts_with(b"HTTP")
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let mut files = Files::new();
    let running = start(json!({"tls": files.settings(5)})).await;
    let stream = files.connect(running.addr).await.unwrap();
    let (mut ws, _) = tokio_tungstenite::client_async("ws://localhost/", stream).await.unwrap();
    files.renew();
    let renewed = async {
        while files.connect(running.addr).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    soon(renewed).await;
    // Existing connections stay open.
    ws.send(Message::text(r#"{"event":"ping","id":7}"#)).await.unwrap();
    while !soon(ws.next()).await.unwrap().unwrap().to_text().unwrap().contains(r#""id":7"#) {}
}

#[tokio::test]
async fn unusable_certificates_change_nothing() {
    let files = Files::new();
    let settings = json!({"tls": files.settings(0)});
    let running = start(settings.clone()).await;
    let key = std::fs::read_to_string(files.key()).unwrap();
    let certificate = std::fs::read_to_string(files.certificate()).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (wrong, key) in [
        ("", key.as_str()),
        (&certificate, ""),
        (&certificate, &certificate),
        (&certificate, &other.signing_key.serialize_pem()),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", &key),
    ] {
        files.write(wrong, key);
        let error = running.gateway.reload(running.gateway.config()).unwrap_err().to_string();
        assert!(error.starts_with("tls: "), "{error}");
        assert!(matches!(Gateway::new(config(settings.clone())), Err(StartError::Tls(_))));
        assert_eq!(files.get(running.addr, "/health/live").await, "HTTP/1.1 200 OK");
    }
    std::fs::remove_file(files.key()).unwrap();
    assert!(matches!(
        Gateway::new(config(settings)),
        Err(StartError::Tls(TlsError::Read { path, .. })) if path == files.key()
    ));
    files.write(&certificate, &key);
    assert_eq!(running.gateway.reload(running.gateway.config()).unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_program_speaks_tls_and_takes_a_new_certificate_at_sighup() {
    let mut files = Files::new();
    let certificate = format!("tls.certificate={}", files.certificate().display());
    let key = format!("tls.key={}", files.key().display());
    let arguments = ["--set", &certificate, "--set", &key, "--set", "tls.watch_ms=0"];
    let served = serve(&arguments).await;
    let port = served.addr.port().to_string();
    let check = [&["healthcheck", "--port", &port][..], &arguments].concat();
    assert!(run(&check).await.status.success());
    files.renew();
    assert!(files.connect(served.addr).await.is_err(), "the files were not checked yet");
    served.signal("HUP").await;
    let renewed = async {
        while files.connect(served.addr).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    soon(renewed).await;
    assert_eq!(files.get(served.addr, "/health/ready").await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn strangers_are_counted() {
    let files = Files::new();
    let running = start(json!({"tls": files.settings(0)})).await;
    let internal = crate::internal::open(&running).await;
    assert!(!is_answered(running.addr).await);
    let failures =
        async || crate::internal::metric(internal, running.key(), "gateway_tls_failures_total").await;
    soon(async { while failures().await != 1 {} }).await;
}
