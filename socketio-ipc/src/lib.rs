//! Socket.IO clusters of several processes on one host: an [`IpcBroker`] in one process, and an [`IpcAdapter`] in each of the
//! others. They speak over a Unix socket, so that no message broker has to be run.
//!
//! The broker has what a server of `socketio-redis` finds in Redis Streams: an order of all broadcasts, the events that clients
//! have missed, and the sessions of clients that may return. It keeps all of it in memory, within limits.
//!
//! A process may crash or be replaced: its clients return to another one and get what they have missed. When the process with
//! the broker ends, the servers go on with their own clients until there is one again.
//!
//! # Security
//!
//! A process that may connect to the socket has the rights of a server of the cluster: it can emit to all clients, and disconnect
//! them. Put the socket into a folder that only the user of the servers may enter.
//!
//! # Features
//!
//! `tracing`: log events.
// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg(unix)]

mod adapter;
mod broker;
mod driver;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod protocol;

pub use self::adapter::{IpcAdapter, IpcBuilder};
pub use self::broker::IpcBroker;
pub use socketio_broker::publisher::Tuning;
pub use socketio_broker::values::{Change, Listed, Values};
pub use socketio_broker::{Connections, Health, PublishError, Stats};
