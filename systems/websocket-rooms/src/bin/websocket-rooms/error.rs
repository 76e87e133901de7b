//! Errors of the program, and its exit codes.

use std::process::ExitCode;

use system_support::Failure;

/// Errors of the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Arguments(String),
    #[error("{0} gave up")]
    GaveUp(String),
    #[error(transparent)]
    Other(#[from] Failure),
}

impl Error {
    /// The exit code. The README lists them.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Other(_) => ExitCode::FAILURE,
            Self::Arguments(_) => ExitCode::from(2),
            Self::GaveUp(_) => ExitCode::from(3),
        }
    }
}
