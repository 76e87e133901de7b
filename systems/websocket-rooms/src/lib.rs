//! Plain WebSocket with rooms, users and broadcasts: a server, and a client that reconnects.
//!
//! ```no_run
//! use websocket_rooms::{Client, ClientOptions, Server};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::default();
//! server.on_connect(|server, connection| async move {
//!     let _ = server.join_room(connection.id(), "lobby").await;
//! });
//! server.on_message(|server, connection, message| async move {
//!     server.broadcast_to_room_except("lobby", message, [connection.id()]);
//! });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let served = tokio::spawn(async move { server.serve(listener).await });
//!
//! let client = Client::new("ws://127.0.0.1:8080", ClientOptions::default())?;
//! client.on_message(|_, message| async move { println!("{:?}", message.text()) });
//! client.connect().await?;
//! client.send("hello")?;
//! # served.await??;
//! # Ok(())
//! # }
//! ```
//!
//! | file | content |
//! | --- | --- |
//! | `group` | a server and several named clients as one unit |
//! | `server`, `serve`, `shutdown` | the server's API, the tasks of its connections, and its end |
//! | `client`, `run` | the client's API, and its task |
//! | `handshake` | the WebSocket handshake and the authentication |
//! | `places`, `traffic` | limits of connections, and counters |
//! | `metrics`, `tls` | the metrics of a server, and its certificate |
//! | `registry` | the tables of connections, rooms and users |
//! | `connection` | one client, from the view of the server |
//! | `wire` | the task of one WebSocket, on either side |
//! | `endpoint` | its state and its outbox |
//! | `emitter` | handlers of events |
//! | `message`, `state`, `options`, `backoff` | small types |

mod backoff;
mod client;
mod connection;
mod emitter;
mod endpoint;
mod group;
mod handshake;
mod message;
mod metrics;
mod options;
mod places;
mod registry;
mod run;
mod serve;
mod server;
mod shutdown;
mod state;
mod tls;
mod traffic;
mod wire;

pub use self::client::{Client, ClientEvent, ClientEventKind, ClientOptions, ConnectError};
pub use self::connection::{Connection, Metadata};
pub use self::emitter::{Emitter, Event, HandlerId};
pub use self::endpoint::{ConnectionOptions, SendError};
pub use self::group::{CreateError, Group, GroupStats, Reached};
pub use self::handshake::{Handshake, Identity, Refusal};
pub use self::message::{Farewell, Message, MessageType, Utf8Bytes};
pub use self::metrics::METRICS_CONTENT_TYPE;
pub use self::options::ServerOptions;
pub use self::registry::{JoinError, Room};
pub use self::server::{Server, ServerEvent, ServerEventKind, ServerStats};
pub use self::state::{CloseReason, ConnectionState};
pub use self::tls::{Certificate, CertificateError};
pub use engineio::Origins;
pub use engineio::client::Tls;
