//! Adapters whose broker keeps sent messages in an ordered stream: the format of `@socket.io/redis-streams-adapter`, on any
//! broker with streams.
//!
//! Broadcasts, joins, leaves and disconnections are entries of a stream, which orders them for all nodes. Requests and
//! answers are published on channels. Clients are recovered on any node: their sessions are in a store ([`SessionKeys`]),
//! and the events that they have missed are in the stream.

mod node;
mod reader;
mod received;
mod sessions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socketio_cluster::NodeId;
use socketio_server::cluster::{ClusterInbox, ClusterLink, Presence};

use self::node::StreamsNode;
use self::reader::Reading;
pub use self::sessions::{SessionKeys, StoredKeys, Taken};
use crate::driver::TopicKind;
use crate::medium::Medium;

/// Options of all namespaces.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Name of the stream. Default `socket.io`.
    pub stream_name: String,
    /// Number of streams, among which the namespaces are distributed. Default 1. Cost: a connection each.
    pub stream_count: u32,
    /// Number of entries that a stream keeps, about. Default 10 000. Cost: memory of the broker.
    pub max_len: u64,
    /// Number of entries that are read together. Default 100. Cost: their memory at once.
    pub read_count: usize,
    /// Maximum time of a read without an entry. Default 5 s. Cost: one command in that time.
    pub block_time: Duration,
    /// Whether entries are JSON even with binary data. Default `false`.
    pub only_plaintext: bool,
    /// The kind of the channels of requests and answers. Default [`TopicKind::Channel`].
    pub topics: TopicKind,
    /// Presence detection of other nodes. Default: the broker counts them.
    pub presence: Presence,
    /// Whether the sessions of connected clients are kept too. Default `true`. Cost: a write when a client connects, after
    /// its rooms or its data have changed, and every 30 s.
    pub write_sessions_ahead: bool,
    /// Maximum wait for the answers of the other nodes. Default 5 s. Cost: an entry per request until then.
    pub requests_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            stream_name: "socket.io".to_owned(),
            stream_count: 1,
            max_len: 10_000,
            read_count: 100,
            block_time: Duration::from_secs(5),
            only_plaintext: false,
            topics: TopicKind::Channel,
            presence: Presence::Counted,
            write_sessions_ahead: true,
            requests_timeout: Duration::from_secs(5),
        }
    }
}

/// Names of the channels of requests and answers.
pub trait Names: Send + Sync + 'static {
    /// The channel of all nodes of a namespace.
    fn public(&self, namespace: &str) -> String;

    /// The channel of one node.
    fn node(&self, namespace: &str, node: &NodeId) -> String;
}

/// The streams of an adapter, and the tasks that read them.
#[derive(Clone)]
pub struct Streams {
    medium: Medium,
    options: Arc<Options>,
    names: Arc<dyn Names>,
    keys: Arc<dyn SessionKeys>,
    reading: Arc<Reading>,
}

impl Streams {
    /// Starts the tasks. It must be called within a runtime of tokio.
    pub fn start(medium: &Medium, options: Options, names: impl Names, keys: impl SessionKeys) -> Self {
        let options = Arc::new(options);
        let reading = Reading::start(medium, &options);
        Self { medium: medium.clone(), options, names: Arc::new(names), keys: Arc::new(keys), reading }
    }

    /// Opens the link of a namespace.
    pub fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        let Self { medium, options, names, keys, reading } = self;
        Arc::new(StreamsNode::open(medium, options, names, keys, reading, inbox))
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("options", &self.options).finish_non_exhaustive()
    }
}
