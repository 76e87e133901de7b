//! The adapter with Redis Streams: the format of the official `@socket.io/redis-streams-adapter`.

mod scripts;
mod sessions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socketio_broker::PublishError;
use socketio_broker::driver::{Topic, TopicKind};
use socketio_broker::medium::Medium;
use socketio_broker::streams::{self, Names, Streams};
use socketio_cluster::NodeId;
use socketio_cluster::cluster::Channels;
use socketio_server::cluster::{Adapter, ClusterInbox, ClusterLink};

use self::sessions::RedisKeys;
use crate::connections::Connections;
use crate::settings::Redis;

/// Adapter for clusters of servers with the official `@socket.io/redis-streams-adapter`: events are entries
/// of a stream, requests and answers go over pub/sub.
///
/// A server that loses its connection reads the entries of that time when it is back, if the stream still has
/// them ([`max_len`](StreamsBuilder::max_len)); otherwise its namespaces receive a gap.
///
/// The stream orders broadcasts, joins, leaves and disconnections. A server applies its own when it reads them, at the
/// latest after a second, so that its clients get all events in the same order as those of other servers. With
/// [`connection_state_recovery`](socketio_server::ServerBuilder::connection_state_recovery) a client is recovered on any
/// server, also on official ones: its session is under a key, and the events that it has missed are in the stream.
///
/// An event and a request may overtake each other, as they take different ways. Prefixes must not be shared
/// with a classic adapter on the same Redis.
///
/// ```no_run
/// use socketio_redis::{Redis, StreamsAdapter};
/// use socketio_server::Server;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let adapter = StreamsAdapter::builder(&Redis::open("redis://127.0.0.1:6379/")?).max_len(50_000).build();
/// let io = Server::builder().adapter(adapter).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StreamsAdapter {
    medium: Medium,
    connections: Connections,
    channels: Prefix,
    topics: TopicKind,
    streams: Streams,
}

/// Options of a [`StreamsAdapter`], with the names of the official adapter. All servers of a cluster need the
/// same names and numbers of streams, and the same channels.
#[derive(Clone, Debug)]
pub struct StreamsBuilder {
    redis: Redis,
    options: streams::Options,
    channel_prefix: String,
    session_key_prefix: String,
}

/// Prefix of the channels.
#[derive(Clone, Debug)]
struct Prefix(String);

impl Names for Prefix {
    fn public(&self, namespace: &str) -> String {
        Channels::new(&self.0, namespace).public().to_owned()
    }

    fn node(&self, namespace: &str, node: &NodeId) -> String {
        Channels::new(&self.0, namespace).node(node)
    }
}

impl StreamsAdapter {
    /// The adapter with the official defaults. It must be made within a runtime of tokio.
    pub fn new(redis: &Redis) -> Self {
        Self::builder(redis).build()
    }

    /// Sets options first.
    pub fn builder(redis: &Redis) -> StreamsBuilder {
        StreamsBuilder {
            redis: redis.clone(),
            options: streams::Options::default(),
            channel_prefix: "socket.io".to_owned(),
            session_key_prefix: "sio:session:".to_owned(),
        }
    }

    /// The connections to Redis.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The number of servers that have this namespace, this one included (`serverCount`).
    pub async fn server_count(&self, namespace: &str) -> Result<usize, PublishError> {
        let topic = Topic::new(self.topics, &self.channels.public(namespace));
        let (count, is_counted) = self.medium.subscribers_of(&topic).await?;
        Ok(count + usize::from(!is_counted))
    }
}

impl StreamsBuilder {
    /// Name of the stream. Default `socket.io`.
    #[must_use]
    pub fn stream_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.options.stream_name);
        self
    }

    /// Number of streams, among which the namespaces are distributed.
    ///
    /// Default 1, which is the only number with official servers in the cluster: they write some namespaces
    /// into streams that they do not read. Cost: a connection each.
    #[must_use]
    pub fn stream_count(mut self, count: u32) -> Self {
        self.options.stream_count = count.max(1);
        self
    }

    /// Prefix of the channels of requests and answers. Default `socket.io`.
    #[must_use]
    pub fn channel_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.channel_prefix);
        self
    }

    /// Whether requests and answers use sharded pub/sub, for which Redis 7 is needed. Default `false`.
    #[must_use]
    pub fn use_sharded_pub_sub(mut self, on: bool) -> Self {
        self.options.topics = if on { TopicKind::Shard } else { TopicKind::Channel };
        self
    }

    /// Number of entries that a stream keeps, about. Default 10 000. Cost: memory of Redis.
    ///
    /// A server appends a tenth of them at most before it has read them itself. So what waits through an outage is not
    /// trimmed before the other servers read it.
    #[must_use]
    pub fn max_len(mut self, entries: u64) -> Self {
        self.options.max_len = entries;
        self
    }

    /// Number of entries that are read together. Default 100. Cost: their memory at once.
    #[must_use]
    pub fn read_count(mut self, entries: usize) -> Self {
        self.options.read_count = entries.max(1);
        self
    }

    /// Maximum time of a read without an entry (`blockTimeInMs`). Default 5 s. Cost: one command in that
    /// time.
    #[must_use]
    pub fn block_time(mut self, time: Duration) -> Self {
        self.options.block_time = time.max(Duration::from_millis(1));
        self
    }

    /// Whether entries are JSON even with binary data, which is then an object for the clients of other
    /// servers. Default `false`.
    #[must_use]
    pub fn only_plaintext(mut self, on: bool) -> Self {
        self.options.only_plaintext = on;
        self
    }

    /// Prefix of the keys of the sessions, for connection state recovery. Default `sio:session:`.
    #[must_use]
    pub fn session_key_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.session_key_prefix);
        self
    }

    /// Whether servers keep the sessions of connected clients in Redis too, under keys of their own. Clients are then
    /// recovered by servers of this crate although their server has crashed, or has not noticed yet that they are gone.
    /// Used with connection state recovery.
    ///
    /// Default `true`. Cost: a write of about 200 bytes and the data of the socket when a client connects, after its rooms
    /// or its data have changed, and every 30 s.
    #[must_use]
    pub fn write_sessions_ahead(mut self, on: bool) -> Self {
        self.options.write_sessions_ahead = on;
        self
    }

    /// Maximum wait for the answers of the other servers. Default 5 s; the official adapter has no such
    /// option. Cost: an entry per request until then.
    #[must_use]
    pub fn requests_timeout(mut self, timeout: Duration) -> Self {
        self.options.requests_timeout = timeout;
        self
    }

    /// Opens the connections. It must be called within a runtime of tokio.
    pub fn build(self) -> StreamsAdapter {
        let Self { redis, options, channel_prefix, session_key_prefix } = self;
        let topics = options.topics;
        let medium = redis.medium(&channel_prefix, topics);
        let connections = Connections::of_adapter(&medium);
        let channels = Prefix(channel_prefix);
        let keys = RedisKeys { medium: medium.clone(), prefix: session_key_prefix };
        let streams = Streams::start(&medium, options, channels.clone(), keys);
        StreamsAdapter { medium, connections, channels, topics, streams }
    }
}

impl Adapter for StreamsAdapter {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        self.streams.open(inbox)
    }
}

impl fmt::Debug for StreamsAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamsAdapter").field("streams", &self.streams).finish_non_exhaustive()
    }
}
