//! Clusters of three servers on one NATS server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socketio_nats::{Emitter, Health, Nats, NatsAdapter, NatsEmitter};
pub(crate) use tests::cluster::{Client, NONE, Rust};
use tests::gate::Gate;
use tests::nats::NatsServer;
use tests::raw::{soon, until};
use tokio::net::{TcpListener, TcpStream};

/// Three servers with a client each.
pub(crate) struct Cluster {
    pub(crate) nats: NatsServer,
    pub(crate) servers: Vec<Rust>,
    pub(crate) clients: Vec<Client>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::with(Duration::from_secs(5)).await
    }

    /// A cluster whose servers wait for answers for this time.
    pub(crate) async fn with(requests_timeout: Duration) -> Self {
        let nats = NatsServer::start().await;
        let settings = Nats::open(&nats.url()).unwrap();
        let (mut servers, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let adapter = NatsAdapter::builder(&settings).requests_timeout(requests_timeout).build();
            let server = Rust::start(adapter).await;
            clients.push(Client::connect(server.addr).await);
            servers.push(server);
        }
        // Each server knows the two others.
        for server in &servers {
            until(async || server.io.fetch_sockets().await.is_ok_and(|found| found.len() == 3)).await;
        }
        Self { nats, servers, clients }
    }

    pub(crate) fn emitter(&self) -> Emitter {
        NatsEmitter::new(&Nats::open(&self.nats.url()).unwrap()).build()
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.addr).collect()
    }

    /// Checks that this text is the next one of these clients, and that the others receive nothing before.
    pub(crate) async fn only(&mut self, clients: &[usize], text: &str) {
        for client in clients {
            assert_eq!(self.clients[*client].text().await, text, "client {client}");
        }
        self.nothing_else().await;
    }

    /// Checks that everything published before has been received: each server emits a last event, which is the next one of each
    /// client.
    pub(crate) async fn nothing_else(&mut self) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        for server in &self.servers {
            let mark = NUMBER.fetch_add(1, Ordering::Relaxed);
            server.io.emit("mark", &mark).await.unwrap();
            let expected = format!(r#"42["mark",{mark}]"#);
            for (number, client) in self.clients.iter_mut().enumerate() {
                assert_eq!(client.text().await, expected, "client {number}");
            }
        }
    }

    /// The ids of the clients.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.clients.iter().map(|client| client.id.clone()).collect()
    }

    /// The rooms of each client, without its own, as a server sees them.
    pub(crate) async fn rooms(&self, server: usize) -> Vec<Vec<String>> {
        let found = self.servers[server].io.fetch_sockets().await.unwrap();
        let rooms = |id: &String| {
            let socket = found.iter().find(|socket| socket.id() == id).unwrap();
            let rooms = socket.rooms().iter().map(ToString::to_string);
            let mut rooms: Vec<String> = rooms.filter(|room| room != id).collect();
            rooms.sort();
            rooms
        };
        self.ids().iter().map(rooms).collect()
    }
}

/// Connections that notice within a fraction of the default times.
pub(crate) fn hasty(url: &str) -> Nats {
    Nats::open(url)
        .unwrap()
        .client_name("node")
        .timeout(Duration::from_millis(500))
        .probe_interval(Duration::from_millis(200))
        .reconnect_delay(Duration::from_millis(10), Duration::from_millis(100))
}

/// Two servers on these NATS servers.
pub(crate) async fn pair(url: &str) -> [Rust; 2] {
    let adapter = || NatsAdapter::new(&hasty(url));
    [Rust::start(adapter()).await, Rust::start(adapter()).await]
}

/// Waits for a state of the connections of a server.
pub(crate) async fn health(rust: &Rust, wanted: impl Fn(&Health) -> bool) {
    let mut health = rust.connections.health();
    soon(health.wait_for(|health| wanted(health))).await.unwrap();
}

/// An open gate in front of a NATS server, and the URL of the server behind it.
pub(crate) async fn gate_in_front_of(nats: &NatsServer) -> (Gate, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, gate) = (listener.local_addr().unwrap(), Gate::new());
    tokio::spawn(pass(listener, nats.port(), gate.clone()));
    (gate, format!("nats://{addr}"))
}

/// Listens on an address in front of a NATS server.
pub(crate) async fn in_front_of(nats: &NatsServer, addr: &str) -> SocketAddr {
    let listener = TcpListener::bind(addr).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(pass(listener, nats.port(), Gate::new()));
    addr
}

async fn pass(listener: TcpListener, port: u16, gate: Gate) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let gate = gate.clone();
        tokio::spawn(async move {
            let Ok(upstream) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            gate.pass(stream, upstream).await;
        });
    }
}
