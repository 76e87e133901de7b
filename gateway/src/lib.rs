//! Gateway for Socket.IO and plain WebSocket clients on one port, in front of any backend. Both protocols
//! share namespaces, rooms, users and events.
//!
//! The binary is `socketio-gateway`. This library is for programs that embed the gateway:
//!
//! ```no_run
//! use socketio_gateway::{Config, Gateway};
//! use socketio_server::{Ack, Data};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let gateway = Gateway::new(Config::default())?;
//!     gateway.io().on("double", |Data(number): Data<i64>| async move { Ack(number * 2) });
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//!     gateway.serve(listener).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Modules
//!
//! - [`cli`]: the command line. [`config`]: all settings, and the sources that they are loaded from.
//! - `workers`: several processes behind one port, and their supervisor. `process`: the parts of a process that serves.
//! - `serve`: accepts connections and dispatches their requests. `listen`: the parts of a listener: TLS, the
//!   client address behind proxies, and the detection of exhausted file descriptors.
//! - `gateway`: the server of both protocols, with its settings and shared state. `server`: its Socket.IO server.
//! - `endpoints`: HTTP endpoints of an embedding program.
//! - `auth`: authentication of clients and operators. `limits`: rate limits, and limits per client address.
//! - [`native`]: plain WebSockets. Each is a Socket.IO client inside this process, so all features work for
//!   both protocols.
//! - `builtin`: the built-in events of clients. `error_event`: the event `error`. `webhooks`: the backend
//!   that admits clients and handles their events.
//! - `http`: requests other than Socket.IO and WebSocket, including the API and the page. `response`: HTTP
//!   responses. `idempotency`: idempotency keys of API calls. `shared`: state that all nodes of a cluster share, in the
//!   `medium` of the cluster. `http_client`: the HTTP client.
//! - `node`: what the API reads of this node and does to its clients. `cluster`: the same on the other nodes.
//! - `stats`: statistics. `live_stats`: the namespace that publishes them. `log`: the writer and the rate limiter of
//!   the log. `expiring`: a map whose entries expire.

// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod builtin;
pub mod cli;
mod cluster;
pub mod config;
mod endpoints;
mod error;
mod error_event;
mod expiring;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod http;
mod http_client;
mod idempotency;
mod limits;
mod listen;
mod live_stats;
mod log;
mod medium;
pub mod native;
mod node;
mod process;
pub mod response;
mod serve;
mod server;
mod shared;
mod stats;
mod webhooks;
#[cfg(unix)]
mod workers;

pub use self::auth::holder::TokenHolder;
pub use self::auth::tokens::{JwksError, SessionError, SessionToken, TokenError};
pub use self::auth::user::{USER_ROOM, metadata, user};
pub use self::builtin::room_name::RoomError;
pub use self::cluster::ClusterError;
pub use self::config::Config;
pub use self::endpoints::Endpoints;
pub use self::error::{ReloadError, StartError};
pub use self::gateway::Gateway;
pub use self::http::once::OnceError;
pub use self::listen::Program;
pub use self::listen::certificate::TlsError;
pub use self::listen::networks::NetworkError;
pub use self::stats::disconnects::Disconnect;
pub use self::stats::snapshot::{RoomSize, Stats, Traffic};
pub use self::webhooks::WebhookError;

/// Sample configuration that `gen-config` prints: all settings with their defaults.
pub const SAMPLE_CONFIG: &str = include_str!("../gateway.toml");
/// Version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
