//! What can be wrong with a value.

/// A value does not fit a type, or a type does not fit msgpack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(Box<str>);

impl ValueError {
    pub(crate) fn new(message: impl std::fmt::Display) -> Self {
        Self(message.to_string().into_boxed_str())
    }

    /// Cannot happen to a value out of a packet, which was checked.
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
