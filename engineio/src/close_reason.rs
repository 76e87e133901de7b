//! The reasons for the end of a session, with the official server's names.

use std::fmt;

/// The reason for the end of a session.
///
/// `Display` gives the string that the official server passes to its `close` event, so logs and dashboards
/// made for the official server keep working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The application closed the session.
    ForcedClose,
    /// The peer sent an invalid packet.
    ParseError,
    /// The peer did not answer the heartbeat in time.
    PingTimeout,
    /// The peer closed the transport, or its connection was lost.
    TransportClose,
    /// The transport failed, or the peer violated its protocol.
    TransportError(Fault),
}

impl CloseReason {
    /// The reason with the official server's name. A transport error of unknown cause is a
    /// [`Fault::Remote`]: another node reports it.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "forced close" => Self::ForcedClose,
            "parse error" => Self::ParseError,
            "ping timeout" => Self::PingTimeout,
            "transport close" => Self::TransportClose,
            "transport error" => Self::TransportError(Fault::Remote),
            _ => return None,
        })
    }

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

/// The fault behind [`CloseReason::TransportError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Reading from or writing to the connection failed.
    Io,
    /// A polling request had a content type that its protocol revision does not allow.
    InvalidContent,
    /// A heartbeat packet arrived from the side that may only answer it.
    InvalidHeartbeatDirection,
    /// A second poll arrived while another one was waiting.
    PollOverlap,
    /// The connection of a waiting poll was lost.
    PollAborted,
    /// A second POST arrived while another one was being read.
    PostOverlap,
    /// The connection of a POST was lost before its end, or the POST took too long.
    PostAborted,
    /// A POST had more bytes than the settings allow.
    PayloadTooLarge,
    /// A POST arrived in more pieces than the settings allow.
    TooManyChunks,
    /// More bytes waited for the peer than the settings allow.
    SlowConsumer,
    /// The peer violated the WebSocket protocol or its limits.
    WebSocket,
    /// The server held too many received bytes of all clients to accept more of this one.
    ServerFull,
    /// The client's connection at another node was lost, or the link to that node.
    Remote,
    /// More packets from another node waited for the handler of the session than the settings allow.
    Backlog,
}

impl Fault {
    /// A description for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Io => "connection failed",
            Self::InvalidContent => "invalid content",
            Self::InvalidHeartbeatDirection => "invalid heartbeat direction",
            Self::PollOverlap => "overlap from client",
            Self::PollAborted => "poll connection closed prematurely",
            Self::PostOverlap => "data request overlap from client",
            Self::PostAborted => "data request connection closed prematurely",
            Self::PayloadTooLarge => "payload too large",
            Self::TooManyChunks => "too many chunks",
            Self::SlowConsumer => "the client reads too slowly",
            Self::WebSocket => "websocket protocol violated",
            Self::ServerFull => "the server holds too many received bytes",
            Self::Remote => "connection at another node lost",
            Self::Backlog => "too many packets from another node wait",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
