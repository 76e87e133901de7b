//! Recovery across nodes, with sessions and events in the medium.

use serde_json::json;
use socketio_server::{NotRecovered, Socket};
use tests::raw::{WebSocket, soon};

use super::streamed::{Streamed, event};
use crate::recovery::{Identity, identity, reconnect_packet};

impl Streamed {
    /// The first client receives an event and disconnects.
    async fn disconnected(&mut self) -> Identity {
        self.nodes[0].io.emit("first", &1).await.unwrap();
        let (_, offset) = event(&self.clients[0].text().await);
        event(&self.clients[1].text().await);
        let (sid, pid) = self.ids[0].clone();
        drop(self.clients.remove(0));
        soon(async {
            while !self.stream.sessions.lock().unwrap().contains_key(&pid) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        Identity { sid, pid, offset: format!("entry-{}", offset.unwrap()) }
    }

    /// The client returns to the second node.
    async fn returning(&self, who: &Identity) -> WebSocket {
        let mut ws = self.nodes[1].open().await;
        ws.send(&reconnect_packet(who)).await;
        ws
    }
}

#[tokio::test]
async fn a_client_is_recovered_on_another_node() {
    let mut cluster = Streamed::with(|io| {
        io.on_connect(|socket: Socket| async move {
            if !socket.recovered() {
                socket.join("room");
                socket.data().set("name", "ada").unwrap();
            }
        });
    })
    .await;
    let who = cluster.disconnected().await;
    cluster.nodes[0].io.emit("missed", &1).await.unwrap();
    cluster.nodes[1].io.to("room").emit("missed", &2).await.unwrap();
    cluster.nodes[1].io.to("other room").emit("missed", &3).await.unwrap();
    cluster.nodes[1].io.volatile().emit("missed", &4).await.unwrap();
    cluster.nodes[0].io.to(who.sid.as_str()).emit("missed", &5).await.unwrap();
    let mut ws = cluster.returning(&who).await;
    for n in [1, 2, 5] {
        assert_eq!(event(&ws.text().await).0, json!(["missed", n]));
    }
    assert_eq!(identity(&ws.text().await), (who.sid.clone(), who.pid));
    let socket = cluster.nodes[1].io.socket(&who.sid).unwrap();
    assert!(socket.recovered());
    assert_eq!(socket.data().get::<String>("name").as_deref(), Some("ada"));
    cluster.nodes[0].io.to("room").emit("next", &6).await.unwrap();
    assert_eq!(event(&ws.text().await).0, json!(["next", 6]));
}

/// The store has read, and events follow before the client is admitted.
#[tokio::test]
async fn events_after_the_store_has_read_are_not_lost() {
    let mut cluster = Streamed::new().await;
    let who = cluster.disconnected().await;
    cluster.nodes[0].io.emit("missed", &1).await.unwrap();
    cluster.stream.holds.send_replace(true);
    let mut ws = cluster.returning(&who).await;
    soon(async {
        while cluster.stream.sessions.lock().unwrap().contains_key(&who.pid) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.nodes[0].io.emit("meanwhile", &2).await.unwrap();
    cluster.nodes[1].io.emit("meanwhile", &3).await.unwrap();
    // This node has delivered both.
    assert_eq!(event(&cluster.clients[0].text().await).0, json!(["missed", 1]));
    assert_eq!(event(&cluster.clients[0].text().await).0, json!(["meanwhile", 2]));
    assert_eq!(event(&cluster.clients[0].text().await).0, json!(["meanwhile", 3]));
    cluster.stream.holds.send_replace(false);
    for expected in [json!(["missed", 1]), json!(["meanwhile", 2]), json!(["meanwhile", 3])] {
        assert_eq!(event(&ws.text().await).0, expected);
    }
    assert_eq!(identity(&ws.text().await).0, who.sid);
    cluster.nodes[0].io.emit("next", &4).await.unwrap();
    assert_eq!(event(&ws.text().await).0, json!(["next", 4]));
}

/// The store is ahead of the node, which must not deliver the same events a second time.
#[tokio::test]
async fn events_that_the_node_has_not_yet_read_are_not_doubled() {
    let mut cluster = Streamed::new().await;
    let who = cluster.disconnected().await;
    cluster.stream.pause(1);
    cluster.nodes[0].io.emit("missed", &1).await.unwrap();
    let mut ws = cluster.returning(&who).await;
    soon(async {
        while cluster.stream.sessions.lock().unwrap().contains_key(&who.pid) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.nodes[0].io.emit("missed", &2).await.unwrap();
    cluster.stream.resume(1);
    let mut received = vec![event(&ws.text().await).0];
    assert_eq!(received.pop(), Some(json!(["missed", 1])));
    // The second event came before the admission or after it.
    let (mut answers, mut events) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let text = ws.text().await;
        if text.starts_with("40") { answers.push(text) } else { events.push(event(&text).0) }
    }
    assert_eq!((identity(&answers[0]).0, events), (who.sid, vec![json!(["missed", 2])]));
    cluster.nodes[1].io.emit("next", &3).await.unwrap();
    assert_eq!(event(&ws.text().await).0, json!(["next", 3]));
}

/// A node that cannot reach the position of the store must not guess.
#[tokio::test]
async fn a_client_of_a_deaf_node_starts_anew_with_a_reason() {
    let mut cluster = Streamed::new().await;
    let who = cluster.disconnected().await;
    cluster.stream.pause(1);
    cluster.nodes[0].io.emit("missed", &1).await.unwrap();
    let mut ws = cluster.nodes[1].open().await;
    tokio::time::pause();
    ws.send(&reconnect_packet(&who)).await;
    let (sid, _) = identity(&ws.text().await);
    tokio::time::resume();
    assert_ne!(sid, who.sid);
    let socket = cluster.nodes[1].io.socket(&sid).unwrap();
    assert_eq!(socket.not_recovered(), Some(NotRecovered::Unavailable));
}

#[tokio::test]
async fn an_emit_in_a_disconnect_handler_is_recovered_on_another_node() {
    let mut cluster = Streamed::with(|io| {
        io.on_disconnect(|socket: Socket| async move { socket.emit("missed", &1).unwrap() });
    })
    .await;
    let who = cluster.disconnected().await;
    soon(async {
        while cluster.stream.len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut ws = cluster.returning(&who).await;
    assert_eq!(event(&ws.text().await).0, json!(["missed", 1]));
    assert_eq!(identity(&ws.text().await).0, who.sid);
}

/// A client that gives up while the store looks up its session can try again.
#[tokio::test]
async fn a_session_is_put_back_if_the_client_leaves_again() {
    let mut cluster = Streamed::new().await;
    let who = cluster.disconnected().await;
    cluster.stream.holds.send_replace(true);
    let ws = cluster.returning(&who).await;
    let is_stored = |stored: bool| {
        let sessions = cluster.stream.sessions.clone();
        let pid = who.pid.clone();
        soon(async move {
            while sessions.lock().unwrap().contains_key(&pid) != stored {
                tokio::task::yield_now().await;
            }
        })
    };
    is_stored(false).await;
    drop(ws);
    cluster.stream.holds.send_replace(false);
    is_stored(true).await;
    let mut ws = cluster.returning(&who).await;
    assert_eq!(identity(&ws.text().await), (who.sid.clone(), who.pid.clone()));
}
