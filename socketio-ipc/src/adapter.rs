//! The adapter.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socketio_broker::Connections;
use socketio_broker::driver::{Bucket, TopicKind};
use socketio_broker::medium::{Medium, probe_topic};
use socketio_broker::publisher::Tuning;
use socketio_broker::stats::Counters;
use socketio_broker::streams::{Names, Options, StoredKeys, Streams};
use socketio_broker::values::Values;
use socketio_cluster::NodeId;
use socketio_cluster::cluster::Channels;
use socketio_server::cluster::{Adapter, ClusterInbox, ClusterLink};

use crate::driver::IpcDriver;

/// Prefix of channels. A broker has one cluster.
const PREFIX: &str = "socket.io";

/// Name of the bucket of sessions.
const SESSIONS: &str = "sessions";

/// Adapter for servers in several processes of one host, which meet at an [`IpcBroker`](crate::IpcBroker).
///
/// The broker orders broadcasts, joins, leaves and disconnections. A server applies its own when it reads them, so that all
/// clients get all events in the same order. With
/// [`connection_state_recovery`](socketio_server::ServerBuilder::connection_state_recovery) a client is recovered in any of the
/// processes, also after the end of its own one.
///
/// ```no_run
/// use socketio_ipc::IpcAdapter;
/// use socketio_server::Server;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let adapter = IpcAdapter::new("/run/chat/broker.sock");
/// let io = Server::builder().adapter(adapter.clone()).build()?;
/// adapter.connections().ready().await;
/// io.to("room").emit("event", "for the members in all processes").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct IpcAdapter {
    medium: Medium,
    connections: Connections,
    streams: Streams,
}

/// Options of an [`IpcAdapter`]. All servers of a cluster need the same `max_len`.
#[derive(Clone, Debug)]
pub struct IpcBuilder {
    path: PathBuf,
    options: Options,
    tuning: Tuning,
    max_sessions: u64,
}

struct ChannelNames;

impl Names for ChannelNames {
    fn public(&self, namespace: &str) -> String {
        Channels::new(PREFIX, namespace).public().to_owned()
    }

    fn node(&self, namespace: &str, node: &NodeId) -> String {
        Channels::new(PREFIX, namespace).node(node)
    }
}

impl IpcAdapter {
    /// The adapter with the defaults, for the broker whose socket is at this path. It must be made within a runtime of tokio.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self::builder(path).build()
    }

    /// Sets options first.
    pub fn builder(path: impl AsRef<Path>) -> IpcBuilder {
        IpcBuilder {
            path: path.as_ref().to_owned(),
            options: Options::default(),
            tuning: Tuning::default(),
            max_sessions: 1_000_000,
        }
    }

    /// The connections to the broker.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Values that all processes share, in a bucket of the broker. They are in memory only. A write beyond `max_values` is
    /// refused.
    ///
    /// The names of buckets are those of the application; `sessions` is taken.
    pub fn values(&self, bucket: &str, max_values: u64) -> Values {
        let name = format!("app-{bucket}");
        Values::new(&self.medium, Bucket { name, max_age: Duration::MAX, max_values })
    }
}

impl IpcBuilder {
    /// Number of entries that the broker keeps for clients that return, about. It bounds the events that a client may miss and
    /// still be recovered.
    ///
    /// Default 10 000. Cost: memory of the broker.
    #[must_use]
    pub fn max_len(mut self, entries: u64) -> Self {
        self.options.max_len = entries;
        self
    }

    /// Maximum number of clients whose sessions the broker keeps for recovery.
    ///
    /// Default 1 000 000. Cost: about 600 bytes of the broker's memory for each.
    #[must_use]
    pub fn max_sessions(mut self, sessions: u64) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// Whether the broker keeps the sessions of connected clients too. Clients are then recovered although their process has
    /// crashed. Used with connection state recovery.
    ///
    /// Default `true`. Cost: a write of about 200 bytes and the data of the socket when a client connects, after its rooms or
    /// its data have changed, and every 30 s.
    #[must_use]
    pub fn write_sessions_ahead(mut self, on: bool) -> Self {
        self.options.write_sessions_ahead = on;
        self
    }

    /// Maximum wait for the answers of the other servers.
    ///
    /// Default 5 s. Cost: an entry per request until then.
    #[must_use]
    pub fn requests_timeout(mut self, timeout: Duration) -> Self {
        self.options.requests_timeout = timeout;
        self
    }

    /// Limits and times of the connections.
    ///
    /// Default: those of [`Tuning`]. Cost: see there.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// Opens the connections. It must be called within a runtime of tokio.
    pub fn build(self) -> IpcAdapter {
        let Self { path, options, tuning, max_sessions } = self;
        let driver = IpcDriver { path, max_message: tuning.max_received_bytes };
        let probe = probe_topic(PREFIX, TopicKind::Channel);
        let medium = Medium::start(Box::new(driver), Arc::<Counters>::default(), tuning, probe);
        let connections = Connections::of_adapter(&medium);
        let bucket = Bucket { name: SESSIONS.to_owned(), max_age: Duration::MAX, max_values: max_sessions };
        let keys = StoredKeys::new(Values::new(&medium, bucket));
        let streams = Streams::start(&medium, options, ChannelNames, keys);
        IpcAdapter { medium, connections, streams }
    }
}

impl Adapter for IpcAdapter {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        self.streams.open(inbox)
    }
}

impl fmt::Debug for IpcAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IpcAdapter").field("streams", &self.streams).finish_non_exhaustive()
    }
}
