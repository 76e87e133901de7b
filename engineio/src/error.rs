//! What a caller gets back when a message cannot be sent, and what an operator gets at start.

use thiserror::Error;

/// Why a message was not taken for sending.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The session is closing or closed; nothing can follow.
    #[error("the session is closed")]
    Closed,
    /// More bytes wait for the peer than [`Config::max_buffered`](crate::Config::max_buffered) allows.
    #[error("the outbox is full")]
    Full,
    /// More bytes wait on the whole server than `ServerBuilder::max_queued_bytes` allows, and more for this peer than its
    /// share of what is left.
    #[error("too much waits on the whole server")]
    ServerFull,
}

/// A setting that cannot work.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Without a transport nobody can connect.
    #[error("at least one transport must be enabled")]
    NoTransport,
    /// A zero duration would close every session at once.
    #[error("{0} must be longer than zero")]
    ZeroDuration(&'static str),
    /// Longer than 12 days, which together with another duration the timers of browsers cannot count.
    #[error("{0} must not be longer than 12 days")]
    LongDuration(&'static str),
    /// The request path has to start with a slash.
    #[error("the path must start with '/': {0:?}")]
    Path(String),
}
