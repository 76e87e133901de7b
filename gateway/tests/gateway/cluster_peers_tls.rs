//! TLS between gateways that share their sessions.

use std::path::Path;

use serde_json::{Value, json};
use socketio_gateway::Gateway;
use tests::raw::{Polling, until};
use tests::redis::RedisServer;
use tests::tls::Authority;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::cluster_peers::{peers, ports, requests_arrive_at_any, sharing};
use crate::support::{config, start};

/// Files with the certificate of one authority, and the root of another.
fn files(folder: &Path, own: &Authority, trusted: &Authority) -> Value {
    write(folder, own);
    let path = |file: &str| folder.join(file);
    std::fs::write(path("ca.pem"), trusted.root()).unwrap();
    json!({
        "peers_tls_certificate": path("own.pem"),
        "peers_tls_key": path("own.key"),
        "peers_tls_ca": path("ca.pem"),
    })
}

fn write(folder: &Path, own: &Authority) {
    let [certificate, key] = own.certificate_and_key();
    std::fs::write(folder.join("own.pem"), certificate).unwrap();
    std::fs::write(folder.join("own.key"), key).unwrap();
}

#[tokio::test]
async fn requests_arrive_at_any_gateway_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("gateways");
    let more = json!({"cluster": files(folder.path(), &authority, &authority)});
    requests_arrive_at_any([ports(), ports()], more).await;
}

/// A gateway with the key, but without a certificate of the authority, gets no request.
#[tokio::test]
async fn gateways_without_a_trusted_certificate_are_refused() {
    let redis = RedisServer::start().await;
    let [one, other] = ["one", "other"].map(Authority::new);
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let trusting = files(folders[0].path(), &one, &one);
    for refused in [files(folders[1].path(), &other, &one), files(folders[2].path(), &one, &other), json!({})]
    {
        let addresses = ports();
        let a = json!({"cluster": trusting});
        let a = start(sharing(&redis, "a", &addresses[0], &addresses, &a)).await;
        let b = json!({"cluster": refused});
        let b = start(sharing(&redis, "b", &addresses[1], &addresses, &b)).await;
        until(async || peers(&a).await == json!({"connected": 0, "lost": 1})).await;
        // A gateway that refuses its own certificate does not recognize its own address either.
        until(async || peers(&b).await["lost"].as_u64() >= Some(1)).await;
        assert_eq!(peers(&b).await["connected"], 0);
        let Polling { open, response, target, .. } =
            Polling::open(a.addr, "/socket.io/?EIO=4&transport=polling").await;
        let at_b = Polling::from_parts(b.addr, open, response, target);
        assert_eq!(at_b.get().await.status, 400, "{refused}");
    }
}

/// The certificate is read again when its files change, and at a reload.
#[tokio::test]
async fn a_replaced_certificate_is_presented() {
    let redis = RedisServer::start().await;
    let [one, other] = ["one", "other"].map(Authority::new);
    for watch in [0, 5] {
        let folder = tempfile::tempdir().unwrap();
        let addresses = ports();
        let more = json!({"cluster": files(folder.path(), &one, &one), "tls": {"watch_ms": watch}});
        let settings = sharing(&redis, "a", &addresses[0], &addresses, &more);
        let running = start(settings.clone()).await;
        assert!(trusts(&addresses[0], &one).await && !trusts(&addresses[0], &other).await);
        write(folder.path(), &other);
        let gateway: &Gateway = &running.gateway;
        if watch == 0 {
            assert_eq!(gateway.reload(&config(settings)).unwrap(), [""; 0]);
        }
        until(async || trusts(&addresses[0], &other).await).await;
        assert!(!trusts(&addresses[0], &one).await);
        if watch == 0 {
            std::fs::write(folder.path().join("own.key"), "no key").unwrap();
            let settings = sharing(&redis, "a", &addresses[0], &addresses, &more);
            let error = gateway.reload(&config(settings)).unwrap_err().to_string();
            assert!(error.starts_with("cluster.peers_tls_certificate: "), "{error}");
            assert!(trusts(&addresses[0], &other).await);
        }
    }
}

/// Whether a client that trusts this authority accepts the certificate at an address.
async fn trusts(address: &str, authority: &Authority) -> bool {
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(authority.client_config());
    let host = ServerName::try_from("127.0.0.1").unwrap();
    connector.connect(host, stream).await.is_ok()
}
