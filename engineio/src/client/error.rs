//! The errors of opening a session, and the reasons for its end, with the official client's names.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use thiserror::Error;

use crate::config::Transport;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::ParseError;
use crate::websocket::inbound::WsError;

/// The reason why a session was not opened.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The list of transports is empty.
    #[error("No transports available")]
    NoTransports,
    /// A transport failed; of several, this is the last one that was tried.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// The reason for the end of a session. `Display` gives the official client's string.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Closed {
    /// The application closed it.
    Forced,
    /// The server's heartbeat did not arrive in time.
    PingTimeout,
    /// The server closed the transport, or its connection was lost. A WebSocket may report a close code.
    TransportClose(Option<CloseCode>),
    /// The transport failed, or the server violated its protocol.
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

impl From<TransportError> for Closed {
    fn from(error: TransportError) -> Self {
        Self::TransportError(error)
    }
}

/// The failure of a transport. `Display` says the cause, such as a refused connection;
/// [`as_str`](Self::as_str) is the official client's message.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A poll failed.
    #[error(transparent)]
    Poll(HttpError),
    /// A POST failed.
    #[error(transparent)]
    Post(HttpError),
    /// The WebSocket could not be opened.
    #[error(transparent)]
    WebSocket(HttpError),
    /// The WebSocket connection failed, or the server violated the protocol.
    #[error(transparent)]
    Frame(FrameError),
    /// The server sent an invalid packet.
    #[error("the server sent an invalid packet: {0}")]
    Packet(#[from] ParseError),
    /// The session did not begin with a valid open packet.
    #[error("the session did not begin with a valid open packet; is this an Engine.IO server?")]
    Handshake,
}

impl TransportError {
    /// The official client's message for this error.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Poll(_) => "xhr poll error",
            Self::Post(_) => "xhr post error",
            Self::WebSocket(_) | Self::Frame(_) => "websocket error",
            Self::Packet(_) | Self::Handshake => "server error",
        }
    }

    /// The transport that failed, if the error belongs to one transport only.
    pub fn transport(&self) -> Option<Transport> {
        match self {
            Self::Poll(_) | Self::Post(_) => Some(Transport::Polling),
            Self::WebSocket(_) | Self::Frame(_) => Some(Transport::WebSocket),
            Self::Packet(_) | Self::Handshake => None,
        }
    }

    /// The HTTP status of a refusal by the server or a proxy.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Poll(error) | Self::Post(error) | Self::WebSocket(error) => error.status(),
            Self::Frame(_) | Self::Packet(_) | Self::Handshake => None,
        }
    }
}

/// The reason why an open WebSocket has become unusable.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The server violated the protocol, or a message exceeds the limit.
    #[error(transparent)]
    Protocol(#[from] WsError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(Arc<std::io::Error>),
}

/// The reason why an HTTP request has no valid response.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The host could not be reached.
    #[error("cannot connect: {0}")]
    Connect(Arc<std::io::Error>),
    /// The proxy refused the connection.
    #[error("the proxy answers {0}")]
    Proxy(StatusCode),
    /// The TLS handshake failed, or the certificate is not trusted.
    #[cfg(feature = "tls")]
    #[error("TLS: {0}")]
    Tls(Arc<std::io::Error>),
    /// The URL requires TLS, and the feature `tls` is off.
    #[error("the feature `tls` is needed for https and wss")]
    NoTls,
    /// The response has an unexpected status. The body is the explanation of an Engine.IO server.
    #[error("{status}{}", .body.as_deref().map(|body| format!(": {body}")).unwrap_or_default())]
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body, if it is text.
        body: Option<Arc<str>>,
    },
    /// The connection failed, or the response to a polling request is not HTTP.
    #[error(transparent)]
    Http(Arc<hyper::Error>),
    /// The connection failed before the WebSocket was open.
    #[error("the connection broke: {0}")]
    Io(Arc<std::io::Error>),
    /// The response to a WebSocket request is not HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// More than eight informational responses (1xx) came before the response.
    #[error("more than 8 informational responses")]
    TooManyInformational,
    /// The response exceeds the limit for messages, or its head exceeds the limit for heads.
    #[error("the answer is too large")]
    TooLarge,
    /// The response is not valid UTF-8.
    #[error("the answer is not UTF-8")]
    Utf8,
    /// A path, parameter or header contains bytes that HTTP does not allow.
    #[error("the request cannot be written: {0}")]
    Request(Arc<http::Error>),
    /// The server accepted an extension that was not offered, or with other parameters.
    #[error("the server accepted an extension that was not offered")]
    Extension,
    /// The response was not complete within
    /// [`ClientConfig::request_timeout`](crate::client::ClientConfig::request_timeout).
    #[error("the request timed out")]
    TimedOut,
    /// The server accepts the WebSocket, but with a subprotocol that the client did not offer.
    #[error("the server selected a subprotocol that was not offered")]
    Subprotocol,
    /// The server accepts the WebSocket, but with a wrong `Sec-WebSocket-Accept`.
    #[error("the server does not speak WebSocket")]
    NotWebSocket,
}

impl HttpError {
    /// The HTTP status of a refusal by the server or a proxy.
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

/// The reason why a session stays on polling although the server offered an upgrade.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The WebSocket failed.
    #[error("probe error: {0}")]
    Transport(#[from] TransportError),
    /// The server closed the WebSocket.
    #[error("probe error: transport closed")]
    Closed,
    /// The server answered the probe with another packet.
    #[error("probe error")]
    Answer,
    /// The server did not answer in time, or a polling request did not finish in time.
    #[error("probe error: timeout")]
    Timeout,
}
