//! Engine.IO: a message channel between a client and a server that starts on HTTP long-polling, moves to WebSocket
//! when it can, and notices when the other side is gone. It is what Socket.IO stands on.
//!
//! The server speaks protocol revision 4 and, when [`allow_eio3`](Config::allow_eio3) is on, 3; the client either.
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
//! In front of another tower service use [`Server::layer`], inside a router [`Server::service`]. For a client see the
//! module `client` (feature `client`).
//!
//! # The files
//!
//! The protocol, without I/O and without a clock; all there is without the feature `server`:
//!
//! - [`packet`], [`payload`], [`text`], [`frame`]: bytes to packets and back.
//! - [`session`]: the state machine of one session. Events and times in, at most one action out.
//! - [`prepared`]: one message in every wire form, shared by all who get it. [`outbox`]: what waits for one session.
//! - [`config`], [`close_reason`], [`error`], [`sid`], [`open`]: the words that the others use.
//! - [`ws::inbound`]: the WebSocket decoder.
//!
//! What moves the bytes (feature `server`): `ws` and `polling` turn packets into frames and payloads, `http1` reads and
//! writes HTTP, `net` has the connections and takes them out of hyper, and `server` answers requests and drives each session in a task of its own. Start
//! reading at `server/driver/mod.rs`; the order of its turn is written at the top.
//!
//! `client` (feature `client`) is the other side of the same packets and transports.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `server` | yes | everything that does I/O: tokio and hyper |
//! | `compression` | yes | gzip and deflate for polling answers |
//! | `client` | no | the client: tokio and hyper |
//! | `tls` | no | `https` and `wss` for the client, by rustls |
//! | `axum` | no | WebSockets served by axum shed its wrappers too; they work without |
//! | `tracing` | no | what happens can be seen by `tracing`: requests refused, sessions opened, upgraded and closed |

pub mod budget;
pub mod close_reason;
pub mod config;
pub mod error;
pub mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod open;
pub mod outbox;
pub mod packet;
pub mod payload;
pub mod prepared;
pub mod session;
pub mod sid;
pub mod text;
pub mod ws;

#[cfg(feature = "client")]
pub mod client;
#[cfg(any(feature = "server", feature = "client"))]
mod http1;
#[cfg(feature = "server")]
mod net;
#[cfg(feature = "server")]
mod polling;
#[cfg(feature = "server")]
mod server;

pub use self::close_reason::{CloseReason, Fault};
pub use self::config::{Config, SlowConsumer, Transport};
pub use self::error::{ConfigError, SendError};
pub use self::packet::{Message, PacketType, Protocol};
#[cfg(feature = "server")]
pub use self::prepared::Frames;
pub use self::prepared::{Prepared, TextBuf};
#[cfg(feature = "server")]
pub use self::server::{
    Accept, BadRequest, Body, Compression, ConnectionCount, ConnectionFailure, Cookie, CookieError, Cors,
    CorsError, EngineLayer, EngineService, Flow, Handler, HttpServer, IncompleteBody, OpenError,
    OriginPolicy, Origins, PeerAddr, PendingUpgrade, Priority, Query, Refusal, RequestBody, RequestError,
    RequestHead, Routes, SameSite, Sent, Server, ServerBuilder, Session, Stats, Traffic, Translator,
    Upgraded, handler_fn, preferred_encoding,
};
pub use self::sid::Sid;
pub use self::text::Text;

/// The current revision of the Engine.IO protocol: the `EIO` parameter of a client's requests unless it asks for another.
pub const PROTOCOL: u8 = 4;
