//! Messages between the servers of a Socket.IO cluster, and their formats on the media of the official
//! adapters.
//!
//! Everything that crosses process borders in a cluster is described here, below the server: an adapter needs
//! this crate and a connection to its medium, and a process that only emits needs no server at all. No I/O,
//! no async, no clock.
//!
//! # Types
//!
//! [`Message`] is what nodes tell each other. It names sockets by a [`Target`] of rooms, has delivery
//! [`Flags`], and carries the event as bytes ([`Event`](socketio_parser::Event)). [`NodeId`] and
//! [`RequestId`] say from whom it is and which request it answers; [`SocketDetails`] is a socket as other
//! nodes see it. [`Offset`] is the position of a message in a medium that orders messages, and
//! [`AdapterError`] says why a message did not reach the other nodes.
//!
//! # Formats (feature `codec`, on by default)
//!
//! | module | medium | format |
//! |---|---|---|
//! | [`cluster`] | sharded Redis, Streams (requests and answers), and others with one message per payload | the official `ClusterAdapter`'s messages in JSON or msgpack |
//! | [`streams`] | Redis Streams | entries, sessions, names and ids of streams |
//! | [`postgres`] | Postgres `NOTIFY` | JSON, or a reference to a row with msgpack |
//! | [`classic`] | Redis pub/sub | broadcasts in msgpack, requests and answers in JSON or msgpack |
//! | [`python`] | the channel of python-socketio | JSON, read only |
//!
//! What is written is byte for byte what the official adapters (and, with [`Sender::Emitter`], the official
//! emitters) write for the same operation, with these exceptions:
//!
//! - Flags are written only where they change something: `volatile`, `compress: false`, and `timeout` with
//!   acknowledgements.
//! - A room whose name is a number is written as a string and as a number, because these are two rooms on a
//!   Node.js server. Rooms to join are written as strings only.
//! - Integers beyond 2^53 keep their digits.
//!
//! An event that came in JSON is written to JSON without being parsed, and the same holds for msgpack;
//! between the encodings it is converted in one pass. A received event is a slice of the message.
//!
//! ```
//! use bytes::Bytes;
//! use socketio_cluster::{Limits, Message, NodeId, Sender, cluster};
//!
//! let text = r#"{"type":3,"data":{"packet":{"type":2,"data":["hello",1]},"opts":{"rooms":["r"],"except":[],"flags":{}}},"uid":"a1","nsp":"/"}"#;
//! let received = cluster::decode(text.into(), &Limits::default())?;
//! let Message::Broadcast { target, event, .. } = &received.message else { panic!("a broadcast") };
//! assert_eq!((&*target.rooms[0], event.name()), ("r", "hello"));
//!
//! let sender = NodeId::from("a1");
//! let sent = cluster::encode_sharded(Sender::Node(&sender), "/", &received.message, &Limits::default())?;
//! assert_eq!(sent, text.as_bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! The decoders accept any bytes: they recurse no deeper than [`Limits::max_depth`], allocate nothing by a
//! length that a message claims, and return a [`DecodeError`] that names the reason. A message that cannot be
//! read should be counted and skipped.

// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapter_error;
#[cfg(feature = "codec")]
pub mod classic;
#[cfg(feature = "codec")]
pub mod cluster;
mod details;
#[cfg(feature = "codec")]
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod id;
#[cfg(feature = "codec")]
mod limits;
mod message;
mod offset;
#[cfg(feature = "codec")]
pub mod postgres;
#[cfg(feature = "codec")]
pub mod python;
#[cfg(feature = "codec")]
pub mod streams;
mod target;
#[cfg(feature = "codec")]
mod wire;

pub use adapter_error::{AdapterError, AdapterErrorKind};
pub use details::{HandshakeDetails, HandshakeSource, HandshakeView, LazyHandshake, SocketDetails};
#[cfg(feature = "codec")]
pub use error::{DecodeError, EncodeError};
pub use id::{EMITTER, NodeId, RequestId};
#[cfg(feature = "codec")]
pub use limits::Limits;
pub use message::{Flags, Message, Note};
pub use offset::Offset;
pub use target::{Room, Target};
#[cfg(feature = "codec")]
pub use wire::{Envelope, Head, Sender};
