//! Settings of a cluster of gateways.

use serde::{Deserialize, Serialize};
use socketio_redis::Redis;

use super::Transport;
use super::secret::Secret;

/// The forms of the URL.
const URLS: &str = "a URL is expected: redis://[user][:password@]host[:port][/database], redis+unix:///path, \
    redis-sentinel://[user][:password@]host[:port],host[:port]…/service[/database] with 1 to 16 sentinels, \
    redis-cluster://[user][:password@]host[:port],host[:port]… with 1 to 16 servers, or rediss://, rediss-sentinel:// or \
    rediss-cluster:// for the same with TLS";

/// Limit of the length of `prefix` and `node`, in bytes.
const MAX_NAME: usize = 64;

/// Cluster of gateways, and of other Socket.IO servers, on Redis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// URL of Redis, which counts as a secret. Default empty: no cluster, all state is in memory, and there is no
    /// cost. With it each event to several clients is also a message to Redis.
    ///
    /// - one server: `redis://[user][:password@]host[:port][/database]` or `redis+unix:///path`
    /// - the master of a service of Sentinel, through failovers:
    ///   `redis-sentinel://[user][:password@]host[:port],host[:port]…/service[/database]`, with 1 to 16 sentinels. Cost: a
    ///   connection to each
    /// - a Redis Cluster: `redis-cluster://[user][:password@]host[:port],host[:port]…`, with 1 to 16 of its servers. Cost:
    ///   connections to each server that is needed
    ///
    /// `rediss://`, `rediss-sentinel://` and `rediss-cluster://` are the same with TLS everywhere.
    pub redis: Secret,
    /// Format and medium of the messages between the nodes, the same on all nodes. Default `streams`.
    pub kind: ClusterKind,
    /// Prefix of all names in Redis: 1 to 64 letters, digits and `-`, `_`, `.`, `:`. Default `socket.io`, as in
    /// the official adapters. Two clusters on one Redis need different ones.
    pub prefix: String,
    /// Name of this node in the API, the page, the metrics and the log: up to 64 letters, digits and `-`, `_`,
    /// `.`. Default empty: the name of the host and four random characters.
    pub node: String,
    /// Time after which answers of other nodes are not awaited any more, in milliseconds. Default 2,000. An API
    /// call waits that long for a node that is stuck.
    pub request_timeout_ms: u64,
    /// Limit of the bytes of messages that wait for Redis. Default 16 MiB, which Redis can cost in memory while it is
    /// slow or away. Further messages are not sent to the other nodes, and counted.
    pub max_queued_bytes: usize,
    /// Number of events that the stream of `streams` keeps, about. Default 10,000; Redis holds them in memory. A client
    /// that has missed more is not recovered.
    pub stream_length: u64,
    /// The gateways that share their sessions, so that a client may send each request to any of them and the load
    /// balancer needs no sticky sessions: `host:port`, or `unix:` and a path. All addresses of a name count, and it is
    /// resolved again all the time; the own address may be among them. Default none. Needs `peers_listen`. Cost: a
    /// connection to each, and two or three messages for each request that arrives at another gateway than that of its
    /// session.
    pub peers: Vec<String>,
    /// Address at which the other gateways of `peers` reach this one: an IP address with a port, or `unix:` and a path.
    /// Default empty: sessions are not shared. The connections are not encrypted, so the network has to be a private one.
    pub peers_listen: String,
    /// Key that the gateways of `peers` prove to each other, at least 16 bytes, the same at all. Default empty, which is
    /// possible only if all addresses are of this machine.
    pub peers_key: Secret,
    /// The longest wait for the answer of another gateway about a session, in milliseconds. Default 1,000. Then the
    /// request is answered as one for an unknown session, and the client opens a new one.
    pub peers_response_timeout_ms: u64,
    /// Time for which a new polling session is not connected yet, in milliseconds. Default 300. A client that upgrades
    /// at another gateway within that time takes its session there. With 0 its WebSocket is relayed: each of its
    /// messages is then one between the gateways too. Clients that only poll wait that much longer for their first
    /// answer.
    pub peers_delayed_connection_ms: u64,
    /// Limit of the requests to other gateways that wait for an answer. Default 10,000, about 200 bytes each; requests of
    /// clients beyond it get 503.
    pub peers_max_open_requests: usize,
    /// Limit of the polls that wait here for sessions of other gateways, and of relayed WebSockets. Default 0:
    /// `server.max_sessions`. Requests beyond it get 503. A WebSocket costs as much memory as a session.
    pub peers_max_relayed: usize,
    /// Time after which a silent gateway counts as lost, in milliseconds. Default 6,000, the same at all gateways; each
    /// says something after a third of it. The sessions of a lost gateway are unknown, and relayed connections end.
    pub peers_timeout_ms: u64,
    /// Limit of the bytes that wait for one gateway. Default 134,217,728 (128 MiB). Beyond it the connection ends, as the
    /// gateway does not keep up. It must be twice `transport.max_buffered_bytes` or more. Cost: memory.
    pub peers_max_queued_bytes: usize,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            redis: Secret::default(),
            kind: ClusterKind::Streams,
            prefix: "socket.io".to_owned(),
            node: String::new(),
            request_timeout_ms: 2000,
            max_queued_bytes: 16 << 20,
            stream_length: 10_000,
            peers: Vec::new(),
            peers_listen: String::new(),
            peers_key: Secret::default(),
            peers_response_timeout_ms: 1000,
            peers_delayed_connection_ms: 300,
            peers_max_open_requests: 10_000,
            peers_max_relayed: 0,
            peers_timeout_ms: 6000,
            peers_max_queued_bytes: 128 << 20,
        }
    }
}

/// Format and medium of the messages between the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterKind {
    /// Redis Streams, as in `@socket.io/redis-streams-adapter`. The only kind that recovers clients on any node, and
    /// reads what it has missed while its connection was away.
    #[default]
    Streams,
    /// Sharded pub/sub of Redis 7, as the sharded adapter of `@socket.io/redis-adapter`: nodes receive no events for
    /// rooms that they do not have.
    Sharded,
    /// Pub/sub, as in `@socket.io/redis-adapter`.
    Classic,
}

impl Cluster {
    /// Whether this gateway is a node of a cluster.
    pub(crate) fn is_enabled(&self) -> bool {
        !self.redis.is_empty()
    }

    /// The settings of the connections. The error does not show the URL.
    pub(crate) fn open(&self) -> Option<Redis> {
        Redis::open(self.redis.expose()).ok()
    }

    /// Checks that types cannot express: the invalid settings of this section, with the expected values.
    pub(super) fn invalid_settings(&self, transport: &Transport) -> Vec<(&'static str, String)> {
        let mut invalid_settings = Vec::new();
        if self.is_enabled() {
            let invalid = self.invalid_medium().into_iter();
            invalid_settings.extend(invalid.map(|(key, message)| (key, message.to_owned())));
        }
        invalid_settings.extend(self.invalid_peers(transport));
        invalid_settings
    }

    fn invalid_medium(&self) -> Vec<(&'static str, &'static str)> {
        let mut invalid_settings = Vec::new();
        if self.open().is_none() {
            invalid_settings.push(("cluster.redis", URLS));
        }
        let is_plain = |name: &str, more: &str| {
            name.len() <= MAX_NAME && name.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if self.prefix.is_empty() || !is_plain(&self.prefix, "-_.:") {
            invalid_settings.push(("cluster.prefix", "1 to 64 letters, digits and - _ . : are expected"));
        }
        if !is_plain(&self.node, "-_.") {
            invalid_settings.push(("cluster.node", "up to 64 letters, digits and - _ . are expected"));
        }
        for (key, value) in [
            ("cluster.request_timeout_ms", self.request_timeout_ms),
            ("cluster.max_queued_bytes", self.max_queued_bytes as u64),
            ("cluster.stream_length", self.stream_length),
        ] {
            if value == 0 {
                invalid_settings.push((key, "more than 0 is expected"));
            }
        }
        invalid_settings
    }
}
