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
//! | `command`, `carry_out` | the commands of services |
//! | `services` | the keys and names of services |
//! | `names` | the names of rooms |
//! | `state` | the shared state of the bus |
//! | `presence` | the identities of sockets, and the connected users |
//! | `bus` | the server, on the one of a gateway |
//! | `kept` | events for services that are away |
//! | `requests`, `own_events` | requests between services, and their subscriptions |
//! | `directory` | the connected clients and services |
//! | `hear` | standard events of clients |
//! | `api` | the commands over HTTP |
//! | `settings` | the settings of the program |
//! | `connector` | the client of a service |
//! | `fallback` | the client of the HTTP API |

mod api;
mod bus;
mod carry_out;
mod command;
mod connector;
mod directory;
mod event;
mod fallback;
mod hear;
mod kept;
mod names;
mod own_events;
mod presence;
mod requests;
mod services;
mod settings;
mod state;

pub use self::api::OPENAPI;
pub use self::bus::{BuildError, Bus, BusOptions, Users};
pub use self::command::{Command, CommandError, Outcome};
pub use self::connector::{
    BusError, ConnectorError, ConnectorOptions, Dropped, LinkState, RequestError, SeenIds, ServiceConnector,
};
pub use self::event::{Event, EventType};
pub use self::fallback::FallbackError;
pub use self::kept::KeepOptions;
pub use self::services::{KeyError, ServiceKeys};
pub use self::settings::{Settings, SettingsError};
pub use engineio::client::Tls;
pub use socketio_gateway::config::LogFormat;
pub use socketio_gateway::config::load::Sources;
pub use socketio_gateway::{Config, Gateway};
pub use socketio_parser::{Binary, Value};
