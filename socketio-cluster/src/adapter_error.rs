//! The error of an adapter.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A message did not reach the other nodes. The operation was applied to this node's own sockets, so a retry
/// would apply it to them a second time.
#[derive(Clone, Debug)]
pub struct AdapterError {
    kind: AdapterErrorKind,
    source: Arc<dyn Error + Send + Sync>,
}

/// Kind of an [`AdapterError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdapterErrorKind {
    /// The medium is not connected, or did not respond in time.
    Down,
    /// The send queue of the adapter is full.
    Full,
    /// The message is larger than the medium or the adapter accepts. It would fail again.
    TooLarge,
    /// Another error, which the source describes.
    Other,
}

impl AdapterError {
    /// An error of the kind [`Other`](AdapterErrorKind::Other) with this cause.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::of_kind(AdapterErrorKind::Other, source)
    }

    /// An error of this kind with this cause.
    pub fn of_kind(kind: AdapterErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into().into() }
    }

    /// The kind of the error.
    pub fn kind(&self) -> AdapterErrorKind {
        self.kind
    }
}

impl fmt::Display for AdapterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            AdapterErrorKind::Down | AdapterErrorKind::Other => "the other nodes cannot be reached",
            AdapterErrorKind::Full => "the queue to the other nodes is full",
            AdapterErrorKind::TooLarge => "the message is too large for the adapter",
        })?;
        write!(f, ": {}", self.source)
    }
}

impl Error for AdapterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_kind_it_is_of() {
        let error = AdapterError::of_kind(AdapterErrorKind::TooLarge, "2 MiB of 1 MiB");
        assert_eq!(error.to_string(), "the message is too large for the adapter: 2 MiB of 1 MiB");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("2 MiB of 1 MiB"));
        assert_eq!(error.clone().kind(), AdapterErrorKind::TooLarge);
        assert_eq!(AdapterError::new("x").kind(), AdapterErrorKind::Other);
    }
}
