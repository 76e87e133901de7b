//! A broker that ends and comes back, and processes that do not behave.

use std::time::Duration;

use serde_json::json;
use socketio_ipc::{Health, IpcAdapter, IpcBroker};
use tests::raw::{soon, until};
use tests::traveller::event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::support::{Broker, Client, Rust, hasty, recovering};

/// Without a broker each server goes on with its own clients. Then they are a cluster again, and know that they may have
/// missed messages.
#[tokio::test]
async fn servers_go_on_without_the_broker() {
    let mut broker = Broker::start().await;
    let servers = [recovering(&broker).await, recovering(&broker).await];
    let mut clients = [Client::connect(servers[0].addr).await, Client::connect(servers[1].addr).await];
    servers[0].io.emit("before", &0).await.unwrap();
    for client in &mut clients {
        assert_eq!(event(&client.text().await).0, json!(["before", 0]));
    }
    let (sender, mut gaps) = tokio::sync::mpsc::unbounded_channel();
    servers[1].io.on_cluster_gap(move |gap| {
        let _ = sender.send(gap.duration);
    });
    broker.kill().await;
    let mut health = servers[0].connections.health();
    soon(health.wait_for(|health| matches!(health, Health::Down { .. }))).await.unwrap();
    // Without a place in the order an event has no offset.
    servers[0].io.emit("during", &1).await.unwrap();
    assert_eq!(clients[0].text().await, r#"42["during",1]"#);
    broker.start_again();
    for server in &servers {
        soon(server.connections.ready()).await;
    }
    assert!(soon(gaps.recv()).await.is_some());
    until(async || servers[0].io.fetch_sockets().await.is_ok_and(|found| found.len() == 2)).await;
    servers[1].io.emit("after", &2).await.unwrap();
    loop {
        let text = clients[0].text().await;
        if text.contains("after") {
            break;
        }
    }
}

/// A process that sends something else loses its connection, and others do not notice.
#[tokio::test]
async fn bytes_of_another_protocol_end_their_connection() {
    let broker = Broker::start().await;
    let server = Rust::start(IpcAdapter::new(broker.path())).await;
    let mut client = Client::connect(server.addr).await;
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 1, 99], &[0, 0, 0, 0], &[255; 4]] {
        let mut stream = UnixStream::connect(broker.path()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert_eq!(soon(stream.read(&mut [0; 100])).await.unwrap(), 0, "{bytes:?}");
    }
    server.io.emit("well", &0).await.unwrap();
    assert_eq!(client.text().await, r#"42["well",0]"#);
    assert_eq!(server.connections.stats().gaps, 0);
}

/// A process that subscribes and does not read is closed, with what waited for it.
#[tokio::test]
async fn a_process_that_does_not_read_loses_its_connection() {
    let broker = Broker::with(IpcBroker::new().max_outbox_bytes(1_000_000));
    let server = Rust::start(IpcAdapter::new(broker.path())).await;
    let mut stream = UnixStream::connect(broker.path()).await.unwrap();
    // Subscribe to the channel of requests.
    let channel = b"socket.io#/#";
    let mut frame = vec![0, 0, 0, 5 + channel.len() as u8, 11, 0, 0, 0, channel.len() as u8];
    frame.extend_from_slice(channel);
    stream.write_all(&frame).await.unwrap();
    let mut reply = [0; 5];
    soon(stream.read_exact(&mut reply)).await.unwrap();
    assert_eq!(reply, [0, 0, 0, 1, 2]);
    let text = "x".repeat(100_000);
    for _ in 0..100 {
        server.io.server_side_emit("large", &text).await.unwrap();
    }
    soon(server.connections.flush()).await;
    let mut received = Vec::new();
    soon(stream.read_to_end(&mut received)).await.unwrap();
    assert!(received.len() < 5_000_000, "{}", received.len());
    assert_eq!(server.connections.stats().lost, 0);
}

/// Connections beyond the limit wait.
#[tokio::test]
async fn connections_are_limited() {
    let broker = Broker::with(IpcBroker::new().max_connections(3));
    let first = IpcAdapter::builder(broker.path()).tuning(hasty()).build();
    soon(first.connections().ready()).await;
    let second = IpcAdapter::builder(broker.path()).tuning(hasty()).build();
    let waited = tokio::time::timeout(Duration::from_secs(1), second.connections().ready()).await;
    assert!(waited.is_err());
    drop(first);
    soon(second.connections().ready()).await;
}
