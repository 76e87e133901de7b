//! Options of a server.

use std::time::Duration;

use engineio::Origins;

use crate::endpoint::ConnectionOptions;

/// The options of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The path of the endpoint. Default: any.
    pub path: Option<String>,
    /// The origins that may connect. Default: the same host.
    pub origins: Origins,
    /// Maximum number of connections; further clients get a 503. Default: 10,000. Cost: about 20 KB each.
    pub max_connections: usize,
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
            max_rooms_per_connection: 100,
            handshake_timeout: Duration::from_secs(10),
            connection: ConnectionOptions::default(),
        }
    }
}
