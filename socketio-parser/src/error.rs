//! Errors, one type per operation: decoding a packet, reading an argument, encoding a packet.

use crate::limits::Limit;
use crate::packet_type::PacketType;

/// The peer sent an invalid Socket.IO packet.
///
/// The official server closes the connection on each of these errors. After an error the decoder has
/// discarded an incomplete packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// An empty text message.
    #[error("empty packet")]
    Empty,
    /// The first character is not a packet type from 0 to 6.
    #[error("unknown packet type {}", .0.escape_ascii())]
    UnknownType(u8),
    /// A binary packet whose attachment count is missing, zero or not a number.
    #[error("Illegal attachments")]
    AttachmentCount,
    /// A placeholder that refers to no attachment of its packet.
    #[error("illegal attachments: a placeholder names no attachment of the packet")]
    Placeholder,
    /// A binary message while no packet waits for attachments.
    #[error("got binary data when not reconstructing a packet")]
    UnexpectedBinary,
    /// A text message while a packet waits for attachments.
    #[error("got plaintext data when reconstructing a packet")]
    UnexpectedText,
    /// White space at the start of the namespace, the ack id or the payload.
    #[error("white space in the packet's header")]
    HeaderSpace,
    /// The payload is not JSON.
    #[error("invalid payload: not JSON at byte {at} of the packet")]
    Json {
        /// Position of the first invalid byte, relative to the start of the packet.
        at: u32,
    },
    /// The payload is not well-formed msgpack.
    #[error("invalid payload: not msgpack at byte {at} of the packet")]
    Msgpack {
        /// Position of the first invalid byte, relative to the start of the packet.
        at: u32,
    },
    /// The payload is well-formed, but its shape does not match the packet type.
    #[error("invalid payload for a packet of type {}", *.0 as u8)]
    Shape(PacketType),
    /// The event name is neither a string nor a number.
    #[error("invalid payload: the event name is neither a string nor a number")]
    EventName,
    /// The event name is reserved for the library.
    #[error("invalid payload: the event name is reserved")]
    ReservedEvent,
    /// A text is not UTF-8, or an event name contains an unpaired surrogate.
    #[error("invalid Unicode")]
    Unicode,
    /// A msgpack packet without a valid `type`.
    #[error("invalid packet type")]
    MsgpackType,
    /// A msgpack packet without a valid `nsp`.
    #[error("invalid namespace")]
    MsgpackNamespace,
    /// A msgpack packet whose `id` is not a non-negative integer.
    #[error("invalid packet id")]
    MsgpackId,
    /// The packet exceeds one of the configured [`Limits`](crate::Limits).
    #[error("{0}")]
    Limit(Limit),
    /// A [`CustomDecoder`](crate::CustomDecoder) refused the packet, with a code of its own. A text would make every
    /// result of a decoder larger.
    #[error("invalid packet: code {0} of the custom decoder")]
    Custom(u32),
}

/// An argument does not deserialize into the requested type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgError {
    /// The argument is missing, and the type does not accept `null`.
    #[error("argument {index} is missing")]
    Missing {
        /// Index of the argument, counted from 0 after the event name.
        index: usize,
    },
    /// The argument does not match the type.
    #[error("argument {index}: {source}")]
    Json {
        /// Index of the argument, counted from 0 after the event name.
        index: usize,
        /// The error of serde_json.
        source: serde_json::Error,
    },
    /// The argument does not match the type.
    #[cfg(feature = "msgpack")]
    #[error("argument {index}: {source}")]
    Msgpack {
        /// Index of the argument, counted from 0 after the event name.
        index: usize,
        /// The expected and the actual type.
        source: ValueError,
    },
}

/// A packet cannot be encoded; nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event name is reserved for the library: see [`RESERVED_EVENTS`](crate::RESERVED_EVENTS).
    #[error("{0:?} is a reserved event name")]
    ReservedEvent(&'static str),
    /// A namespace must start with `/` and may not contain a comma, which terminates it on the wire.
    #[error("a namespace must start with a slash and may not contain a comma")]
    Namespace,
    /// The ack id exceeds 2^53 - 1, the largest safe integer of JavaScript.
    #[error("ack id above 2^53 - 1")]
    AckId,
    /// The message would be larger than the limit of the caller: see [`codec::Writer`](crate::codec::Writer).
    #[cfg(feature = "msgpack")]
    #[error("the message would be larger than {0} bytes")]
    TooLarge(usize),
    /// A [`CustomParser`](crate::CustomParser) cannot encode the packet, for this reason.
    #[error("the packet cannot be encoded: {0}")]
    Custom(Box<str>),
    /// A value failed to serialize.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A value failed to serialize.
    #[cfg(feature = "msgpack")]
    #[error(transparent)]
    Msgpack(#[from] ValueError),
}

/// A value does not match a type, or a type has no msgpack representation.
#[cfg(feature = "msgpack")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(Box<str>);

#[cfg(feature = "msgpack")]
impl ValueError {
    pub(crate) fn new(message: impl std::fmt::Display) -> Self {
        Self(message.to_string().into_boxed_str())
    }

    /// Unreachable for a value of a packet, which the decoder has validated.
    pub(crate) fn malformed() -> Self {
        Self::new("not msgpack")
    }
}

#[cfg(feature = "msgpack")]
impl serde::de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

#[cfg(feature = "msgpack")]
impl serde::ser::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}
