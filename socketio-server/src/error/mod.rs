//! What a caller gets back, and what a client is told when a namespace refuses it.

mod for_log;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
pub use socketio_events::ExtractError;
use socketio_events::message::UnreadableError;
use socketio_parser::{DecodeError, EncodeError};
use thiserror::Error;

use crate::id::NodeId;

/// Why an emit did not go out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The arguments or the event name cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The socket has left its namespace, or more waits for it than its outbox takes.
    #[error(transparent)]
    Send(#[from] engineio::SendError),
    /// The event can be written, but no other server would read it: it is nested too deeply.
    #[error("the event cannot be shared with other servers: {0}")]
    Share(#[from] DecodeError),
    /// This server's own sockets have got the event, those of other servers may not.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

impl From<UnreadableError> for EmitError {
    fn from(error: UnreadableError) -> Self {
        match error {
            UnreadableError::Encode(error) => Self::Encode(error),
            UnreadableError::Nested(error) => Self::Share(error),
        }
    }
}

/// Why other nodes could not be reached. What concerns this node's own sockets has been done all the same.
#[derive(Clone, Debug, Error)]
#[error("the other nodes cannot be reached: {0}")]
pub struct AdapterError(Arc<dyn std::error::Error + Send + Sync>);

impl AdapterError {
    /// With what went wrong.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into().into())
    }
}

/// Why an emit with acknowledgement brought no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AckError {
    /// The client did not answer in time.
    #[error("operation has timed out")]
    Timeout,
    /// The socket left before it answered.
    #[error("socket has been disconnected")]
    Disconnected,
    /// The event did not go out.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The answer is not of the type that was asked for.
    #[error(transparent)]
    Decode(#[from] socketio_parser::ArgError),
    /// The socket owes more answers than [`Config::max_pending_acks`](crate::Config::max_pending_acks) allows.
    #[error("too many acknowledgements are pending")]
    TooMany,
}

/// Why not everything that was asked for came.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GatherError<T> {
    /// Some did not answer in time, or left before they did.
    #[error("operation has timed out: {0}")]
    Partial(Partial<T>),
    /// The event did not go out, or not everywhere.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// An answer is not of the type that was asked for.
    #[error(transparent)]
    Decode(#[from] socketio_parser::ArgError),
}

impl<T> GatherError<T> {
    /// What came all the same.
    pub fn partial(self) -> Option<Partial<T>> {
        match self {
            Self::Partial(partial) => Some(partial),
            Self::Emit(_) | Self::Decode(_) => None,
        }
    }
}

/// What came, and how many did not.
#[derive(Debug)]
pub struct Partial<T> {
    /// What came.
    pub answers: Vec<T>,
    /// How many sockets or servers did not answer.
    pub missing: usize,
    /// The servers among them, where the adapter knows their names.
    pub silent: Vec<NodeId>,
}

impl<T> fmt::Display for Partial<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} came, {} missing", self.answers.len(), self.missing)?;
        for (n, node) in self.silent.iter().enumerate() {
            write!(f, "{} {node}", if n == 0 { ", silent:" } else { "," })?;
        }
        Ok(())
    }
}

impl<T> From<AdapterError> for GatherError<T> {
    fn from(error: AdapterError) -> Self {
        Self::Emit(error.into())
    }
}

/// A middleware's refusal: the client gets it as its `connect_error`.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct ConnectError {
    pub(crate) message: String,
    pub(crate) data: Option<serde_json::Value>,
}

impl ConnectError {
    /// A refusal with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// Adds what the client reads as `err.data`. What cannot be serialised is left out.
    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        self.data = serde_json::to_value(data).ok();
        self
    }
}

impl From<&str> for ConnectError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for ConnectError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

/// Why what a client sent reached no handler, or the handler's answer not the client.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// It does not fit what the handler takes.
    #[error("{event}: {source}")]
    Extract {
        /// The event's name; "connect", "disconnecting" or "disconnect" for handlers of these.
        event: String,
        /// What does not fit.
        source: ExtractError,
    },
    /// A middleware for events refused it.
    #[error("{event}: {refusal}")]
    Refused {
        /// The event's name.
        event: String,
        /// What the middleware's error says.
        refusal: String,
    },
    /// It is no packet. The connection is closed.
    #[error(transparent)]
    Protocol(#[from] DecodeError),
    /// What a handler returned as its answer did not leave. There was no room for it, or it cannot be written; then the
    /// client has got an error in its place.
    #[error("an answer was not sent: {0}")]
    Answer(EmitError),
    /// A handler returned an error, and the client has asked for no answer.
    #[error("{event}: {error}")]
    Failed {
        /// The event's name.
        event: String,
        /// What the error says.
        error: String,
    },
}
