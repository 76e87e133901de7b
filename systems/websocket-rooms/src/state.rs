//! The states of a connection, and the reasons for its end.

use std::fmt;

use crate::message::Farewell;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// The connection is being opened. A client is in this state also while it waits for the next attempt.
    Connecting,
    /// Messages flow in both directions.
    Open,
    /// The close was requested; the queued messages are still sent.
    Closing,
    /// The connection has ended.
    Closed,
}

/// The reason for the end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer sent a close frame.
    Remote(Option<Farewell>),
    /// This side closed the connection.
    Local(Farewell),
    /// The connection was lost without a close frame.
    Lost,
    /// The peer did not answer a ping in time.
    PingTimeout,
    /// The peer does not read its messages: the outbox exceeds its limit, or a write made no progress for too
    /// long.
    SlowConsumer,
    /// The peer violated the WebSocket protocol.
    ProtocolError,
    /// The peer sent a message above the size limit.
    TooLarge,
    /// A handler panicked.
    HandlerFailed,
}

impl CloseReason {
    /// The name in metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Remote(_) => "remote",
            Self::Local(_) => "local",
            Self::Lost => "lost",
            Self::PingTimeout => "ping_timeout",
            Self::SlowConsumer => "slow_consumer",
            Self::ProtocolError => "protocol_error",
            Self::TooLarge => "too_large",
            Self::HandlerFailed => "handler_failed",
        }
    }

    /// The close frame for the peer, if one can still be sent.
    pub(crate) fn farewell(&self) -> Option<Farewell> {
        match self {
            Self::Local(farewell) => Some(farewell.clone()),
            Self::ProtocolError => Some(Farewell::new(1002, "")),
            Self::TooLarge => Some(Farewell::new(1009, "")),
            Self::HandlerFailed => Some(Farewell::new(1011, "")),
            Self::PingTimeout | Self::SlowConsumer | Self::Lost | Self::Remote(_) => None,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (who, farewell) = match self {
            Self::Remote(None) => return f.write_str("closed by the other side"),
            Self::Remote(Some(farewell)) => ("closed by the other side", farewell),
            Self::Local(farewell) => ("closed by this side", farewell),
            Self::Lost => return f.write_str("connection lost"),
            Self::PingTimeout => return f.write_str("ping timeout"),
            Self::SlowConsumer => return f.write_str("slow consumer"),
            Self::ProtocolError => return f.write_str("protocol error"),
            Self::TooLarge => return f.write_str("message too large"),
            Self::HandlerFailed => return f.write_str("a handler failed"),
        };
        write!(f, "{who} ({} {})", farewell.code, farewell.reason)
    }
}
