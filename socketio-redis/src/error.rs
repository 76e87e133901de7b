//! Errors.

use thiserror::Error;

/// The settings are wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The URL cannot be read.
    #[error("the URL of Redis is wrong: {0}")]
    Url(String),
    /// The URL needs TLS, without the feature `tls`.
    #[error("rediss:// needs the feature `tls`")]
    Tls,
    /// There are no sentinels, or more than 16.
    #[error("there must be 1 to 16 sentinels")]
    Sentinels,
    /// More than 16 servers of a Redis Cluster are named.
    #[error("at most 16 servers of a cluster can be named")]
    Servers,
}

/// A message was not sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// More than [`Redis::max_queued_bytes`](crate::Redis::max_queued_bytes) wait for Redis.
    #[error("too many messages wait for Redis")]
    Full,
    /// The message alone is larger than [`Redis::max_queued_bytes`](crate::Redis::max_queued_bytes), or than
    /// the limit of messages.
    #[error("the message is too large")]
    TooLarge,
    /// There is no connection to Redis, or it has ended before there was a reply.
    #[error("there is no connection to Redis")]
    Down,
    /// Redis has refused the command.
    #[error("Redis has refused the command: {0}")]
    Refused(String),
    /// The format cannot express the message.
    #[error("the message cannot be encoded: {0}")]
    Encode(String),
    /// The adapter or emitter is closed.
    #[error("the connection to Redis was closed")]
    Closed,
}

impl From<socketio_cluster::EncodeError> for PublishError {
    fn from(error: socketio_cluster::EncodeError) -> Self {
        Self::Encode(error.to_string())
    }
}
