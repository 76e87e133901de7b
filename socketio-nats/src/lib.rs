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
//! # JetStream
//!
//! [`NatsAdapter`] and [`NatsEmitter`] do not use JetStream. [`JetStreamAdapter`] and [`JetStreamEmitter`] need NATS servers with
//! JetStream (`nats-server -js`), version 2.9 or newer, and keep broadcasts and the sessions of clients there:
//!
//! - A stream has the name with which it is opened, in which every byte other than ASCII letters, digits, `-` and `_` is `=` and
//!   two hexadecimal digits, and one subject, `<name>.entries`. It is made with the settings of [`Nats::jetstream`] when it is used
//!   first, keeps as many entries as the format says, and drops the oldest ones.
//! - An entry is a JSON object of its fields, which are texts, in one line. If it has a field `data`, that is no part of the object:
//!   the line ends, and its bytes follow. A message of another form is an entry without fields.
//! - The id of an entry is `<time>-<sequence number>`. The time is the one at which the stream was made, in milliseconds since 1970:
//!   a stream that was made anew, as one in memory after a restart, has the same sequence numbers again.
//! - A bucket is one of the key-value store of NATS: the stream `KV_<bucket>` with the subjects `$KV.<bucket>.<key>`. In keys every
//!   byte other than ASCII letters, digits, `-`, `_` and `/` is `=` and two digits. A revision is a sequence number. A removed value
//!   leaves no message, since that would count towards the size of the bucket.
//! - Entries and values are read from the leader of a stream, except those that consumers deliver: entries that are followed, and lists
//!   of values.
//!
//! A user needs the permission to publish on `$JS.API.>`, on the subjects of the streams and on `$KV.>`, and to subscribe on
//! `_INBOX.>`.
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
mod jetstream;
mod protocol;
mod settings;
mod subject;

#[cfg(feature = "adapter")]
pub use self::adapter::{NatsAdapter, NatsBuilder};
pub use self::emitter::NatsEmitter;
pub use self::jetstream::JetStreamEmitter;
#[cfg(feature = "adapter")]
pub use self::jetstream::{JetStreamAdapter, JetStreamBuilder};
pub use self::settings::{JetStream, Nats, SettingsError, Storage};
pub use socketio_broker::emitter::Emitter;
#[cfg(feature = "adapter")]
pub use socketio_broker::values::{Change, Listed, Values};
pub use socketio_broker::{Connections, Health, PublishError, Stats};
