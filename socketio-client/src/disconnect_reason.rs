//! Why a socket is not connected any more, in the words of the official client.

use std::fmt;

use engineio::client::{Closed, TransportError};
use engineio::frame::CloseCode;

use crate::error::ProtocolError;

/// Why a socket is not connected any more. `Display` gives the official client's string.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The server put the socket out of the namespace. It does not come back by itself.
    ServerDisconnect,
    /// The application called [`Socket::disconnect`](crate::Socket::disconnect).
    ClientDisconnect,
    /// The server's heartbeat did not come in time.
    PingTimeout,
    /// The server closed the connection, or it went away. A WebSocket may say with which code.
    TransportClose(Option<CloseCode>),
    /// The connection failed.
    TransportError(TransportError),
    /// The server broke the protocol.
    ParseError(ProtocolError),
}

impl DisconnectReason {
    /// The official client's name of this reason.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::ServerDisconnect => "io server disconnect",
            Self::ClientDisconnect => "io client disconnect",
            Self::PingTimeout => "ping timeout",
            Self::TransportClose(_) => "transport close",
            Self::TransportError(_) => "transport error",
            Self::ParseError(_) => "parse error",
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Closed> for DisconnectReason {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::PingTimeout => Self::PingTimeout,
            Closed::TransportClose(code) => Self::TransportClose(code),
            Closed::TransportError(error) => Self::TransportError(error),
            // Closed by ourselves, and by nobody else.
            _ => Self::ClientDisconnect,
        }
    }
}
