//! A central Socket.IO service through which the services of an application talk to one another, and to
//! users.
//!
//! ```no_run
//! use service_bus::{Event, EventType, ServiceConnector};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let connector = ServiceConnector::new("chat", "http://localhost:8000")?;
//! connector.on_event(EventType::ChatMessage, |event| async move {
//!     println!("received: {:?}", event.field::<String>("content"));
//! });
//! connector.initialize().await?;
//! let event = Event::new(EventType::ChatMessage)
//!     .with("sender_id", "user456")
//!     .with("recipient_id", "user123")
//!     .with("message_id", "msg789")
//!     .with("content", "Hello, world!");
//! connector.emit_to_user("user123", event).await?;
//! connector.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! | file | content |
//! | --- | --- |
//! | `event` | the envelope of every event, and the standard types |
//! | `command` | the commands of services |
//! | `presence` | the identities of sockets, and the connected users |
//! | `bus` | the server: events of users, and commands of services |
//! | `api` | the same over HTTP |
//! | `connector` | the client of a service |
//! | `fallback` | the client of the HTTP API |

mod api;
mod bus;
mod command;
mod connector;
mod event;
mod fallback;
mod presence;

pub use self::bus::{Bus, BusOptions, Users};
pub use self::command::{Command, CommandError, Outcome};
pub use self::connector::{BusError, ConnectorError, ConnectorOptions, LinkState, ServiceConnector};
pub use self::event::{Event, EventType};
pub use self::fallback::FallbackError;
pub use engineio::client::Tls;
pub use engineio::{OriginPolicy, Origins};
pub use socketio_parser::{Binary, Value};
