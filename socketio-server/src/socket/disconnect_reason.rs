//! Why a socket left its namespace, in the words of the official server.

use std::fmt;

use engineio::CloseReason;

/// Why a socket left its namespace. `Display` gives the official server's string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client called `socket.disconnect()`.
    ClientNamespaceDisconnect,
    /// The connection under all of the client's namespaces ended.
    Connection(CloseReason),
    /// The server closed the client's connection, because the application said so or the client broke the protocol.
    ForcedServerClose,
    /// The application disconnected this socket from this namespace.
    ServerNamespaceDisconnect,
    /// The server is shutting down.
    ServerShuttingDown,
}

impl DisconnectReason {
    /// The official server's name of this reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::Connection(reason) => reason.as_str(),
            Self::ForcedServerClose => "forced server close",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ServerShuttingDown => "server shutting down",
        }
    }

    /// Whether a client that comes back may go on where it was. One that left by itself, or was put out of the
    /// namespace, starts anew.
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
