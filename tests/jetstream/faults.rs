//! NATS servers that go away, or have no JetStream.

use std::time::Duration;

use serde_json::json;
use socketio_nats::{Health, JetStreamAdapter};
use socketio_server::{Recovery, Server};
use tests::nats::NatsServer;
use tests::raw::{soon, until};
use tests::traveller::event;
use tokio::net::TcpListener;

use super::support::{Broker, Client, Rust, recovering};
use tests::cluster::health;
use tests::nats::{gate_in_front_of, hasty};

/// A server that could not read the stream gets what it has missed when it can, in order and once.
#[tokio::test]
async fn a_server_that_was_cut_off_reads_what_it_has_missed() {
    let broker = Broker::start().await;
    let (gate, url) = gate_in_front_of(&broker.nats).await;
    let builder = Server::builder().connection_state_recovery(Recovery::default());
    let cut = Rust::build(builder, JetStreamAdapter::builder(&hasty(&url)).build()).await;
    let other = recovering(&broker).await;
    let mut clients = [Client::connect(cut.addr).await, Client::connect(other.addr).await];
    other.io.emit("before", &0).await.unwrap();
    for client in &mut clients {
        assert_eq!(event(&client.text().await).0, json!(["before", 0]));
    }
    gate.shut(":stream");
    health(&cut, |health| *health != Health::Connected).await;
    for number in 0..200 {
        other.io.emit("missed", &number).await.unwrap();
    }
    gate.open();
    soon(cut.connections.ready()).await;
    other.io.emit("last", &0).await.unwrap();
    for client in &mut clients {
        for number in 0..200 {
            assert_eq!(event(&client.text().await).0, json!(["missed", number]));
        }
        assert_eq!(event(&client.text().await).0, json!(["last", 0]));
    }
    assert_eq!(cut.io.cluster_stats().gaps, 0);
}

/// A NATS server that is killed under traffic has the stream when it is back: what it has confirmed arrives, once and in order.
#[tokio::test]
async fn a_crash_under_traffic_loses_only_what_was_underway() {
    let mut broker = Broker::on_disk().await;
    let (node, other) = (recovering(&broker).await, recovering(&broker).await);
    let mut far = Client::connect(other.addr).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let io = node.io.clone();
    let sending = tokio::spawn(async move {
        let mut number = 0u64;
        while !*stopped.borrow() {
            // During the outage an event has no place in the order, and reaches the clients of this server alone.
            let _ = io.emit("n", &number).await;
            number += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        number
    });
    let number = |text: &str| event(text).0[1].as_u64().unwrap();
    let mut heard = Vec::new();
    while heard.len() < 500 {
        heard.push(number(&far.text().await));
    }
    broker.nats.kill().await;
    for node in [&node, &other] {
        health(node, |health| matches!(health, Health::Down { .. })).await;
    }
    broker.nats.restart().await;
    for node in [&node, &other] {
        soon(node.connections.ready()).await;
    }
    let at_restart = heard.len();
    while heard.len() < at_restart + 1000 {
        heard.push(number(&far.text().await));
    }
    stop.send_replace(true);
    let emitted = soon(sending).await.unwrap();
    node.io.emit("n", &emitted).await.unwrap();
    while heard.last() != Some(&emitted) {
        heard.push(number(&far.text().await));
    }
    assert!(heard.is_sorted_by(|one, next| one < next), "in order, and once");
    let missing = (0..emitted).filter(|number| heard.binary_search(number).is_err()).count() as u64;
    let stats = node.connections.stats();
    assert!(missing <= stats.unconfirmed + stats.lost, "{missing} missing, {stats:?}");
    println!("{emitted} emitted, {missing} missing, {} unconfirmed, {} lost", stats.unconfirmed, stats.lost);
}

/// On a NATS server without JetStream a server has its own clients, and counts what it could not send.
#[tokio::test]
async fn without_jetstream_a_server_goes_on_with_its_own_clients() {
    let nats = NatsServer::start().await;
    let adapter = JetStreamAdapter::builder(&hasty(&nats.url())).build();
    let io = Server::builder().adapter(adapter.clone()).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = io.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    let mut client = Client::connect(addr).await;
    io.emit("event", &0).await.unwrap();
    assert_eq!(client.text().await, r#"42["event",0]"#);
    until(async || adapter.connections().stats().lost > 0).await;
    assert!(matches!(*adapter.connections().health().borrow(), Health::Deaf { .. }));
}
