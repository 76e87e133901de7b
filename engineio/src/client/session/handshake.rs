//! The open packet, as the client reads it.

use std::time::Duration;

use serde::Deserialize;

use crate::client::config::ClientConfig;
use crate::client::error::TransportError;
use crate::client::machine::Settings;
use crate::config::Transport;
use crate::protocol::packet::Packet;

/// The longest duration: a year, which is practically forever and can be added to any clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

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

    /// The settings of the session's machine, for a session that opened on `transport`. The durations come
    /// from the server or the application, so they are limited before they are added.
    pub(super) fn settings(&self, config: &ClientConfig, transport: Transport) -> Settings {
        let upgrades = config.upgrade
            && config.transports.contains(&Transport::WebSocket)
            && self.upgrades.iter().any(|name| name == Transport::WebSocket.as_str());
        Settings {
            protocol: config.protocol,
            transport,
            ping_interval: Duration::from_millis(self.ping_interval).min(LONGEST),
            ping_timeout: Duration::from_millis(self.ping_timeout).min(LONGEST),
            upgrade_timeout: upgrades.then_some(config.upgrade_timeout.min(LONGEST)),
            close_timeout: config.close_timeout.min(LONGEST),
        }
    }
}
