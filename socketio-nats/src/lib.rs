//! Socket.IO clusters on NATS. There is no official adapter for NATS: the format is the one of this crate, made of the
//! messages of the official cluster adapter.
//!
//! ```no_run
//! use socketio_nats::{Nats, NatsAdapter};
//! use socketio_server::Server;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let adapter = NatsAdapter::new(&Nats::open("nats://user:password@127.0.0.1:4222")?);
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
//! # The format
//!
//! A message between servers is one message of NATS, without headers and without a subject for replies. It is a message of the
//! official cluster adapter in msgpack, as the official adapter for Redis Streams writes its requests: a map of `type`, `data`,
//! `uid` (the sender) and `nsp` (the namespace), described by `socketio_cluster::cluster`. Receivers accept JSON too.
//!
//! | subject | who subscribes | what is on it |
//! | --- | --- | --- |
//! | `<prefix>.<namespace>` | all servers with the namespace | broadcasts, operations, requests, heartbeats |
//! | `<prefix>.<namespace>.node.<id>` | the server with this id in the namespace | answers to its requests |
//! | `<prefix>.probe.<id>` | one server | empty messages of the server to itself |
//!
//! The prefix is `socket.io` unless it is set. Namespaces and ids are one token each: ASCII letters, digits, `-`, `_` and `/`
//! stay, every other byte is written as `%` and two hexadecimal digits. A token of more than 256 bytes is cut off, and ends in
//! `~` and the SHA-1 digest of the name. A user of NATS needs the permission to publish and to subscribe on `<prefix>.>`.
//! A process that may publish there can do what a server of the cluster can.
//!
//! Servers know each other by heartbeats in each namespace ([`NatsBuilder::heartbeat_interval`]). They ignore messages with
//! their own id.
//!
//! # When NATS fails
//!
//! - Events reach the clients of their own server at once, whatever happens to NATS.
//! - Messages wait in a queue that is bounded in bytes ([`Nats::max_queued_bytes`]); beyond it an emit has an error, and is
//!   counted.
//! - A batch of messages is followed by a PING. What was not confirmed by its PONG when a connection ends counts as
//!   [`Stats::unconfirmed`], and is not sent again. Confirmed messages were taken by one NATS server: core NATS does not say who
//!   has received them.
//! - Lost connections are opened again, with delays that grow and are random in part, to the next server of the NATS cluster, and
//!   everything is subscribed again. The time without subscriptions is a gap. A server that NATS closes as a slow consumer has
//!   lost its connection too.
//! - Each server tests whether it hears: see [`Nats::probe_interval`], [`Connections::health`].
//! - A message that cannot be read is skipped and counted ([`Stats::bad_messages`]).
//!
//! # Features
//!
//! `adapter` (default): the adapter. `tls`: `tls://`. `tracing`: log events.
// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "adapter")]
mod adapter;
mod driver;
mod emitter;
mod encode;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod protocol;
mod settings;
mod subject;

#[cfg(feature = "adapter")]
pub use self::adapter::{NatsAdapter, NatsBuilder};
pub use self::emitter::NatsEmitter;
pub use self::settings::{Nats, SettingsError};
pub use socketio_broker::emitter::Emitter;
pub use socketio_broker::{Connections, Health, PublishError, Stats};
