//! The open packet, as the client reads it.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::client::error::TransportError;
use crate::client::machine::heartbeat::Heartbeat;
use crate::config::Transport;
use crate::protocol::packet::{Packet, Protocol};

/// The longest duration: a year, which is practically forever and can be added to any clock.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The data of an open packet.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Handshake {
    pub(crate) sid: String,
    #[serde(default)]
    upgrades: Vec<String>,
    ping_interval: u64,
    ping_timeout: u64,
    /// Servers before 4.0 do not send it.
    #[serde(default)]
    pub(crate) max_payload: Option<usize>,
}

impl Handshake {
    /// Reads the first packet of a session.
    pub(crate) fn read(packet: Option<Packet>) -> Result<Self, TransportError> {
        let Some(Packet::Open(data)) = packet else { return Err(TransportError::Handshake) };
        let handshake: Self =
            serde_json::from_slice(data.as_bytes()).map_err(|_| TransportError::Handshake)?;
        if handshake.sid.is_empty() { Err(TransportError::Handshake) } else { Ok(handshake) }
    }

    /// The heartbeat of the session.
    pub(crate) fn heartbeat(&self, protocol: Protocol, now: Instant) -> Heartbeat {
        // Both values come from the server, so they are limited before they are added.
        let [interval, timeout] =
            [self.ping_interval, self.ping_timeout].map(|millis| Duration::from_millis(millis).min(LONGEST));
        Heartbeat::new(protocol, interval, timeout, now)
    }

    pub(crate) fn offers(&self, transport: Transport) -> bool {
        self.upgrades.iter().any(|name| name == transport.as_str())
    }
}
