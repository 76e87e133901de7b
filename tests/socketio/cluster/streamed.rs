//! Broadcasts over a medium that orders them: each node applies its own when the medium returns them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use socketio_server::cluster::AdapterHealth;
use socketio_server::{EmitError, Server, Socket};
use tests::raw::{WebSocket, soon};

use super::stream::Stream;
use crate::recovery::{identity, recovering};
use crate::support::{Running, start};

/// Two nodes with one client each, in a namespace with recovery.
pub(super) struct Streamed {
    pub(super) stream: Stream,
    pub(super) nodes: Vec<Running>,
    pub(super) clients: Vec<WebSocket>,
    /// The ids and secrets of the clients.
    pub(super) ids: Vec<(String, String)>,
}

impl Streamed {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(set_up: impl Fn(&Server)) -> Self {
        let stream = Stream::new(true);
        let (mut nodes, mut clients, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..2 {
            let node = start(recovering().adapter(stream.clone()), &set_up).await;
            let mut ws = node.open().await;
            ws.send("40").await;
            ids.push(identity(&ws.text().await));
            clients.push(ws);
            nodes.push(node);
        }
        Self { stream, nodes, clients, ids }
    }

    pub(super) fn socket(&self, number: usize) -> Socket {
        self.nodes[number].io.socket(&self.ids[number].0).unwrap()
    }
}

/// The event, and its position in the stream if it has one.
pub(super) fn event(text: &str) -> (serde_json::Value, Option<usize>) {
    let mut event: Vec<serde_json::Value> = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
    let last = event.last().and_then(|last| last.as_str()).and_then(|last| last.strip_prefix("entry-"));
    let offset = last.map(|last| last.parse().unwrap());
    event.truncate(if offset.is_some() { event.len() - 1 } else { event.len() });
    (event.into(), offset)
}

#[tokio::test]
async fn all_clients_get_all_events_in_one_order() {
    let mut cluster = Streamed::new().await;
    let senders: Vec<_> = (0..2)
        .map(|number| {
            let io = cluster.nodes[number].io.clone();
            tokio::spawn(async move {
                for n in 0..50 {
                    io.emit("event", &format!("{number}-{n}")).await.unwrap();
                }
            })
        })
        .collect();
    let mut received: Vec<Vec<_>> = Vec::new();
    for ws in &mut cluster.clients {
        let mut events = Vec::new();
        for _ in 0..100 {
            events.push(event(&ws.text().await));
        }
        received.push(events);
    }
    for sender in senders {
        soon(sender).await.unwrap();
    }
    assert_eq!(received[0], received[1]);
    let offsets: Vec<usize> = received[0].iter().map(|(_, offset)| offset.unwrap()).collect();
    assert!(offsets.is_sorted_by(|one, next| one < next), "{offsets:?}");
}

/// An event that is sent before sockets are disconnected reaches them all.
#[tokio::test]
async fn operations_keep_their_order() {
    let mut cluster = Streamed::new().await;
    let io = &cluster.nodes[0].io;
    io.sockets_join("room").await.unwrap();
    io.to("room").emit("bye", &1).await.unwrap();
    io.disconnect_sockets(false).await.unwrap();
    for ws in &mut cluster.clients {
        assert_eq!(event(&ws.text().await).0, serde_json::json!(["bye", 1]));
        assert_eq!(ws.text().await, "41");
    }
}

/// The medium may have the message although it said the opposite. Its echo must not deliver the event again.
#[tokio::test]
async fn a_failed_publication_is_delivered_once() {
    let mut cluster = Streamed::new().await;
    cluster.stream.pause(0);
    cluster.stream.lies.store(true, Ordering::SeqCst);
    cluster.nodes[0].io.emit("failed", &1).await.unwrap_err();
    assert_eq!(cluster.clients[0].text().await, r#"42["failed",1]"#, "at once, without an offset");
    assert!(event(&cluster.clients[1].text().await).1.is_some());
    cluster.stream.lies.store(false, Ordering::SeqCst);
    cluster.stream.resume(0);
    cluster.nodes[1].io.emit("next", &2).await.unwrap();
    for ws in &mut cluster.clients {
        assert_eq!(event(&ws.text().await).0, serde_json::json!(["next", 2]));
    }
    let stats = cluster.nodes[0].io.cluster_stats();
    assert_eq!((stats.pending_echoes, stats.missed_echoes), (0, 1));
}

#[tokio::test]
async fn a_late_echo_is_skipped() {
    let mut cluster = Streamed::new().await;
    cluster.stream.pause(0);
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    cluster.nodes[0].io.emit("late", &1).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 1);
    tokio::time::resume();
    assert_eq!(cluster.clients[0].text().await, r#"42["late",1]"#);
    cluster.stream.resume(0);
    cluster.nodes[0].io.emit("next", &2).await.unwrap();
    assert_eq!(event(&cluster.clients[0].text().await).0, serde_json::json!(["next", 2]));
    let stats = cluster.nodes[0].io.cluster_stats();
    assert_eq!((stats.pending_echoes, stats.missed_echoes), (0, 1));
}

/// A node that is deaf does not wait for echoes, and its broadcasts do not overtake those that wait.
#[tokio::test]
async fn a_broadcast_of_a_deaf_node_does_not_overtake_those_before_it() {
    let mut cluster = Streamed::new().await;
    cluster.stream.pause(0);
    let io = cluster.nodes[0].io.clone();
    let first = tokio::spawn(async move { io.emit("first", &1).await });
    let io = cluster.nodes[0].io.clone();
    soon(async {
        while io.cluster_stats().pending_echoes == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.stream.health.send_replace(AdapterHealth::Deaf { since: tokio::time::Instant::now() });
    io.emit("second", &2).await.unwrap();
    for expected in [r#"42["first",1]"#, r#"42["second",2]"#] {
        assert_eq!(cluster.clients[0].text().await, expected);
    }
    soon(first).await.unwrap().unwrap();
    cluster.stream.health.send_replace(AdapterHealth::Connected);
    cluster.stream.resume(0);
    io.emit("next", &3).await.unwrap();
    assert_eq!(event(&cluster.clients[0].text().await).0, serde_json::json!(["next", 3]));
}

/// A caller that does not wait for the echo leaves nothing behind.
#[tokio::test]
async fn a_cancelled_broadcast_is_delivered_once() {
    let mut cluster = Streamed::new().await;
    cluster.stream.pause(0);
    let io = cluster.nodes[0].io.clone();
    let emit = tokio::time::timeout(Duration::from_millis(10), io.emit("cancelled", &1));
    emit.await.unwrap_err();
    assert_eq!(cluster.clients[0].text().await, r#"42["cancelled",1]"#);
    assert_eq!(io.cluster_stats().pending_echoes, 0);
    cluster.stream.resume(0);
    io.emit("next", &2).await.unwrap();
    assert_eq!(event(&cluster.clients[0].text().await).0, serde_json::json!(["next", 2]));
}

/// An event with acknowledgement is sent directly, but not before the events that are on their way.
#[tokio::test]
async fn emits_to_one_socket_keep_their_order() {
    let mut cluster = Streamed::new().await;
    let socket = cluster.socket(0);
    cluster.stream.pause(0);
    for n in 0..3 {
        socket.emit("event", &n).unwrap();
    }
    let asked = socket.clone();
    let asking = tokio::spawn(async move { asked.emit_with_ack::<u32>("question", &()).await });
    tokio::task::yield_now().await;
    socket.emit("last", &()).unwrap();
    cluster.stream.resume(0);
    let ws = &mut cluster.clients[0];
    for n in 0..3 {
        assert_eq!(event(&ws.text().await).0, serde_json::json!(["event", n]));
    }
    let question = ws.text().await;
    assert!(question.starts_with("420[\"question\""), "{question}");
    assert_eq!(event(&ws.text().await).0, serde_json::json!(["last", null]));
    ws.send("430[7]").await;
    assert_eq!(soon(asking).await.unwrap().unwrap(), 7);
}

#[tokio::test]
async fn emits_before_a_disconnection_are_delivered() {
    let mut cluster = Streamed::new().await;
    let socket = cluster.socket(0);
    cluster.stream.pause(0);
    socket.emit("one", &1).unwrap();
    socket.emit("two", &2).unwrap();
    socket.disconnect(false);
    let ws = &mut cluster.clients[0];
    assert_eq!(ws.text().await, r#"42["one",1]"#);
    assert_eq!(ws.text().await, r#"42["two",2]"#);
    assert_eq!(ws.text().await, "41");
    assert_eq!(cluster.nodes[0].io.cluster_stats().pending_echoes, 0);
    socket.emit("three", &3).unwrap_err();
}

/// The application may emit faster than the medium answers.
#[tokio::test]
async fn emits_that_wait_for_earlier_ones_are_limited() {
    let cluster = Streamed::new().await;
    let socket = cluster.socket(0);
    cluster.stream.pause(0);
    socket.emit("one", &1).unwrap();
    for n in 0..1000 {
        socket.volatile().emit("waiting", &n).unwrap();
    }
    let error = socket.volatile().emit("too many", &()).unwrap_err();
    assert!(matches!(error, EmitError::Send(engineio::SendError::Full)), "{error}");
}

/// Beyond the limit of pending operations all of them are applied at once, in their order.
#[tokio::test]
async fn too_many_pending_operations_keep_their_order() {
    let mut cluster = Streamed::new().await;
    let io = cluster.nodes[0].io.clone();
    cluster.stream.pause(0);
    let emitting = tokio::spawn(async move {
        let emits = (0..10_001).map(|n| {
            let io = io.clone();
            async move { io.emit("event", &n).await }
        });
        futures_util::future::join_all(emits).await
    });
    let ws = &mut cluster.clients[0];
    for n in 0..10_001 {
        assert_eq!(ws.text().await, format!(r#"42["event",{n}]"#));
    }
    assert!(soon(emitting).await.unwrap().iter().all(Result::is_ok));
}
