//! What a WebSocket brings, or how a peer broke its protocol.

use bytes::Bytes;

use crate::frame::CloseCode;
use crate::text::Text;

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
    /// A ping. Its payload, of up to 125 bytes, has to go back in a pong.
    Ping(Bytes),
    /// A pong, whose payload nobody needs.
    Pong,
    /// The peer closes the connection, and a close frame has to go back. Nothing comes after it.
    Close {
        /// The peer's code, if it gave one.
        code: Option<CloseCode>,
        /// The peer's reason, which may be empty.
        reason: Text,
    },
}

/// How a peer broke the protocol or a limit. The connection cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsError {
    /// A reserved bit is set although no extension gives it a meaning.
    #[error("reserved bits must be zero")]
    ReservedBits,
    /// An opcode that has no meaning.
    #[error("reserved opcode {0}")]
    ReservedOpcode(u8),
    /// A frame of a client is not masked.
    #[error("frames of a client must be masked")]
    NotMasked,
    /// A frame of a server is masked.
    #[error("frames of a server must not be masked")]
    Masked,
    /// A control frame came in parts.
    #[error("control frames must not be fragmented")]
    FragmentedControl,
    /// A control frame has more than 125 bytes of payload.
    #[error("control frames must be short")]
    ControlTooLong,
    /// A further part came without a first one.
    #[error("continuation without a message")]
    UnexpectedContinuation,
    /// A new message began within another one.
    #[error("new message within a fragmented one")]
    ExpectedContinuation,
    /// A message came in more than [`Inbound::max_fragments`](super::Inbound::max_fragments) parts.
    #[error("too many fragments")]
    TooManyFragments,
    /// A message is longer than the limit.
    #[error("message too big")]
    MessageTooBig,
    /// A text message or the reason of a close frame is not UTF-8.
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// A close frame has one byte, half a code.
    #[error("invalid close frame")]
    InvalidClose,
    /// A close frame has a code that must not be sent.
    #[error("invalid close code {0}")]
    InvalidCloseCode(u16),
}

impl WsError {
    /// The code to close the connection with.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 => CloseCode::INVALID_DATA,
            Self::TooManyFragments => CloseCode::POLICY_VIOLATION,
            Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::NotMasked
            | Self::Masked
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::InvalidClose
            | Self::InvalidCloseCode(_) => CloseCode::PROTOCOL_ERROR,
        }
    }
}
