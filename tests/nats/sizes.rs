//! Messages that are larger than NATS or a server takes.

use std::time::Duration;

use socketio_nats::{Nats, NatsAdapter, NatsEmitter, PublishError};
use socketio_server::EmitError;
use socketio_server::cluster::AdapterErrorKind;
use tests::nats::NatsServer;
use tests::raw::{soon, until};

use super::log::Log;
use super::support::{Client, NONE, Rust};

/// A message beyond `max_payload` has an error and is counted; NATS does not see it, and the others are not affected.
#[tokio::test]
async fn a_message_beyond_max_payload_is_refused() {
    let (log, _guards) = Log::on_this_thread();
    let nats = NatsServer::start_with("max_payload: 10000").await;
    let settings = Nats::open(&nats.url()).unwrap();
    let nodes =
        [Rust::start(NatsAdapter::new(&settings)).await, Rust::start(NatsAdapter::new(&settings)).await];
    let (mut near, mut far) = (Client::connect(nodes[0].addr).await, Client::connect(nodes[1].addr).await);
    for length in [9000, 11_000, 9001] {
        let emitted = nodes[0].io.emit("large", &"x".repeat(length)).await;
        assert_eq!(near.text().await.len(), r#"42["large",""]"#.len() + length, "local clients are served");
        match emitted {
            Ok(()) => assert!(length < 10_000),
            Err(EmitError::Adapter(error)) => {
                assert!(length > 10_000);
                assert_eq!(error.kind(), AdapterErrorKind::TooLarge);
            }
            Err(error) => panic!("{error}"),
        }
    }
    for length in [9000, 9001] {
        assert_eq!(far.text().await.len(), r#"42["large",""]"#.len() + length);
    }
    let stats = nodes[0].connections.stats();
    assert_eq!((stats.lost, stats.unconfirmed, stats.connections), (1, 0, 2), "{stats:?}");
    let lines = log.lines("max_payload of the server is 10000");
    assert!(lines.len() == 1 && lines[0].contains("a message has 110"), "{lines:?}");

    let emitter = NatsEmitter::new(&settings).build();
    // Without a connection nothing is known of the limit: the message is refused when it is its turn.
    emitter.emit("large", &"x".repeat(11_000)).unwrap();
    emitter.emit("small", &NONE).unwrap();
    assert_eq!(far.text().await, r#"42["small"]"#);
    assert_eq!(emitter.emit("large", &"x".repeat(11_000)), Err(PublishError::TooLarge));
    soon(emitter.connections().flush()).await;
    let stats = emitter.connections().stats();
    assert_eq!(
        (stats.lost, stats.published, stats.unconfirmed, stats.connections),
        (2, 1, 0, 1),
        "{stats:?}"
    );
}

/// A message that alone is larger than `max_received_bytes` is not taken into memory: it is a counted gap.
#[tokio::test]
async fn a_message_beyond_max_received_bytes_is_dropped() {
    let nats = NatsServer::start().await;
    let settings = Nats::open(&nats.url()).unwrap();
    let node = Rust::start(NatsAdapter::new(&settings.clone().max_received_bytes(50_000))).await;
    let (sender, mut gaps) = tokio::sync::mpsc::unbounded_channel();
    node.io.on_cluster_gap(move |gap| {
        let _ = sender.send(gap.lost);
    });
    let mut client = Client::connect(node.addr).await;
    let emitter = NatsEmitter::new(&settings).build();
    let empty = r#"42["large",""]"#.len();
    for length in [49_000, 1_000_000] {
        emitter.emit("large", &"x".repeat(length)).unwrap();
    }
    assert_eq!(client.text().await.len(), empty + 49_000);
    assert_eq!(soon(gaps.recv()).await, Some(Some(1)));
    emitter.emit("large", &"x".repeat(49_001)).unwrap();
    assert_eq!(client.text().await.len(), empty + 49_001);
    until(async || node.connections.stats().received_bytes == 0).await;
    let stats = node.connections.stats();
    assert_eq!((stats.dropped, stats.bad_messages, stats.connections), (1, 0, 2), "{stats:?}");
}

/// An answer is one message too: a server with more sockets than fit is missing, and its answer is counted.
#[tokio::test]
async fn an_answer_beyond_max_payload_is_missing() {
    let nats = NatsServer::start_with("max_payload: 4000").await;
    let settings = Nats::open(&nats.url()).unwrap();
    let adapter = || NatsAdapter::builder(&settings).requests_timeout(Duration::from_millis(500)).build();
    let nodes = [Rust::start(adapter()).await, Rust::start(adapter()).await];
    let mut clients = vec![Client::connect(nodes[1].addr).await];
    until(async || nodes[0].io.fetch_sockets().await.is_ok_and(|found| found.len() == 1)).await;
    for _ in 0..30 {
        clients.push(Client::connect(nodes[1].addr).await);
    }
    let partial = nodes[0].io.fetch_sockets().await.unwrap_err().partial().unwrap();
    assert_eq!((partial.answers.len(), partial.missing), (0, 1));
    assert_eq!(nodes[1].connections.stats().lost, 1);
    let one = nodes[0].io.to(&clients[7].id).fetch_sockets().await.unwrap();
    assert_eq!(one.len(), 1, "an answer that fits");
}
