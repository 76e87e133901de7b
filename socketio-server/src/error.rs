//! What a caller gets back, and what a client is told when a namespace refuses it.

use serde::Serialize;
use socketio_parser::EncodeError;
use thiserror::Error;

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

/// Why a handler could not be called: what came does not fit what it takes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// An argument is missing or of another type.
    #[error(transparent)]
    Argument(#[from] socketio_parser::ArgError),
    /// The CONNECT packet's payload is of another type.
    #[error("auth: {0}")]
    Auth(socketio_parser::ArgError),
    /// The server has no state of this type.
    #[error("no state of type {0}")]
    State(&'static str),
}
