//! Settings of a cluster of gateways.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use socketio_nats::{JetStream, Nats};
use socketio_postgres::Postgres;
use socketio_redis::Redis;

use super::Transport;
use super::secret::Secret;

/// The forms of the URL.
const URLS: &str = "a URL is expected: redis://[user][:password@]host[:port][/database], redis+unix:///path, \
    redis-sentinel://[user][:password@]host[:port],host[:port]…/service[/database] with 1 to 16 sentinels, \
    redis-cluster://[user][:password@]host[:port],host[:port]… with 1 to 16 servers, or rediss://, rediss-sentinel:// or \
    rediss-cluster:// for the same with TLS";

/// The forms of the URL of PostgreSQL.
const POSTGRES_URLS: &str = "a URL is expected: postgres://[user][:password@]host[:port][/database], with ?sslmode=require for TLS, or host=/run/postgresql user=… dbname=… for a Unix socket";
/// The forms of the URL of NATS.
const NATS_URLS: &str = "a URL is expected: nats://[user:password@|token@]host[:port][,host[:port]…] with 1 to 16 servers, or tls:// \
    for the same with TLS";
/// The form of the names of tables.
const TABLES: &str =
    "up to 32 letters, digits and _ are expected, behind a schema and a dot if it is not the one of the user";

/// Limit of the length of `prefix` and `node`, in bytes.
const MAX_NAME: usize = 64;

/// Cluster of gateways, and of other Socket.IO servers, on Redis, PostgreSQL or NATS, or within one host.
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
    /// URL of PostgreSQL, in place of `redis`, which counts as a secret: `postgres://[user][:password@]host[:port][/database]`,
    /// with `?sslmode=require` for TLS, or `host=/run/postgresql user=… dbname=…`. Default empty. The gateways talk as
    /// `@socket.io/postgres-adapter` does. Each event to several clients is a transaction that notifies; PostgreSQL commits
    /// these one after the other, so that heavy traffic belongs on Redis. Cost: two connections, which must not go through a
    /// pooler of transactions.
    pub postgres: Secret,
    /// Prefix of the names of the tables in PostgreSQL: up to 32 letters, digits and `_`, behind a schema and a dot if it is
    /// not the one of the user. Default `socket_io_`: `socket_io_attachments`, as in the official adapter, and
    /// `socket_io_gateway_calls`, `…_clients` and `…_revoked`. Several clusters may have the same tables.
    pub postgres_tables: String,
    /// Whether missing tables are created, for which the user needs the right. Default `false`: without the tables large
    /// messages are lost, and the state that the gateways share is not available, which the log reports.
    pub postgres_create_tables: bool,
    /// URL of NATS servers with JetStream, in place of `redis`, which counts as a secret:
    /// `nats://[user:password@|token@]host[:port][,host[:port]…]`, or `tls://` for the same with TLS. Default empty. Other servers
    /// of the same cluster have the adapter on JetStream of the crate `socketio-nats`. Cost: three connections.
    pub nats: Secret,
    /// Number of NATS servers that have a copy of what the gateways keep there, 1 to 5. Default 1. More than one need as many
    /// NATS servers, and cost the storage and the traffic of each.
    pub nats_replicas: u8,
    /// Path of the Unix socket of a broker of the crate `socketio-ipc` on this host, in place of `redis`. Default empty. The
    /// workers of `server.workers` have it by themselves; it is for gateways beside other servers of that crate. Cost: three
    /// connections. Who may connect to the socket can do what a gateway can.
    pub ipc: PathBuf,
    /// Format and medium of the messages between the nodes on Redis, the same on all nodes. Default `streams`.
    pub kind: ClusterKind,
    /// Prefix of all names in Redis, and of the channels in PostgreSQL: 1 to 64 letters, digits and `-`, `_`, `.`, `:`. Default `socket.io`, as in
    /// the official adapters. Two clusters on one Redis, or in one database, need different ones.
    pub prefix: String,
    /// Name of this node in the API, the page, the metrics and the log: up to 64 letters, digits and `-`, `_`,
    /// `.`. Default empty: the name of the host and four random characters.
    pub node: String,
    /// Time after which answers of other nodes are not awaited any more, in milliseconds. Default 2,000. An API
    /// call waits that long for a node that is stuck.
    pub request_timeout_ms: u64,
    /// Limit of the bytes of messages that wait for Redis or PostgreSQL. Default 16 MiB, which they can cost in memory
    /// while it is slow or away. Further messages are not sent to the other nodes, and counted.
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
    /// Default empty: sessions are not shared. Without `peers_tls_certificate` the network has to be a private one.
    pub peers_listen: String,
    /// Key that the gateways of `peers` prove to each other, at least 16 bytes, the same at all. Default empty, which is
    /// possible only if all addresses are of this machine.
    pub peers_key: Secret,
    /// Path of the PEM file with the certificate of this gateway for the others of `peers`, and its chain. Default empty:
    /// the connections are not encrypted. Both sides present a certificate; that of the one that is connected to must be
    /// valid for its host in `peers`, and needs the usages of servers and clients. All gateways need one, or none.
    /// Changed files are read again as those of `tls` are. Connections of Unix sockets are not encrypted. Cost: a
    /// handshake for each connection, and the encryption of what is relayed.
    pub peers_tls_certificate: String,
    /// Path of the PEM file with the private key of `peers_tls_certificate`.
    pub peers_tls_key: String,
    /// Path of the PEM file with the authorities whose certificates are trusted in the connections of `peers`. Default
    /// empty; needed with `peers_tls_certificate`. Those of the system are not trusted.
    pub peers_tls_ca: String,
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
            postgres: Secret::default(),
            postgres_tables: "socket_io_".to_owned(),
            postgres_create_tables: false,
            nats: Secret::default(),
            nats_replicas: 1,
            ipc: PathBuf::new(),
            kind: ClusterKind::Streams,
            prefix: "socket.io".to_owned(),
            node: String::new(),
            request_timeout_ms: 2000,
            max_queued_bytes: 16 << 20,
            stream_length: 10_000,
            peers: Vec::new(),
            peers_listen: String::new(),
            peers_key: Secret::default(),
            peers_tls_certificate: String::new(),
            peers_tls_key: String::new(),
            peers_tls_ca: String::new(),
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
        self.media().next().is_some()
    }

    /// The settings that name a system, of which one is possible.
    fn media(&self) -> impl Iterator<Item = &'static str> {
        let is_set = [
            ("cluster.redis", !self.redis.is_empty()),
            ("cluster.postgres", !self.postgres.is_empty()),
            ("cluster.nats", !self.nats.is_empty()),
            ("cluster.ipc", !self.ipc.as_os_str().is_empty()),
        ];
        is_set.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key)
    }

    /// Name of the setting with the URL.
    pub(crate) fn url_key(&self) -> &'static str {
        self.media().next().unwrap_or("cluster.redis")
    }

    /// The settings of the connections to PostgreSQL.
    pub(crate) fn open_postgres(&self) -> Option<Postgres> {
        Postgres::open(self.postgres.expose()).ok()
    }

    /// The settings of the connections to NATS.
    pub(crate) fn open_nats(&self) -> Option<Nats> {
        let jetstream = JetStream::default().replicas(self.nats_replicas);
        Some(Nats::open(self.nats.expose()).ok()?.jetstream(jetstream))
    }

    /// The settings of the connections to Redis. The error does not show the URL.
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
        for key in self.media().skip(1) {
            let message = "a second system is not possible: the gateways of a cluster talk through one of cluster.redis, \
                cluster.postgres, cluster.nats and cluster.ipc";
            invalid_settings.push((key, message));
        }
        if !self.nats.is_empty() && self.open_nats().is_none() {
            invalid_settings.push(("cluster.nats", NATS_URLS));
        }
        if !(1..=5).contains(&self.nats_replicas) {
            invalid_settings.push(("cluster.nats_replicas", "1 to 5 are expected"));
        }
        if !self.redis.is_empty() && self.open().is_none() {
            invalid_settings.push(("cluster.redis", URLS));
        }
        if !self.postgres.is_empty() {
            if self.open_postgres().is_none() {
                invalid_settings.push(("cluster.postgres", POSTGRES_URLS));
            }
            if !are_tables(&self.postgres_tables) {
                invalid_settings.push(("cluster.postgres_tables", TABLES));
            }
        }
        if !self.ipc.as_os_str().is_empty() && !cfg!(unix) {
            invalid_settings.push(("cluster.ipc", "this system has no Unix sockets"));
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

/// Whether names of tables can begin with this text, without quotes.
fn are_tables(prefix: &str) -> bool {
    let is_name = |name: &str| {
        name.len() <= 32
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    match prefix.split_once('.') {
        Some((schema, prefix)) => !schema.is_empty() && is_name(schema) && is_name(prefix),
        None => is_name(prefix),
    }
}

#[cfg(test)]
mod tests {
    use super::are_tables;
    use crate::config::Config;
    use crate::{Gateway, StartError};

    fn keys(config: &Config) -> Vec<&'static str> {
        config.check().err().into_iter().flatten().map(|error| error.key).collect()
    }

    #[test]
    fn the_settings_of_postgres_are_checked() {
        let mut config = Config::default();
        for url in
            ["http://:sesame@localhost/", "postgres://:sesame@host:port/", "user=sesame", "postgres://"]
        {
            config.cluster.postgres = url.into();
            config.cluster.postgres_tables = "a b".to_owned();
            assert_eq!(keys(&config), ["cluster.postgres", "cluster.postgres_tables"], "{url}");
            assert!(config.check().unwrap_err().iter().all(|error| !error.message.contains("sesame")));
        }
        config.cluster.postgres_tables = "chat.".to_owned();
        for url in ["postgres://:sesame@10.0.0.1/db?sslmode=require", "host=/run/postgresql user=a dbname=b"]
        {
            config.cluster.postgres = url.into();
            assert_eq!((keys(&config), config.risks()), (vec![], vec![]), "{url}");
        }
        config.cluster.postgres = "postgres://10.0.0.1/db".into();
        assert_eq!(config.risks()[0].key, "cluster.postgres");
        config.cluster.redis = "redis://127.0.0.1/".into();
        assert_eq!(keys(&config), ["cluster.postgres"], "one of both");
        config.cluster.redis = "".into();
        let Err(StartError::Cluster(error)) = Gateway::new(config) else { panic!("no runtime") };
        assert!(error.to_string().contains("tokio"), "{error}");
    }

    /// The names are parts of statements.
    #[test]
    fn names_of_tables_are_plain() {
        let longest = format!("{}.{}", "s".repeat(32), "p".repeat(32));
        for names in ["", "socket_io_", "chat.", "chat.gw_", "_", &longest] {
            assert!(are_tables(names), "{names}");
        }
        let longer = "p".repeat(33);
        for names in [".", ".a", "a.b.c", "1a", "a.1", "a-b", "a;b", "a\"b", "é", "a b", &longer] {
            assert!(!are_tables(names), "{names}");
        }
    }
}
