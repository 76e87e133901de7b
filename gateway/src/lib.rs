//! One program in front of any backend: Socket.IO and plain WebSocket on one port, with the same namespaces, rooms,
//! users and events behind both.
//!
//! The binary is `socketio-gateway`; all of its parts are here, for programs that want them inside:
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
//! - [`config`]: every setting, and where it comes from.
//! - `gateway`: the server of both protocols; `edge`: connections and requests, each to whom it is for; `tls`: what
//!   they are wrapped in; `door`: which port they came to; `descriptors`: whether more can be opened.
//! - [`native`]: plain WebSockets. Each is a Socket.IO client inside this process, so everything works for both.
//! - `guard`: who may come in, as whom and for how long; `tokens`, `revoked`: what proves it;
//!   `kept`: what is kept for those who come back; `pace`: how fast it may talk;
//!   `crowd`: how many may come from where; `forwarded`, `nets`: where that is; `refusal`: what those are told who may not.
//! - `hooks`: webhooks, by which a backend decides, handles events and is told; `person`: who a socket is.
//! - `events`: what clients can do when nobody has programmed anything.
//! - `web`: what we ask others for.
//! - `http`: what is answered to requests that are neither, the page among it; `answer`: how.
//! - `numbers`, `closes`, `tallies`: how things are; `watch`: the namespace that tells it; `access`: to whom.
//! - `log_limit`: lines of the log that would be one for each client.
//! - `once`: calls that may come twice and are carried out once.
//! - [`command`]: the command line; `log`: what it writes.

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

/// The sample that `gen-config` prints: all settings with their defaults.
pub const SAMPLE_CONFIG: &str = include_str!("../gateway.toml");
/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
