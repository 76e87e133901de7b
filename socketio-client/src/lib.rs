//! A Socket.IO client: events with acknowledgements, and namespaces that share one connection, on top of
//! `engineio`.
//!
//! ```no_run
//! use serde_json::json;
//! use socketio_client::{Data, DisconnectReason, Manager, Socket};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let manager = Manager::builder("http://localhost:3000")?.build();
//!     let chat = manager.socket("/chat");
//!     chat.auth(&json!({ "token": "secret" }))?;
//!     chat.on("message", |Data(text): Data<String>| async move { println!("{text}") });
//!     chat.on_disconnect(|reason: DisconnectReason| async move { println!("disconnected: {reason}") });
//!     chat.connect();
//!
//!     chat.emit("message", "hello")?; // Buffered until the namespace is connected.
//!     let length: usize = chat.emit_with_ack("measure", "hello").await?;
//!     println!("{length}");
//!     manager.close().await;
//!     Ok(())
//! }
//! ```
//!
//! [`Socket::events`] is the alternative to handlers, a stream of events:
//!
//! ```no_run
//! # async fn example(chat: socketio_client::Socket) {
//! use socketio_client::SocketEvent;
//!
//! let mut events = chat.events();
//! chat.connect();
//! while let Some(event) = events.recv().await {
//!     match event {
//!         SocketEvent::Event { event, .. } => println!("{} {:?}", event.name(), event.args()),
//!         other => println!("{other:?}"),
//!     }
//! }
//! # }
//! ```
//!
//! # Structure
//!
//! A [`Manager`] has one connection, and a [`Socket`] is a namespace on it. While a socket is active there is
//! one task, the `driver`, which owns the connection, decodes packets and calls the handlers; `driver/mod.rs`
//! describes the order of its turn. An emit does not pass through the task: it is encoded by the caller, and
//! `namespace/outgoing.rs` sends it to the connection, or buffers it while the namespace is not connected.
//!
//! | module | subject |
//! | --- | --- |
//! | `manager` | settings, hooks, backoff, and the state that handles and task share |
//! | `socket` | handle of a namespace: handlers, emits, extractors, the stream of events |
//! | `namespace` | state of a namespace: membership, buffer, retry queue, inbox of the stream |
//! | `driver` | the task: connection, reconnection, CONNECT, incoming packets, calls of handlers, Socket.IO v2 |
//!
//! The connection stays open while a handle exists. When the last [`Manager`], [`Socket`] and [`Events`] are
//! dropped, the connection is closed after all sent events have left.
//!
//! # Features
//!
//! | feature | default | effect |
//! | --- | --- | --- |
//! | `blocking` | no | [`blocking::Client`], for threads without an async runtime |
//! | `tls` | no | `https` and `wss`, with rustls |
//! | `msgpack` | no | packets encoded as msgpack, for servers that use that parser |
//! | `tracing` | no | events of `tracing`: lost connections, reconnections, connected and refused namespaces |

// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "blocking")]
pub mod blocking;
mod config;
mod disconnect_reason;
mod driver;
mod error;
mod manager;
mod manager_event;
mod namespace;
mod shared;
mod socket;
mod sync;
mod trace;

pub use self::config::{Config, Overflow, Reconnection};
pub use self::disconnect_reason::DisconnectReason;
pub use self::error::{
    AckError, ConnectError, EmitError, ExtractError, HandlerError, ProtocolError, Refusal,
};
pub use self::manager::{Manager, ManagerBuilder};
pub use self::manager_event::ManagerEvent;
pub use self::socket::Socket;
pub use self::socket::context::{
    AckSender, ConnectContext, ConnectErrorContext, DisconnectContext, EventContext,
};
pub use self::socket::emit::Emitter;
pub use self::socket::events::{Events, SocketEvent};
#[cfg(feature = "tls")]
pub use engineio::client::{CertificateError, Tls};
pub use engineio::client::{
    ClientBuilder, Closed, HttpError, OpenError, Proxies, TransportError, UpgradeError, Url, UrlError,
};
pub use engineio::{Protocol, SendError, Sid, Transport};
pub use socketio_events::extract::{Arguments, Carrier, Context, Data, EventName, Extract};
pub use socketio_events::function::HandlerFn;
pub use socketio_events::message::TooManyAttachments;
pub use socketio_events::object::Object;
pub use socketio_events::reply::{Ack, Answer, HandlerResult, Outcome, Reply, ReplyError};
pub use socketio_events::table::HandlerId;
pub use socketio_parser::{
    ArgError, Args, Binary, ConnectionParser, CustomDecoder, CustomParser, DecodeError, EncodeError, Encoded,
    Event, Limits, Packet, Parser, Payload, RawArgs, RawValue, ToArgs, Value,
};

/// The transport. Its types in signatures of this crate are re-exported.
pub use engineio;
/// Names and values of headers, for [`ManagerBuilder::header`].
pub use http;

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
