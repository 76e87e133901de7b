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
//! # Arguments of handlers
//!
//! A handler is an async function or closure of up to eight arguments, in any order. The compiler checks that each is
//! available where the handler is registered.
//!
//! | argument | value | available in |
//! | --- | --- | --- |
//! | [`Socket`] | the socket | all handlers and middlewares, except `on_server_event` |
//! | [`Server`], [`Namespace`], [`WeakServer`] | the server, and the namespace of the handler | everywhere |
//! | [`State<T>`](State) | a clone of [`ServerBuilder::state`] | everywhere |
//! | [`Handshake`] | headers, query and address of the opening request | where there is a socket |
//! | [`Auth<T>`](Auth) | the credentials of the client, deserialized | where there is a socket |
//! | [`Extension<T>`](Extension) | an extension of the opening request, from a tower layer | where there is a socket |
//! | [`Params`] | the parameters of a dynamic namespace | where there is a socket |
//! | [`Data<T>`](Data) | an argument of the event, deserialized; a second `Data` is the second argument | `on`, `on_any`, `fallback`, `event_middleware`, `on_server_event` |
//! | [`Arguments<T>`](Arguments), [`RawArgs`] | all arguments, deserialized or unread | as `Data` |
//! | [`EventName`] | the name of the event | as `Data` |
//! | `Option<`[`AckSender`]`>` | the right to answer, if an answer was requested | as `Data` |
//! | [`DisconnectReason`] | why the socket leaves | `on_disconnecting`, `on_disconnect` |
//! | `Result<T, `[`ExtractError`]`>` | any of these, with its error | where `T` is |
//! | a type of your own | see [`Extract`] | |
//!
//! # Answers and errors
//!
//! The return value of a handler is the answer of an event, see [`Reply`]: `()`, [`Ack`]`(value)`, or a `Result`. An
//! error is answered as `{"error": "…"}`, and as a value of any form with `Err(Ack(value))`. Errors that no client waits
//! for go to [`Namespace::on_error`]; with `?` in a closure, [`HandlerResult`] names the type of the error. A handler that
//! panics ends alone, and its event is answered with an error.
//!
//! # Behind axum and other frameworks
//!
//! [`Server::layer`] serves the requests below its path and passes all others on; [`Server::service`] is mounted by a
//! router. Layers outside of it, such as those of tower-sessions and axum-login, add extensions to the request, which
//! handlers take as [`Extension`]. With the feature `axum` the address of a client is that of `ConnectInfo`.
//!
//! ```
//! # use socketio_server::Server;
//! # fn example<Routes>(routes: Routes) -> Result<(), socketio_server::ConfigError> {
//! use tower_layer::Layer;
//!
//! let io = Server::builder().build()?;
//! let app = io.layer().layer(routes); // With axum: `Router::new().layer(io.layer())`.
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `axum` | no | for servers behind axum 0.8: [`Handshake::address`] reads `ConnectInfo<SocketAddr>`, and WebSocket connections lose axum's wrappers |
//! | `msgpack` | no | packets in msgpack, for servers with `Parser::Msgpack` |
//! | `regex` | no | `Server::of_regex`: namespaces by regular expression |
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
mod wire;

pub use self::broadcast::Broadcast;
pub use self::broadcast::remote_socket::RemoteSocket;
pub use self::config::{Config, Recovery};
pub use self::error::{
    AckError, ConnectError, EmitError, ExtractError, GatherError, HandlerError, Partial, TooManyRooms,
};
pub use self::extensions::Extensions;
pub use self::extract::extension::Extension;
pub use self::extract::{Auth, ServerEventContext, State, Stateful};
pub use self::namespace::Namespace;
pub use self::namespace::parent::NamespaceRequest;
#[cfg(feature = "regex")]
pub use self::params::RegexError;
pub use self::params::{Params, PatternError};
pub use self::recovery::NotRecovered;
pub use self::rooms::{Delivered, IntoRooms, Room, RoomEvent, Target};
#[cfg(feature = "serve-client")]
pub use self::server::client_bundle::BundleError;
pub use self::server::{Server, ServerBuilder, WeakServer};
pub use self::socket::disconnect_reason::DisconnectReason;
pub use self::socket::handshake::Handshake;
pub use self::socket::rewrite::{Rewrite, Screen};
pub use self::socket::session_event::SessionEvent;
pub use self::socket::{AckSender, ConnectContext, DisconnectContext, Emitter, EventContext, Socket};
pub use self::socket_data::SocketData;
pub use socketio_events::extract::{Arguments, Carrier, Context, Data, EventName, Extract};
pub use socketio_events::function::HandlerFn;
pub use socketio_events::message::{OFFSET_TAG, TooManyAttachments};
pub use socketio_events::object::Object;
pub use socketio_events::reply::{Ack, Answer, HandlerResult, Outcome, Reply, ReplyError};
pub use socketio_events::table::HandlerId;
pub use socketio_parser::{
    ArgError, Args, Binary, ConnectionParser, CustomDecoder, CustomParser, DecodeError, EncodeError, Encoded,
    Event, Limits, Packet, Parser, Payload, RawArgs, RawValue, ToArgs, Value,
};

/// The transport. Its types in signatures of this crate are re-exported, except its `Server` and `ServerBuilder`.
pub use engineio;
pub use engineio::{
    CloseReason, Compression, ConfigError, Cookie, Cors, CorsError, EngineLayer, OriginPolicy, Origins,
    PacketType, PeerAddr, Protocol, Query, RequestHead, Secure, SendError, Session, SlowConsumer, Transport,
};

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
