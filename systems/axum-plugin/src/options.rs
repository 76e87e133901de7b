//! All options of the Socket.IO plug-in, in one place.

use std::time::Duration;

use engineio::{Origins, Transport};
use socketio_server::{Recovery, Server, ServerBuilder};

/// The options of a [`SocketPlugin`](crate::SocketPlugin). They may be part of the configuration of an application, as
/// `Deserialize` has the keys of [`load`](Self::load); unknown keys are errors.
/// [`SocketPlugin::server`](crate::SocketPlugin::server) gives access to all other settings.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// The origins that may connect. Default [`Origins::SameHost`]. Cost: reading three headers per request.
    pub origins: Origins,
    /// Whether pages of other origins may send cookies. Default `false`. With [`Origins::Any`] any page on
    /// the web could then act with the cookies of its visitor.
    pub credentials: bool,
    /// Interval between the answer to a heartbeat and the next ping. Default 25 s. A shorter interval detects
    /// lost clients sooner and costs a packet in each direction per client.
    pub ping_interval: Duration,
    /// Timeout of a ping. Default 20 s; then the client counts as lost.
    pub ping_timeout: Duration,
    /// Path of the endpoint, with or without surrounding slashes. Default `socket.io`.
    pub path: String,
    /// The transports that clients may use. Default polling and WebSocket.
    pub transports: Vec<Transport>,
    /// Whether a polling client may upgrade to WebSocket. Default `true`.
    pub allow_upgrades: bool,
    /// Maximum message size in bytes. Default 1,000,000. The server may have to hold this much per client.
    pub max_http_buffer_size: usize,
    /// Connection state recovery: clients that reconnect in time resume their session. Default `None`, which
    /// disables it. See [`Recovery`] for its cost.
    pub connection_state_recovery: Option<Recovery>,
    /// Whether connections, events and errors are logged, at `debug` and `warn` with the target `socketio`.
    /// Default `false`. When enabled, every broadcast is decoded again for the log.
    pub logger: bool,
    /// Whether requests and refusals are logged, with the target `engineio`. Default `false`.
    pub engineio_logger: bool,
    /// Whether a client learns by the event `error` `{event, message}` that one of its events was refused or failed.
    /// Clients that request an acknowledgement receive the error there too. Default `true`. Cost: an event for each one
    /// that fails.
    pub error_event: bool,
    /// Deadline of a shutdown, after which clients that do not read their close packet are disconnected.
    /// Default 10 s.
    pub shutdown_deadline: Duration,
    /// Period over which a shutdown spreads the closes, so that the clients do not all reconnect at once.
    /// Default 0 s.
    pub shutdown_spread: Duration,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            origins: Origins::default(),
            credentials: false,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            path: "socket.io".to_owned(),
            transports: vec![Transport::Polling, Transport::WebSocket],
            allow_upgrades: true,
            max_http_buffer_size: 1_000_000,
            connection_state_recovery: None,
            logger: false,
            engineio_logger: false,
            error_event: true,
            shutdown_deadline: Duration::from_secs(10),
            shutdown_spread: Duration::ZERO,
        }
    }
}

impl SocketOptions {
    /// The path with a leading slash and no trailing slash.
    pub fn mount_point(&self) -> String {
        format!("/{}", self.path.trim_matches('/'))
    }

    pub(crate) fn builder(&self) -> ServerBuilder {
        let mut builder = Server::builder()
            .path(self.mount_point())
            .ping_interval(self.ping_interval)
            .ping_timeout(self.ping_timeout)
            .max_payload(self.max_http_buffer_size);
        if let Some(recovery) = &self.connection_state_recovery {
            builder = builder.connection_state_recovery(recovery.clone());
        }
        if let Some(cors) = self.origins.cors(self.credentials) {
            builder = builder.cors(cors);
        }
        let (origins, transports, upgrades) =
            (self.origins.clone(), self.transports.clone(), self.allow_upgrades);
        builder.engine(move |engine| {
            // Browsers open WebSockets without a CORS preflight, so CORS headers alone do not block foreign
            // pages.
            engine.origins(origins).transports(transports).allow_upgrades(upgrades)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_around_the_path_are_optional() {
        for path in ["live", "/live", "/live/", "live/"] {
            let options = SocketOptions { path: path.to_owned(), ..SocketOptions::default() };
            assert_eq!(options.mount_point(), "/live");
        }
    }
}
