//! Clients that return are recovered by any server. The module beside it, `support`, has the servers.

use std::time::Duration;

use serde_json::json;
use socketio_server::{NotRecovered, Recovery};
use tests::raw::{soon, until};
use tests::traveller::{Senders, Traveller, in_order};

use super::support::{Broker, Rust, limited, recovering};

/// Loses the connection of a client, and waits until its server has noticed, and has kept the session.
pub(crate) async fn leave(client: &mut Traveller, server: &Rust) {
    client.ws = None;
    until(async || server.io.socket(&client.sid).is_none()).await;
    soon(server.connections.flush()).await;
}

#[tokio::test]
async fn a_client_is_recovered_on_any_server() {
    let broker = Broker::start().await;
    let servers = [recovering(&broker).await, recovering(&broker).await];
    for (from, to) in [(0, 1), (1, 0), (0, 0)] {
        let mut client = Traveller::connect(servers[from].addr).await;
        let sid = client.sid.clone();
        servers[0].io.to(&sid).sockets_join("room").await.unwrap();
        servers[0].io.to("room").emit("first", &0).await.unwrap();
        assert_eq!(client.next().await, json!(["first", 0]), "{from} to {to}");
        leave(&mut client, &servers[from]).await;
        servers[0].io.emit("missed", &1).await.unwrap();
        servers[1].io.to("room").emit("missed", &2).await.unwrap();
        servers[1].io.to("other").emit("missed", &3).await.unwrap();
        servers[1].io.to("room").volatile().emit("missed", &4).await.unwrap();
        servers[1].io.to(&sid).emit("missed", &5).await.unwrap();
        assert!(client.return_to(servers[to].addr).await, "{from} to {to}");
        assert_eq!(client.events[1..], [1, 2, 5].map(|n| json!(["missed", n])), "{from} to {to}");
        servers[1].io.to("room").emit("next", &6).await.unwrap();
        assert_eq!(client.next().await, json!(["next", 6]), "{from} to {to}");
        // It is recovered once.
        let mut copy = Traveller::copy(&client);
        leave(&mut client, &servers[to]).await;
        assert!(client.return_to(servers[0].addr).await);
        servers[0].io.disconnect_sockets(false).await.unwrap();
        until(async || servers[0].io.socket(&client.sid).is_none()).await;
        soon(servers[0].connections.flush()).await;
        assert!(!copy.return_to(servers[1].addr).await);
        servers[0].io.disconnect_sockets(true).await.unwrap();
    }
}

/// The session was written while the client was connected: another server recovers it, and the socket that is left is
/// disconnected.
#[tokio::test]
async fn a_client_is_recovered_while_its_server_takes_it_for_connected() {
    let broker = Broker::start().await;
    let servers = [recovering(&broker).await, recovering(&broker).await];
    let mut client = Traveller::connect(servers[0].addr).await;
    servers[0].io.emit("first", &0).await.unwrap();
    client.next().await;
    // Its connection is still open.
    let _open = client.ws.take();
    // The session is written soon after the client has connected.
    until(async || {
        let mut copy = Traveller::copy(&client);
        let is_recovered = copy.return_to(servers[1].addr).await;
        if is_recovered {
            std::mem::swap(&mut client, &mut copy);
        }
        is_recovered
    })
    .await;
    until(async || servers[0].io.sockets().is_empty()).await;
    servers[0].io.emit("next", &1).await.unwrap();
    assert_eq!(client.next().await, json!(["next", 1]));
}

/// The session id and the offset that a client sends are checked.
#[tokio::test]
async fn wrong_offsets_and_secrets_are_not_recovered() {
    let broker = Broker::start().await;
    let server = recovering(&broker).await;
    for (pid, offset) in [
        (None, Some("0-1")),
        (None, Some("$")),
        (None, Some("99999999999999999999999-0")),
        (Some("nobody".to_owned()), None),
        (Some(String::new()), None),
        (Some("x".repeat(10_000)), None),
    ] {
        let mut client = Traveller::connect(server.addr).await;
        server.io.emit("first", &0).await.unwrap();
        client.next().await;
        leave(&mut client, &server).await;
        if let Some(pid) = &pid {
            client.pid.clone_from(pid);
        }
        if let Some(offset) = offset {
            client.offset = offset.to_owned();
        }
        assert!(!client.return_to(server.addr).await, "{pid:?} {offset:?}");
        server.io.disconnect_sockets(true).await.unwrap();
    }
}

/// A session ends after `max_disconnection_duration`, and events that the broker has no more are not missed silently.
#[tokio::test]
async fn sessions_and_missed_events_are_limited() {
    let broker = Broker::start().await;
    let brief = Recovery::default().max_disconnection_duration(Duration::from_millis(1));
    let server = limited(&broker, brief).await;
    let mut client = Traveller::connect(server.addr).await;
    server.io.emit("first", &0).await.unwrap();
    client.next().await;
    leave(&mut client, &server).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!client.return_to(server.addr).await);
    let socket = server.io.socket(&client.sid).unwrap();
    assert_eq!(socket.not_recovered(), Some(NotRecovered::UnknownSession));
    drop(server);

    let server = limited(&broker, Recovery::default()).await;
    let mut client = Traveller::connect(server.addr).await;
    server.io.emit("first", &0).await.unwrap();
    client.next().await;
    leave(&mut client, &server).await;
    for number in 0..11 {
        server.io.emit("missed", &number).await.unwrap();
    }
    assert!(!client.return_to(server.addr).await);
    let socket = server.io.socket(&client.sid).unwrap();
    assert_eq!(socket.not_recovered(), Some(NotRecovered::UnknownOffset));
}

/// Under traffic of two servers a client that changes its server gets each event once and in order.
#[tokio::test]
async fn a_client_that_changes_servers_gets_each_event_once() {
    let broker = Broker::start().await;
    let servers = [recovering(&broker).await, recovering(&broker).await];
    let mut client = Traveller::connect(servers[0].addr).await;
    let senders = Senders::start([&servers[0].io, &servers[1].io]);
    client.next().await;
    for number in 0..200 {
        leave(&mut client, &servers[number % 2]).await;
        let to = &servers[(number + 1) % 2];
        let is_recovered = client.return_to(to.addr).await;
        let reason = to.io.socket(&client.sid).and_then(|socket| socket.not_recovered());
        assert!(is_recovered, "change {number}: {reason:?}");
        client.next().await;
    }
    let sent = senders.end().await;
    servers[0].io.emit("last", &0).await.unwrap();
    while client.next().await[0] != "last" {}
    assert_eq!(in_order(&client.events), *sent);
    println!("{} events", client.events.len());
}
