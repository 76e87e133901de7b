//! Why a handler could not be called.

use socketio_parser::ArgError;
use thiserror::Error;

/// Why a handler could not be called: what came does not fit what it takes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// An argument is missing or of another type.
    #[error(transparent)]
    Argument(#[from] ArgError),
    /// The credentials that a client sent to a server are of another type.
    #[error("auth: {0}")]
    Auth(ArgError),
    /// The server has no state of this type.
    #[error("no state of type {0}")]
    State(&'static str),
}
