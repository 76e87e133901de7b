//! Servers of clusters, and their clients.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use socketio_nats::NatsAdapter;
use socketio_postgres::{Connections, PostgresAdapter};
use socketio_server::cluster::Adapter;
use socketio_server::{Ack, Args, Arguments, RawArgs, Server, Socket};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::raw::{WebSocket, soon};

/// A server of ours.
pub struct Rust {
    /// The server.
    pub io: Server,
    /// The address on which it listens.
    pub addr: SocketAddr,
    /// The connections of its adapter.
    pub connections: Connections,
    /// The events of other servers.
    pub hello: mpsc::UnboundedReceiver<Value>,
}

/// A client, as it is on the wire.
pub struct Client {
    /// Its connection.
    pub ws: WebSocket,
    /// Its id.
    pub id: String,
}

/// An adapter on `socketio-broker`.
pub trait BrokerAdapter: Adapter {
    /// Its connections.
    fn connections(&self) -> Connections;
}

impl BrokerAdapter for PostgresAdapter {
    fn connections(&self) -> Connections {
        self.connections().clone()
    }
}

impl BrokerAdapter for NatsAdapter {
    fn connections(&self) -> Connections {
        self.connections().clone()
    }
}

impl Rust {
    /// Starts a server with this adapter, and waits until it hears the others.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start(adapter: impl BrokerAdapter) -> Self {
        let connections = BrokerAdapter::connections(&adapter);
        let builder = Server::builder().adapter(adapter);
        let io = builder.ping_interval(Duration::from_secs(60)).build().expect("valid settings");
        io.on_connect(|socket: Socket| async move {
            socket.data().set("user", "rust").expect("a text");
        });
        io.on("echo", |args: RawArgs| async move { Ack(args) });
        let (sender, hello) = mpsc::unbounded_channel();
        io.on_server_event("hello", move |Arguments(args): Arguments<Value>| {
            // The test may be over.
            let _ = sender.send(args.clone());
            async move { Ack(json!({"from": "rust", "args": args})) }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let serving = io.clone();
        tokio::spawn(async move { serving.serve(listener).await });
        soon(connections.ready()).await;
        Self { io, addr, connections, hello }
    }
}

impl Client {
    /// Connects to the namespace `/`.
    ///
    /// # Panics
    ///
    /// When the server refuses it.
    pub async fn connect(addr: SocketAddr) -> Self {
        let target = "/socket.io/?EIO=4&transport=websocket&x=1&x=2";
        let mut ws = WebSocket::open(addr, target).await.expect("accepted");
        assert!(ws.text().await.starts_with("0{"));
        ws.send(r#"40{"token":"t"}"#).await;
        let confirmation = ws.text().await;
        let json = confirmation.strip_prefix("40").expect("a confirmation");
        let json: Value = serde_json::from_str(json).expect("JSON");
        Self { ws, id: json["sid"].as_str().expect("an id").to_owned() }
    }

    /// The next text packet. Heartbeats are answered.
    pub async fn text(&mut self) -> String {
        loop {
            let text = self.ws.text().await;
            if text != "2" {
                return text;
            }
            self.ws.send("3").await;
        }
    }
}

/// Connects a client to a namespace alone.
///
/// # Panics
///
/// When the server refuses it.
pub async fn join_namespace(addr: SocketAddr, namespace: &str) -> WebSocket {
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.expect("accepted");
    assert!(ws.text().await.starts_with("0{"));
    ws.send(&format!("40{namespace},")).await;
    assert!(ws.text().await.starts_with(&format!("40{namespace},{{")));
    ws
}

/// No arguments.
pub const NONE: Args<()> = Args(());
