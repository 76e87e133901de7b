//! The client's side: sessions with a server, over polling, WebSocket, and the upgrade between them.
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
//! There is no task behind a session: it lives in [`Client::recv`], whose future may be dropped and made again. The
//! order of its turn is written at the top of `session.rs`. `carrier` is the transport it is on, `polling` or
//! `websocket`, which stands on `frames`; `probe` is the WebSocket it may move to. The one stands on `http1`, which drives hyper's connections beside
//! whoever waits for an answer, the other on `upgrade`, which asks for another protocol; both on `dial`, which knows of
//! proxies and TLS. `route` says how a request looks.
//!
//! A name that resolves to several addresses is tried one address after the other.

mod body;
mod builder;
mod carrier;
mod config;
mod cookies;
mod dial;
#[cfg(feature = "echo")]
pub(crate) mod echo;
mod error;
mod exchange;
mod frames;
mod handshake;
mod heartbeat;
mod http1;
mod polling;
mod probe;
mod proxy;
mod route;
mod sender;
mod session;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod trace;
mod upgrade;
mod url;
mod websocket;

pub use self::builder::ClientBuilder;
pub use self::config::ClientConfig;
pub use self::error::{Closed, FrameError, HttpError, OpenError, TransportError, UpgradeError};
pub use self::proxy::Proxies;
pub use self::sender::Sender;
pub use self::session::{Client, Event};
#[cfg(feature = "tls")]
pub use self::tls::Tls;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::upgrade::check_answer;
pub use self::url::{Url, UrlError, push_query};
