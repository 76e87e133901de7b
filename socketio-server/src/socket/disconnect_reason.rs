//! Disconnect reasons, with the official server's names.

use std::fmt;

use engineio::CloseReason;

/// Reason why a socket left its namespace. `Display` prints the official server's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client called `socket.disconnect()`.
    ClientNamespaceDisconnect,
    /// The connection of the client ended.
    Connection(CloseReason),
    /// The server closed the client's connection, on request of the application or after a protocol
    /// violation.
    ForcedServerClose,
    /// The application disconnected the socket from this namespace.
    ServerNamespaceDisconnect,
    /// The server is shutting down.
    ServerShuttingDown,
}

impl DisconnectReason {
    /// The official server's name of the reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::Connection(reason) => reason.as_str(),
            Self::ForcedServerClose => "forced server close",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ServerShuttingDown => "server shutting down",
        }
    }

    /// Whether the client may recover afterwards. A socket that left by itself, or was disconnected from the
    /// namespace, is not recoverable.
    pub fn is_recoverable(self) -> bool {
        match self {
            Self::Connection(reason) => !matches!(reason, CloseReason::ParseError),
            Self::ForcedServerClose | Self::ServerShuttingDown => true,
            Self::ClientNamespaceDisconnect | Self::ServerNamespaceDisconnect => false,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
