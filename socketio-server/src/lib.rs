//! A Socket.IO server: named events with answers, namespaces, rooms and broadcasts, over `engineio`.
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use socketio_server::{Data, DisconnectReason, Server, Socket};
//!
//! #[derive(Deserialize, Serialize)]
//! struct Line {
//!     from: String,
//!     text: String,
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let io = Server::builder().build()?;
//!     let chat = io.of("/chat");
//!     chat.on_connect(|socket: Socket| async move { socket.join("lobby") });
//!     chat.on("message", |socket: Socket, Data(line): Data<Line>| async move {
//!         socket.to("lobby").emit("message", &line).await
//!     });
//!     chat.on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
//!         println!("{} left: {reason}", socket.id());
//!     });
//!     io.serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?).await?;
//!     Ok(())
//! }
//! ```

mod ack;
mod adapter;
mod broadcast;
#[cfg(feature = "serve-client")]
mod bundle;
mod client;
mod config;
mod connect;
mod disconnect_reason;
mod emit;
mod error;
mod extensions;
mod extract;
mod handlers;
mod handshake;
mod namespace;
mod namespaces;
mod room;
mod server;
mod socket;

pub use self::broadcast::{Broadcast, IntoRooms, Partial};
#[cfg(feature = "serve-client")]
pub use self::bundle::BundleError;
pub use self::config::Config;
pub use self::disconnect_reason::DisconnectReason;
pub use self::error::{AckError, ConnectError, EmitError, ExtractError};
pub use self::extensions::Extensions;
pub use self::extract::handler::HandlerFn;
pub use self::extract::reply::{Ack, Reply};
pub use self::extract::{Arguments, Auth, Context, Data, EventName, Extract, State};
pub use self::handlers::HandlerId;
pub use self::handshake::Handshake;
pub use self::namespace::Namespace;
pub use self::room::{Room, RoomEvent};
pub use self::server::{Server, ServerBuilder};
pub use self::socket::{AckSender, ConnectContext, DisconnectContext, Emitter, EventContext, Socket};
pub use socketio_parser::{Args, Binary, Parser, RawArgs, RawValue, Value};
