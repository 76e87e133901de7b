//! The client: sessions over polling and WebSocket, and the upgrade between them.
//!
//! ```no_run
//! use engineio::client::{Client, Event};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::builder("http://localhost:3000")?.connect().await?;
//! client.sender().send("hello")?;
//! loop {
//!     match client.recv().await {
//!         Ok(Event::Message(message)) => println!("{message:?}"),
//!         Ok(_) => {}
//!         Err(closed) => break println!("{closed}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A session has no task: it is driven by [`Client::recv`], whose future may be dropped and created again.
//!
//! - `builder` opens sessions with the settings of `config`.
//! - `machine` decides: a state machine of the session without I/O and without a clock.
//! - `session` carries the decisions out. The order of a turn is written at the top of `session/driver.rs`.
//! - `polling` and `websocket` are the transports, built on the requests and connections of `http`.
//!
//! If a name resolves to several addresses, they are tried one after the other.

mod builder;
mod config;
#[cfg(feature = "echo")]
pub(crate) mod echo;
mod error;
mod http;
mod machine;
mod polling;
mod session;
mod trace;
mod websocket;

pub use self::builder::ClientBuilder;
pub use self::config::ClientConfig;
pub use self::config::proxy::Proxies;
#[cfg(feature = "tls")]
pub use self::config::tls::{CertificateError, Tls};
pub use self::config::url::{Url, UrlError, push_query};
pub use self::error::{Closed, FrameError, HttpError, OpenError, TransportError, UpgradeError};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::http::upgrade::check_answer;
pub use self::session::handle::Sender;
pub use self::session::{Client, Event};
