//! Errors of extraction.

use socketio_parser::ArgError;
use thiserror::Error;

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
    #[error("no state of type {0}")]
    State(&'static str),
}
