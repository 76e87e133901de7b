//! Clusters of three servers on one NATS server.

use std::net::SocketAddr;
use std::time::Duration;

use socketio_nats::{Emitter, Nats, NatsAdapter, NatsEmitter};
use tests::cluster::Pairs;
pub(crate) use tests::cluster::{Client, NONE, Rust, health};
use tests::gate::Gate;
use tests::nats::NatsServer;
pub(crate) use tests::nats::{gate_in_front_of, hasty, pass};
use tokio::net::TcpListener;

/// Three servers with a client each.
pub(crate) struct Cluster {
    pub(crate) nats: NatsServer,
    pairs: Pairs,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::with(Duration::from_secs(5)).await
    }

    /// A cluster whose servers wait for answers for this time.
    pub(crate) async fn with(requests_timeout: Duration) -> Self {
        let nats = NatsServer::start().await;
        let settings = Nats::open(&nats.url()).unwrap();
        let mut servers = Vec::new();
        for _ in 0..3 {
            let adapter = NatsAdapter::builder(&settings).requests_timeout(requests_timeout).build();
            servers.push(Rust::start(adapter).await);
        }
        Self { nats, pairs: Pairs::of(servers).await }
    }

    pub(crate) fn emitter(&self) -> Emitter {
        NatsEmitter::new(&Nats::open(&self.nats.url()).unwrap()).build()
    }
}

impl std::ops::Deref for Cluster {
    type Target = Pairs;

    fn deref(&self) -> &Pairs {
        &self.pairs
    }
}

impl std::ops::DerefMut for Cluster {
    fn deref_mut(&mut self) -> &mut Pairs {
        &mut self.pairs
    }
}

/// Two servers on these NATS servers.
pub(crate) async fn pair(url: &str) -> [Rust; 2] {
    let adapter = || NatsAdapter::new(&hasty(url));
    [Rust::start(adapter()).await, Rust::start(adapter()).await]
}

/// Listens on an address in front of a NATS server.
pub(crate) async fn in_front_of(nats: &NatsServer, addr: &str) -> SocketAddr {
    let listener = TcpListener::bind(addr).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(pass(listener, nats.port(), Gate::new()));
    addr
}
