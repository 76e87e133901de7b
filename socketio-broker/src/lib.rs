//! What Socket.IO adapters on a message broker share, whatever the broker is: a bounded queue of messages with one task
//! that publishes them, subscriptions that survive lost connections, a probe that shows whether a node hears, and the
//! link of a namespace for `socketio-server`.
//!
//! Applications use an adapter, such as those of `socketio-redis`, `socketio-postgres`, `socketio-nats` and `socketio-ipc`, which re-export what
//! they need of this crate: [`Connections`], [`Health`], [`Stats`], [`PublishError`].
//!
//! An adapter for another broker is two implementations:
//!
//! - a [`Driver`](driver::Driver): how connections are opened, messages published, channels subscribed. What a broker does
//!   not have, such as streams or scripts, its driver refuses.
//! - a [`Format`](link::Format): how the messages of a namespace are written and read, and on which channels they are.
//!
//! [`Medium::start`](medium::Medium::start) runs a driver, [`Link::open`](link::Link::open) a format on it. An
//! [`Emitter`](emitter::Emitter) needs a [`Publisher`](publisher::Publisher) and a format of its own
//! ([`emitter::Format`]).
//!
//! Brokers that keep streams and values need no format of their own: [`streams`] has one, with the recovery of clients.
//!
//! # When the broker fails
//!
//! - Messages wait in a queue that is bounded in bytes ([`Tuning::max_queued_bytes`](publisher::Tuning::max_queued_bytes)).
//! - Lost connections are opened again, with delays that grow and are random in part, and everything is subscribed again.
//! - A message that the broker may have taken is not sent again. It counts as [`Stats::unconfirmed`].
//! - After an outage messages are held back until the other nodes may listen again.
//! - A time in which messages may have been missed is a gap, which the namespaces receive.
//!
//! # Features
//!
//! `adapter` (default): subscriptions and links. `tracing`: log events.
// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod connections;
pub mod driver;
pub mod emitter;
mod error;
#[cfg(feature = "adapter")]
pub mod link;
#[cfg(feature = "adapter")]
pub mod medium;
pub mod publisher;
pub mod stats;
#[cfg(feature = "adapter")]
pub mod streams;
pub mod trace;
#[cfg(feature = "adapter")]
pub mod values;

pub use engineio::backoff;

pub use self::connections::{Connections, Health, Stats};
pub use self::error::PublishError;
