//! What a caller gets back, and why a namespace was not joined.

use std::sync::Arc;

use engineio::SendError;
use engineio::client::OpenError;
use serde::Deserialize;
pub use socketio_events::ExtractError;
use socketio_events::message::UnreadableError;
use socketio_parser::{ArgError, DecodeError, EncodeError};
use thiserror::Error;

/// Why an event was not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The arguments or the event name cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The event can be written, but nobody could read it: it is nested too deeply.
    #[error(transparent)]
    Nested(#[from] DecodeError),
    /// The socket is not connected and its buffer is full, or the connection takes no more.
    #[error("too much waits to be sent")]
    Full,
    /// An answer came too late: the connection that the event came by is gone.
    #[error("socket has been disconnected")]
    Disconnected,
}

impl From<SendError> for EmitError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Full => Self::Full,
            _ => Self::Disconnected,
        }
    }
}

impl From<UnreadableError> for EmitError {
    fn from(error: UnreadableError) -> Self {
        match error {
            UnreadableError::Encode(error) => Self::Encode(error),
            UnreadableError::Nested(error) => Self::Nested(error),
        }
    }
}

/// Why what the server sent reached no handler, or the handler's answer not the server.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// It does not fit what the handler takes. The server, if it asked for an answer, has been told.
    #[error("{event}: {source}")]
    Extract {
        /// The event's name; "connect", "connect_error" or "disconnect" for handlers of these.
        event: String,
        /// What does not fit.
        source: ExtractError,
    },
    /// What a handler returned as its answer did not leave. There was no room for it, or it cannot be written; then the
    /// server has got an error in its place.
    #[error("an answer was not sent: {0}")]
    Answer(EmitError),
    /// A handler returned an error, and the server has asked for no answer.
    #[error("{event}: {error}")]
    Failed {
        /// The event's name.
        event: String,
        /// What the error says.
        error: String,
    },
}

/// Why an emit brought no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AckError {
    /// The server did not answer in time; with retries, to none of them.
    #[error("operation has timed out")]
    Timeout,
    /// The socket was disconnected before the answer came.
    #[error("socket has been disconnected")]
    Disconnected,
    /// The buffer was full, and the event made room for a newer one.
    #[error("the event was dropped from the buffer")]
    Dropped,
    /// The event was not taken.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The answer is not of the type that was asked for.
    #[error(transparent)]
    Decode(#[from] ArgError),
    /// More answers are waited for than [`Config::max_pending_acks`](crate::Config::max_pending_acks) allows.
    #[error("too many acknowledgements are pending")]
    TooMany,
}

/// Why a socket is not connected.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The connection could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was not open in time.
    #[error("timeout")]
    Timeout,
    /// The server refused: there is no such namespace, or a middleware said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server answers as those of Socket.IO v2 do: see [`ManagerBuilder::protocol`](crate::ManagerBuilder::protocol).
    #[error("the server speaks the protocol of Socket.IO v2; select it with `ManagerBuilder::protocol`")]
    V2Server,
    /// The socket or the server has left the root namespace of a server of Socket.IO v2. It lets nobody back in on the
    /// same connection, which lives on for other namespaces.
    #[error("the root namespace was left, and cannot be entered again on the same connection")]
    RootLeft,
    /// The credentials cannot be written.
    #[error("auth: {0}")]
    Auth(#[source] Arc<serde_json::Error>),
    /// The socket does not want to be connected: it never did, or one side has disconnected it.
    #[error("the socket is disconnected")]
    Inactive,
    /// The namespace has a name that cannot be written.
    #[error("a namespace has no comma")]
    Namespace,
}

/// What the server says when it refuses a client.
#[derive(Clone, Debug, Default, Deserialize, Error, PartialEq)]
#[error("{message}")]
#[serde(default)]
pub struct Refusal {
    /// The error of the middleware, or `Invalid namespace`.
    pub message: String,
    /// What the server added (`err.data`).
    pub data: Option<serde_json::Value>,
}

/// How a server broke the protocol.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// It sent what is no packet.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// More events came than [`Config::max_early_events`](crate::Config::max_early_events) allows before the namespace
    /// was confirmed.
    #[error("too many events before the namespace was confirmed")]
    EarlyEvents,
}
