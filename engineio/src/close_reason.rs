//! Why a session ended, in the words of the official server.

use std::fmt;

/// Why a session ended.
///
/// `Display` gives the string that the official server hands to its `close` event, so logs and dashboards made
/// for it keep working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The application closed the session.
    ForcedClose,
    /// The peer sent bytes that are not a packet.
    ParseError,
    /// The peer did not answer the heartbeat in time.
    PingTimeout,
    /// The peer closed the transport, or it went away.
    TransportClose,
    /// The transport failed or the peer misused it.
    TransportError(Fault),
}

impl CloseReason {
    /// The official server's name of this reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ForcedClose => "forced close",
            Self::ParseError => "parse error",
            Self::PingTimeout => "ping timeout",
            Self::TransportClose => "transport close",
            Self::TransportError(_) => "transport error",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What exactly went wrong behind [`CloseReason::TransportError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Reading from or writing to the connection failed.
    Io,
    /// A polling request had a content type that its protocol revision does not allow.
    InvalidContent,
    /// A heartbeat packet came from the side that must only answer it.
    InvalidHeartbeatDirection,
    /// A second poll arrived while one was waiting.
    PollOverlap,
    /// A waiting poll was cut.
    PollAborted,
    /// A second POST arrived while one was being read.
    PostOverlap,
    /// A POST was cut before its end, or took too long.
    PostAborted,
    /// More bytes waited for the peer than the configuration allows.
    SlowConsumer,
    /// The peer broke the WebSocket protocol or its limits.
    WebSocket,
}

impl Fault {
    /// A sentence for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Io => "connection failed",
            Self::InvalidContent => "invalid content",
            Self::InvalidHeartbeatDirection => "invalid heartbeat direction",
            Self::PollOverlap => "overlap from client",
            Self::PollAborted => "poll connection closed prematurely",
            Self::PostOverlap => "data request overlap from client",
            Self::PostAborted => "data request connection closed prematurely",
            Self::SlowConsumer => "the client reads too slowly",
            Self::WebSocket => "websocket protocol violated",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
