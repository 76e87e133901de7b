//! Options of a connector.

use std::time::Duration;

use engineio::client::Tls;

/// Options of a connector.
#[derive(Clone, Debug)]
pub struct ConnectorOptions {
    /// The key of services. Default none.
    pub key: Option<String>,
    /// Path of Socket.IO. Default `/socket.io/`.
    pub path: String,
    /// TLS settings for URLs with `https://`. Default: the certificates that the operating system trusts;
    /// reading them takes some milliseconds, once per process.
    pub tls: Tls,
    /// Timeout of the first connection, and of each ack. Default 5 seconds.
    pub timeout: Duration,
    /// Time for which a command with an event is sent again, with the same id of the event, until the bus has acknowledged
    /// it. Default 30 seconds; 0: commands are sent once.
    pub resend: Duration,
    /// Maximum number of commands with an event that wait for their acks. Further ones fail at once. Default 1,000. Cost:
    /// the memory of their events.
    pub max_unanswered: usize,
    /// Delay before the first reconnection attempt; it doubles up to ten times that value. Default 500 ms.
    pub reconnection_delay: Duration,
}

impl Default for ConnectorOptions {
    fn default() -> Self {
        Self {
            key: None,
            path: "/socket.io/".to_owned(),
            tls: Tls::default(),
            timeout: Duration::from_secs(5),
            resend: Duration::from_secs(30),
            max_unanswered: 1000,
            reconnection_delay: Duration::from_millis(500),
        }
    }
}
