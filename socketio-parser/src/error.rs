//! What can go wrong, one type per operation: decoding a packet, reading an argument, encoding a packet.

use crate::limits::Limit;
use crate::packet_type::PacketType;

/// The peer sent something that is no Socket.IO packet.
///
/// The official server closes the connection on every one of these. A decoder that has reported an error has
/// forgotten the packet it was collecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A text message without a single byte.
    #[error("empty packet")]
    Empty,
    /// The first character is none of the packet types 0 to 6.
    #[error("unknown packet type {}", .0.escape_ascii())]
    UnknownType(u8),
    /// A binary packet whose attachment count is missing, zero or not made of digits.
    #[error("Illegal attachments")]
    AttachmentCount,
    /// A placeholder that names no attachment of its packet.
    #[error("illegal attachments: a placeholder names no attachment of the packet")]
    Placeholder,
    /// A binary message although no packet waits for attachments.
    #[error("got binary data when not reconstructing a packet")]
    UnexpectedBinary,
    /// A text message although a packet still waits for attachments.
    #[error("got plaintext data when reconstructing a packet")]
    UnexpectedText,
    /// White space where the namespace, the ack id or the payload begins.
    #[error("white space in the packet's header")]
    HeaderSpace,
    /// The payload is not JSON.
    #[error("invalid payload: not JSON at byte {at} of the packet")]
    Json {
        /// Where the text stops being JSON, counted from the start of the packet.
        at: u32,
    },
    /// The payload is not well-formed msgpack.
    #[error("invalid payload: not msgpack at byte {at} of the packet")]
    Msgpack {
        /// Where the bytes stop being msgpack, counted from the start of the packet.
        at: u32,
    },
    /// The payload is well-formed, but not of the shape that this type of packet has.
    #[error("invalid payload for a packet of type {}", *.0 as u8)]
    Shape(PacketType),
    /// The event has no name that is a string or a number.
    #[error("invalid payload: the event name is neither a string nor a number")]
    EventName,
    /// The event has a name that only the library itself may use.
    #[error("invalid payload: the event name is reserved")]
    ReservedEvent,
    /// The bytes of a text are not UTF-8, or an event name holds an unpaired surrogate.
    #[error("invalid Unicode")]
    Unicode,
    /// A msgpack packet without a usable `type`.
    #[error("invalid packet type")]
    MsgpackType,
    /// A msgpack packet without a usable `nsp`.
    #[error("invalid namespace")]
    MsgpackNamespace,
    /// A msgpack packet whose `id` is no whole number from 0 on.
    #[error("invalid packet id")]
    MsgpackId,
    /// The peer asked for more than the configured [`Limits`](crate::Limits) allow.
    #[error("{0}")]
    Limit(Limit),
}

/// An argument is not of the type that was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgError {
    /// The peer sent fewer arguments, and the type cannot be made from nothing.
    #[error("argument {index} is missing")]
    Missing {
        /// Which argument, counted from 0 after the event name.
        index: usize,
    },
    /// The argument does not fit the type.
    #[error("argument {index}: {source}")]
    Json {
        /// Which argument, counted from 0 after the event name.
        index: usize,
        /// What serde_json says.
        source: serde_json::Error,
    },
    /// The argument does not fit the type.
    #[cfg(feature = "msgpack")]
    #[error("argument {index}: {source}")]
    Msgpack {
        /// Which argument, counted from 0 after the event name.
        index: usize,
        /// What was expected and what was found.
        source: crate::msgpack::error::ValueError,
    },
}

/// A packet cannot be encoded; nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event name is one that only the library itself may use: see
    /// [`RESERVED_EVENTS`](crate::RESERVED_EVENTS).
    #[error("{0:?} is a reserved event name")]
    ReservedEvent(&'static str),
    /// A namespace starts with `/` and has no comma, which ends it on the wire.
    #[error("a namespace starts with a slash and has no comma")]
    Namespace,
    /// Ack ids end at 2^53 - 1, the last integer that a JavaScript peer can hold.
    #[error("ack id above 2^53 - 1")]
    AckId,
    /// A value refused to be serialised.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A value refused to be serialised.
    #[cfg(feature = "msgpack")]
    #[error(transparent)]
    Msgpack(#[from] crate::msgpack::error::ValueError),
}
