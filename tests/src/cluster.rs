//! Servers of clusters, and their clients.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
#[cfg(unix)]
use socketio_ipc::IpcAdapter;
use socketio_nats::{JetStreamAdapter, NatsAdapter};
use socketio_postgres::{Connections, Health, PostgresAdapter};
use socketio_server::cluster::Adapter;
use socketio_server::{Ack, Args, Arguments, RawArgs, Server, ServerBuilder, Socket};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::raw::{WebSocket, soon, until};

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

#[cfg(unix)]
impl BrokerAdapter for IpcAdapter {
    fn connections(&self) -> Connections {
        self.connections().clone()
    }
}

impl BrokerAdapter for NatsAdapter {
    fn connections(&self) -> Connections {
        self.connections().clone()
    }
}

impl BrokerAdapter for JetStreamAdapter {
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
        Self::build(Server::builder(), adapter).await
    }

    /// As [`start`](Self::start), with further settings of the server.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn build(builder: ServerBuilder, adapter: impl BrokerAdapter) -> Self {
        let connections = BrokerAdapter::connections(&adapter);
        let builder = builder.adapter(adapter);
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

/// Servers with a client each, whatever their adapter is.
pub struct Pairs {
    /// The servers.
    pub servers: Vec<Rust>,
    /// The client of each.
    pub clients: Vec<Client>,
}

impl Pairs {
    /// Connects a client to each server, and waits until each server knows all others.
    pub async fn of(servers: Vec<Rust>) -> Self {
        let mut clients = Vec::new();
        for server in &servers {
            clients.push(Client::connect(server.addr).await);
        }
        for server in &servers {
            let all = servers.len();
            until(async || server.io.fetch_sockets().await.is_ok_and(|found| found.len() == all)).await;
        }
        Self { servers, clients }
    }

    /// Checks that this text is the next one of these clients, and that the others receive nothing before.
    ///
    /// # Panics
    ///
    /// When it is not.
    pub async fn only(&mut self, clients: &[usize], text: &str) {
        for client in clients {
            assert_eq!(self.clients[*client].text().await, text, "client {client}");
        }
        self.nothing_else().await;
    }

    /// Checks that everything published before has been received: each server emits a last event, which is the next one of each
    /// client.
    ///
    /// # Panics
    ///
    /// When a client receives something else.
    pub async fn nothing_else(&mut self) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        for server in &self.servers {
            let mark = NUMBER.fetch_add(1, Ordering::Relaxed);
            server.io.emit("mark", &mark).await.expect("it is sent");
            let expected = format!(r#"42["mark",{mark}]"#);
            for (number, client) in self.clients.iter_mut().enumerate() {
                assert_eq!(client.text().await, expected, "client {number}");
            }
        }
    }

    /// The ids of the clients.
    pub fn ids(&self) -> Vec<String> {
        self.clients.iter().map(|client| client.id.clone()).collect()
    }

    /// The addresses of the servers.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.addr).collect()
    }

    /// The rooms of each client, without its own, as a server sees them.
    ///
    /// # Panics
    ///
    /// When the server does not find a client.
    pub async fn rooms(&self, server: usize) -> Vec<Vec<String>> {
        let found = self.servers[server].io.fetch_sockets().await.expect("they are found");
        let rooms = |id: &String| {
            let socket = found.iter().find(|socket| socket.id() == id).expect("it is there");
            let rooms = socket.rooms().iter().map(ToString::to_string);
            let mut rooms: Vec<String> = rooms.filter(|room| room != id).collect();
            rooms.sort();
            rooms
        };
        self.ids().iter().map(rooms).collect()
    }
}

/// Waits for a state of the connections of a server.
///
/// # Panics
///
/// When it does not come.
pub async fn health(rust: &Rust, wanted: impl Fn(&Health) -> bool) {
    let mut health = rust.connections.health();
    soon(health.wait_for(|health| wanted(health))).await.expect("it works");
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
