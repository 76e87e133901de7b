//! TLS to NATS, with a certificate authority of our own.

use std::time::Duration;

use socketio_nats::{Health, Nats, NatsAdapter, NatsEmitter};
use socketio_server::Binary;
use tests::nats::NatsServer;
use tests::raw::{soon, until};
use tests::tls::Authority;

use super::log::Log;
use super::support::{Client, NONE, Rust, in_front_of};

fn url(nats: &NatsServer, host: &str) -> String {
    format!("tls://{host}:{}", nats.port())
}

fn settings(url: &str, authority: &Authority) -> Nats {
    hasty(Nats::open(url).unwrap().root_certificates(authority.root().as_bytes()).unwrap())
}

fn hasty(nats: Nats) -> Nats {
    nats.timeout(Duration::from_secs(2)).reconnect_delay(Duration::from_millis(10), Duration::from_millis(50))
}

/// A server that is not trusted gets no message, and the log says why.
async fn is_refused(nats: &Nats, log: &Log, reason: &str) {
    let adapter = NatsAdapter::new(nats);
    let connections = adapter.connections();
    until(async || connections.stats().failed_connections >= 3).await;
    assert_eq!((connections.stats().connections, connections.stats().published), (0, 0));
    assert!(matches!(*connections.health().borrow(), Health::Down { .. }));
    assert!(!log.lines(reason).is_empty(), "{reason}: {:#?}", log.lines(""));
}

/// Servers and emitters reach each other over TLS, by the name and by the address of the certificate.
#[tokio::test]
async fn servers_reach_each_other_over_tls() {
    let authority = Authority::new("of the tests");
    let nats = NatsServer::start_with_tls(&authority).await;
    let [by_name, by_address] =
        ["localhost", "127.0.0.1"].map(|host| settings(&url(&nats, host), &authority));
    let nodes =
        [Rust::start(NatsAdapter::new(&by_name)).await, Rust::start(NatsAdapter::new(&by_address)).await];
    let emitter = NatsEmitter::new(&by_name).build();
    soon(emitter.connections().ready()).await;
    let mut client = Client::connect(nodes[1].addr).await;
    nodes[0].io.emit("small", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["small"]"#);
    nodes[0].io.emit("binary", &Binary::from(vec![7; 900_000])).await.unwrap();
    assert_eq!(client.text().await, r#"451-["binary",{"_placeholder":true,"num":0}]"#);
    assert_eq!(client.ws.binary().await, vec![7; 900_000]);
    emitter.emit("outside", &NONE).unwrap();
    assert_eq!(client.text().await, r#"42["outside"]"#);
}

/// A certificate of another authority, a server without TLS, and one with TLS under `nats://`, are refused.
#[tokio::test]
async fn servers_that_are_not_trusted_are_refused() {
    let (log, _guards) = Log::on_this_thread();
    let authority = Authority::new("of the tests");
    let nats = NatsServer::start_with_tls(&authority).await;
    let address = url(&nats, "127.0.0.1");
    is_refused(&settings(&address, &Authority::new("another")), &log, "invalid peer certificate").await;
    // The authorities of the system.
    is_refused(&hasty(Nats::open(&address).unwrap()), &log, "invalid peer certificate").await;
    // Another address of this machine, which the certificate does not have.
    let by_other_name = format!("tls://{}", in_front_of(&nats, "127.0.0.2:0").await);
    is_refused(&settings(&by_other_name, &authority), &log, "not valid for name").await;
    is_refused(&hasty(Nats::open(&nats.url()).unwrap()), &log, "the server requires TLS, which needs tls://")
        .await;
    let without = NatsServer::start().await;
    is_refused(&settings(&url(&without, "127.0.0.1"), &authority), &log, "the server has no TLS").await;
}
