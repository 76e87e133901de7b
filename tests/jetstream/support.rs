//! Clusters of three servers on one NATS server with JetStream.

use socketio_nats::{JetStream, JetStreamAdapter, JetStreamBuilder, Storage};
use socketio_server::{Recovery, Server};
use tempfile::TempDir;
use tests::cluster::Pairs;
pub(crate) use tests::cluster::{Client, NONE, Rust};
use tests::nats::NatsServer;

use tests::nats::hasty;

/// A NATS server with JetStream.
pub(crate) struct Broker {
    pub(crate) nats: NatsServer,
    storage: Storage,
    _folder: TempDir,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        Self::with(Storage::Memory).await
    }

    /// A NATS server that keeps what it has in files.
    pub(crate) async fn on_disk() -> Self {
        Self::with(Storage::File).await
    }

    async fn with(storage: Storage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nats = NatsServer::start_with(&format!("jetstream {{ store_dir: {:?} }}", folder.path())).await;
        Self { nats, storage, _folder: folder }
    }

    pub(crate) fn adapter(&self) -> JetStreamBuilder {
        let jetstream = JetStream::default().storage(self.storage);
        JetStreamAdapter::builder(&hasty(&self.nats.url()).jetstream(jetstream))
    }
}

/// A server that recovers clients.
pub(crate) async fn recovering(broker: &Broker) -> Rust {
    // Traffic does not trim what a client has missed.
    let adapter = broker.adapter().max_len(1_000_000).build();
    Rust::build(Server::builder().connection_state_recovery(Recovery::default()), adapter).await
}

/// A server that recovers clients which have missed ten events at most.
pub(crate) async fn limited(broker: &Broker, recovery: Recovery) -> Rust {
    let adapter = broker.adapter().max_len(10).build();
    Rust::build(Server::builder().connection_state_recovery(recovery), adapter).await
}

/// Three servers with a client each.
pub(crate) struct Cluster {
    pairs: Pairs,
    _broker: Broker,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let broker = Broker::start().await;
        let mut servers = Vec::new();
        for _ in 0..3 {
            servers.push(Rust::start(broker.adapter().build()).await);
        }
        Self { pairs: Pairs::of(servers).await, _broker: broker }
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
