//! Event handling that a Socket.IO server and a Socket.IO client share.
//!
//! Applications use this crate through `socketio-server` and `socketio-client`, which re-export everything
//! that a handler needs. A server's socket differs from a client's, but handlers are written the same way:
//!
//! - [`emit`]: emits to one socket, with options;
//! - [`context`]: contexts of handlers;
//! - [`function`]: async functions that can be handlers;
//! - [`handler`]: handlers, erased at registration;
//! - [`extract`]: arguments of handlers, extracted from the context of a call;
//! - [`object`]: data that must be a JSON object;
//! - [`panics`]: the end of handlers that panic;
//! - [`reply`]: return values of handlers, and the answers they become;
//! - [`table`]: registered handlers by event name;
//! - [`message`]: encoding of Socket.IO packets into Engine.IO messages, for both sides.
//!
//! Each side defines its socket and the right to answer an event. A context that carries an event implements
//! [`Carrier`](extract::Carrier); each further extractor is an implementation of
//! [`Extract`](extract::Extract).

// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod context;
pub mod emit;
mod error;
pub mod extract;
pub mod function;
pub mod handler;
pub mod message;
pub mod object;
pub mod panics;
pub mod reply;
pub mod table;

pub use self::error::{AckError, ExtractError, HandlerError, Rejection};

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
