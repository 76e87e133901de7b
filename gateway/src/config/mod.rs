//! Every number and switch of the gateway. Each has a default that is safe on a machine of one's own.
//!
//! Where they come from, and in which order, is in [`load`]; `gateway.toml` in the crate's folder shows them all.

pub(crate) mod changes;
mod check;
pub mod hooks;
mod keys;
mod limits;
pub mod load;
mod secret;
mod urls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use self::check::{RiskyValue, WrongValue};
pub use self::limits::{Excess, Limits};
pub use self::secret::Secret;

/// The namespace in which operators watch the numbers.
pub(crate) const WATCH: &str = "/gateway";

/// The settings of a gateway. The fields are the sections of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where it listens.
    pub server: Server,
    /// TLS without a proxy.
    pub tls: Tls,
    /// A port of its own for operators.
    pub internal: Internal,
    /// Sessions and messages.
    pub transport: Transport,
    /// Which pages may connect.
    pub origins: Origins,
    /// What clients may do by themselves.
    pub events: Events,
    /// Who clients are, and how they prove it.
    pub auth: Auth,
    /// How fast clients may talk.
    pub limits: Limits,
    /// The backend that is called.
    pub hooks: hooks::Hooks,
    /// Who may ask for numbers, and by them for everything else that is an operator's.
    pub api: Api,
    /// What is written to the log.
    pub log: Log,
}

/// Where the gateway listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// The address. Default `127.0.0.1`: only programs of this machine; `0.0.0.0` or `::` for everybody.
    pub host: IpAddr,
    /// The port. Default 8000; 0 takes a free one.
    pub port: u16,
    /// Which requests are Socket.IO's. Default `/socket.io`.
    pub path: String,
    /// The namespaces that clients may join, as names or patterns (`/tenant/{tenant}`). Default `/`.
    pub namespaces: Vec<String>,
    /// The proxies in front, as addresses or nets (`10.0.0.0/8`): whom they name in `forwarded_by` is the client. Default
    /// none: the address of the connection is. Trust none that does not write this header itself.
    pub trusted_proxies: Vec<String>,
    /// In which header they say for whom they come. Default `x-forwarded-for`.
    pub forwarded_by: ForwardedBy,
    /// How many sessions may be open at once, both protocols together. Default 250,000; further ones get 503.
    pub max_sessions: usize,
    /// How many connections of a port may be in a TLS handshake or speak HTTP at once; those that became WebSockets
    /// count as sessions. Default 20,000; further ones are closed at once. An idle one costs about 1 KiB, with TLS
    /// about 10 KiB.
    pub max_connections: usize,
    /// How many bytes of memory may wait for all clients together. Default 536,870,912 (512 MiB), for a machine of 2 GiB;
    /// beyond three quarters of it, what is sent to those for whom much waits is refused, and those who have an equal
    /// share or more are disconnected.
    pub max_queued_bytes: usize,
    /// How long a shutdown may take, in milliseconds. Default 10,000; clients are told to go evenly over the first
    /// half of it, so that they do not come back in one moment.
    pub drain_ms: u64,
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
            drain_ms: 10_000,
        }
    }
}

/// TLS without a proxy. It costs about 8 KiB of memory for each connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// The file of the certificate, with those that lead to it, as PEM. Default empty: no TLS.
    pub certificate: String,
    /// The file of its key, as PEM.
    pub key: String,
    /// How often it is looked whether the files have changed, in milliseconds. Default 10,000; 0: only at SIGHUP. Costs
    /// the reading of two small files.
    pub watch_ms: u64,
    /// For how many seconds browsers that have been here speak nothing but TLS to this host name, on any port
    /// (`Strict-Transport-Security`). Default 31,536,000, a year; 0 makes them forget it. Costs a header of 47 bytes.
    pub hsts_seconds: u64,
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate: String::new(), key: String::new(), watch_ms: 10_000, hsts_seconds: 31_536_000 }
    }
}

/// A port of its own for operators, without TLS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Internal {
    /// Address and port, such as `10.0.0.1:9000`. Default empty: none. With it, the metrics and the API are here and no
    /// longer on the port of the clients, except for `/api/auth/acquire-session`, which is on both.
    pub address: String,
    /// Whether every program of this machine may use it without a key. Default `false`. Only with a loopback address, and
    /// not for pages: requests with an `Origin`, or with a `Host` that is neither `localhost` nor a loopback address, need
    /// a key all the same. A proxy or a tunnel to this port makes operators of all whom it lets through.
    pub allow_without_key: bool,
}

impl Internal {
    /// Where it listens, if it does.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.address.parse().ok()
    }

    /// Whether it takes programs of this machine without a key.
    pub(crate) fn is_keyless(&self) -> bool {
        self.allow_without_key && self.listen().is_some_and(|address| address.ip().is_loopback())
    }
}

/// How proxies say for whom they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, as most do.
    #[default]
    XForwardedFor,
    /// `Forwarded`, as RFC 7239 has it.
    Forwarded,
}

/// Sessions and messages. Times are in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transport {
    /// How long after an answer the next heartbeat is sent. Default 25,000. Costs one small message each way.
    pub ping_interval_ms: u64,
    /// How long the answer may take; then the session ends. Default 20,000.
    pub ping_timeout_ms: u64,
    /// How long a client may stay without joining a namespace. Default 10,000.
    pub connect_timeout_ms: u64,
    /// The largest message. Default 1,000,000.
    pub max_payload_bytes: usize,
    /// How much memory may wait for one client before it is put off as too slow; a message counts with an eighth more than
    /// its bytes and with 128 bytes for its place. Default 8 MiB.
    pub max_buffered_bytes: usize,
    /// How long a client may take for the TLS handshake, and for the head of a request; and how long a connection may be
    /// idle. Default 10,000; then it is closed.
    pub head_timeout_ms: u64,
    /// How long a client may take for the body of a POST, and for each 16 KiB of an answer. Default 30,000; then its
    /// connection is closed.
    pub body_timeout_ms: u64,
    /// Whether clients of Socket.IO 1 and 2 (Engine.IO 3) may come. Default `false`. They make `socket.id` up from the id
    /// of their session, which is a secret; the id that the gateway knows them by is another, and the event `connected`
    /// tells it as `socketId`.
    pub allow_eio3: bool,
    /// Whether polls may be JSONP, which browsers without CORS need. Default `false`. Every page on the web can run such an
    /// answer as a script; the gateway takes it from pages of other origins only if `origins.allowed` is `*`.
    pub jsonp: bool,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            connect_timeout_ms: 10_000,
            max_payload_bytes: 1_000_000,
            max_buffered_bytes: 8 * 1024 * 1024,
            head_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            allow_eio3: false,
            jsonp: false,
        }
    }
}

/// Which pages may connect. A request without an `Origin` header is not a page's and is not asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origins {
    /// Origins besides the gateway's own, such as `https://example.com`; `*` means all. Default none.
    pub allowed: Vec<String>,
    /// Whether pages of these origins may send cookies (`withCredentials`). Default `false`. Not possible with `*`.
    pub credentials: bool,
}

/// What clients may do by themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Events {
    /// Whether clients join and leave rooms by events (`join`, `leave`). Default `true`.
    pub join: bool,
    /// How many rooms a client may join by itself. Default 128. Each costs about 50 bytes.
    pub max_rooms: usize,
    /// Whether `message` reaches other clients, and whether an event that nobody handles reaches the members of the
    /// room that its data names (`{"room": …}`), if the sender is one. Default `true`.
    pub relay: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self { join: true, max_rooms: 128, relay: true }
    }
}

/// Who clients are, and how they prove it. Without `jwt_key`, `jwks` and `session_secret` nobody looks at tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Auth {
    /// Whether clients without a token are let in. Default `true`.
    pub anonymous: bool,
    /// By which method JWTs are signed: `HS256`, `RS256`, `ES256`, `EdDSA` or a longer one. Default `HS256`. No other
    /// one is taken.
    pub jwt_method: String,
    /// The key of JWTs: the secret, of at least 16 bytes, or the public key as PEM. Default empty: no JWT is taken.
    pub jwt_key: Secret,
    /// The public keys of JWTs as a JSON Web Key Set: an `http://` or `https://` URL, or a file. Default empty: there are
    /// none. Over plain HTTP whoever is in between can name keys of its own; the log says so. A token that names no key
    /// is tried with up to four of them. The method is that of the key (RSA, ECDSA with P-256 or P-384, Ed25519), and `jwt_method` does not matter.
    pub jwks: String,
    /// How often the set is asked for at most when a token names a key that is not in it, in milliseconds. Default
    /// 60,000. A new key is known that much too late at most.
    pub jwks_interval_ms: u64,
    /// After how long it is asked for again in any case, in milliseconds. Default 3,600,000, an hour. A key that was
    /// withdrawn is good that much longer.
    pub jwks_age_ms: u64,
    /// What `iss` has to be. Default empty: anything.
    pub jwt_issuer: String,
    /// What has to be in `aud`. Default empty: anything.
    pub jwt_audience: String,
    /// The claim with the user's name. Default `sub`.
    pub user_claim: String,
    /// Claims that become metadata of the connection, such as `plan`. Default none.
    pub metadata_claims: Vec<String>,
    /// By it the gateway signs the tokens of sessions, and knows them again; at least 16 bytes, and not
    /// `jwt_key`. Default empty: there are none.
    pub session_secret: Secret,
    /// How long a session's token is good, in milliseconds. Default 86,400,000, a day.
    pub session_ms: u64,
    /// For how long rooms, metadata and user of a client that lost its connection are kept, in milliseconds, for when it
    /// comes back with the same session's token. Default 0: they are not.
    pub keep_ms: u64,
    /// How many clients' are kept at most; then the oldest are forgotten. Default 10,000. Each costs about 500 bytes,
    /// its metadata and the names of its rooms: of 128 rooms 32 KiB at most.
    pub max_kept: usize,
    /// For how long it is remembered that the tokens of a user were taken back, in milliseconds: as long as the longest
    /// token is good. Default 86,400,000, a day.
    pub revoked_ms: u64,
    /// Of how many users at most; then no further ones can be. Default 10,000. Each costs about 200 bytes.
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

/// What operators may do, and who they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Api {
    /// The keys that operators have: any of them opens. Each has at least 16 bytes. Default none: then a random one
    /// is made at every start, which the program prints once and [`Gateway::generated_key`](crate::Gateway::generated_key)
    /// tells.
    #[serde(deserialize_with = "secret::list")]
    pub keys: Vec<Secret>,
    /// Whether the page is served. Default `true`. It shows numbers to operators only.
    pub page: bool,
}

impl Default for Api {
    fn default() -> Self {
        Self { keys: Vec::new(), page: true }
    }
}

/// What is written to the log, which goes to the standard error. Where it is not read fast enough, 1 MiB of lines waits
/// (2 MiB with what is being written), and further lines are dropped and counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`, or what `tracing` calls directives. Default `info`.
    pub level: String,
    /// Lines for people, or JSON for programs. Default `human`.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Human }
    }
}

/// For whom the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}
