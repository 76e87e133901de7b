//! The settings of a client, with the official client's defaults where it has the setting.

pub(crate) mod proxy;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod url;

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use self::proxy::Proxies;
use crate::config::Transport;
use crate::deflate::PerMessageDeflate;
use crate::protocol::packet::Protocol;
use crate::protocol::prepared::Dialect;

/// The settings of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The protocol revision of the server. Default [`Protocol::V4`]. Servers of Socket.IO v2 need
    /// [`Protocol::V3`], in which the client sends the heartbeat, and binary messages over polling are
    /// base64.
    pub protocol: Protocol,
    /// The path of the server (`path`). Default `/engine.io/`.
    pub path: String,
    /// Query parameters of each request, in front of those of the protocol.
    pub query: Vec<(String, String)>,
    /// Headers of each request (`extraHeaders`), or only of the requests of one transport.
    pub headers: Vec<(Option<Transport>, HeaderName, HeaderValue)>,
    /// The error of a header that was set as a string.
    pub(crate) invalid_header: Option<Arc<http::Error>>,
    /// The transports, in the order of preference (`transports`). Default polling and WebSocket.
    pub transports: Vec<Transport>,
    /// Whether to try the other transports of the list if the first one does not connect
    /// (`tryAllTransports`). Default false. Cost: a request for each failed transport.
    pub try_all_transports: bool,
    /// Whether to upgrade from polling to WebSocket if the server offers it (`upgrade`). Default true.
    pub upgrade: bool,
    /// Whether to start with WebSocket if the last session used one (`rememberUpgrade`). Default false. It
    /// saves the polling requests where WebSocket works, and costs a failed attempt where WebSocket no longer
    /// works.
    pub remember_upgrade: bool,
    /// The time that the upgrade to WebSocket may take. Default 10 s, as in servers. On expiry the session
    /// stays on polling.
    pub upgrade_timeout: Duration,
    /// Whether binary messages are sent as base64, also over WebSocket (`forceBase64`). Default false. Cost:
    /// a third more bytes.
    pub force_base64: bool,
    /// Whether polling requests have a unique parameter, so that no cache answers them (`timestampRequests`).
    /// Default true. Cost: eleven bytes per request.
    pub timestamp_requests: bool,
    /// Whether requests for a WebSocket have that parameter too. Default false, as in the official client.
    /// Cost: as above.
    pub timestamp_websockets: bool,
    /// The name of that parameter (`timestampParam`). Default `t`.
    pub timestamp_param: String,
    /// The subprotocols that are offered with requests for a WebSocket, in the order of preference
    /// (`protocols`). Default none. A server that selects another one is refused with
    /// [`HttpError::Subprotocol`](crate::client::HttpError::Subprotocol).
    pub protocols: Vec<HeaderValue>,
    /// The time that a polling request and its response may take (`requestTimeout`), with the connection.
    /// Default none: a lost server is noticed by its heartbeat, and a GET waits as long as the server has no
    /// packets, usually for one ping interval. A shorter timeout ends each idle session with
    /// [`HttpError::TimedOut`](crate::client::HttpError::TimedOut).
    pub request_timeout: Option<Duration>,
    /// Whether the server's cookies are stored and sent back (`withCredentials`). Default true, unlike in
    /// browsers: load balancers use cookies to find the server of a polling session. Only responses that open
    /// a session, carry packets or open a WebSocket set cookies; refusals and responses to CONNECT, which may
    /// be a proxy's, do not.
    pub cookies: bool,
    /// Whether [`Client::recv`](crate::client::Client::recv) returns an
    /// [`Event::Ping`](crate::client::Event::Ping) for each ping of the server. Default false. Cost: an event
    /// per ping interval.
    pub ping_events: bool,
    /// The largest message that is accepted, in bytes. Default 1,000,000, as in servers; the limit of one
    /// polling response is sixteen times that.
    ///
    /// It bounds the memory that a server can make the client hold before the application receives: on
    /// polling one response, which is read when the last one is used up; on WebSocket one incomplete message,
    /// and the messages of one read of 64 KiB. During an upgrade both add up. The buffers of polling
    /// connections add up to 400 KiB each, and a growing buffer may briefly need twice its length.
    pub max_payload: usize,
    /// The largest number of packets in one polling response. Default 16,384.
    pub max_packets_per_payload: usize,
    /// The largest number of frames in one WebSocket message of the server. Default 16,384, as in `ws`. A
    /// message in more frames ends the session as
    /// [`WsError::TooManyFragments`](crate::websocket::inbound::WsError::TooManyFragments). With 1, a message
    /// has to be one frame.
    ///
    /// A higher limit costs time, not memory: a frame may be empty, and its 2 bytes are read all the same.
    pub max_fragments: u32,
    /// The compression of WebSocket messages (`perMessageDeflate`), which is offered to the server. Default none; the
    /// official client offers it, and its servers decline it by default. See [`PerMessageDeflate`] for its cost. A
    /// server with an answer that does not suit the offer is refused with
    /// [`HttpError::Extension`](crate::client::HttpError::Extension).
    pub per_message_deflate: Option<PerMessageDeflate>,
    /// The largest number of packets in one polling request. Default 1,024. By default, servers of
    /// `python-socketio` drop a request with more than 16 packets without an error. With a smaller limit the
    /// other packets wait a round trip.
    pub max_packets_per_request: usize,
    /// The largest memory of the outbox in bytes, where each message counts with an eighth more than its
    /// bytes and 128 bytes for its entry. Default 8 MiB; further messages are refused with
    /// [`SendError::Full`](crate::SendError::Full).
    pub max_buffered: usize,
    /// The longest wait of a close for the server to take the messages sent before. Default 10 s.
    pub close_timeout: Duration,
    /// The proxy. Default: the environment variables.
    pub proxy: Proxies,
    /// The TLS settings. Default: the certificates that the operating system trusts.
    #[cfg(feature = "tls")]
    pub tls: tls::Tls,
}

impl ClientConfig {
    /// The dialect of sent messages.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect { protocol: self.protocol, base64: self.force_base64 }
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            protocol: Protocol::V4,
            path: "/engine.io/".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            invalid_header: None,
            transports: vec![Transport::Polling, Transport::WebSocket],
            try_all_transports: false,
            upgrade: true,
            remember_upgrade: false,
            upgrade_timeout: Duration::from_secs(10),
            force_base64: false,
            timestamp_requests: true,
            timestamp_websockets: false,
            timestamp_param: "t".to_owned(),
            protocols: Vec::new(),
            request_timeout: None,
            cookies: true,
            ping_events: false,
            max_payload: 1_000_000,
            max_packets_per_payload: 16_384,
            max_fragments: 16_384,
            per_message_deflate: None,
            max_packets_per_request: 1024,
            max_buffered: 8 << 20,
            close_timeout: Duration::from_secs(10),
            proxy: Proxies::Environment,
            #[cfg(feature = "tls")]
            tls: tls::Tls::default(),
        }
    }
}
