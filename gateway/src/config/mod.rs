//! Settings of the gateway. Each has a default that is safe on a developer's machine.
//!
//! [`load`] describes the sources of settings and their precedence; `gateway.toml` in the crate's folder
//! lists all settings.

mod admin_ui;
pub(crate) mod changes;
mod check;
mod cluster;
mod keys;
mod limits;
pub mod load;
mod log;
mod origin_list;
mod peers;
pub(crate) mod sample;
mod secret;
mod urls;
pub mod webhooks;
mod workers;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

pub use self::admin_ui::{AdminMode, AdminUi};
pub use self::check::{InvalidSetting, RiskySetting};
pub use self::cluster::{Cluster, ClusterKind};
pub use self::limits::{Excess, Limits};
pub use self::log::{Log, LogFormat};
pub(crate) use self::peers::PeersAddress;
pub use self::secret::Secret;

/// Namespace in which operators receive the live statistics.
pub(crate) const STATS_NAMESPACE: &str = "/gateway";

/// Settings of a gateway. Each field is a section of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Listening address, and limits of the whole server.
    pub server: Server,
    /// TLS without a proxy.
    pub tls: Tls,
    /// Separate port for operators.
    pub internal: Internal,
    /// Sessions and messages.
    pub transport: Transport,
    /// Origins of pages that may connect.
    pub origins: Origins,
    /// Events that the gateway handles for clients.
    pub events: Events,
    /// Authentication of clients.
    pub auth: Auth,
    /// Rate limits of clients, and limits per address.
    pub limits: Limits,
    /// Backend that receives webhooks.
    pub webhooks: webhooks::Webhooks,
    /// Cluster of gateways on Redis or PostgreSQL.
    pub cluster: Cluster,
    /// Authentication of operators, and the page.
    pub api: Api,
    /// The official admin UI.
    pub admin_ui: AdminUi,
    /// Log.
    pub log: Log,
}

/// Listening address, and limits of the whole server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// IP address to listen on. Default `127.0.0.1`: reachable only from this machine; `0.0.0.0` or `::`:
    /// reachable from other machines. `localhost` is `127.0.0.1`.
    #[serde(deserialize_with = "host")]
    pub host: IpAddr,
    /// Port to listen on. Default 8000; 0 takes a free port.
    pub port: u16,
    /// Path of Socket.IO requests. Default `/socket.io`.
    pub path: String,
    /// Namespaces that clients may join, as names or patterns (`/tenant/{tenant}`). Default `/`.
    pub namespaces: Vec<String>,
    /// Reverse proxies, as addresses or networks (`10.0.0.0/8`), that are trusted to report the client
    /// address in `forwarded_by`. Default none: the address of the connection is the client address. List
    /// only proxies that write this header themselves; otherwise clients can forge it.
    pub trusted_proxies: Vec<String>,
    /// Header in which the proxies report the client address. Default `x-forwarded-for`.
    pub forwarded_by: ForwardedBy,
    /// Limit of open sessions, both protocols together. Default 250,000; further handshakes get 503.
    pub max_sessions: usize,
    /// Limit of connections per port that are in a TLS handshake or speak HTTP; connections that became
    /// WebSockets count as sessions. Default 20,000; further connections are closed at once. An idle
    /// connection costs about 1 KiB, with TLS about 10 KiB.
    pub max_connections: usize,
    /// Budget of memory for messages that are queued for all clients together, in bytes. Default 536,870,912
    /// (512 MiB), for a machine of 2 GiB. Beyond three quarters of the budget, messages to clients with a
    /// large queue are refused, and clients whose queue has reached an equal share or more are disconnected.
    pub max_queued_bytes: usize,
    /// Budget of memory for received data that is incomplete or waits for its handlers, of all clients
    /// together, in bytes. Default 268,435,456 (256 MiB), for a machine of 2 GiB. Clients beyond it are
    /// disconnected and may connect again; a quarter is reserved for clients that hold little.
    pub max_received_bytes: usize,
    /// Deadline of a drain, in milliseconds. Default 10,000. Disconnects are spread evenly over the first
    /// half, so that clients do not all reconnect at the same moment.
    pub drain_ms: u64,
    /// Number of processes that serve the port, 1 to 64, which a supervisor starts, restarts and replaces. Default 0:
    /// the process serves by itself. It needs Unix. Each process has the
    /// limits of these settings for itself. Cost: 3 MiB of memory each, the messages of a cluster, and two or three
    /// messages for each request that arrives at another process than that of its session. Only the program
    /// knows it: [`Gateway::new`](crate::Gateway::new) is one process.
    pub workers: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 8000,
            path: "/socket.io".to_owned(),
            namespaces: vec!["/".to_owned()],
            trusted_proxies: Vec::new(),
            forwarded_by: ForwardedBy::XForwardedFor,
            max_sessions: 250_000,
            max_connections: 20_000,
            max_queued_bytes: 512 << 20,
            max_received_bytes: 256 << 20,
            drain_ms: 10_000,
            workers: 0,
        }
    }
}

/// Deserializes an address to listen on. Names are not resolved, as a name may have several addresses.
fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| {
        D::Error::custom(
            "an IP address is expected: 127.0.0.1 is reachable from this machine, 0.0.0.0 or :: from others too",
        )
    })
}

/// TLS without a proxy. It costs about 8 KiB of memory per connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// Path of the PEM file with the certificate and its chain. Default empty: no TLS.
    pub certificate: String,
    /// Path of the PEM file with the private key.
    pub key: String,
    /// Interval at which the files are checked for changes, in milliseconds. Default 10,000; 0: only at
    /// SIGHUP. Each check reads two small files.
    pub watch_ms: u64,
    /// `max-age` of `Strict-Transport-Security`, in seconds: a browser that received it uses only TLS for
    /// this host name, on any port. Default 31,536,000, a year; 0 makes browsers forget it. Costs a header of
    /// 47 bytes.
    pub hsts_seconds: u64,
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate: String::new(), key: String::new(), watch_ms: 10_000, hsts_seconds: 31_536_000 }
    }
}

/// Separate port for operators, without TLS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Internal {
    /// Address and port, such as `10.0.0.1:9000`. Default empty: no separate port. With it, metrics and the
    /// API are served here and no longer on the port of the clients, except for `/api/auth/acquire-session`,
    /// which is served on both.
    pub address: String,
    /// Whether programs on this machine may use the port without a key. Default `false`. It requires a
    /// loopback address, and does not apply to pages: a request with an `Origin`, or with a `Host` other than
    /// `localhost` or a loopback address, still needs a key. A proxy or tunnel to this port gives operator
    /// rights to all callers that it lets through.
    pub allow_without_key: bool,
}

impl Internal {
    /// Address to listen on, if one is set and valid.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.address.parse().ok()
    }

    /// Whether programs on this machine are accepted without a key.
    pub(crate) fn is_keyless(&self) -> bool {
        self.allow_without_key && self.listen().is_some_and(|address| address.ip().is_loopback())
    }
}

/// Header in which proxies report the client address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, the most common one.
    #[default]
    XForwardedFor,
    /// `Forwarded` of RFC 7239.
    Forwarded,
}

/// Sessions and messages. Times are in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transport {
    /// Interval between a client's pong and the next ping. Default 25,000. Costs one small message each way.
    pub ping_interval_ms: u64,
    /// Timeout of the pong, after which the session is closed. Default 20,000.
    pub ping_timeout_ms: u64,
    /// Timeout for a client to join its first namespace. Default 10,000.
    pub connect_timeout_ms: u64,
    /// Time for which a Socket.IO client that lost its connection is recovered, in milliseconds: it has the same id,
    /// rooms and metadata again, and gets the events that it has missed. Default 0: clients are not recovered. Their
    /// tokens are checked as always. The events of that time are kept, up to 16 MiB of a namespace in memory; with
    /// `cluster.kind = "streams"` they are in Redis, and clients are recovered by any node.
    pub recovery_ms: u64,
    /// Limit of the size of one message. Default 1,000,000.
    pub max_payload_bytes: usize,
    /// Limit of the memory queued for one client, beyond which it is disconnected as a slow consumer. A
    /// message counts with its bytes, an eighth more, and 128 bytes for its queue entry. Default 8 MiB.
    pub max_buffered_bytes: usize,
    /// Timeout of the TLS handshake, of the head of a request, and of an idle connection. Default 10,000;
    /// then the connection is closed.
    pub head_timeout_ms: u64,
    /// Timeout for receiving the body of a POST, and for writing each 16 KiB of a response. Default 30,000;
    /// then the connection is closed.
    pub body_timeout_ms: u64,
    /// Whether clients of Socket.IO v1 and v2 (Engine.IO protocol 3) are accepted. Default `false`. These
    /// clients derive `socket.id` from the id of their session, which is a secret. The gateway uses another
    /// id for them, which the event `connected` carries as `socketId`.
    pub allow_eio3: bool,
    /// Whether JSONP polling is accepted, which browsers without CORS need. Default `false`. Any page on the
    /// web can run such a response as a script; the gateway accepts JSONP from pages of other origins only if
    /// `origins.allowed` is `*`.
    pub jsonp: bool,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            connect_timeout_ms: 10_000,
            recovery_ms: 0,
            max_payload_bytes: 1_000_000,
            max_buffered_bytes: 8 * 1024 * 1024,
            head_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            allow_eio3: false,
            jsonp: false,
        }
    }
}

/// Origins of pages that may connect. A request without an `Origin` header does not come from a page and is
/// not checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origins {
    /// Allowed origins besides the gateway's own, such as `https://example.com`; `*` allows all. Default
    /// none.
    pub allowed: Vec<String>,
    /// Whether pages of these origins may send cookies (`withCredentials`). Default `false`. Not possible
    /// with `*`.
    pub credentials: bool,
}

/// Events that the gateway handles for clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Events {
    /// Whether clients may join and leave rooms by the events `join` and `leave`. Default `true`.
    pub join: bool,
    /// Limit of rooms that a client may join by events. Default 128. Each costs about 50 bytes.
    pub max_rooms: usize,
    /// Whether events are relayed between clients. `message` reaches other clients, and an event without a
    /// handler reaches the members of the room in its data (`{"room": …}`) if the sender is a member. Default
    /// `true`.
    pub relay: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self { join: true, max_rooms: 128, relay: true }
    }
}

/// Authentication of clients. Without `jwt_key`, `jwks` and `session_secret` tokens are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Auth {
    /// Whether clients without a token are admitted. Default `true`.
    pub anonymous: bool,
    /// Signature algorithm of JWTs: `HS256`, `RS256`, `ES256`, `EdDSA` or a longer variant. Default `HS256`.
    /// Tokens of other algorithms are rejected.
    pub jwt_method: String,
    /// Key of JWTs: the shared secret, of at least 16 bytes, or the public key as PEM. Default empty: no JWT
    /// is accepted by such a key.
    pub jwt_key: Secret,
    /// Location of the public keys of JWTs, a JSON Web Key Set: an `http://` or `https://` URL, or a file.
    /// Default empty: none. Over plain HTTP a man in the middle can insert its own keys; the log warns about
    /// it. A token without a key id is tried with up to four keys. The algorithm is that of the key (RSA,
    /// ECDSA with P-256 or P-384, Ed25519); `jwt_method` does not apply.
    pub jwks: String,
    /// Minimum interval between two fetches of the key set that are caused by tokens with an unknown key id,
    /// in milliseconds. Default 60,000. A new key is accepted at most that much later.
    pub jwks_interval_ms: u64,
    /// Age after which the key set is fetched again in any case, in milliseconds. Default 3,600,000, an hour.
    /// A withdrawn key stays accepted that much longer.
    pub jwks_age_ms: u64,
    /// Required `iss` of JWTs. Default empty: not checked.
    pub jwt_issuer: String,
    /// Required `aud` of JWTs. Default empty: not checked.
    pub jwt_audience: String,
    /// Claim that holds the user's name. Default `sub`.
    pub user_claim: String,
    /// Claims that are copied to the metadata of the connection, such as `plan`. Default none.
    pub metadata_claims: Vec<String>,
    /// Secret that signs and verifies session tokens; at least 16 bytes, and different from `jwt_key`.
    /// Default empty: no session tokens.
    pub session_secret: Secret,
    /// Lifetime of a session token, in milliseconds. Default 86,400,000, a day.
    pub session_ms: u64,
    /// Time for which rooms, metadata and user of a disconnected client are kept, in milliseconds, until it
    /// returns with the same session token. Default 0: they are not kept.
    pub keep_ms: u64,
    /// Limit of disconnected clients that are kept; beyond it the oldest are forgotten. Default 10,000. Each
    /// costs about 500 bytes, plus its metadata and the names of its rooms: 32 KiB at most for 128 rooms.
    pub max_kept: usize,
    /// Time for which the revocation of a user's tokens is remembered, in milliseconds. It must be as long as
    /// the lifetime of the longest token. Default 86,400,000, a day.
    pub revoked_ms: u64,
    /// Limit of users with revoked tokens; beyond it further revocations fail. Default 10,000. Each costs
    /// about 200 bytes.
    pub max_revoked: usize,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            anonymous: true,
            jwt_method: "HS256".to_owned(),
            jwt_key: Secret::default(),
            jwks: String::new(),
            jwks_interval_ms: 60_000,
            jwks_age_ms: 3_600_000,
            jwt_issuer: String::new(),
            jwt_audience: String::new(),
            user_claim: "sub".to_owned(),
            metadata_claims: Vec::new(),
            session_secret: Secret::default(),
            session_ms: 86_400_000,
            keep_ms: 0,
            max_kept: 10_000,
            revoked_ms: 86_400_000,
            max_revoked: 10_000,
        }
    }
}

/// Authentication of operators, and the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Api {
    /// Keys of operators; any of them gives access. Each has at least 16 bytes. Default none: a random key is
    /// generated at every start, which the program prints once and
    /// [`Gateway::generated_key`](crate::Gateway::generated_key) returns.
    #[serde(deserialize_with = "secret::list")]
    pub keys: Vec<Secret>,
    /// Whether the page is served. Default `true`. It shows statistics to operators only.
    pub page: bool,
}

impl Default for Api {
    fn default() -> Self {
        Self { keys: Vec::new(), page: true }
    }
}
