//! Broadcasts to the sockets of all nodes.

use std::sync::atomic::Ordering;

use socketio_server::{Args, Binary, EmitError};
use tests::raw::soon;
use tokio::sync::mpsc;

use super::Cluster;
use super::bus::Bus;
use crate::support::{builder, start};

/// ADAPTER-22
#[tokio::test]
async fn a_broadcast_reaches_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        cluster.io(0).emit("test", &Args((1, "2", Binary::from_static(b"\x03\x04")))).await.unwrap();
        for ws in &mut cluster.clients {
            assert_eq!(ws.text().await, r#"451-["test",1,"2",{"_placeholder":true,"num":0}]"#);
            assert_eq!(ws.binary().await, b"\x03\x04");
        }
    }
}

/// ADAPTER-23
#[tokio::test]
async fn a_namespace_spans_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::in_namespace(bus, "/custom", |_, _| {}).await;
        cluster.io(1).of("/custom").emit("test", &1).await.unwrap();
        cluster.io(1).emit("to the other namespace", &1).await.unwrap();
        cluster.io(0).of("/custom").emit("next", &2).await.unwrap();
        for ws in &mut cluster.clients {
            let mut events = [ws.text().await, ws.text().await];
            events.sort();
            assert_eq!(events, [r#"42/custom,["next",2]"#, r#"42/custom,["test",1]"#]);
        }
    }
}

/// ADAPTER-24, ADAPTER-25
#[tokio::test]
async fn rooms_span_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        cluster.io(1).socket(&cluster.ids[1]).unwrap().join("room1");
        cluster.io(0).to("room1").emit("to", &1).await.unwrap();
        cluster.io(0).except("room1").emit("except", &2).await.unwrap();
        assert_eq!(cluster.clients[0].text().await, r#"42["except",2]"#);
        assert_eq!(cluster.clients[1].text().await, r#"42["to",1]"#);
        assert_eq!(cluster.clients[2].text().await, r#"42["except",2]"#);
    }
}

/// ADAPTER-26, ADAPTER-44
#[tokio::test]
async fn local_selects_the_sockets_of_this_node() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        cluster.io(0).local().emit("here", &1).await.unwrap();
        assert_eq!(cluster.io(0).local().fetch_sockets().await.unwrap().len(), 1);
        cluster.io(0).emit("everywhere", &2).await.unwrap();
        assert_eq!(cluster.clients[0].text().await, r#"42["here",1]"#);
        for ws in &mut cluster.clients {
            assert_eq!(ws.text().await, r#"42["everywhere",2]"#);
        }
    }
}

/// ADAPTER-27
#[tokio::test]
async fn a_broken_bus_does_not_affect_local_sockets() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        cluster.bus.broken.store(true, Ordering::SeqCst);
        let error = cluster.io(0).emit("test", &1).await.unwrap_err();
        assert!(matches!(&error, EmitError::Adapter(_)), "{error}");
        assert_eq!(error.to_string(), "the other nodes cannot be reached: the bus is broken");
        assert_eq!(cluster.clients[0].text().await, r#"42["test",1]"#);
        assert!(cluster.io(0).sockets_join("room").await.is_err());
        assert_eq!(cluster.io(0).room_len("room"), 1);
    }
}

/// The node of the sender does not matter, nor whether an ack is requested.
#[tokio::test]
async fn listeners_of_outgoing_events_receive_events_of_other_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let id = cluster.ids[1].clone();
        let (sender, mut received) = mpsc::unbounded_channel();
        let socket = cluster.io(1).socket(&id).unwrap();
        socket.on_any_outgoing(move |event, _| sender.send(event.to_owned()).unwrap());
        let to_it = [cluster.io(0).r#in(&id), cluster.io(1).r#in(&id)];
        let remote = [to_it[0].fetch_sockets().await.unwrap(), to_it[1].fetch_sockets().await.unwrap()];
        let pending = tokio::spawn(async move {
            to_it[0].emit("one", &()).await.unwrap();
            to_it[0].emit_with_ack::<u32>("two", &()).await.unwrap();
            to_it[1].emit_with_ack::<u32>("three", &()).await.unwrap();
            remote[0][0].emit_with_ack::<u32>("four", &()).await.unwrap();
            remote[1][0].emit_with_ack::<u32>("five", &()).await.unwrap();
        });
        assert_eq!(cluster.clients[1].text().await, r#"42["one",null]"#);
        for _ in 0..4 {
            let asked = cluster.clients[1].text().await;
            let id: String = asked[2..].chars().take_while(char::is_ascii_digit).collect();
            cluster.clients[1].send(&format!("43{id}[1]")).await;
        }
        soon(pending).await.unwrap();
        for event in ["one", "two", "three", "four", "five"] {
            assert_eq!(soon(received.recv()).await.as_deref(), Some(event));
        }
    }
}

/// With recovery each node assigns an offset of its own to the event.
#[tokio::test]
async fn each_node_assigns_its_own_offsets() {
    let recovering = || builder().connection_state_recovery(socketio_server::Recovery::default());
    let nodes = [
        start(recovering().adapter(Bus::with_heartbeats()), |_| {}).await,
        start(recovering(), |_| {}).await,
    ];
    for node in &nodes {
        let mut ws = node.open().await;
        ws.send("40").await;
        assert!(ws.text().await.contains(r#""pid":""#));
        node.io.emit("event", &1).await.unwrap();
        assert!(ws.text().await.starts_with(r#"42["event",1,""#));
    }
}
