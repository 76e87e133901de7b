//! What a Socket.IO server and a client do alike with events.
//!
//! Applications use it through `socketio-server` and `socketio-client`, which have all of its names that a handler needs.
//! A socket of the one has little in common with a socket of the other, but people write their handlers the same way:
//!
//! - [`handler`]: async functions, checked and erased when they are registered;
//! - [`extract`]: what they take as arguments, made from the context that they are called with;
//! - [`object`]: data that has to be an object;
//! - [`reply`]: what they return, and what the other side gets of it;
//! - [`table`]: the handlers that are registered, by the names of their events;
//! - [`message`]: packets as messages of the session, which is where both sides encode.
//!
//! A context is the crates' own. One that carries an event is a [`Carrier`](extract::Carrier); what else a handler may
//! take from it is said where it is, by an implementation of [`Extract`](extract::Extract).

mod error;
pub mod extract;
pub mod handler;
pub mod message;
pub mod object;
pub mod reply;
pub mod table;

pub use self::error::ExtractError;
