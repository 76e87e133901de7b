//! Gateway for Socket.IO and plain WebSocket clients on one port, in front of any backend. Both protocols
//! share namespaces, rooms, users and events.
//!
//! The binary is `socketio-gateway`. This library is for programs that embed the gateway:
//!
//! ```no_run
//! use gateway::{Config, Gateway};
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
//! # The files
//!
//! - [`config`]: all settings, and the sources that they are loaded from.
//! - `gateway`: the server of both protocols. `edge`: accepts connections and dispatches their requests.
//!   `tls`: certificates. `door`: the kinds of ports. `descriptors`: detects that file descriptors have run
//!   out.
//! - [`native`]: plain WebSockets. Each is a Socket.IO client inside this process, so all features work for
//!   both.
//! - `guard`: authentication of clients. `tokens`, `revoked`: tokens and their revocation. `kept`: state of
//!   clients that may return. `pace`: rate limits of events. `crowd`: limits per client address. `forwarded`,
//!   `nets`: the client address behind proxies. `refusal`: the reasons for which a client is refused.
//! - `hooks`: webhooks, by which a backend admits clients and handles their events. `person`: the user of a
//!   socket.
//! - `events`: the built-in events.
//! - `web`: the HTTP client.
//! - `http`: requests other than Socket.IO and WebSocket, including the API and the page. `answer`: their
//!   responses.
//! - `numbers`, `closes`, `tallies`: statistics. `watch`: the namespace that publishes them. `access`:
//!   authentication of operators.
//! - `log_limit`: limits log lines that could otherwise be written once per client.
//! - `once`: idempotency keys of API calls.
//! - [`command`]: the command line. `log`: the writer of its log.

mod access;
pub mod answer;
mod closes;
pub mod command;
pub mod config;
mod crowd;
mod descriptors;
mod door;
mod edge;
mod events;
mod forwarded;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod guard;
mod hooks;
mod http;
mod kept;
mod log;
mod log_limit;
pub mod native;
mod nets;
mod numbers;
mod once;
mod pace;
mod person;
mod protection;
mod refusal;
mod revoked;
mod room_name;
mod tallies;
mod tls;
mod tokens;
mod watch;
mod web;

pub use self::closes::Close;
pub use self::config::Config;
pub use self::gateway::{Gateway, ReloadError, StartError};
pub use self::hooks::HookError;
pub use self::nets::NetError;
pub use self::numbers::{Counted, Numbers, RoomSize};
pub use self::room_name::{RoomError, USER_ROOM};
pub use self::tls::TlsError;
pub use self::tokens::{JwksError, Session, SessionError, TokenError};

/// Sample configuration that `gen-config` prints: all settings with their defaults.
pub const SAMPLE_CONFIG: &str = include_str!("../gateway.toml");
/// Version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
