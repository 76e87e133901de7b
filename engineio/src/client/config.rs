//! Every number and switch of a client, with the official client's defaults where it has one.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::proxy::Proxies;
use crate::config::Transport;
use crate::packet::Protocol;

/// The settings of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The revision of the protocol that the server speaks. Default [`Protocol::V4`]; servers of Socket.IO v2 want
    /// [`Protocol::V3`], in which the client sends the heartbeat, and binary messages over polling go as base64.
    pub protocol: Protocol,
    /// Where the server answers (`path`). Default `/engine.io/`.
    pub path: String,
    /// Parameters that go with each request, in front of those of the protocol.
    pub query: Vec<(String, String)>,
    /// Headers that go with each request (`extraHeaders`), or only with those of one transport.
    pub headers: Vec<(Option<Transport>, HeaderName, HeaderValue)>,
    /// The transports to use, the first one first (`transports`). Default polling and WebSocket.
    pub transports: Vec<Transport>,
    /// Whether to try the other transports of the list if the first does not connect (`tryAllTransports`). Default
    /// false. Costs a request for each that fails.
    pub try_all_transports: bool,
    /// Whether to move from polling to WebSocket if the server offers it (`upgrade`). Default true.
    pub upgrade: bool,
    /// Whether to begin with WebSocket when the last session was on one (`rememberUpgrade`). Default false. Saves the
    /// requests of polling where WebSocket works, and costs a failed attempt where it has stopped to.
    pub remember_upgrade: bool,
    /// How long the move to WebSocket may take. Default 10 s, as servers have it; then polling goes on.
    pub upgrade_timeout: Duration,
    /// Whether binary messages go as base64, also over WebSocket (`forceBase64`). Default false. Costs a third more
    /// bytes.
    pub force_base64: bool,
    /// Whether polling requests carry a parameter that makes their URLs unique, so that no cache answers them
    /// (`timestampRequests`). Default true. Costs eleven bytes a request.
    pub timestamp_requests: bool,
    /// The name of that parameter (`timestampParam`). Default `t`.
    pub timestamp_param: String,
    /// Whether cookies of the server are kept and sent back (`withCredentials`). Default true, other than in browsers:
    /// load balancers find the server of a polling session by them.
    pub cookies: bool,
    /// The largest message that is taken, in bytes. Default 1,000,000, as servers have it; for the answer to one poll
    /// sixteen times that. A server can make the client hold that much.
    pub max_payload: usize,
    /// How many packets one answer to a poll may carry. Default 16,384.
    pub max_packets_per_payload: usize,
    /// How many frames a WebSocket message of the server may come in. Default 16,384, as `ws` has it; more ends the session
    /// as [`WsError::TooManyFragments`](crate::ws::inbound::WsError::TooManyFragments). With 1 a message has to be one frame.
    ///
    /// Costs no memory, but time: a frame may be empty, and its 2 bytes have to be read all the same.
    pub max_fragments: u32,
    /// How many packets one polling request carries at most. Default 1,024. Servers of `python-socketio` drop a request
    /// with more than 16 without a word, unless they are told to take more; with less the rest waits a round trip.
    pub max_packets_per_request: usize,
    /// How many bytes of memory may wait for the server, each message counted with an eighth more than its bytes and with
    /// 128 bytes for its place. Default 8 MiB; more are refused with [`SendError::Full`](crate::SendError::Full).
    pub max_buffered: usize,
    /// How long a close waits for the server to take what was sent before. Default 10 s.
    pub close_timeout: Duration,
    /// The proxy. Default: what the environment says.
    pub proxy: Proxies,
    /// The TLS settings. Default: the certificates that the operating system trusts.
    #[cfg(feature = "tls")]
    pub tls: super::tls::Tls,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            protocol: Protocol::V4,
            path: "/engine.io/".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            transports: vec![Transport::Polling, Transport::WebSocket],
            try_all_transports: false,
            upgrade: true,
            remember_upgrade: false,
            upgrade_timeout: Duration::from_secs(10),
            force_base64: false,
            timestamp_requests: true,
            timestamp_param: "t".to_owned(),
            cookies: true,
            max_payload: 1_000_000,
            max_packets_per_payload: 16_384,
            max_fragments: 16_384,
            max_packets_per_request: 1024,
            max_buffered: 8 << 20,
            close_timeout: Duration::from_secs(10),
            proxy: Proxies::Environment,
            #[cfg(feature = "tls")]
            tls: super::tls::Tls::default(),
        }
    }
}
