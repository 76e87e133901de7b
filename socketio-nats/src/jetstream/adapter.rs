//! The adapter on JetStream.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socketio_broker::Connections;
use socketio_broker::driver::{Bucket, Topic, TopicKind};
use socketio_broker::medium::Medium;
use socketio_broker::stats::Counters;
use socketio_broker::streams::{Names, Options, StoredKeys, Streams};
use socketio_broker::values::Values;
use socketio_cluster::NodeId;
use socketio_server::cluster::{Adapter, ClusterInbox, ClusterLink, Presence};

use super::bucket_name;
use crate::driver::NatsDriver;
use crate::settings::Nats;
use crate::subject::{self, Subjects};

/// Adapter for clusters of servers on NATS with JetStream (`nats-server -js`), which keeps what was sent.
///
/// Broadcasts, joins, leaves and disconnections are entries of a stream, which orders them for all servers. A server applies its
/// own when it reads them, at the latest after a second, so that all clients get all events in the same order. A server that
/// loses its connection reads the entries of that time when it is back. With
/// [`connection_state_recovery`](socketio_server::ServerBuilder::connection_state_recovery) a client is recovered on any server.
///
/// Requests and answers are messages of core NATS, as those of [`NatsAdapter`](crate::NatsAdapter). The two adapters must not
/// share a prefix. A message is one message of NATS, so that it has at most `max_payload` bytes (1 MiB, unless the NATS server is
/// configured otherwise).
///
/// ```no_run
/// use socketio_nats::{JetStreamAdapter, Nats};
/// use socketio_server::{Recovery, Server};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let adapter = JetStreamAdapter::builder(&Nats::open("nats://10.0.0.1")?).max_len(50_000).build();
/// let builder = Server::builder().adapter(adapter.clone());
/// let io = builder.connection_state_recovery(Recovery::default()).build()?;
/// adapter.connections().ready().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct JetStreamAdapter {
    medium: Medium,
    connections: Connections,
    streams: Streams,
    prefix: String,
}

/// Options of a [`JetStreamAdapter`]. All servers of a cluster need the same ones.
#[derive(Clone, Debug)]
pub struct JetStreamBuilder {
    nats: Nats,
    options: Options,
    prefix: String,
    heartbeat_interval: Duration,
    heartbeat_timeout: Duration,
    session_max_age: Duration,
    max_sessions: u64,
}

struct SubjectNames(String);

impl Names for SubjectNames {
    fn public(&self, namespace: &str) -> String {
        Subjects::new(&self.0, namespace).public().to_owned()
    }

    fn node(&self, namespace: &str, node: &NodeId) -> String {
        Subjects::new(&self.0, namespace).node(node)
    }
}

impl JetStreamAdapter {
    /// The adapter with the defaults. It must be made within a runtime of tokio.
    pub fn new(nats: &Nats) -> Self {
        Self::builder(nats).build()
    }

    /// Sets options first.
    pub fn builder(nats: &Nats) -> JetStreamBuilder {
        JetStreamBuilder {
            nats: nats.clone(),
            options: Options::default(),
            prefix: "socket.io".to_owned(),
            heartbeat_interval: Duration::from_secs(5),
            heartbeat_timeout: Duration::from_secs(10),
            session_max_age: Duration::from_secs(600),
            max_sessions: 1_000_000,
        }
    }

    /// The connections to NATS.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Values that all servers share, in a bucket of the key-value store of NATS: `<prefix>-app-<bucket>`, where every byte of
    /// the prefix other than ASCII letters, digits and `-` is `_` and two hexadecimal digits. It is made when it is used first. A write beyond `max_values` is refused, and a value lives for `max_age` at most.
    ///
    /// The names of buckets are those of the application; `sessions` is taken.
    pub fn values(&self, bucket: &str, max_age: Duration, max_values: u64) -> Values {
        let name = bucket_name(&self.prefix, &format!("app-{bucket}"));
        Values::new(&self.medium, Bucket { name, max_age, max_values })
    }
}

impl JetStreamBuilder {
    /// Prefix of the subjects, and name of the stream. Two clusters of servers in one account of NATS need different ones.
    ///
    /// Default `socket.io`. Cost: its length in each request.
    #[must_use]
    pub fn subject_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        prefix.clone_into(&mut self.options.stream_name);
        self
    }

    /// Number of entries that the stream keeps. It bounds the events that a server or a client may miss and still get.
    ///
    /// A server appends a tenth of them at most before it has read them itself. So what waits through an outage is not trimmed
    /// before the other servers read it.
    ///
    /// Default 10 000. Cost: storage of NATS.
    #[must_use]
    pub fn max_len(mut self, entries: u64) -> Self {
        self.options.max_len = entries.max(1);
        self
    }

    /// Number of entries that are read together.
    ///
    /// Default 100. Cost: their memory at once.
    #[must_use]
    pub fn read_count(mut self, entries: usize) -> Self {
        self.options.read_count = entries.max(1);
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

    /// Maximum silence of this server in a namespace, after which it sends a heartbeat.
    ///
    /// Default 5 s. Cost: one small message in that time.
    #[must_use]
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = interval;
        self
    }

    /// Time after which a silent server counts as lost. Its answers are awaited until then.
    ///
    /// Default 10 s. Cost: none.
    #[must_use]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = timeout;
        self
    }

    /// Whether servers keep the sessions of connected clients in NATS too. Clients are then recovered although their server has
    /// crashed, or has not noticed yet that they are gone. Used with connection state recovery.
    ///
    /// Default `true`. Cost: a write of about 200 bytes and the data of the socket when a client connects, after its rooms or its
    /// data have changed, and every 30 s.
    #[must_use]
    pub fn write_sessions_ahead(mut self, on: bool) -> Self {
        self.options.write_sessions_ahead = on;
        self
    }

    /// Time for which NATS keeps a session, at least
    /// [`max_disconnection_duration`](socketio_server::Recovery::max_disconnection_duration).
    ///
    /// Default 600 s, which is also the least. Cost: storage of NATS, about 400 bytes for each client that was there in that time.
    #[must_use]
    pub fn session_max_age(mut self, age: Duration) -> Self {
        self.session_max_age = StoredKeys::min_age(age);
        self
    }

    /// Maximum number of clients whose sessions NATS keeps for recovery.
    ///
    /// Default 1 000 000. Cost: storage of NATS, about 400 bytes for each.
    #[must_use]
    pub fn max_sessions(mut self, sessions: u64) -> Self {
        self.max_sessions = sessions.max(1);
        self
    }

    /// Opens the connections. It must be called within a runtime of tokio.
    pub fn build(self) -> JetStreamAdapter {
        let Self { nats, mut options, prefix, max_sessions, .. } = self;
        options.presence =
            Presence::Heartbeats { interval: self.heartbeat_interval, timeout: self.heartbeat_timeout };
        let probe = Topic::new(TopicKind::Channel, &subject::probe(&prefix));
        let driver = Box::new(NatsDriver::new(&nats));
        let medium = Medium::start(driver, Arc::<Counters>::default(), nats.tuning().clone(), probe);
        let connections = Connections::of_adapter(&medium);
        let name = bucket_name(&prefix, "sessions");
        let bucket = Bucket { name, max_age: self.session_max_age, max_values: max_sessions };
        let keys = StoredKeys::new(Values::new(&medium, bucket));
        let streams = Streams::start(&medium, options, SubjectNames(prefix.clone()), keys);
        JetStreamAdapter { medium, connections, streams, prefix }
    }
}

impl Adapter for JetStreamAdapter {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        self.streams.open(inbox)
    }
}

impl fmt::Debug for JetStreamAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamAdapter").field("streams", &self.streams).finish_non_exhaustive()
    }
}
