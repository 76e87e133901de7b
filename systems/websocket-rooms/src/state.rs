//! The states of a connection, and why one ends.

use std::fmt;

use crate::message::Farewell;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// It is being made. A client is in this state too while it waits before it tries again.
    Connecting,
    /// Messages go both ways.
    Open,
    /// Its end has been ordered; what was sent before still goes out.
    Closing,
    /// It is over.
    Closed,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The other side said goodbye.
    Remote(Option<Farewell>),
    /// This side did.
    Local(Farewell),
    /// The network did, without a goodbye.
    Lost,
    /// The other side has not answered a ping in time.
    PingTimeout,
    /// The other side does not take its messages: more than allowed wait for it, or nothing could be written for
    /// too long.
    SlowConsumer,
    /// The other side sent what no WebSocket sends.
    ProtocolError,
    /// The other side sent a message that is larger than allowed.
    TooLarge,
    /// A handler panicked.
    HandlerFailed,
}

impl CloseReason {
    /// What is said to the other side, if it can still hear.
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
