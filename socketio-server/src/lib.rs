//! A Socket.IO server over `engineio`: events with acknowledgements, namespaces, rooms and broadcasts.
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use socketio_server::{Data, DisconnectReason, Server, Socket};
//!
//! #[derive(Deserialize, Serialize)]
//! struct ChatMessage {
//!     from: String,
//!     text: String,
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let io = Server::builder().build()?;
//!     let chat = io.of("/chat");
//!     chat.on_connect(|socket: Socket| async move { socket.join("lobby") });
//!     chat.on("message", |socket: Socket, Data(message): Data<ChatMessage>| async move {
//!         socket.to("lobby").emit("message", &message).await
//!     });
//!     chat.on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
//!         println!("{} left: {reason}", socket.id());
//!     });
//!     io.serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `axum` | no | for servers behind axum 0.8: [`Handshake::address`] reads `ConnectInfo<SocketAddr>`, and WebSocket connections lose axum's wrappers |
//! | `msgpack` | no | packets in msgpack, for servers with `Parser::Msgpack` |
//! | `serve-client` | no | `ServerBuilder::serve_client`: the client scripts for browsers |
//! | `tracing` | no | log events for `tracing`: refused clients, connected and disconnected sockets, errors of a cluster |
//!
//! # Layout
//!
//! | module | contents |
//! | --- | --- |
//! | `server` | [`Server`] and its builder |
//! | `connection` | one client connection: packets are dispatched to the sockets of its namespaces |
//! | `namespace` | [`Namespace`]: registration of handlers, emits; the registry of all namespaces |
//! | `extract` | arguments of handlers |
//! | `socket` | [`Socket`]: state, emits, contexts |
//! | `broadcast` | [`Broadcast`]: selection of sockets, acknowledgements of many |
//! | `cluster` | one namespace on this node, and the adapters that connect nodes |
//! | `recovery` | connection state recovery: kept events and disconnected sockets |
//! | `rooms` | the index of rooms |

// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod acks;
mod broadcast;
pub mod cluster;
mod cluster_health;
mod config;
mod connection;
mod encode;
mod error;
mod extensions;
mod extract;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod hooks;
mod id;
mod namespace;
mod params;
mod recovery;
mod rooms;
mod server;
mod socket;
mod socket_data;
mod trace;

pub use self::broadcast::Broadcast;
pub use self::broadcast::remote_socket::RemoteSocket;
pub use self::cluster::server_event::ServerEventContext;
pub use self::config::{Config, Recovery};
pub use self::error::{AckError, ConnectError, EmitError, ExtractError, GatherError, HandlerError, Partial};
pub use self::extensions::Extensions;
pub use self::extract::extension::Extension;
pub use self::extract::{Auth, State, Stateful};
pub use self::namespace::Namespace;
pub use self::namespace::registry::NamespaceRequest;
pub use self::params::{Params, PatternError};
pub use self::recovery::NotRecovered;
pub use self::rooms::{Delivered, IntoRooms, Room, RoomEvent, Target};
#[cfg(feature = "serve-client")]
pub use self::server::client_bundle::BundleError;
pub use self::server::{Server, ServerBuilder, WeakServer};
pub use self::socket::disconnect_reason::DisconnectReason;
pub use self::socket::handshake::Handshake;
pub use self::socket::rewrite::{Rewrite, Screen};
pub use self::socket::{AckSender, ConnectContext, DisconnectContext, Emitter, EventContext, Socket};
pub use self::socket_data::SocketData;
pub use socketio_events::extract::{Arguments, Carrier, Context, Data, EventName, Extract};
pub use socketio_events::function::HandlerFn;
pub use socketio_events::message::TooManyAttachments;
pub use socketio_events::object::Object;
pub use socketio_events::reply::{Ack, Answer, HandlerResult, Outcome, Reply, ReplyError};
pub use socketio_events::table::HandlerId;
pub use socketio_parser::{
    ArgError, Args, Binary, DecodeError, EncodeError, Event, Limits, Parser, RawArgs, RawValue, ToArgs, Value,
};

/// The transport. Its types in signatures of this crate are re-exported, except its `Server` and `ServerBuilder`.
pub use engineio;
pub use engineio::{
    CloseReason, Compression, ConfigError, Cookie, Cors, CorsError, EngineLayer, PeerAddr, Protocol, Query,
    RequestHead, SendError, Session, SlowConsumer, Transport,
};

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
