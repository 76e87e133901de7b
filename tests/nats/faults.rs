//! A NATS server that fails, with our servers on it.

use std::time::Duration;

use socketio_nats::{Health, NatsAdapter};
use socketio_server::Args;
use tests::nats::NatsServer;
use tests::raw::{soon, until};

use super::log::Log;
use super::support::{Client, NONE, Rust, hasty, health, pair};

/// While the server is away, local clients are served, messages wait within the bound, and what does not fit has an error and
/// is counted. Afterwards the node is well again by itself.
#[tokio::test]
async fn a_restart_loses_nothing_that_fits_into_the_queue() {
    let mut nats = NatsServer::start().await;
    let bound = 100_000;
    // After the outage it leaves the other one more than enough time to subscribe again.
    let patient = hasty(&nats.url()).reconnect_delay(Duration::from_millis(10), Duration::from_secs(3));
    let patient = patient.timeout(Duration::from_secs(20)).max_queued_bytes(bound);
    // Heartbeats would take a part of the bound.
    let adapter = NatsAdapter::builder(&patient).heartbeat_interval(Duration::from_secs(60));
    let node = Rust::start(adapter.heartbeat_timeout(Duration::from_secs(120)).build()).await;
    let other = Rust::start(NatsAdapter::new(&hasty(&nats.url()))).await;
    let (mut near, mut far) = (Client::connect(node.addr).await, Client::connect(other.addr).await);
    nats.kill().await;
    for node in [&node, &other] {
        health(node, |health| matches!(health, Health::Down { .. })).await;
    }
    let text = "x".repeat(1000);
    let mut accepted = 0;
    for number in 0..200 {
        let emitted = node.io.emit("n", &Args((number, &text))).await;
        accepted += u64::from(emitted.is_ok());
        assert_eq!(near.text().await, format!(r#"42["n",{number},"{text}"]"#), "at once");
    }
    let stats = node.connections.stats();
    assert!((70..100).contains(&accepted) && stats.queued_bytes <= bound as u64, "{accepted}, {stats:?}");
    assert_eq!(stats.lost, 200 - accepted);
    nats.restart().await;
    soon(node.connections.ready()).await;
    soon(other.connections.ready()).await;
    soon(node.connections.flush()).await;
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
    assert!(other.connections.stats().gaps >= 1, "the namespaces know");
}

/// A server that takes nothing and traffic that goes on: memory stays within the bound, and every message is accounted for.
#[tokio::test]
async fn every_message_is_accounted_for() {
    let mut nats = NatsServer::start().await;
    let bound = 200_000;
    let adapter = NatsAdapter::builder(&hasty(&nats.url()).max_queued_bytes(bound));
    // No heartbeats are counted.
    let adapter =
        adapter.heartbeat_interval(Duration::from_secs(60)).heartbeat_timeout(Duration::from_secs(120));
    let node = Rust::start(adapter.build()).await;
    soon(node.connections.flush()).await;
    let counted = || {
        let stats = node.connections.stats();
        stats.published + stats.lost + stats.unconfirmed
    };
    let before = counted();
    let text = "x".repeat(1000);
    let mut emitted = 0;
    for round in 0..4 {
        match round {
            1 => nats.pause(true).await,
            2 => {
                nats.kill().await;
                health(&node, |health| matches!(health, Health::Down { .. })).await;
            }
            3 => {
                nats.restart().await;
                soon(node.connections.ready()).await;
            }
            _ => {}
        }
        let reaches_nats = round == 0 || round == 3;
        for number in 0..500 {
            let _ = node.io.emit("n", &text).await;
            emitted += 1;
            assert!(node.connections.stats().queued_bytes <= bound as u64);
            if reaches_nats && number % 100 == 99 {
                soon(node.connections.flush()).await;
            }
        }
    }
    soon(node.connections.flush()).await;
    let stats = node.connections.stats();
    assert_eq!(counted() - before, emitted, "{stats:?}");
    assert!(stats.published >= 1000 && stats.lost > 500 && stats.unconfirmed > 0, "{stats:?}");
}

/// A node that the server does not answer knows that it is deaf, and is well again when the server goes on.
#[tokio::test]
async fn a_paused_server_is_noticed() {
    let nats = NatsServer::start().await;
    let nodes = pair(&nats.url()).await;
    let mut client = Client::connect(nodes[1].addr).await;
    nats.pause(true).await;
    for node in &nodes {
        health(node, |health| *health != Health::Connected).await;
    }
    nats.pause(false).await;
    for node in &nodes {
        soon(node.connections.ready()).await;
    }
    nodes[0].io.emit("again", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["again"]"#);
}

/// Messages that cannot be read are counted, the first one is logged, and the next one is read.
#[tokio::test]
async fn poison_is_counted_and_skipped() {
    let (log, _guards) = Log::on_this_thread();
    let nats = NatsServer::start().await;
    let nodes = pair(&nats.url()).await;
    // A server without clients does not read broadcasts.
    let mut clients = [Client::connect(nodes[0].addr).await, Client::connect(nodes[1].addr).await];
    let poison: [&[u8]; 16] = [
        b"",
        b"no JSON",
        b"{",
        b"[]",
        b"\"text\"",
        &[b'['; 5000],
        &[0x91; 5000],
        &[0xc1],
        &[0x80],
        // A map with 2^32 members, and a text of 2^32 bytes.
        &[0xdf, 0xff, 0xff, 0xff, 0xff],
        &[0x81, 0xdb, 0xff, 0xff, 0xff, 0xff],
        br#"{"type":99,"uid":"x","nsp":"/"}"#,
        br#"{"type":"3","uid":"x","nsp":"/"}"#,
        br#"{"type":3,"uid":["x"],"nsp":"/","data":7}"#,
        br#"{"type":3,"uid":"x","nsp":"/","data":{"packet":[],"opts":{}}}"#,
        br#"{"type":3,"uid":"x","nsp":"/","data":{"packet":{"type":2,"data":[]},"opts":{"rooms":[],"except":[]}}}"#,
    ];
    nats.publish("socket.io./", &poison).await;
    // Another namespace, or none, is none of this subject; that is no error.
    let foreign = [&br#"{"type":3,"uid":"x","nsp":"/other","data":{}}"#[..], br#"{"type":2,"uid":"x"}"#];
    nats.publish("socket.io./", &foreign).await;
    for node in &nodes {
        node.io.emit("well", &NONE).await.unwrap();
        for client in &mut clients {
            assert_eq!(client.text().await, r#"42["well"]"#);
        }
    }
    // Both servers have read all of it.
    for node in &nodes {
        until(async || node.connections.stats().bad_messages == poison.len() as u64).await;
    }
    assert_eq!(log.lines("cannot be read").len(), nodes.len(), "{:#?}", log.lines(""));
    let line = log.lines("cannot be read").remove(0);
    for part in ["WARN", "a message on NATS cannot be read", "namespace=\"/\"", "channel=socket.io./"] {
        assert!(line.contains(part), "{line}");
    }
}
