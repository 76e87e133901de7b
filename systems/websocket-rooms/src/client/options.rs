//! Options of a client.

use std::time::Duration;

use engineio::client::Tls;
use http::HeaderMap;

use crate::endpoint::ConnectionOptions;

/// The options of a [`Client`](super::Client).
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Whether to reconnect after the connection is lost, or could not be opened. Default: yes.
    pub auto_reconnect: bool,
    /// Delay before the first reconnection attempt. It doubles with every attempt. Default: 5 seconds.
    pub reconnect_interval: Duration,
    /// Maximum delay. Default: 60 seconds.
    pub reconnect_interval_max: Duration,
    /// Number of failed attempts in a row after which the client gives up; `None` is unlimited. Default: 10.
    pub max_reconnect_attempts: Option<u32>,
    /// Timeout of an attempt. Default: 10 seconds.
    pub connect_timeout: Duration,
    /// Additional headers of the request, for example `Authorization`. Default: none.
    pub headers: HeaderMap,
    /// TLS settings for URLs with `wss://`. Default: the certificates that the operating system trusts;
    /// reading them takes some milliseconds, once per process.
    pub tls: Tls,
    /// Limits and timeouts of a connection.
    pub connection: ConnectionOptions,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            auto_reconnect: true,
            reconnect_interval: Duration::from_secs(5),
            reconnect_interval_max: Duration::from_secs(60),
            max_reconnect_attempts: Some(10),
            connect_timeout: Duration::from_secs(10),
            headers: HeaderMap::new(),
            tls: Tls::default(),
            connection: ConnectionOptions::default(),
        }
    }
}
