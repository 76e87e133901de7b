//! Connections through proxies and TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engineio::client::{Client, HttpError, OpenError, Proxies, TransportError};
use engineio::{Server, Transport};
use tests::raw::{soon, start_echo};
use tests::tls;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{builder, head, message, peer, upgraded};

/// Counters of the proxy's requests, per kind.
#[derive(Default)]
struct ProxyRequests {
    tunnels: AtomicUsize,
    requests: AtomicUsize,
}

/// A proxy in front of one server. It requires authentication.
async fn proxy(server: SocketAddr) -> (Proxies, Arc<ProxyRequests>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let asked = Arc::new(ProxyRequests::default());
    let counting = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let asked = Arc::clone(&counting);
            tokio::spawn(async move {
                let head = head(&mut stream).await;
                if !head.to_ascii_lowercase().contains("proxy-authorization: basic bwu6c2vjcmv0") {
                    let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
                    return stream.write_all(refusal).await.unwrap();
                }
                let mut onward = TcpStream::connect(server).await.unwrap();
                if head.starts_with(&format!("CONNECT {server} HTTP/1.1\r\n")) {
                    asked.tunnels.fetch_add(1, Ordering::Relaxed);
                    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                } else {
                    asked.requests.fetch_add(1, Ordering::Relaxed);
                    assert!(head.contains(&format!(" http://{server}/engine.io/?")), "{head}");
                    onward.write_all(head.as_bytes()).await.unwrap();
                }
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    (Proxies::fixed(&format!("http://me:secret@{addr}")).unwrap(), asked)
}

/// EIO-CLI-059, EIO-CLI-060: what an agent of Node.js is used for.
#[tokio::test]
async fn requests_and_tunnels_work_through_a_proxy() {
    let running = start_echo(Server::builder()).await;
    let (proxy, asked) = proxy(running.addr).await;
    let mut client = soon(builder(running.addr).proxy(proxy).connect()).await.unwrap();
    client.sender().send("hello").unwrap();
    assert_eq!(message(&mut client).await, "hello".into());
    if client.transport() == Transport::Polling {
        upgraded(&mut client).await;
    }
    client.sender().send("again").unwrap();
    assert_eq!(message(&mut client).await, "again".into());
    assert!(asked.requests.load(Ordering::Relaxed) >= 1);
    assert_eq!(asked.tunnels.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_refusal_of_a_proxy_is_reported() {
    let addr =
        peer(|_| "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
    let proxy = Proxies::fixed(&addr.to_string()).unwrap();
    let builder = Client::builder("http://example.invalid").unwrap().proxy(proxy);
    let error = soon(builder.clone().transports([Transport::WebSocket]).connect()).await.unwrap_err();
    let OpenError::Transport(TransportError::WebSocket(HttpError::Proxy(status))) = error else {
        panic!("{error}")
    };
    assert_eq!(status, 407);
    let error = soon(builder.connect()).await.unwrap_err();
    let OpenError::Transport(error) = error else { panic!("{error}") };
    assert_eq!(error.status().unwrap(), 407);
}

#[tokio::test]
async fn both_transports_work_over_tls() {
    let running = start_echo(Server::builder()).await;
    let (addr, tls) = tls::in_front_of(running.addr).await;
    let builder = Client::builder(&format!("https://localhost:{}", addr.port())).unwrap().tls(tls);
    let mut client = soon(builder.connect()).await.unwrap();
    client.sender().send("hello").unwrap();
    assert_eq!(message(&mut client).await, "hello".into());
    if client.transport() == Transport::Polling {
        upgraded(&mut client).await;
    }
    client.sender().send(vec![7; 300_000]).unwrap();
    assert_eq!(message(&mut client).await, vec![7; 300_000].into());
    client.close().await;
}

/// EIO-SRV-130, EIO-SRV-131, EIO-SRV-132
#[tokio::test]
async fn client_certificates_are_presented() {
    let running = start_echo(Server::builder()).await;
    let (addr, clients) = tls::requiring_certificates(running.addr).await;
    for transport in [Transport::Polling, Transport::WebSocket] {
        let connect = |tls| {
            let builder = Client::builder(&format!("https://localhost:{}", addr.port())).unwrap().tls(tls);
            builder.transports([transport])
        };
        let mut client = soon(connect(clients.with_certificate.clone()).connect()).await.unwrap();
        client.sender().send("hello").unwrap();
        assert_eq!(message(&mut client).await, "hello".into(), "{transport:?}");
        assert!(soon(connect(clients.without.clone()).connect()).await.is_err(), "{transport:?}");
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_refused() {
    let running = start_echo(Server::builder()).await;
    let (addr, _) = tls::in_front_of(running.addr).await;
    for transport in [Transport::Polling, Transport::WebSocket] {
        let builder = Client::builder(&format!("https://localhost:{}", addr.port())).unwrap();
        let error = soon(builder.transports([transport]).connect()).await.unwrap_err();
        assert!(
            matches!(
                error,
                OpenError::Transport(
                    TransportError::Poll(HttpError::Tls(_)) | TransportError::WebSocket(HttpError::Tls(_))
                )
            ),
            "{error:?}"
        );
    }
}
