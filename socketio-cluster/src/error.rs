//! Errors: a message that cannot be read, and one that cannot be written.

/// A received message cannot be read. It should be counted and ignored; the next one may be well again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message is not well-formed, its event is not one, or it is nested too deep.
    #[error(transparent)]
    Malformed(#[from] socketio_parser::DecodeError),
    /// The message is neither an object nor, where the format has one, an array.
    #[error("the message is no {0}")]
    Shape(&'static str),
    /// A required member is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member has another type than expected.
    #[error("{0} has another type than expected")]
    Type(&'static str),
    /// A message with a number that no official adapter uses.
    #[error("unknown message type {0}")]
    UnknownType(u32),
    /// A packet that is no event, inside a broadcast.
    #[error("the packet is no event")]
    NoEvent,
    /// The data of an entry is neither JSON nor base64.
    #[error("the data is neither JSON nor base64")]
    Base64,
    /// A message of python-socketio in Python's pickle format, which can be read only by Python.
    #[error("the message is in Python's pickle format; python-socketio with JSON is required")]
    Pickle,
    /// The row of a message cannot be read from its table.
    #[error("{0}")]
    Row(String),
    /// The message exceeds one of the [`Limits`](crate::Limits).
    #[error("the limit {0} is exceeded")]
    Limit(&'static str),
}

/// A message cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event or the answer cannot be written, or the message is larger than
    /// [`Limits::max_message_bytes`](crate::Limits::max_message_bytes).
    #[error(transparent)]
    Encode(#[from] socketio_parser::EncodeError),
    /// The format has no such message.
    #[error("the format has no message for this operation (type {0})")]
    Unsupported(u8),
}
