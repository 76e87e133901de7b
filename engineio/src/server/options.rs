//! The settings of a server beside those of its sessions.

use std::time::Duration;

use http::StatusCode;

use super::http::address_limit::AddressLimit;
use super::http::http_server::{MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS};
use super::observer::Observing;
#[cfg(feature = "peers")]
use super::peers::{Medium, PeerSettings};
use super::request::hooks::Hooks;
use super::request::origin_policy::OriginPolicy;
use super::response::compression::Compression;
use super::response::cookie::Cookie;
use super::response::cors::Cors;
use crate::protocol::packet::Message;

/// The settings of a server beside its sessions' [`Config`](crate::Config).
#[derive(Debug)]
pub(super) struct Options {
    pub(super) path: String,
    pub(super) trailing_slash: bool,
    pub(super) cors: Option<Cors>,
    pub(super) origins: Option<OriginPolicy>,
    pub(super) jsonp: bool,
    pub(super) cookie: Option<Cookie>,
    pub(super) compression: Option<Compression>,
    pub(super) initial_packet: Option<Message>,
    pub(super) body_timeout: Duration,
    pub(super) head_timeout: Duration,
    pub(super) max_sessions: usize,
    pub(super) sessions_per_address: AddressLimit,
    pub(super) max_connections: usize,
    pub(super) connections_per_address: AddressLimit,
    pub(super) max_queued_bytes: usize,
    pub(super) max_received_bytes: usize,
    pub(super) outside: StatusCode,
    pub(super) hooks: Hooks,
    pub(super) observer: Option<Observing>,
    #[cfg(feature = "peers")]
    pub(super) peers: Option<Medium>,
    #[cfg(feature = "peers")]
    pub(super) peer_settings: PeerSettings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: "/engine.io".to_owned(),
            trailing_slash: true,
            cors: None,
            origins: None,
            jsonp: false,
            cookie: None,
            compression: Some(Compression::new()),
            initial_packet: None,
            body_timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(10),
            max_sessions: 250_000,
            sessions_per_address: AddressLimit::unlimited(),
            max_connections: MAX_CONNECTIONS,
            connections_per_address: MAX_CONNECTIONS_PER_ADDRESS.into(),
            max_queued_bytes: 512 << 20,
            max_received_bytes: 256 << 20,
            outside: StatusCode::NOT_IMPLEMENTED,
            hooks: Hooks::default(),
            observer: None,
            #[cfg(feature = "peers")]
            peers: None,
            #[cfg(feature = "peers")]
            peer_settings: PeerSettings::default(),
        }
    }
}
