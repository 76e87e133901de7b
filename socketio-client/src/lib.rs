//! A Socket.IO client: named events with answers, and namespaces that share one connection, over `engineio`.
//!
//! ```no_run
//! use serde_json::json;
//! use socketio_client::{Data, DisconnectReason, Manager, Socket};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let manager = Manager::builder("http://localhost:3000")?.build();
//!     let chat = manager.socket("/chat");
//!     chat.auth(&json!({ "token": "secret" }))?;
//!     chat.on("message", |Data(text): Data<String>| async move { println!("{text}") });
//!     chat.on_disconnect(|reason: DisconnectReason| async move { println!("gone: {reason}") });
//!     chat.connect();
//!
//!     chat.emit("message", "hello")?; // Waits in a buffer until the namespace is joined.
//!     let length: usize = chat.emit_with_ack("measure", "hello").await?;
//!     println!("{length}");
//!     manager.close().await;
//!     Ok(())
//! }
//! ```
//!
//! Those who would rather ask than be called take [`Socket::events`]:
//!
//! ```no_run
//! # async fn example(chat: socketio_client::Socket) {
//! use socketio_client::SocketEvent;
//!
//! let mut events = chat.events();
//! chat.connect();
//! while let Some(event) = events.recv().await {
//!     match event {
//!         SocketEvent::Event { event, .. } => println!("{} {:?}", event.name(), event.args()),
//!         other => println!("{other:?}"),
//!     }
//! }
//! # }
//! ```
//!
//! # How it hangs together
//!
//! A [`Manager`] has one connection, and a [`Socket`] is a namespace on it. While one of them wants to be connected there
//! is one task, `driver`, which owns the connection, decodes what comes and calls the handlers; the order of its turn is
//! written at the top of that file. An emit does not pass through the task: it is encoded where it is made, and `socket/space.rs`,
//! which knows whether its namespace is joined, hands it to the connection or keeps it in the `buffer`.
//!
//! The connection lives while a handle does: when the last [`Manager`], [`Socket`] and [`Events`] are dropped, what was
//! sent still leaves, and the connection is closed.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `tls` | no | `https` and `wss`, by rustls |
//! | `msgpack` | no | packets as msgpack, for servers that use that parser |
//! | `tracing` | no | what happens can be seen by `tracing`: connections lost and opened again, namespaces joined and refused |

mod backoff;
mod bell;
mod buffer;
mod builder;
mod config;
mod disconnect_reason;
mod driver;
mod error;
mod events;
mod extract;
mod inbox;
mod manager;
mod manager_event;
mod retry;
mod socket;
mod trace;
mod watched;

pub use self::builder::ManagerBuilder;
pub use self::config::{Config, Overflow, Reconnection};
pub use self::disconnect_reason::DisconnectReason;
pub use self::error::{
    AckError, ConnectError, EmitError, ExtractError, HandlerError, ProtocolError, Refusal,
};
pub use self::events::{Events, SocketEvent};
pub use self::extract::Context;
pub use self::manager::Manager;
pub use self::manager_event::ManagerEvent;
pub use self::socket::{
    AckSender, ConnectContext, ConnectErrorContext, DisconnectContext, Emitter, EventContext, Socket,
};
pub use engineio::client::UrlError;
pub use engineio::{Protocol, Transport};
pub use socketio_events::extract::{Arguments, Carrier, Data, EventName, Extract};
pub use socketio_events::handler::HandlerFn;
pub use socketio_events::object::Object;
pub use socketio_events::reply::{Ack, Answer, Reply};
pub use socketio_events::table::HandlerId;
pub use socketio_parser::{Args, Binary, Event, Limits, Parser, RawArgs, RawValue, Value};
