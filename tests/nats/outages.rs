//! Outages of one of the two connections of a server, and a crash of NATS under traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socketio_nats::{Health, NatsAdapter};
use tests::nats::NatsServer;
use tests::raw::soon;

use super::support::{Client, NONE, Rust, gate_in_front_of, hasty, health};

/// A server behind a gate and one beside it, with a client each.
async fn gated(nats: &NatsServer, url: &str) -> ([Rust; 2], [Client; 2]) {
    let node = Rust::start(NatsAdapter::new(&hasty(url))).await;
    let other = Rust::start(NatsAdapter::new(&hasty(&nats.url()))).await;
    let (mut near, mut far) = (Client::connect(node.addr).await, Client::connect(other.addr).await);
    // The servers have greeted each other when this has arrived.
    for io in [&other.io, &node.io] {
        io.emit("both", &NONE).await.unwrap();
        assert_eq!((near.text().await, far.text().await), (r#"42["both"]"#.into(), r#"42["both"]"#.into()));
    }
    soon(node.connections.flush()).await;
    ([node, other], [near, far])
}

/// Without the connection that publishes, a server hears the others, and its own messages wait.
#[tokio::test]
async fn without_the_connection_that_publishes_a_server_hears() {
    let nats = NatsServer::start().await;
    let (gate, url) = gate_in_front_of(&nats).await;
    let ([node, other], [mut near, mut far]) = gated(&nats, &url).await;
    let before = node.connections.stats();
    gate.shut(":publish");
    health(&node, |health| matches!(health, Health::Down { .. })).await;
    for number in 0..20 {
        node.io.emit("waits", &number).await.unwrap();
        assert_eq!(near.text().await, format!(r#"42["waits",{number}]"#));
        other.io.emit("heard", &number).await.unwrap();
        assert_eq!(near.text().await, format!(r#"42["heard",{number}]"#), "during the outage");
        assert_eq!(far.text().await, format!(r#"42["heard",{number}]"#));
    }
    gate.open();
    soon(node.connections.ready()).await;
    for number in 0..20 {
        assert_eq!(far.text().await, format!(r#"42["waits",{number}]"#), "in order");
    }
    let stats = node.connections.stats();
    assert_eq!((stats.lost, stats.unconfirmed), (0, 0), "{stats:?}");
    assert_eq!(stats.gaps, before.gaps, "it has missed nothing");
}

/// Without the connection that subscribes, a server reaches the others. What they send meanwhile is lost, and it knows.
#[tokio::test]
async fn without_the_connection_that_subscribes_a_server_knows_that_it_is_deaf() {
    let nats = NatsServer::start().await;
    let (gate, url) = gate_in_front_of(&nats).await;
    let ([node, other], [mut near, mut far]) = gated(&nats, &url).await;
    let (sender, mut gaps) = tokio::sync::mpsc::unbounded_channel();
    node.io.on_cluster_gap(move |gap| {
        let _ = sender.send(gap.duration);
    });
    gate.shut(":subscribe");
    health(&node, |health| matches!(health, Health::Deaf { .. })).await;
    for number in 0..20 {
        node.io.emit("sent", &number).await.unwrap();
        assert_eq!(near.text().await, format!(r#"42["sent",{number}]"#));
        assert_eq!(far.text().await, format!(r#"42["sent",{number}]"#), "during the outage");
        other.io.emit("missed", &number).await.unwrap();
        assert_eq!(far.text().await, format!(r#"42["missed",{number}]"#));
    }
    soon(other.connections.flush()).await;
    assert_eq!(node.connections.stats().gaps, 0, "it is not over");
    gate.open();
    soon(node.connections.ready()).await;
    let gap = soon(gaps.recv()).await.unwrap();
    assert!(gap > Duration::ZERO);
    assert_eq!(node.connections.stats().gaps, 1);
    other.io.emit("again", &NONE).await.unwrap();
    assert_eq!(near.text().await, r#"42["again"]"#, "nothing is sent twice");
    let [stats, others] = [&node, &other].map(|node| node.connections.stats());
    assert_eq!((stats.lost, stats.unconfirmed, others.lost, others.unconfirmed), (0, 0, 0, 0));
}

/// A connection that does not take its messages is closed by NATS as a slow consumer, which is a gap.
#[tokio::test]
async fn a_slow_consumer_knows_that_it_has_missed_messages() {
    let nats = NatsServer::start_with("max_pending: 100000, max_payload: 100000").await;
    let (gate, url) = gate_in_front_of(&nats).await;
    // Its own probes come too late to be the reason.
    let patient = hasty(&url).probe_interval(Duration::from_secs(60));
    let node = Rust::start(NatsAdapter::new(&patient)).await;
    let mut near = Client::connect(node.addr).await;
    let before = node.connections.stats();
    gate.stall(":subscribe");
    let junk = vec![b'x'; 50_000];
    let mut sent = 0;
    while !nats.log().contains("Slow Consumer") {
        nats.publish("socket.io./", &[junk.as_slice(); 20]).await;
        sent += 20;
        assert!(sent < 10_000, "NATS has closed no connection");
    }
    gate.open();
    health(&node, |health| *health != Health::Connected).await;
    soon(node.connections.ready()).await;
    let stats = node.connections.stats();
    assert_eq!(stats.gaps, before.gaps + 1, "{stats:?}");
    assert_eq!(stats.connections, before.connections + 1, "{stats:?}");
    node.io.emit("well", &NONE).await.unwrap();
    assert_eq!(near.text().await, r#"42["well"]"#);
}

/// NATS is killed under traffic and started again: every message is accounted for, and only messages that were underway are
/// missing.
#[tokio::test]
async fn a_crash_under_traffic_loses_only_what_was_underway() {
    let mut nats = NatsServer::start().await;
    // After the outage it leaves the other one more than enough time to subscribe again.
    let patient = hasty(&nats.url()).reconnect_delay(Duration::from_millis(10), Duration::from_secs(3));
    let patient = patient.timeout(Duration::from_secs(20));
    // No heartbeats are counted.
    let adapter = NatsAdapter::builder(&patient).heartbeat_interval(Duration::from_secs(60));
    let node = Rust::start(adapter.heartbeat_timeout(Duration::from_secs(120)).build()).await;
    let other = Rust::start(NatsAdapter::new(&hasty(&nats.url()))).await;
    let mut far = Client::connect(other.addr).await;
    node.io.emit("begin", &NONE).await.unwrap();
    assert_eq!(far.text().await, r#"42["begin"]"#);
    soon(node.connections.flush()).await;
    let before = node.connections.stats();

    let stop = Arc::new(AtomicBool::new(false));
    let (io, stopped) = (node.io.clone(), Arc::clone(&stop));
    let sending = tokio::spawn(async move {
        let mut number = 0u64;
        while !stopped.load(Ordering::Relaxed) {
            for _ in 0..5 {
                io.emit("n", &number).await.unwrap();
                number += 1;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        number
    });
    let number = |text: &str| -> u64 {
        text.strip_prefix(r#"42["n","#).and_then(|rest| rest.strip_suffix(']')).unwrap().parse().unwrap()
    };
    let mut heard = Vec::new();
    while heard.len() < 500 {
        heard.push(number(&far.text().await));
    }
    nats.kill().await;
    for node in [&node, &other] {
        health(node, |health| matches!(health, Health::Down { .. })).await;
    }
    nats.restart().await;
    for node in [&node, &other] {
        soon(node.connections.ready()).await;
    }
    let at_restart = heard.len();
    while heard.len() < at_restart + 1000 {
        heard.push(number(&far.text().await));
    }
    stop.store(true, Ordering::Relaxed);
    let emitted = soon(sending).await.unwrap();
    node.io.emit("end", &NONE).await.unwrap();
    loop {
        let text = far.text().await;
        if text == r#"42["end"]"# {
            break;
        }
        heard.push(number(&text));
    }
    soon(node.connections.flush()).await;

    assert!(heard.is_sorted_by(|one, next| one < next), "in order, and once");
    let missing: Vec<u64> = (0..emitted).filter(|number| heard.binary_search(number).is_err()).collect();
    assert!(missing.windows(2).all(|pair| pair[0] + 1 == pair[1]), "one loss: {missing:?}");
    let stats = node.connections.stats();
    let (published, unconfirmed) = (stats.published - before.published, stats.unconfirmed);
    assert_eq!(published + unconfirmed, emitted + 1, "{stats:?}");
    assert_eq!(stats.lost, 0);
    // The connection of the subscriber may end before that of the publisher.
    println!("{emitted} emitted, {} missing, {unconfirmed} unconfirmed", missing.len());
    assert!(other.connections.stats().gaps >= 1, "the namespace knows");
}
