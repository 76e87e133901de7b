//! What the server says when a session begins.

use std::time::Duration;

use serde::Deserialize;

use super::error::TransportError;
use crate::config::Transport;
use crate::packet::Packet;

/// The data of an open packet.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Handshake {
    pub(crate) sid: String,
    #[serde(default)]
    upgrades: Vec<String>,
    ping_interval: u64,
    ping_timeout: u64,
    /// Servers before 4.0 did not say it.
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

    /// How long the server may be silent.
    pub(crate) fn patience(&self) -> Duration {
        // Two numbers of a stranger; a year is as good as forever.
        const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
        Duration::from_millis(self.ping_interval.saturating_add(self.ping_timeout)).min(LONGEST)
    }

    pub(crate) fn offers(&self, transport: Transport) -> bool {
        self.upgrades.iter().any(|name| name == transport.as_str())
    }
}
