//! Redis that fails, with our servers on it.

use std::time::Duration;

use futures_util::future::join_all;
use socketio_redis::{ClassicAdapter, Health, Redis, StreamsAdapter};
use tests::raw::soon;
use tests::redis::RedisServer;

use crate::support::{Client, NONE, Rust};

/// Connections that notice within a fraction of the default times.
fn hasty(redis: &RedisServer) -> Redis {
    let delays = (Duration::from_millis(10), Duration::from_millis(100));
    Redis::open(&redis.url())
        .unwrap()
        .client_name("node")
        .timeout(Duration::from_millis(500))
        .probe_interval(Duration::from_millis(200))
        .reconnect_delay(delays.0, delays.1)
}

async fn pair(redis: &RedisServer) -> [Rust; 2] {
    [
        Rust::start(ClassicAdapter::new(&hasty(redis))).await,
        Rust::start(ClassicAdapter::new(&hasty(redis))).await,
    ]
}

async fn until(rust: &Rust, wanted: impl Fn(&Health) -> bool) {
    let mut health = rust.connections.health();
    soon(health.wait_for(|health| wanted(health))).await.unwrap();
}

/// Connections that Redis ends are opened again, and everything is subscribed again.
#[tokio::test]
async fn killed_connections_are_replaced() {
    let redis = RedisServer::start().await;
    let nodes = pair(&redis).await;
    let mut client = Client::connect(nodes[1].addr).await;
    for purpose in ["node:publish", "node:subscribe"] {
        let ids = redis.connections(purpose).await;
        assert_eq!(ids.len(), 2, "{purpose}");
        let before = [nodes[0].connections.stats().connections, nodes[1].connections.stats().connections];
        for id in ids {
            redis.command(&format!("CLIENT KILL ID {id}")).await;
        }
        for (node, before) in nodes.iter().zip(before) {
            soon(async {
                while node.connections.stats().connections == before {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
            soon(node.connections.ready()).await;
        }
        nodes[0].io.emit("again", &NONE).await.unwrap();
        assert_eq!(client.text().await, r#"42["again"]"#);
        let gaps = nodes.each_ref().map(|node| node.connections.stats().gaps);
        assert_eq!(gaps, if purpose == "node:publish" { [0, 0] } else { [1, 1] });
    }
}

/// While Redis is away, local clients are served, messages wait within the bound, and what does not fit has
/// an error and is counted. Afterwards the node is well again by itself.
#[tokio::test]
async fn a_restart_of_redis_loses_nothing_that_fits_into_the_queue() {
    let mut redis = RedisServer::start().await;
    let bound = 100_000;
    // After the outage it leaves the other one more than enough time to listen again.
    let patient = hasty(&redis).reconnect_delay(Duration::from_millis(10), Duration::from_secs(3));
    let patient = patient.timeout(Duration::from_secs(20)).max_queued_bytes(bound);
    let node = Rust::start(ClassicAdapter::new(&patient)).await;
    let other = Rust::start(ClassicAdapter::new(&hasty(&redis))).await;
    let (mut near, mut far) = (Client::connect(node.addr).await, Client::connect(other.addr).await);
    redis.kill().await;
    until(&node, |health| matches!(health, Health::Down { .. })).await;
    until(&other, |health| matches!(health, Health::Down { .. })).await;
    let text = "x".repeat(1000);
    let mut accepted = 0;
    for number in 0..200 {
        let emitted = node.io.emit("n", &socketio_server::Args((number, &text))).await;
        accepted += u64::from(emitted.is_ok());
        assert_eq!(near.text().await, format!(r#"42["n",{number},"{text}"]"#), "at once");
    }
    let stats = node.connections.stats();
    assert!((80..100).contains(&accepted) && stats.queued_bytes <= bound as u64, "{accepted}, {stats:?}");
    assert_eq!(stats.lost, 200 - accepted);
    assert!(node.io.fetch_sockets().await.is_err(), "not all servers were asked");
    redis.restart().await;
    soon(node.connections.ready()).await;
    soon(other.connections.ready()).await;
    soon(node.connections.flush()).await;
    assert_eq!(node.connections.stats().queued_bytes, 0);
    assert_eq!(node.io.fetch_sockets().await.unwrap().len(), 2);
    node.io.emit("end", &NONE).await.unwrap();
    let mut heard = 0;
    loop {
        let text = far.text().await;
        if text == r#"42["end"]"# {
            break;
        }
        assert_eq!(text.split(',').nth(1).unwrap(), heard.to_string(), "in order");
        heard += 1;
    }
    assert_eq!(heard, accepted, "what was accepted has arrived");
}

/// A server that Redis does not answer knows that it is deaf, and is well again when Redis goes on.
#[tokio::test]
async fn a_paused_redis_is_noticed() {
    let redis = RedisServer::start().await;
    let nodes = pair(&redis).await;
    let mut client = Client::connect(nodes[1].addr).await;
    redis.pause(true).await;
    for node in &nodes {
        until(node, |health| *health != Health::Connected).await;
    }
    redis.pause(false).await;
    for node in &nodes {
        soon(node.connections.ready()).await;
    }
    nodes[0].io.emit("again", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["again"]"#);
}

/// While Redis does not answer, connections are given up one by one. Messages wait until the other servers listen again,
/// too.
#[tokio::test]
async fn a_pause_of_redis_loses_only_what_was_underway() {
    let redis = RedisServer::start().await;
    // It gives up its connection for commands, and keeps that of its subscriptions. After the outage it leaves the other
    // one more than enough time to listen again.
    let patient = hasty(&redis).probe_interval(Duration::from_secs(3));
    let patient = patient.reconnect_delay(Duration::from_millis(10), Duration::from_secs(3));
    let node = Rust::start(ClassicAdapter::new(&patient)).await;
    let slow = hasty(&redis).reconnect_delay(Duration::from_millis(300), Duration::from_millis(300));
    let other = Rust::start(ClassicAdapter::new(&slow)).await;
    let mut far = Client::connect(other.addr).await;
    redis.pause(true).await;
    node.io.emit("first", &NONE).await.unwrap();
    until(&node, |health| matches!(health, Health::Down { .. })).await;
    until(&other, |health| matches!(health, Health::Down { .. })).await;
    for number in 0..100 {
        node.io.emit("n", &number).await.unwrap();
    }
    redis.pause(false).await;
    soon(node.connections.ready()).await;
    soon(other.connections.ready()).await;
    soon(node.connections.flush()).await;
    node.io.emit("end", &NONE).await.unwrap();
    let mut heard = 0;
    loop {
        match far.text().await.as_str() {
            r#"42["end"]"# => break,
            r#"42["first"]"# => {}
            text => {
                assert_eq!(text, format!(r#"42["n",{heard}]"#), "in order");
                heard += 1;
            }
        }
    }
    assert_eq!((heard, node.connections.stats().unconfirmed), (100, 1));
}

/// What waits for Redis is appended to a stream no faster than the servers read it, and not before they can, although it is
/// five times as much as the stream keeps.
#[tokio::test]
async fn entries_that_wait_are_read_before_the_stream_is_trimmed() {
    let mut redis = RedisServer::start().await;
    let streams = async |redis: Redis| {
        let adapter = StreamsAdapter::builder(&redis).max_len(1000).build();
        let connections = adapter.connections().clone();
        Rust::start_with(adapter, connections).await
    };
    // It leaves the other one more than enough time to read again.
    let node =
        streams(hasty(&redis).reconnect_delay(Duration::from_millis(10), Duration::from_secs(3))).await;
    let other = streams(hasty(&redis)).await;
    let mut far = Client::connect(other.addr).await;
    soon(node.connections.ready()).await;
    soon(other.connections.ready()).await;
    redis.kill().await;
    until(&node, |health| matches!(health, Health::Down { .. })).await;
    until(&other, |health| matches!(health, Health::Down { .. })).await;
    // The outage is longer than the longest delay of the other one.
    tests::raw::until(async || other.connections.stats().failed_connections > 20).await;
    let io = &node.io;
    let emitted = join_all((0..5000).map(|number| async move { io.emit("n", &number).await.unwrap() }));
    tokio::join!(emitted, redis.restart());
    soon(node.connections.flush()).await;
    node.io.emit("end", &NONE).await.unwrap();
    for number in 0..5000 {
        assert_eq!(far.text().await, format!(r#"42["n",{number}]"#));
    }
    assert_eq!(far.text().await, r#"42["end"]"#);
    let length = redis.command("XLEN socket.io").await;
    let length: u32 = length.trim().trim_start_matches(':').parse().unwrap();
    assert!(length < 2000, "{length}");
}

/// Messages that cannot be read are counted and skipped, on every channel.
#[tokio::test]
async fn poison_messages_are_skipped_and_counted() {
    let redis = RedisServer::start().await;
    let nodes = pair(&redis).await;
    let mut client = Client::connect(nodes[1].addr).await;
    let mut bad = 0;
    for channel in ["socket.io#/#", "socket.io-request#/#", "socket.io-response#/#"] {
        for payload in ["", "{", "[", "\\xc1", "\\x93\\xa1a\\x80", "{\\\"type\\\":99}", "[[[[[["] {
            redis.command(&format!("PUBLISH {channel} \"{payload}\"")).await;
            bad += 1;
        }
        // An unknown room costs no reading.
        redis.command("PUBLISH socket.io#/#nobody# \"\"").await;
    }
    nodes[0].io.emit("well", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["well"]"#);
    assert_eq!(nodes[1].io.fetch_sockets().await.unwrap().len(), 1);
    assert_eq!(nodes[1].connections.stats().bad_messages, bad);
}

/// A bus that takes nothing and traffic that goes on: memory stays within the bound, and every message is
/// accounted for.
#[tokio::test]
async fn every_message_is_accounted_for() {
    let mut redis = RedisServer::start().await;
    let bound = 200_000;
    let node = Rust::start(ClassicAdapter::new(&hasty(&redis).max_queued_bytes(bound))).await;
    let text = "x".repeat(1000);
    let mut emitted = 0;
    for round in 0..4 {
        match round {
            1 => {
                redis.pause(true).await;
            }
            2 => {
                redis.kill().await;
                until(&node, |health| matches!(health, Health::Down { .. })).await;
            }
            3 => {
                redis.restart().await;
                soon(node.connections.ready()).await;
            }
            _ => {}
        }
        let reaches_redis = round == 0 || round == 3;
        for number in 0..500 {
            let _ = node.io.emit("n", &text).await;
            emitted += 1;
            assert!(node.connections.stats().queued_bytes <= bound as u64);
            if reaches_redis && number % 100 == 99 {
                soon(node.connections.flush()).await;
            }
        }
    }
    soon(node.connections.flush()).await;
    let stats = node.connections.stats();
    assert_eq!(stats.published + stats.lost + stats.unconfirmed, emitted, "{stats:?}");
    assert!(stats.published >= 1000 && stats.lost > 500, "{stats:?}");
}
