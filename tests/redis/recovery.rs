//! Streams: clients that return are recovered on any server, of ours or official.

use std::time::Duration;

use serde_json::json;
use socketio_redis::{Redis, StreamsAdapter};
use socketio_server::{NotRecovered, Recovery, Server};
use tests::raw::soon;
use tests::redis::RedisServer;
use tests::traveller::{Senders, Traveller, in_order, open};

use crate::ordered::recovering;
use crate::support::{Node, Rust};

/// Leaves of clients.
pub(crate) trait Leave {
    /// Loses the connection, and waits until its server has kept the session.
    async fn leave(&mut self, redis: &RedisServer);
}

impl Leave for Traveller {
    async fn leave(&mut self, redis: &RedisServer) {
        self.ws = None;
        soon(async {
            while redis.command(&format!("EXISTS sio:session:{}", self.pid)).await != ":1\r\n" {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
}

/// Two servers of ours and an official one, which reads the stream.
async fn servers(redis: &RedisServer) -> (Vec<Rust>, Node) {
    let rust = vec![recovering(redis).await, recovering(redis).await];
    let node = Node::start("streams", redis, json!({"recovery": true, "blockTimeInMs": 200})).await;
    let mut probe = Traveller::connect(node.addr).await;
    let io = rust[0].io.clone();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            _ = probe.next() => break,
            _ = ticks.tick() => io.emit("begin", &0).await.unwrap(),
        }
    }
    (rust, node)
}

/// STREAMS-27, STREAMS-28
#[tokio::test]
async fn a_client_is_recovered_on_any_server() {
    let redis = RedisServer::start().await;
    let (rust, node) = servers(&redis).await;
    let addresses = [rust[0].addr, rust[1].addr, node.addr];
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 0)] {
        let mut client = Traveller::connect(addresses[from]).await;
        let sid = client.sid.clone();
        // The room and the event reach it in this order on each server.
        rust[0].io.to(&sid).sockets_join("room").await.unwrap();
        rust[0].io.to("room").emit("first", &0).await.unwrap();
        assert_eq!(client.next().await, json!(["first", 0]), "{from} to {to}");
        client.leave(&redis).await;
        rust[0].io.emit("missed", &1).await.unwrap();
        let before = redis.command("XLEN socket.io").await;
        node.run("emit", json!({"event": "missed", "args": [2], "to": ["room"]})).await;
        // The answer comes before the entry.
        soon(async {
            while redis.command("XLEN socket.io").await == before {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        rust[1].io.to("other").emit("missed", &3).await.unwrap();
        rust[1].io.except("room").emit("missed", &4).await.unwrap();
        rust[1].io.to(&sid).emit("missed", &5).await.unwrap();
        assert!(client.return_to(addresses[to]).await, "{from} to {to}");
        assert_eq!(client.events[1..], [1, 2, 5].map(|n| json!(["missed", n])), "{from} to {to}");
        rust[1].io.to("room").emit("next", &6).await.unwrap();
        assert_eq!(client.next().await, json!(["next", 6]), "{from} to {to}");
        client.leave(&redis).await;
        assert!(client.return_to(rust[0].addr).await);
        rust[0].io.disconnect_sockets(false).await.unwrap();
    }
}

/// The session id and the offset that a client sends are checked. STREAMS-29, STREAMS-30
#[tokio::test]
async fn wrong_offsets_and_secrets_are_not_recovered() {
    let redis = RedisServer::start().await;
    let rust = recovering(&redis).await;
    for (pid, offset) in [
        (None, Some("0-1")),
        (None, Some("$")),
        (None, Some("")),
        (None, Some("99999999999999999999999-0")),
        (Some("nobody".to_owned()), None),
        (Some(String::new()), None),
        (Some("x".repeat(10_000)), None),
    ] {
        let mut client = Traveller::connect(rust.addr).await;
        rust.io.emit("first", &0).await.unwrap();
        client.next().await;
        client.leave(&redis).await;
        if let Some(pid) = &pid {
            client.pid.clone_from(pid);
        }
        if let Some(offset) = offset {
            client.offset = offset.to_owned();
        }
        assert!(!client.return_to(rust.addr).await, "{pid:?} {offset:?}");
        rust.io.disconnect_sockets(true).await.unwrap();
    }
}

/// The events that a client has missed are read up to a size.
#[tokio::test]
async fn missed_events_are_limited_in_bytes() {
    let redis = RedisServer::start().await;
    let rust = recovering(&redis).await;
    let mut client = Traveller::connect(rust.addr).await;
    rust.io.emit("first", &0).await.unwrap();
    client.next().await;
    client.leave(&redis).await;
    let large = "x".repeat(1_000_000);
    for _ in 0..17 {
        rust.io.emit("large", &large).await.unwrap();
    }
    assert!(!client.return_to(rust.addr).await);
    let socket = rust.io.socket(&client.sid).unwrap();
    assert_eq!(socket.not_recovered(), Some(NotRecovered::UnknownOffset));
}

/// The entries of a stream are read up to twice its length and 1,000, although others have written more.
#[tokio::test]
async fn missed_events_are_limited_in_entries() {
    let redis = RedisServer::start().await;
    let adapter = StreamsAdapter::builder(&Redis::open(&redis.url()).unwrap()).max_len(1).read_count(100);
    let adapter = adapter.build();
    let connections = adapter.connections().clone();
    let builder = Server::builder().adapter(adapter).connection_state_recovery(Recovery::default());
    let rust = Rust::build(builder, connections).await;
    for (entries, is_recovered, reads) in [(900, true, 10), (5_000, false, 11)] {
        let mut client = Traveller::connect(rust.addr).await;
        let mut witness = Traveller::connect(rust.addr).await;
        rust.io.emit("first", &0).await.unwrap();
        client.next().await;
        witness.next().await;
        client.leave(&redis).await;
        // The adapter reads all entries too. An event behind them arrives when it has, and only then commands are counted.
        let entry = "redis.call('XADD',KEYS[1],'*','nsp','/other','type','3','data','{}')";
        let last =
            r#"{'packet':{'type':2,'nsp':'/','data':['last']},'opts':{'rooms':[],'except':[],'flags':{}}}"#;
        let last = last.replace('\'', r#"\""#);
        let last =
            format!("redis.call('XADD',KEYS[1],'*','uid','other','nsp','/','type','3','data','{last}')");
        redis.command(&format!("EVAL \"for i=2,{entries} do {entry} end {last}\" 1 socket.io")).await;
        witness.next().await;
        redis.command("CONFIG RESETSTAT").await;
        assert_eq!(client.return_to(rust.addr).await, is_recovered, "{entries}");
        let stats = redis.command("INFO commandstats").await;
        let range = stats.split_once("cmdstat_xrange:calls=").unwrap().1;
        assert_eq!(range.split(',').next().unwrap(), reads.to_string(), "{entries}");
        let reason = (!is_recovered).then_some(NotRecovered::UnknownOffset);
        assert_eq!(rust.io.socket(&client.sid).unwrap().not_recovered(), reason, "{entries}");
    }
}

/// The middlewares of one namespace say nothing about another one.
#[tokio::test]
async fn a_session_is_of_one_namespace() {
    let redis = RedisServer::start().await;
    let rust = recovering(&redis).await;
    let admin = rust.io.of("/admin");
    let mut client = Traveller::connect(rust.addr).await;
    rust.io.emit("first", &0).await.unwrap();
    client.next().await;
    client.leave(&redis).await;
    client.ws = Some(open(rust.addr).await);
    let auth = json!({"pid": client.pid, "offset": client.offset});
    assert!(!client.join("/admin", auth).await);
    assert_eq!(admin.sockets().len(), 1);
}

/// Under traffic of two servers a client that changes its server gets each event once and in order.
#[tokio::test]
async fn a_client_that_changes_servers_gets_each_event_once() {
    let redis = RedisServer::start().await;
    let rust = [recovering(&redis).await, recovering(&redis).await];
    let mut client = Traveller::connect(rust[0].addr).await;
    let senders = Senders::start([&rust[0].io, &rust[1].io]);
    client.next().await;
    for number in 0..200 {
        client.leave(&redis).await;
        assert!(client.return_to(rust[(number + 1) % 2].addr).await, "change {number}");
        client.next().await;
    }
    let sent = senders.end().await;
    rust[0].io.emit("last", &0).await.unwrap();
    while client.next().await[0] != "last" {}
    assert_eq!(in_order(&client.events), *sent);
    println!("{} events", client.events.len());
}
