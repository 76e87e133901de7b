//! Errors.

use thiserror::Error;

/// A message was not sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// More than `max_queued_bytes` wait for the broker.
    #[error("too many messages wait for the broker")]
    Full,
    /// The message alone is larger than `max_queued_bytes`, or than the limit of messages.
    #[error("the message is too large")]
    TooLarge,
    /// There is no connection to the broker, or it has ended before there was a reply.
    #[error("there is no connection to the broker")]
    Down,
    /// The broker has refused the command.
    #[error("the broker has refused the command: {0}")]
    Refused(String),
    /// The format cannot express the message.
    #[error("the message cannot be encoded: {0}")]
    Encode(String),
    /// The adapter or emitter is closed.
    #[error("the connection to the broker was closed")]
    Closed,
}

impl From<socketio_cluster::EncodeError> for PublishError {
    fn from(error: socketio_cluster::EncodeError) -> Self {
        Self::Encode(error.to_string())
    }
}
