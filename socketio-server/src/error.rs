//! Errors of the API, and refusals of clients.

use std::fmt;

use serde::Serialize;
use socketio_cluster::{AdapterError, NodeId};
pub use socketio_events::ExtractError;
use socketio_events::message::{TooManyAttachments, UnreadableError};
use socketio_parser::{DecodeError, EncodeError};
use thiserror::Error;

use crate::cluster_health::AdapterHealth;

/// An emit failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The arguments have more binary parts than the other side accepts. It would have closed the connection.
    #[error(transparent)]
    TooManyAttachments(#[from] TooManyAttachments),
    /// The event name or the arguments cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The socket has left its namespace, or its outbox is full.
    #[error(transparent)]
    Send(#[from] engineio::SendError),
    /// The event is nested too deeply for other servers to decode.
    #[error("the event cannot be sent to other servers: {0}")]
    Nested(#[from] DecodeError),
    /// Sockets of this server received the event, sockets of other servers possibly not. A retry would reach
    /// the sockets of this server a second time.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

impl From<UnreadableError> for EmitError {
    fn from(error: UnreadableError) -> Self {
        match error {
            UnreadableError::Encode(error) => Self::Encode(error),
            UnreadableError::Nested(error) => Self::Nested(error),
        }
    }
}

/// A socket is in as many rooms as it may be: see [`Config::max_rooms`](crate::Config::max_rooms).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a socket may join at most {max} rooms")]
pub struct TooManyRooms {
    pub(crate) max: usize,
}

/// An emit with acknowledgement failed.
pub type AckError = socketio_events::AckError<EmitError>;

/// For functions that emit to one socket and to many: missing answers are a timeout.
impl<T> From<GatherError<T>> for AckError {
    fn from(error: GatherError<T>) -> Self {
        match error {
            GatherError::Partial(_) => Self::Timeout,
            GatherError::Emit(error) => Self::Emit(error),
            GatherError::Remote(text) => Self::Remote(text),
            GatherError::Decode(error) => Self::Decode(error),
        }
    }
}

impl From<EmitError> for AckError {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

/// An operation on many sockets or servers is incomplete.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GatherError<T> {
    /// Some receivers did not answer in time, or left before they answered; or the link to the other servers
    /// does not work, so that this server may not know of all of them.
    #[error("{0}")]
    Partial(Partial<T>),
    /// The event was not sent, or not to all servers.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// A handler of a client returned an error, so its answer is `{"error": "…"}` with this text.
    #[error("{0}")]
    Remote(String),
    /// An answer does not deserialize into the requested type.
    #[error(transparent)]
    Decode(#[from] socketio_parser::ArgError),
}

impl<T> GatherError<T> {
    /// The answers that were received.
    pub fn partial(self) -> Option<Partial<T>> {
        match self {
            Self::Partial(partial) => Some(partial),
            Self::Emit(_) | Self::Remote(_) | Self::Decode(_) => None,
        }
    }
}

/// An incomplete result.
#[derive(Debug)]
#[non_exhaustive]
pub struct Partial<T> {
    /// The received answers.
    pub answers: Vec<T>,
    /// Number of sockets or servers that did not answer.
    pub missing: usize,
    /// The servers among them, if the adapter knows their names.
    pub silent: Vec<NodeId>,
    /// State of the link to the other servers. Unless it is connected, this server may not know of all of
    /// them, and `missing` counts only those that it knows.
    pub health: AdapterHealth,
}

impl<T> fmt::Display for Partial<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.missing > 0 { "operation has timed out" } else { "result may be incomplete" };
        write!(f, "{what}: {} came, {} missing", self.answers.len(), self.missing)?;
        for (n, node) in self.silent.iter().enumerate() {
            write!(f, "{} {node}", if n == 0 { ", silent:" } else { "," })?;
        }
        if !self.health.is_connected() {
            write!(f, "; the link to the other servers is {}", self.health)?;
        }
        Ok(())
    }
}

impl<T> From<AdapterError> for GatherError<T> {
    fn from(error: AdapterError) -> Self {
        Self::Emit(error.into())
    }
}

/// A refusal by a middleware; the client receives it as `connect_error`.
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

    /// Adds data that the client reads as `err.data`. A value that cannot be serialized is left out.
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

/// For middlewares that return a [`HandlerResult`](crate::HandlerResult): the client receives the text of the error,
/// and of a `ConnectError` the data too.
impl From<Box<dyn std::error::Error + Send + Sync>> for ConnectError {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        match error.downcast::<Self>() {
            Ok(refusal) => *refusal,
            Err(error) => Self::new(error.to_string()),
        }
    }
}

/// An event did not reach its handler, or an answer did not reach the client.
pub type HandlerError = socketio_events::HandlerError<EmitError>;
