//! Errors of emits, acknowledgements, handlers and connections.

use std::sync::Arc;

use engineio::SendError;
use engineio::client::OpenError;
use serde::Deserialize;
pub use socketio_events::ExtractError;
use socketio_events::message::{TooManyAttachments, UnreadableError};
use socketio_parser::{DecodeError, EncodeError};
use thiserror::Error;

/// Error of an emit.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The arguments have more binary parts than the other side accepts. It would have closed the connection.
    #[error(transparent)]
    TooManyAttachments(#[from] TooManyAttachments),
    /// The arguments or the event name cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The event can be encoded, but no server could decode it: its arguments are nested too deeply.
    #[error(transparent)]
    Nested(#[from] DecodeError),
    /// The socket is not connected and its buffer is full, or the outbox of the connection is full.
    #[error("the send buffer is full")]
    Full,
    /// The acknowledgement is too late: the socket is not connected any more, or reconnected since the event
    /// arrived.
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

/// Error of a handler: see [`Socket::on_error`](crate::Socket::on_error).
pub type HandlerError = socketio_events::HandlerError<EmitError>;

/// Error of an emit that waits for an acknowledgement. `Dropped` needs [`Overflow`](crate::Overflow).
pub type AckError = socketio_events::AckError<EmitError>;

impl From<EmitError> for AckError {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

/// Error of a connection attempt.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The connection could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The connection was not open in time: see [`Config::connect_timeout`](crate::Config::connect_timeout).
    #[error("timeout")]
    Timeout,
    /// The server refused: the namespace does not exist, or a middleware returned an error.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server speaks the protocol of Socket.IO v2: see
    /// [`ManagerBuilder::protocol`](crate::ManagerBuilder::protocol).
    #[error("the server speaks the protocol of Socket.IO v2; select it with `ManagerBuilder::protocol`")]
    V2Server,
    /// The root namespace of a Socket.IO v2 server was disconnected. Such a server permits no second CONNECT
    /// to it on the same connection, which stays open for other namespaces.
    #[error("the root namespace of a Socket.IO v2 server cannot be connected twice on one connection")]
    RootLeft,
    /// The credentials cannot be serialised.
    #[error("cannot serialise the credentials: {0}")]
    Auth(#[source] Arc<serde_json::Error>),
    /// The socket is not active: it was never connected, or one side has disconnected it.
    #[error("the socket is disconnected")]
    Inactive,
    /// The name of the namespace cannot be encoded.
    #[error("a namespace may not contain a comma")]
    Namespace,
}

/// Refusal of a CONNECT by the server.
#[derive(Clone, Debug, Default, Deserialize, Error, PartialEq)]
#[error("{message}")]
#[serde(default)]
#[non_exhaustive]
pub struct Refusal {
    /// Message of the middleware's error, or `Invalid namespace`.
    pub message: String,
    /// Data of the middleware's error (`err.data`).
    pub data: Option<serde_json::Value>,
}

/// Violation of the protocol by the server.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The server sent an invalid packet.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// More than [`Config::max_early_events`](crate::Config::max_early_events) events, or
    /// [`Config::max_early_bytes`](crate::Config::max_early_bytes) bytes of events, arrived before the
    /// namespace was confirmed.
    #[error("too many events before the namespace was confirmed")]
    EarlyEvents,
}
