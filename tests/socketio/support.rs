//! A Socket.IO server, and clients that return every packet.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use socketio_server::{Args, Data, Server, ServerBuilder, Socket};
use tests::raw::{Polling, WebSocket};
use tokio::net::TcpListener;

/// A running server.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) io: Server,
}

/// The heartbeat is too slow to interfere, unless a test sets another one.
pub(crate) fn builder() -> ServerBuilder {
    Server::builder().ping_interval(Duration::from_secs(60))
}

pub(crate) async fn start(builder: ServerBuilder, set_up: impl FnOnce(&Server)) -> Running {
    let io = builder.build().unwrap();
    set_up(&io);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = io.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    Running { addr, io }
}

/// Registers a handler by which a test checks that the server still responds.
pub(crate) fn answering(io: &Server) {
    io.on("still there?", |socket: Socket| async move { socket.emit("yes", &Args(())) });
}

impl Running {
    /// A WebSocket that has not joined a namespace.
    pub(crate) async fn open(&self) -> WebSocket {
        let mut ws = WebSocket::open(self.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        ws
    }

    pub(crate) async fn polling(&self) -> Polling {
        Polling::open(self.addr, "/socket.io/?EIO=4&transport=polling").await
    }

    /// A client in the namespace `/`, and its id.
    pub(crate) async fn connect(&self) -> (WebSocket, String) {
        self.connect_to("/").await
    }

    pub(crate) async fn connect_to(&self, namespace: &str) -> (WebSocket, String) {
        let mut ws = self.open().await;
        let id = join(&mut ws, namespace).await;
        (ws, id)
    }
}

/// Joins a namespace.
pub(crate) async fn join(ws: &mut WebSocket, namespace: &str) -> String {
    let prefix = if namespace == "/" { "40".to_owned() } else { format!("40{namespace},") };
    ws.send(&prefix).await;
    let answer = ws.text().await;
    let json = answer.strip_prefix(&prefix).unwrap_or_else(|| panic!("{answer}"));
    let answer: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(answer.as_object().unwrap().len(), 1, "the key sid and nothing else");
    answer["sid"].as_str().unwrap().to_owned()
}

/// Checks that nothing else was sent before: the next message is the ack of this event.
pub(crate) async fn nothing_else(ws: &mut WebSocket) {
    ws.send(r#"42["still there?"]"#).await;
    assert_eq!(ws.text().await, r#"42["yes"]"#);
}

/// Connects to a namespace and returns the data of the refusal.
pub(crate) async fn refused(ws: &mut WebSocket, namespace: &str, auth: &str) -> serde_json::Value {
    ws.send(&format!("40{namespace},{auth}")).await;
    let answer = ws.text().await;
    let json = answer.strip_prefix(&format!("44{namespace},")).unwrap_or_else(|| panic!("{answer}"));
    serde_json::from_str(json).unwrap()
}

/// Texts that handlers and hooks record.
pub(crate) type Notes = Arc<Mutex<Vec<String>>>;

pub(crate) fn note(notes: &Notes, text: impl Into<String>) {
    notes.lock().unwrap().push(text.into());
}

/// Registers handlers by which a client joins rooms, and a test checks that the server still responds.
pub(crate) fn room_handlers(io: &Server) {
    io.on("still there?", |socket: Socket| async move { socket.emit("yes", &Args(())) });
    io.on("join", |socket: Socket, Data(rooms): Data<Vec<String>>| async move { socket.join(rooms) });
}

/// Three clients: the first in `a`, the second in `a` and `b`, the third in none.
pub(crate) async fn three_clients() -> (Running, Vec<(WebSocket, String)>) {
    let running = start(builder(), room_handlers).await;
    let mut clients = Vec::new();
    for joined in [&["a"][..], &["a", "b"], &[]] {
        let (mut ws, id) = running.connect().await;
        ws.send(&format!("421{}", json!(["join", joined]))).await;
        assert_eq!(ws.text().await, "431[]");
        clients.push((ws, id));
    }
    (running, clients)
}
