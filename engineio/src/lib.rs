//! Engine.IO: a message channel between a client and a server. A session starts on HTTP long-polling,
//! upgrades to WebSocket where possible, and detects a lost peer by its heartbeat. Socket.IO is built on it.
//!
//! The server speaks protocol revision 4, and revision 3 if [`allow_eio3`](Config::allow_eio3) is on. The
//! client speaks either.
//!
//! # A server
//!
//! ```no_run
//! use engineio::{Message, Server, Session, handler_fn};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::builder().build(|session: &Session| {
//!         println!("hello {:?}", session.remote_addr());
//!         handler_fn(|session: &Session, message: Message| {
//!             // Echo. A full outbox closes the session by itself, so there is nothing to do about an error.
//!             let _ = session.send(message);
//!         })
//!     })?;
//!     server.serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?).await?;
//!     Ok(())
//! }
//! ```
//!
//! [`Server::layer`] places the server in front of another tower service, [`Server::service`] inside a
//! router. The client is in the module `client` (feature `client`).
//!
//! # The files
//!
//! The protocol, without I/O and without a clock. These modules are the whole crate without the feature
//! `server`:
//!
//! - `protocol`: [`packet`], [`payload`], [`text`] and [`frame`] turn bytes into packets and back;
//!   [`prepared`] is one message in every wire form, shared by all its receivers; [`sid`] and [`open`] are
//!   the parts of the handshake.
//! - [`session`]: the state machine of one session. Inputs and times in, at most one action out.
//! - [`outbox`]: the send queue of one session, and the [`budget`] of all sessions of a server.
//! - [`websocket::inbound`]: the WebSocket decoder.
//! - [`config`], [`close_reason`], [`error`]: types that the other modules use.
//!
//! The I/O (feature `server`): `websocket` and `polling` turn packets into frames and payloads. `http` reads
//! and writes HTTP. `io` holds the connections and takes them out of hyper. `server` answers requests and
//! drives each session in a task of its own. Start reading at `server/driver/mod.rs`; the order of a turn is
//! written at the top.
//!
//! `client` (feature `client`) is the client's side, with the same packets and transports.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `server` | yes | everything that does I/O: tokio and hyper |
//! | `compression` | yes | gzip and deflate for polling responses, and permessage-deflate for WebSocket messages, which is off until [`PerMessageDeflate`] is set |
//! | `client` | no | the client: tokio and hyper |
//! | `tls` | no | `https` and `wss` for the client, by rustls |
//! | `axum` | no | for servers behind axum 0.8: reads the peer's address from `ConnectInfo<SocketAddr>`, and removes axum's wrappers from WebSocket connections, which work without |
//! | `peers` | no | servers that share their sessions, without sticky sessions: see the module `peers` |
//! | `peers-tls` | no | TLS between these servers |
//! | `tracing` | no | `tracing` events for requests refused, and for sessions opened, upgraded and closed |

// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "backoff")]
#[doc(hidden)]
pub mod backoff;
pub mod close_reason;
pub mod config;
mod deflate;
#[cfg(feature = "echo")]
pub mod echo;
pub mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[doc(hidden)]
pub mod log_limit;
pub mod outbox;
mod protocol;
pub mod session;
#[doc(hidden)]
pub mod sync;
pub mod websocket;

#[cfg(feature = "client")]
pub mod client;
#[cfg(any(feature = "server", feature = "client"))]
mod http;
#[cfg(feature = "server")]
mod io;
#[cfg(feature = "server")]
mod polling;
#[cfg(feature = "server")]
mod server;

pub use self::close_reason::{CloseReason, Fault};
pub use self::config::{Config, SlowConsumer, Transport};
pub use self::deflate::{PerMessageDeflate, WindowBits};
pub use self::error::{ConfigError, SendError};
pub use self::outbox::budget;
#[cfg(feature = "server")]
pub use self::outbox::received::ReceivedBytes;
pub use self::protocol::packet::{Message, PacketType, Protocol};
#[cfg(feature = "server")]
pub use self::protocol::prepared::FrameWriter;
pub use self::protocol::prepared::{Prepared, TextBuf};
pub use self::protocol::sid::Sid;
pub use self::protocol::text::Text;
pub use self::protocol::{frame, open, packet, payload, prepared, sid, text};
#[cfg(feature = "peers")]
pub use self::server::peers;
#[cfg(feature = "server")]
pub use self::server::{
    Accept, Accepting, AddressLimit, BadRequest, Body, Compression, ConnectionCount, ConnectionFailure,
    Cookie, CookieError, Cors, CorsError, Delivery, Descriptors, EngineLayer, EngineService, Flow, Handler,
    HttpServer, IncompleteBody, Observer, OpenError, OriginPolicy, Origins, PeerAddr, PendingUpgrade,
    Priority, Query, Refusal, RequestBody, RequestError, RequestHead, Routes, SameSite, Secure, Sent, Server,
    ServerBuilder, Session, Stats, Traffic, Translator, Upgraded, WeakServer, handler_fn, preferred_encoding,
};
#[doc(hidden)]
pub use self::websocket as ws;
#[cfg(feature = "server")]
pub use self::websocket::accept::is_websocket_request;

/// The current revision of the Engine.IO protocol: the `EIO` parameter of a client's requests, unless the
/// client is set to another revision.
pub const PROTOCOL: u8 = 4;

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
