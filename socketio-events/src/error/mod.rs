//! Errors that a server and a client share. `E` is the error of an emit, which each side defines.

mod for_log;

use serde::{Deserialize, Serialize};
use socketio_parser::{ArgError, DecodeError};
use thiserror::Error;

use crate::object::Object;

/// A handler that could not be called: the event does not match the handler's arguments.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// An argument is missing or of another type.
    #[error(transparent)]
    Argument(#[from] ArgError),
    /// The client's credentials (`auth` of the CONNECT packet) do not deserialize into the requested type.
    #[error("auth: {0}")]
    Auth(ArgError),
    /// The server holds no state of this type.
    #[error("the server has no state of type `{0}`; `ServerBuilder::state` adds it")]
    State(&'static str),
    /// The request that opened the connection has no extension of this type, or connections do not keep it.
    #[error("the request has no extension of type `{0}`")]
    Extension(&'static str),
    /// An extractor of the application failed: see [`custom`](Self::custom).
    #[error("{0}")]
    Custom(String),
    /// The last handle of the server was dropped.
    #[error("the server does not exist any more")]
    ServerGone,
}

impl ExtractError {
    /// The error of an extractor of the application. The peer receives the text.
    pub fn custom(text: impl std::fmt::Display) -> Self {
        Self::Custom(text.to_string())
    }

    /// Whether the application is the cause, and not the data of the peer.
    pub fn is_internal(&self) -> bool {
        match self {
            Self::State(_) | Self::Extension(_) | Self::ServerGone => true,
            Self::Argument(_) | Self::Auth(_) | Self::Custom(_) => false,
        }
    }

    /// The text of the error for the peer. Internal errors are `internal error`, since the names of types and
    /// settings are not the peer's business.
    pub fn for_peer(&self) -> String {
        if self.is_internal() { "internal error".to_owned() } else { self.to_string() }
    }
}

/// Error of a handler, or of an event that did not reach its handler.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HandlerError<E> {
    /// The event does not match the arguments of the handler. If the peer requested an acknowledgement, it
    /// has received the error.
    #[error("{event}: {source}")]
    Extract {
        /// Name of the event; `connect`, `connect_error`, `disconnecting` or `disconnect` for handlers of
        /// these.
        event: String,
        /// The argument that could not be extracted.
        source: ExtractError,
    },
    /// An event middleware of the server refused the event.
    #[error("{event}: {refusal}")]
    Refused {
        /// Name of the event.
        event: String,
        /// Text of the middleware's error.
        refusal: String,
    },
    /// The message to the server is no valid packet. The connection is closed.
    #[error(transparent)]
    Protocol(#[from] DecodeError),
    /// The value that a handler returned could not be sent as its acknowledgement, because the outbox is full
    /// or the value cannot be encoded. In the latter case the peer has received an error instead.
    #[error("acknowledgement not sent: {0}")]
    Answer(E),
    /// A handler returned an error, and the peer has requested no acknowledgement.
    #[error("{event}: {error}")]
    Failed {
        /// Name of the event.
        event: String,
        /// Text of the error.
        error: String,
    },
}

/// The acknowledgement of a handler that failed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection<T = String> {
    /// Text of the error.
    pub error: T,
}

impl Rejection {
    /// The text, if the acknowledgement of an event is a rejection. `parse` deserializes its first argument.
    pub fn text(parse: impl FnOnce() -> Result<Object<Self>, ArgError>) -> Option<String> {
        parse().ok().map(|Object(rejection)| rejection.error)
    }
}

/// Error of an emit that waits for an acknowledgement.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AckError<E> {
    /// No acknowledgement arrived in time; with the retries of a client, after none of them.
    #[error("operation has timed out")]
    Timeout,
    /// The socket was disconnected before the acknowledgement arrived.
    #[error("socket has been disconnected")]
    Disconnected,
    /// The event was dropped from the full buffer of a client in favour of a newer one.
    #[error("the event was dropped from the buffer")]
    Dropped,
    /// The event could not be emitted.
    #[error(transparent)]
    Emit(E),
    /// The handler of the peer returned an error, or did not accept the arguments: the acknowledgement is
    /// `{"error": "…"}` with this text, and does not have the requested type.
    #[error("{0}")]
    Remote(String),
    /// The acknowledgement does not have the requested type.
    #[error(transparent)]
    Decode(#[from] ArgError),
    /// The socket has as many pending acknowledgements as `max_pending_acks` of its configuration permits.
    #[error("too many acknowledgements are pending")]
    TooMany,
}
