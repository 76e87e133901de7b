//! Errors of an attempt to connect.

use std::io;
use std::sync::Arc;

use http::Uri;
use tokio_tungstenite::tungstenite;

/// Errors of an attempt to connect.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL has another scheme than `ws://` and `wss://`, or no host.
    #[error("this is not the URL of a WebSocket: {0}")]
    Url(Uri),
    /// The text is not a URL.
    #[error("this is not a URL")]
    NoUrl,
    /// An I/O error of the network.
    #[error("cannot connect: {0}")]
    Io(#[source] Arc<io::Error>),
    /// The certificate of the server is not valid for the host, or the server does not support TLS.
    #[error("no secure connection: {0}")]
    Tls(#[source] Arc<io::Error>),
    /// The server refused, with this status.
    #[error("the server refused with {0}")]
    Refused(http::StatusCode),
    /// The response of the server is not a valid WebSocket handshake.
    #[error("the server does not speak WebSocket: {0}")]
    Protocol(#[source] Arc<tungstenite::Error>),
    /// The attempt timed out.
    #[error("the server did not answer in time")]
    Timeout,
    /// The client was closed during the attempt.
    #[error("the client was closed")]
    Closed,
    /// The client is already connected, or connecting.
    #[error("the client is connected already")]
    AlreadyConnected,
}

impl From<tungstenite::Error> for ConnectError {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Io(error) => Self::Io(Arc::new(error)),
            tungstenite::Error::Http(response) => Self::Refused(response.status()),
            error => Self::Protocol(Arc::new(error)),
        }
    }
}
