//! Errors of connections.

use std::io;

use thiserror::Error;

use crate::protocol::ProtocolError;

/// Maximum length of a text of a server in an error.
const MAX_TEXT: usize = 300;

/// A connection cannot be opened or is lost.
#[derive(Debug, Error)]
pub(super) enum DriverError {
    /// Error of the network, or of TLS.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server does not keep to the protocol.
    #[error("this is no NATS server, or not of a known version: {0}")]
    Protocol(#[from] ProtocolError),
    /// The server ends the connection for this reason.
    #[error("the server has refused the connection: {0}")]
    Refused(String),
    /// The server ends the connection without a reason.
    #[error("the connection was closed")]
    Ended,
    /// The URL begins with `nats://`.
    #[error("the server requires TLS, which needs tls:// in the URL")]
    TlsRequired,
    /// The URL begins with `tls://`.
    #[cfg(feature = "tls")]
    #[error("the server has no TLS")]
    NoTls,
    /// Data before TLS may come from another sender than the server.
    #[cfg(feature = "tls")]
    #[error("there is data before TLS begins")]
    BeforeTls,
    /// More errors than operations.
    #[error("the server sends errors without end")]
    Errors,
    /// The task of the connection has ended before, whose reason this is.
    #[error("{0}")]
    Lost(String),
    /// There is no address of a server.
    #[error("there is no server")]
    NoServer,
}

impl DriverError {
    /// The server has sent an error.
    pub(super) fn refused(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let shown = text.trim_matches('\'').chars().flat_map(char::escape_debug).take(MAX_TEXT);
        Self::Refused(shown.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_server_is_limited_and_has_no_control_characters() {
        let error = DriverError::refused(b"'Authorization Violation'");
        assert_eq!(error.to_string(), "the server has refused the connection: Authorization Violation");
        let error = DriverError::refused(&[b'\x1b'; 10_000]).to_string();
        assert!(error.len() < 400 && !error.contains('\x1b'), "{error}");
    }
}
