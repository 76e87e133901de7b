//! The events of a WebSocket, and the protocol violations of a peer.

use bytes::Bytes;

use crate::protocol::frame::CloseCode;
use crate::protocol::text::Text;

/// An event of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
    /// A ping. Its payload of up to 125 bytes has to be sent back in a pong.
    Ping(Bytes),
    /// A pong. Its payload is not needed.
    Pong,
    /// The peer closes the connection; a close frame has to be sent back. No event follows.
    Close {
        /// The peer's code, if there is one.
        code: Option<CloseCode>,
        /// The peer's reason, which may be empty.
        reason: Text,
    },
}

/// The reason why a peer violated the protocol or a limit. The connection is unusable after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsError {
    /// A reserved bit is set although no extension uses it, or in a frame that cannot be compressed.
    #[error("reserved bits must be zero")]
    ReservedBits,
    /// The opcode is reserved.
    #[error("reserved opcode {0}")]
    ReservedOpcode(u8),
    /// A frame of a client is not masked.
    #[error("frames of a client must be masked")]
    NotMasked,
    /// A frame of a server is masked.
    #[error("frames of a server must not be masked")]
    Masked,
    /// A control frame is fragmented.
    #[error("control frames must not be fragmented")]
    FragmentedControl,
    /// A control frame has more than 125 bytes of payload.
    #[error("control frames must be short")]
    ControlTooLong,
    /// A continuation frame came without a message to continue.
    #[error("continuation without a message")]
    UnexpectedContinuation,
    /// A new message began before the end of another one.
    #[error("new message within a fragmented one")]
    ExpectedContinuation,
    /// A message has more than [`Inbound::max_fragments`](super::Inbound::max_fragments) frames.
    #[error("too many fragments")]
    TooManyFragments,
    /// A message is longer than the limit.
    #[error("message too big")]
    MessageTooBig,
    /// A text message or the reason of a close frame is not UTF-8.
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// A compressed message is not a deflate stream, or it ends too early.
    #[error("invalid compressed data")]
    InvalidDeflate,
    /// A close frame has a payload of one byte, half a code.
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
            Self::InvalidUtf8 | Self::InvalidDeflate => CloseCode::INVALID_DATA,
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
