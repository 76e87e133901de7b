//! Messages that do not fit into a notification.

use std::time::Duration;

use serde_json::json;
use socketio_postgres::{Postgres, PostgresAdapter, PostgresEmitter};
use socketio_server::{Args, Binary};
use tests::postgres::PostgresServer;
use tests::raw::{soon, until};

use super::support::{Client, Cluster, NONE, Rust};

/// Large and small messages, text and binary, arrive in the order in which they were sent, from all kinds of senders.
#[tokio::test]
async fn large_messages_are_not_overtaken() {
    let mut cluster = Cluster::start(8000).await;
    let large = "x".repeat(100_000);
    for number in 0..20 {
        cluster.rust[0].io.emit("large", &Args((number, &large))).await.unwrap();
        cluster.rust[0].io.emit("small", &number).await.unwrap();
        cluster.rust[0].io.emit("binary", &Binary::from(vec![number])).await.unwrap();
    }
    let far = &mut cluster.clients[1];
    for number in 0..20u8 {
        assert_eq!(far.text().await, format!(r#"42["large",{number},"{large}"]"#));
        assert_eq!(far.text().await, format!(r#"42["small",{number}]"#));
        assert_eq!(far.text().await, r#"451-["binary",{"_placeholder":true,"num":0}]"#);
        assert_eq!(far.ws.binary().await, [number]);
    }
    cluster.node[0].run("emit", json!({"event": "large", "args": [large]})).await;
    for client in &mut cluster.clients[..2] {
        loop {
            let text = client.text().await;
            if text == format!(r#"42["large","{large}"]"#) {
                break;
            }
            if text.starts_with("45") {
                client.ws.binary().await;
            }
        }
    }
    let stats = cluster.rust[0].connections.stats();
    assert_eq!((stats.lost, stats.bad_messages), (0, 0), "{stats:?}");
}

/// The longest notification is one, whatever the threshold says, and the next longer message is a row.
#[tokio::test]
async fn no_notification_is_too_long_for_the_server() {
    let postgres = PostgresServer::start().await;
    let settings = Postgres::open(&postgres.url()).unwrap();
    let node = Rust::start(PostgresAdapter::new(&settings)).await;
    let mut client = Client::connect(node.addr).await;
    let emitter = PostgresEmitter::new(&settings).payload_threshold(100_000).build();
    for length in 7700..8000 {
        emitter.emit("x", &"a".repeat(length)).unwrap();
    }
    for length in 7700..8000 {
        assert_eq!(client.text().await.len(), r#"42["x",""]"#.len() + length);
    }
    let stats = emitter.connections().stats();
    assert_eq!((stats.lost, stats.unconfirmed, stats.published), (0, 0, 300));
    let rows = postgres.number("SELECT count(*) FROM socket_io_attachments").await;
    assert!((1..300).contains(&rows), "{rows}");
}

/// The table is created on request, and old rows are deleted.
#[tokio::test]
async fn the_table_is_created_and_cleaned() {
    let postgres = PostgresServer::start_empty().await;
    let settings = Postgres::open(&postgres.url()).unwrap();
    let adapter = || {
        let builder = PostgresAdapter::builder(&settings).create_table(true).table_name("other_table");
        builder.cleanup_interval(Duration::from_millis(500)).build()
    };
    let nodes = [Rust::start(adapter()).await, Rust::start(adapter()).await];
    let mut far = Client::connect(nodes[1].addr).await;
    nodes[0].io.emit("binary", &Binary::from(vec![7])).await.unwrap();
    far.text().await;
    assert_eq!(far.ws.binary().await, [7]);
    until(async || postgres.number("SELECT count(*) FROM other_table").await == 0).await;
}

/// A row that is larger than `max_received_bytes`, which another program may write, is not fetched: it is a counted gap.
#[tokio::test]
async fn a_row_that_is_too_large_is_not_read() {
    let postgres = PostgresServer::start().await;
    let settings = Postgres::open(&postgres.url()).unwrap();
    let node = Rust::start(PostgresAdapter::new(&settings.clone().max_received_bytes(50_000))).await;
    let (sender, mut gaps) = tokio::sync::mpsc::unbounded_channel();
    node.io.on_cluster_gap(move |gap| {
        let _ = sender.send(gap.lost);
    });
    let mut client = Client::connect(node.addr).await;
    let emitter = PostgresEmitter::new(&settings).build();
    let empty = r#"42["large",""]"#.len();
    for length in [49_000, 51_000, 49_001] {
        emitter.emit("large", &"x".repeat(length)).unwrap();
    }
    assert_eq!(client.text().await.len(), empty + 49_000);
    assert_eq!(client.text().await.len(), empty + 49_001);
    assert_eq!(soon(gaps.recv()).await, Some(Some(1)));
    until(async || node.connections.stats().received_bytes == 0).await;
    let stats = node.connections.stats();
    assert_eq!((stats.bad_messages, stats.dropped), (1, 0), "{stats:?}");
}

/// Without the table only large messages are lost, and they are counted.
#[tokio::test]
async fn without_the_table_large_messages_are_counted() {
    let postgres = PostgresServer::start_empty().await;
    let settings = Postgres::open(&postgres.url()).unwrap();
    let nodes = [
        Rust::start(PostgresAdapter::new(&settings)).await,
        Rust::start(PostgresAdapter::new(&settings)).await,
    ];
    let mut far = Client::connect(nodes[1].addr).await;
    nodes[0].io.emit("binary", &Binary::from(vec![7])).await.unwrap();
    nodes[0].io.emit("small", &NONE).await.unwrap();
    assert_eq!(far.text().await, r#"42["small"]"#);
    // The commands are pipelined: the small message may arrive before the answer to the large one is counted.
    until(async || nodes[0].connections.stats().lost == 1).await;
}

/// A namespace whose channel is longer than an identifier works between our servers.
#[tokio::test]
async fn namespaces_with_long_names_have_a_channel() {
    let postgres = PostgresServer::start().await;
    let settings = Postgres::open(&postgres.url()).unwrap();
    let nodes = [
        Rust::start(PostgresAdapter::new(&settings)).await,
        Rust::start(PostgresAdapter::new(&settings)).await,
    ];
    let name = format!("/{}", "long".repeat(30));
    let mut heard = Vec::new();
    for node in &nodes {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        node.io.of(&name).on_server_event("hello", move || {
            let _ = sender.send(());
            async {}
        });
        heard.push(receiver);
        soon(node.connections.ready()).await;
    }
    nodes[0].io.of(&name).server_side_emit("hello", &NONE).await.unwrap();
    soon(heard[1].recv()).await.unwrap();
    let emitter = PostgresEmitter::new(&settings).build();
    emitter.of(&name).server_side_emit("hello", &NONE).unwrap();
    for heard in &mut heard {
        soon(heard.recv()).await.unwrap();
    }
}
