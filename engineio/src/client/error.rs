//! Why there is no session: it never came to be, or it ended. In the words of the official client.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use thiserror::Error;

use crate::config::Transport;
use crate::frame::CloseCode;
use crate::packet::ParseError;
use crate::ws::inbound::WsError;

/// Why a session did not come to be.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The list of transports is empty.
    #[error("No transports available")]
    NoTransports,
    /// A transport failed; of several, the last one that was tried.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// Why a session ended. `Display` gives the official client's string.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Closed {
    /// The application closed it.
    Forced,
    /// The server's heartbeat did not come in time.
    PingTimeout,
    /// The server closed the transport, or it went away. A WebSocket may say with which code.
    TransportClose(Option<CloseCode>),
    /// The transport failed, or the server misused it.
    TransportError(TransportError),
}

impl Closed {
    /// The official client's name of this reason.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Forced => "forced close",
            Self::PingTimeout => "ping timeout",
            Self::TransportClose(_) => "transport close",
            Self::TransportError(_) => "transport error",
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Closed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TransportError(error) => Some(error),
            Self::Forced | Self::PingTimeout | Self::TransportClose(_) => None,
        }
    }
}

/// What went wrong with a transport.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A poll failed.
    #[error("xhr poll error")]
    Poll(#[source] HttpError),
    /// A POST failed.
    #[error("xhr post error")]
    Post(#[source] HttpError),
    /// The WebSocket could not be opened.
    #[error("websocket error")]
    WebSocket(#[source] HttpError),
    /// The WebSocket broke, or the server broke its protocol.
    #[error("websocket error")]
    Frame(#[source] FrameError),
    /// The server sent what is no packet.
    #[error("server error")]
    Packet(#[from] ParseError),
    /// The session did not begin with an open packet that can be read.
    #[error("server error: no valid handshake")]
    Handshake,
}

impl TransportError {
    /// The transport that failed, where only one can have.
    pub fn transport(&self) -> Option<Transport> {
        match self {
            Self::Poll(_) | Self::Post(_) => Some(Transport::Polling),
            Self::WebSocket(_) | Self::Frame(_) => Some(Transport::WebSocket),
            Self::Packet(_) | Self::Handshake => None,
        }
    }

    /// The HTTP status that the server or a proxy refused a request with.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Poll(error) | Self::Post(error) | Self::WebSocket(error) => error.status(),
            Self::Frame(_) | Self::Packet(_) | Self::Handshake => None,
        }
    }
}

/// Why a WebSocket that was open cannot be used any more.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The server broke the protocol, or a message is longer than the limit.
    #[error(transparent)]
    Protocol(#[from] WsError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(Arc<std::io::Error>),
}

/// Why an HTTP request brought no answer that can be used.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The host could not be reached.
    #[error("cannot connect: {0}")]
    Connect(Arc<std::io::Error>),
    /// The proxy did not let us through.
    #[error("the proxy answers {0}")]
    Proxy(StatusCode),
    /// The TLS handshake failed, or the certificate is not trusted.
    #[cfg(feature = "tls")]
    #[error("TLS: {0}")]
    Tls(Arc<std::io::Error>),
    /// The URL asks for TLS, and the feature `tls` is off.
    #[error("the feature `tls` is needed for https and wss")]
    NoTls,
    /// The answer's status is not what it has to be. The body is what an Engine.IO server says about it.
    #[error("{status}{}", .body.as_deref().map(|body| format!(": {body}")).unwrap_or_default())]
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body, if it is text.
        body: Option<Arc<str>>,
    },
    /// The connection broke, or what came to a request of polling is not HTTP.
    #[error(transparent)]
    Http(Arc<hyper::Error>),
    /// The connection broke before a WebSocket was open.
    #[error("the connection broke: {0}")]
    Io(Arc<std::io::Error>),
    /// What came to the request for a WebSocket is not HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// The answer is longer than the limit for messages, or its head longer than any is.
    #[error("the answer is too large")]
    TooLarge,
    /// The answer is not text.
    #[error("the answer is not UTF-8")]
    Utf8,
    /// A path, parameter or header has bytes that HTTP does not allow.
    #[error("the request cannot be written: {0}")]
    Request(Arc<http::Error>),
    /// The server claims to speak WebSocket, but does not answer our key.
    #[error("the server does not speak WebSocket")]
    NotWebSocket,
}

impl HttpError {
    /// The HTTP status that the server or a proxy refused the request with.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } | Self::Proxy(status) => Some(*status),
            _ => None,
        }
    }
}

impl From<hyper::Error> for HttpError {
    fn from(error: hyper::Error) -> Self {
        Self::Http(Arc::new(error))
    }
}

impl From<http::Error> for HttpError {
    fn from(error: http::Error) -> Self {
        Self::Request(Arc::new(error))
    }
}

/// Why a session stays on polling although an upgrade was offered.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The other transport failed.
    #[error("probe error: {0}")]
    Transport(#[from] TransportError),
    /// The server closed it.
    #[error("probe error: transport closed")]
    Closed,
    /// It answered something else.
    #[error("probe error")]
    Answer,
    /// It did not answer in time, or polling did not come to rest.
    #[error("probe error: timeout")]
    Timeout,
}
