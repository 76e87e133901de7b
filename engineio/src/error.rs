//! The errors of sending a message, and of invalid settings.

use thiserror::Error;

/// The reason why a message was not accepted for sending.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The session is closing or closed; nothing can be sent any more.
    #[error("the session is closed")]
    Closed,
    /// More bytes wait for the peer than [`Config::max_buffered`](crate::Config::max_buffered) allows.
    #[error("the outbox is full")]
    Full,
    /// More bytes wait on the whole server than `ServerBuilder::max_queued_bytes` allows, and more for this
    /// session than its share of the rest.
    #[error("too much waits on the whole server")]
    ServerFull,
}

/// An invalid setting.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Without a transport no client can connect.
    #[error("at least one transport must be enabled")]
    NoTransport,
    /// A zero duration would close every session at once.
    #[error("{0} must be longer than zero")]
    ZeroDuration(&'static str),
    /// The duration is longer than 12 days. Together with another duration it would overflow the timers of
    /// browsers.
    #[error("{0} must not be longer than 12 days")]
    LongDuration(&'static str),
    /// The request path has to start with a slash.
    #[error("the path must start with '/': {0:?}")]
    Path(String),
}
