//! Errors of msgpack values.

/// A value does not match a type, or a type has no msgpack representation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(Box<str>);

impl ValueError {
    pub(crate) fn new(message: impl std::fmt::Display) -> Self {
        Self(message.to_string().into_boxed_str())
    }

    /// Unreachable for a value of a packet, which the decoder has validated.
    pub(crate) fn malformed() -> Self {
        Self::new("not msgpack")
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}
