//! The settings of peers, and their numbers.

use std::time::Duration;

use crate::config::LONGEST;
use crate::error::ConfigError;

/// The settings of a server with [peers](crate::ServerBuilder::peers).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerSettings {
    /// The longest wait for the answer of another node (`responseTimeout`). Default 1 s. On expiry the
    /// client's request is answered as one for an unknown session, and a WebSocket that waits for its
    /// session is closed.
    ///
    /// The packets of a POST that go with their lock wait for the handler of the session, so that their answer
    /// may take as long as [`body_timeout`](crate::ServerBuilder::body_timeout).
    ///
    /// A request for a session that no node has takes this long with a medium that asks all nodes.
    pub response_timeout: Duration,
    /// The time for which a polling session is not announced to the application
    /// (`delayedConnectionTimeout`). Default 300 ms. A client that upgrades at another node within that
    /// time takes its session there.
    ///
    /// Until then messages of the client wait, so a client that stays on polling gets its first answer this
    /// much later. With zero, sessions are announced at once, and a WebSocket at another node is always
    /// relayed: each of its packets then costs a message between the nodes.
    pub delayed_connection_timeout: Duration,
    /// The largest number of requests to other nodes that wait for an answer. Default 10,000; a client's
    /// request beyond it is answered with 503. Each costs about 200 bytes.
    pub max_open_requests: usize,
    /// The largest number of GETs that wait here for a session of another node, and of WebSockets that are
    /// relayed. Default `None`, the limit of [`max_sessions`](crate::ServerBuilder::max_sessions). Requests
    /// beyond it are answered with 503. A WebSocket costs as much memory as a session.
    pub max_relayed: Option<usize>,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self {
            response_timeout: Duration::from_secs(1),
            delayed_connection_timeout: Duration::from_millis(300),
            max_open_requests: 10_000,
            max_relayed: None,
        }
    }
}

impl PeerSettings {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// See [`response_timeout`](Self#structfield.response_timeout). Default 1 s.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// See [`delayed_connection_timeout`](Self#structfield.delayed_connection_timeout). Default 300 ms.
    #[must_use]
    pub fn delayed_connection_timeout(mut self, timeout: Duration) -> Self {
        self.delayed_connection_timeout = timeout;
        self
    }

    /// See [`max_open_requests`](Self#structfield.max_open_requests). Default 10,000.
    #[must_use]
    pub fn max_open_requests(mut self, requests: usize) -> Self {
        self.max_open_requests = requests;
        self
    }

    /// See [`max_relayed`](Self#structfield.max_relayed). Default the limit of sessions.
    #[must_use]
    pub fn max_relayed(mut self, connections: usize) -> Self {
        self.max_relayed = Some(connections);
        self
    }
}

impl PeerSettings {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if self.response_timeout.is_zero() {
            return Err(ConfigError::ZeroDuration("response_timeout"));
        }
        for (name, duration) in [
            ("response_timeout", self.response_timeout),
            ("delayed_connection_timeout", self.delayed_connection_timeout),
        ] {
            if duration > LONGEST {
                return Err(ConfigError::LongDuration(name));
            }
        }
        Ok(())
    }
}

/// The current numbers of a server with [peers](crate::ServerBuilder::peers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStats {
    /// Requests to other nodes that wait for an answer. [`PeerSettings::max_open_requests`] bounds them.
    pub open_requests: usize,
    /// GETs that wait here for a session of another node and WebSockets that are relayed, with those whose
    /// lock has not been granted yet. [`PeerSettings::max_relayed`] bounds them.
    pub relayed: usize,
}
