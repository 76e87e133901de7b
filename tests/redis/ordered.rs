//! Streams: all servers of ours deliver all events in the order of the stream.

use std::time::Duration;

use serde_json::json;
use socketio_redis::{Redis, StreamsAdapter};
use socketio_server::{Recovery, Server};
use tests::raw::soon;
use tests::redis::RedisServer;
use tests::traveller::event;

use crate::support::{Client, NONE, Node, Rust};

/// A server of ours with recovery.
pub(crate) async fn recovering(redis: &RedisServer) -> Rust {
    let adapter = StreamsAdapter::builder(&Redis::open(&redis.url()).unwrap()).build();
    let connections = adapter.connections().clone();
    let builder = Server::builder().adapter(adapter).connection_state_recovery(Recovery::default());
    Rust::build(builder, connections).await
}

/// The numbers of an offset.
pub(crate) fn position(offset: &str) -> (u64, u64) {
    let (milliseconds, sequence) = offset.split_once('-').unwrap();
    (milliseconds.parse().unwrap(), sequence.parse().unwrap())
}

#[tokio::test]
async fn all_clients_of_our_servers_get_all_events_in_one_order() {
    let redis = RedisServer::start().await;
    let rust = [recovering(&redis).await, recovering(&redis).await];
    let node = Node::start("streams", &redis, json!({"recovery": true})).await;
    let mut clients = [Client::connect(rust[0].addr).await, Client::connect(rust[1].addr).await];
    let from_rust = |number: usize| {
        let io = rust[number].io.clone();
        async move {
            for n in 0..50 {
                io.emit("event", &socketio_server::Args((number, n))).await.unwrap();
            }
        }
    };
    let from_node = async {
        for n in 0..50 {
            node.run("emit", json!({"event": "event", "args": [2, n]})).await;
        }
    };
    let receive = async {
        let mut all = Vec::new();
        for client in &mut clients {
            let mut events = Vec::new();
            for _ in 0..150 {
                events.push(event(&client.text().await));
            }
            all.push(events);
        }
        all
    };
    let (.., received) = tokio::join!(from_rust(0), from_rust(1), from_node, receive);
    assert_eq!(received[0], received[1]);
    let offsets: Vec<_> = received[0].iter().map(|(_, offset)| position(offset)).collect();
    assert!(offsets.is_sorted_by(|one, next| one < next), "{offsets:?}");
    for sender in 0..3 {
        let of_sender = received[0].iter().filter(|(event, _)| event[1] == sender);
        let numbers: Vec<_> = of_sender.map(|(event, _)| event[2].as_u64().unwrap()).collect();
        assert_eq!(numbers, Vec::from_iter(0..50), "of sender {sender}");
    }
    let stats = rust.each_ref().map(|rust| rust.io.cluster_stats());
    assert!(stats.iter().all(|stats| (stats.pending_echoes, stats.missed_echoes) == (0, 0)), "{stats:?}");
}

/// While Redis does not answer, the clients of the server get its events nevertheless, and not again when the stream
/// has them.
#[tokio::test]
async fn an_event_without_an_echo_is_delivered_once() {
    let redis = RedisServer::start().await;
    let rust = [Rust::streams(&redis).await, Rust::streams(&redis).await];
    let mut clients = [Client::connect(rust[0].addr).await, Client::connect(rust[1].addr).await];
    redis.pause(true).await;
    rust[0].io.emit("alone", &NONE).await.unwrap();
    assert_eq!(clients[0].text().await, r#"42["alone"]"#);
    assert_eq!(rust[0].io.cluster_stats().missed_echoes, 1);
    redis.pause(false).await;
    assert_eq!(clients[1].text().await, r#"42["alone"]"#);
    rust[1].io.emit("next", &NONE).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.text().await, r#"42["next"]"#);
    }
}

/// A refused entry is delivered to the clients of the server, and the caller is told that the others miss it.
#[tokio::test]
async fn a_refused_entry_is_an_error_at_once() {
    let redis = RedisServer::start().await;
    let rust = Rust::streams(&redis).await;
    let mut client = Client::connect(rust.addr).await;
    redis.command("DEL socket.io").await;
    redis.command("SET socket.io text").await;
    let refused =
        tokio::time::timeout(Duration::from_secs(20), rust.io.emit("refused", &NONE)).await.unwrap();
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("WRONGTYPE"), "{error}");
    assert_eq!(client.text().await, r#"42["refused"]"#);
}

/// A namespace with a stream that no node reads, as its number is negative, has no echoes to wait for.
#[tokio::test]
async fn events_of_an_unread_stream_are_delivered_at_once() {
    let redis = RedisServer::start().await;
    let adapter = StreamsAdapter::builder(&Redis::open(&redis.url()).unwrap()).stream_count(4).build();
    let connections = adapter.connections().clone();
    let rust = Rust::start_with(adapter, connections).await;
    let notifications = rust.io.of("/notifications");
    let mut client = Client::connect(rust.addr).await;
    client.ws.send("40/notifications,").await;
    assert!(client.text().await.starts_with("40/notifications,"));
    soon(notifications.emit("hi", &NONE)).await.unwrap();
    assert_eq!(client.text().await, r#"42/notifications,["hi"]"#);
    assert_eq!(notifications.cluster_stats().missed_echoes, 0);
}

/// A stream that is trimmed before it is read is a gap.
#[tokio::test]
async fn entries_that_are_trimmed_before_they_are_read_are_a_gap() {
    let redis = RedisServer::start().await;
    let rust = recovering(&redis).await;
    let mut client = Client::connect(rust.addr).await;
    rust.io.emit("before", &NONE).await.unwrap();
    assert_eq!(event(&client.text().await).0, json!(["before"]));
    let append = |count, kept| {
        let append =
            format!("for i = 1, {count} do redis.call('XADD', 'socket.io', '*', 'nsp', '/none') end");
        format!("EVAL \"{append} redis.call('XTRIM', 'socket.io', 'MAXLEN', {kept})\" 0")
    };
    redis.command(&append(300, 301)).await;
    rust.io.emit("behind", &NONE).await.unwrap();
    assert_eq!(event(&client.text().await).0, json!(["behind"]));
    assert_eq!(rust.connections.stats().gaps, 0, "all entries were there");
    redis.command(&append(1000, 300)).await;
    rust.io.emit("after", &NONE).await.unwrap();
    assert_eq!(event(&client.text().await).0, json!(["after"]));
    assert!(rust.connections.stats().gaps > 0);
}
