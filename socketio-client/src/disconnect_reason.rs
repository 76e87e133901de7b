//! Reasons of a disconnection, with the names of the official client.

use std::fmt;

use engineio::client::{Closed, TransportError};
use engineio::frame::CloseCode;

use crate::error::ProtocolError;

/// Reason of a disconnection. `Display` prints the name that the official client uses.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The server disconnected the socket. The socket does not reconnect by itself.
    ServerDisconnect,
    /// The application called [`Socket::disconnect`](crate::Socket::disconnect).
    ClientDisconnect,
    /// The server's heartbeat did not arrive in time.
    PingTimeout,
    /// The connection was closed. A WebSocket may have a close code.
    TransportClose(Option<CloseCode>),
    /// The connection failed.
    TransportError(TransportError),
    /// The server violated the protocol.
    ParseError(ProtocolError),
}

impl DisconnectReason {
    /// Name of this reason in the official client.
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
            // The remaining cases are closes by this client.
            _ => Self::ClientDisconnect,
        }
    }
}
