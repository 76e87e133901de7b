//! Socket.IO clusters on Redis, in the formats of the official adapters and emitters: servers with these
//! adapters and official servers on Node.js are nodes of one cluster.
//!
//! ```no_run
//! use socketio_redis::{ClassicAdapter, Redis};
//! use socketio_server::Server;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let adapter = ClassicAdapter::new(&Redis::open("redis://127.0.0.1:6379/")?);
//! let io = Server::builder().adapter(adapter.clone()).build()?;
//! io.on_connect(|socket: socketio_server::Socket| async move {
//!     socket.join("news");
//! });
//! // Clients are served without this wait too.
//! adapter.connections().ready().await;
//! io.to("news").emit("headline", "for the members on all servers").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # When Redis fails
//!
//! - Events reach the clients of their own server at once, whatever happens to Redis.
//! - Messages wait for Redis in a queue that is bounded in bytes ([`Redis::max_queued_bytes`]); beyond it an emit has an
//!   error, and is counted.
//! - Lost connections are opened again, with delays that grow and are random in part, and everything is subscribed again.
//! - Each server tests whether it hears: see [`Redis::probe_interval`], [`Connections::health`].
//! - A message that cannot be read is skipped and counted ([`Stats::bad_messages`]).
//!
//! # Sentinel and Cluster
//!
//! [`Redis::open`] takes URLs of both: `redis-sentinel://` follows the failovers of a master, `redis-cluster://` the slots of a
//! Redis Cluster. Each lost connection, and each slot that moves, is a gap for the namespaces.
//!
//! # Features
//!
//! `adapter` (default): the adapters. `peers`: the medium of Engine.IO servers that share their sessions. `tls`: `rediss://`.
//! `tracing`: log events.
// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod channel_rule;
#[cfg(feature = "adapter")]
mod classic;
#[cfg(feature = "adapter")]
mod connections;
mod driver;
mod emitter;
mod error;
#[cfg(feature = "peers")]
mod peers;
#[cfg(feature = "adapter")]
mod python;
mod settings;
#[cfg(feature = "adapter")]
mod sharded;
#[cfg(feature = "adapter")]
mod streams;
mod trace;

pub use self::channel_rule::SubscriptionMode;
#[cfg(feature = "adapter")]
pub use self::classic::{ClassicAdapter, ClassicBuilder};
#[cfg(feature = "adapter")]
pub use self::connections::{Connections, ScriptReply};
pub use self::emitter::{ClassicEmitter, ShardedEmitter, StreamsEmitter};
pub use self::error::SettingsError;
#[cfg(feature = "peers")]
pub use self::peers::{RedisPeers, RedisPeersBuilder};
pub use self::settings::Redis;
#[cfg(feature = "adapter")]
pub use self::sharded::{ShardedAdapter, ShardedBuilder};
#[cfg(feature = "adapter")]
pub use self::streams::{StreamsAdapter, StreamsBuilder};
pub use socketio_broker::emitter::Emitter;
pub use socketio_broker::{Connections as EmitterConnections, Health, PublishError, Stats};
