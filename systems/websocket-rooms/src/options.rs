//! Options of a server.

use std::time::Duration;

use engineio::Origins;

use crate::endpoint::ConnectionOptions;
use crate::tls::Certificate;

/// The options of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The path of the endpoint. Default: any.
    pub path: Option<String>,
    /// The origins that may connect. Default: the same host.
    pub origins: Origins,
    /// Maximum number of connections; further clients get a 503. Default: 10,000. Cost: about 20 KB each.
    pub max_connections: usize,
    /// Maximum number of connections per address, an IPv6 address counting as its /64; further ones are closed at once.
    /// 0 is unlimited. Default: 1,000. Behind a proxy all clients have its address, so that 0 is needed. Cost: an entry
    /// in a table per address.
    pub max_connections_per_address: usize,
    /// Maximum number of connections whose handshake is not complete; further ones are closed at once. Default: 1,000.
    /// Cost: up to 16 KiB each, for `handshake_timeout`.
    pub max_handshakes: usize,
    /// The certificate of [`Server::serve`](crate::Server::serve), for `wss://`. Default: none, no TLS.
    pub certificate: Option<Certificate>,
    /// Maximum number of rooms per connection. Default: 100. Cost: an entry in two tables each.
    pub max_rooms_per_connection: usize,
    /// Timeout of the handshake, including the authentication by the application. Default: 10 seconds.
    pub handshake_timeout: Duration,
    /// Limits and timeouts of a connection.
    pub connection: ConnectionOptions,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            path: None,
            origins: Origins::SameHost,
            max_connections: 10_000,
            max_connections_per_address: 1000,
            max_handshakes: 1000,
            certificate: None,
            max_rooms_per_connection: 100,
            handshake_timeout: Duration::from_secs(10),
            connection: ConnectionOptions::default(),
        }
    }
}
