//! What a server can be told before it starts.

use std::time::Duration;

use engineio::Origins;

use crate::line::LineOptions;

/// The options of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The path that clients ask for. Default: any.
    pub path: Option<String>,
    /// Whose pages may connect. Default: those of the same host.
    pub origins: Origins,
    /// How many connections there may be; others get a 503. Default: 10,000. Cost: about 20 KB each.
    pub max_connections: usize,
    /// In how many rooms a connection may be. Default: 100. Cost: an entry in two tables each.
    pub max_rooms_per_connection: usize,
    /// How long a client may take to ask for a WebSocket, and the application to let it in. Default: 10 seconds.
    pub handshake_timeout: Duration,
    /// How a connection is kept.
    pub line: LineOptions,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            path: None,
            origins: Origins::SameHost,
            max_connections: 10_000,
            max_rooms_per_connection: 100,
            handshake_timeout: Duration::from_secs(10),
            line: LineOptions::default(),
        }
    }
}
