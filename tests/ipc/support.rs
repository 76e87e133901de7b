//! Clusters of three servers at one broker.

use std::path::{Path, PathBuf};
use std::time::Duration;

use socketio_ipc::{IpcAdapter, IpcBroker, Tuning};
use socketio_server::{Recovery, Server};
use tempfile::TempDir;
use tests::cluster::Pairs;
pub(crate) use tests::cluster::{Client, NONE, Rust};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

/// A broker, which ends on drop.
pub(crate) struct Broker {
    folder: TempDir,
    serving: JoinHandle<()>,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        Self::with(IpcBroker::new())
    }

    pub(crate) fn with(broker: IpcBroker) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let serving = serve(broker, &folder.path().join("broker.sock"));
        Self { folder, serving }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("broker.sock")
    }

    /// Ends the broker. What it held is gone.
    pub(crate) async fn kill(&mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
        std::fs::remove_file(self.path()).unwrap();
    }

    /// Starts a broker at the same path.
    pub(crate) fn start_again(&mut self) {
        self.serving = serve(IpcBroker::new(), &self.path());
    }
}

fn serve(broker: IpcBroker, path: &Path) -> JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(broker.serve(listener))
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Connections that notice within a fraction of the default times.
pub(crate) fn hasty() -> Tuning {
    let mut tuning = Tuning::default();
    tuning.timeout = Duration::from_millis(500);
    tuning.probe_interval = Duration::from_millis(200);
    (tuning.min_delay, tuning.max_delay) = (Duration::from_millis(10), Duration::from_millis(100));
    tuning
}

/// A server that recovers clients.
pub(crate) async fn recovering(broker: &Broker) -> Rust {
    // Traffic does not trim what a client has missed.
    let adapter = IpcAdapter::builder(broker.path()).max_len(1_000_000).tuning(hasty()).build();
    Rust::build(Server::builder().connection_state_recovery(Recovery::default()), adapter).await
}

/// A server that recovers clients which have missed ten events at most.
pub(crate) async fn limited(broker: &Broker, recovery: Recovery) -> Rust {
    let adapter = IpcAdapter::builder(broker.path()).max_len(10).build();
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
            servers.push(Rust::start(IpcAdapter::new(broker.path())).await);
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
