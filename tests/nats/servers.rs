//! Several NATS servers.

use socketio_nats::{Health, NatsAdapter, NatsEmitter};
use tests::nats::NatsServer;
use tests::raw::{soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::log::Log;
use super::support::{Client, NONE, Rust, hasty, health};

/// When one of two NATS servers is killed, everything goes on with the other one, which was named in the settings or by the
/// first one.
#[tokio::test]
async fn one_of_two_nats_servers_is_enough() {
    let [mut one, other] = NatsServer::pair().await;
    let both = format!("{},{}", one.url(), other.url());
    // One server knows both, and one knows the killed one alone.
    let nodes = [
        Rust::start(NatsAdapter::new(&hasty(&both))).await,
        Rust::start(NatsAdapter::new(&hasty(&one.url()))).await,
    ];
    let emitter = NatsEmitter::new(&hasty(&one.url())).build();
    soon(emitter.connections().ready()).await;
    let mut clients = [Client::connect(nodes[0].addr).await, Client::connect(nodes[1].addr).await];
    // NATS servers tell each other of subscriptions, which takes a moment.
    for node in &nodes {
        until(async || node.io.fetch_sockets().await.is_ok_and(|found| found.len() == 2)).await;
    }
    for node in &nodes {
        node.io.emit("before", &NONE).await.unwrap();
        for client in &mut clients {
            assert_eq!(client.text().await, r#"42["before"]"#);
        }
    }
    let before = nodes.each_ref().map(|node| node.connections.stats().connections);
    one.kill().await;
    until(async || nodes[1].connections.stats().connections >= before[1] + 2).await;
    health(&nodes[1], |health| *health == Health::Connected).await;
    for node in &nodes {
        soon(node.connections.ready()).await;
        until(async || node.io.fetch_sockets().await.is_ok_and(|found| found.len() == 2)).await;
    }
    for node in &nodes {
        node.io.emit("after", &NONE).await.unwrap();
        for client in &mut clients {
            assert_eq!(client.text().await, r#"42["after"]"#);
        }
    }
    assert!(nodes[1].connections.stats().gaps >= 1, "the namespaces know");
    until(async || emitter.connections().stats().connections >= 2).await;
    emitter.emit("outside", &NONE).unwrap();
    for client in &mut clients {
        assert_eq!(client.text().await, r#"42["outside"]"#);
    }
    drop(other);
}

/// A server that sends these parts to a new connection, and waits for something from the client after each.
async fn fake(parts: &[&[u8]]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, parts.clone()));
        }
    });
    url
}

async fn serve(mut stream: TcpStream, parts: Vec<Vec<u8>>) {
    let mut buffer = [0; 4096];
    for part in parts {
        if stream.write_all(&part).await.is_err() {
            return;
        }
        if stream.read(&mut buffer).await.is_ok_and(|count| count == 0) {
            return;
        }
    }
    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

const INFO: &[u8] = b"INFO {\"max_payload\":1000}\r\n";
const PONG: &[u8] = b"PONG\r\n";

/// Servers that do not keep to the protocol are not used, or lose their connection, which the log explains.
#[tokio::test]
async fn servers_that_answer_as_no_real_one_does_are_given_up() {
    let (log, _guards) = Log::on_this_thread();
    let long = vec![b'x'; 100_000];
    for (parts, reason) in [
        (vec![&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]], "a control line cannot be read"),
        (vec![b"PING\r\n"], "INFO cannot be read"),
        (vec![b"INFO []\r\n"], "INFO cannot be read"),
        (vec![&long], "a control line is longer than 65536 bytes"),
        (vec![INFO, b"-ERR 'maximum connections exceeded'\r\n"], "maximum connections exceeded"),
        (vec![INFO, b"PONG\r\nPONG\r\n"], "PONG without a PING"),
        (vec![INFO, b"PONG\r\n-ERR 'Slow Consumer'\r\n"], "Slow Consumer"),
    ] {
        let before = log.lines(reason).len();
        let emitter = NatsEmitter::new(&hasty(&fake(&parts).await)).build();
        until(async || log.lines(reason).len() >= before + 2).await;
        assert_eq!(emitter.connections().stats().published, 0, "{reason}");
    }
}

/// A server asks whether the client is alive, before it accepts it and later.
#[tokio::test]
async fn questions_of_a_server_are_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let emitter = NatsEmitter::new(&hasty(&url)).build();
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    stream.write_all(INFO).await.unwrap();
    assert!(received(&mut stream, "PING\r\n").await.starts_with("CONNECT {"));
    stream.write_all(b"PING\r\n").await.unwrap();
    assert_eq!(received(&mut stream, "PONG\r\n").await, "PONG\r\n");
    stream.write_all(PONG).await.unwrap();
    soon(emitter.connections().ready()).await;
    stream.write_all(b"+OK\r\nPING\r\n").await.unwrap();
    assert_eq!(received(&mut stream, "PONG\r\n").await, "PONG\r\n");
    emitter.emit("x", &NONE).unwrap();
    assert!(received(&mut stream, "\r\nPING\r\n").await.starts_with("PUB socket.io./ "));
    stream.write_all(PONG).await.unwrap();
    soon(emitter.connections().flush()).await;
    let stats = emitter.connections().stats();
    assert_eq!((stats.published, stats.unconfirmed, stats.connections), (1, 0, 1), "{stats:?}");
}

/// The bytes that arrive, up to this end.
async fn received(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        assert!(soon(stream.read_buf(&mut bytes)).await.unwrap() > 0, "the connection has ended");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An error between messages and their confirmation leaves them unconfirmed, and so do errors without end.
#[tokio::test]
async fn messages_without_a_confirmation_are_counted() {
    let (log, _guards) = Log::on_this_thread();
    let errors = b"-ERR 'Permissions Violation for Publish to \"x\"'\r\n".repeat(2000);
    for (part, reason) in [
        (&b"-ERR 'Stale Connection'\r\n"[..], "Stale Connection"),
        (&errors, "the server sends errors without end"),
        (b"", "no answer in time"),
    ] {
        let parts = [INFO, PONG, part];
        let emitter = NatsEmitter::new(&hasty(&fake(&parts).await)).build();
        soon(emitter.connections().ready()).await;
        emitter.emit("x", &NONE).unwrap();
        soon(emitter.connections().flush()).await;
        let stats = emitter.connections().stats();
        assert_eq!((stats.published, stats.unconfirmed, stats.lost), (0, 1, 0), "{stats:?}");
        until(async || !log.lines(reason).is_empty()).await;
    }
}
