//! The open packet: the JSON of the handshake, which begins each session.

use serde::Serialize;

use super::sid::Sid;
use crate::config::{Config, Transport};

/// The data of an open packet. The protocol requires exactly these five keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenPacket<'a> {
    sid: &'a str,
    upgrades: &'a [&'a str],
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: usize,
}

impl<'a> OpenPacket<'a> {
    /// The data for a session that opens on `transport`.
    pub fn new(sid: &'a Sid, transport: Transport, config: &Config) -> Self {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            sid: sid.as_str(),
            upgrades: config.upgrades(transport),
            ping_interval: millis(config.ping_interval),
            ping_timeout: millis(config.ping_timeout),
            max_payload: config.max_payload,
        }
    }

    /// Appends the JSON.
    pub fn encode(&self, out: &mut Vec<u8>) {
        // Serialization of strings and integers into memory cannot fail.
        let _ = serde_json::to_writer(out, self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(transport: Transport, config: &Config) -> String {
        let mut out = Vec::new();
        OpenPacket::new(&Sid::from("abc"), transport, config).encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn announces_the_official_defaults_in_the_official_order() {
        assert_eq!(
            open(Transport::Polling, &Config::default()),
            r#"{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
        );
    }

    #[test]
    fn offers_no_upgrade_that_cannot_happen() {
        assert!(open(Transport::WebSocket, &Config::default()).contains(r#""upgrades":[]"#));
        let polling_only = Config { transports: vec![Transport::Polling], ..Config::default() };
        assert!(open(Transport::Polling, &polling_only).contains(r#""upgrades":[]"#));
        let pinned = Config { allow_upgrades: false, ..Config::default() };
        assert!(open(Transport::Polling, &pinned).contains(r#""upgrades":[]"#));
    }
}
