//! All options of the Socket.IO plug-in, in one place.

use std::time::Duration;

use engineio::{Origins, Transport};
use socketio_server::{Recovery, Server, ServerBuilder};

/// The options of a [`SocketPlugin`](crate::SocketPlugin). What is not here is reached by
/// [`SocketPlugin::server`](crate::SocketPlugin::server).
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Whose pages may connect. Default [`Origins::SameHost`]. Costs a look at three headers per request.
    pub origins: Origins,
    /// Whether pages of other origins may send cookies. Default `false`; [`Origins::Any`] then lets every page on
    /// the web act as the user who looks at it.
    pub credentials: bool,
    /// How long the server waits between a heartbeat's answer and the next ping. Default 25 s. Shorter finds lost
    /// clients sooner and costs a packet each way per client.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take. Default 20 s; then the client counts as lost.
    pub ping_timeout: Duration,
    /// Where the endpoint is mounted, with or without slashes around it. Default `socket.io`.
    pub path: String,
    /// What clients may connect with. Default polling and WebSocket.
    pub transports: Vec<Transport>,
    /// Whether a client that polls may go over to WebSocket. Default `true`.
    pub allow_upgrades: bool,
    /// The largest message in bytes. Default 1,000,000. A client may make the server hold this much.
    pub max_http_buffer_size: usize,
    /// Whether clients that were away may come back as who they were. Default `None`: no. See [`Recovery`] for what
    /// it costs.
    pub connection_state_recovery: Option<Recovery>,
    /// Whether connections, events and errors are logged, at `debug` and `warn` with the target `socketio`. Default
    /// `false`. While it is on every broadcast is decoded again to be logged.
    pub logger: bool,
    /// Whether requests and refusals are logged, with the target `engineio`. Default `false`.
    pub engineio_logger: bool,
    /// How long a shutdown may take until clients that do not take their goodbye are cut off. Default 10 s.
    pub shutdown_deadline: Duration,
    /// Over how long the goodbyes are spread, so that not everybody comes back at once. Default 0 s.
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
            shutdown_deadline: Duration::from_secs(10),
            shutdown_spread: Duration::ZERO,
        }
    }
}

impl SocketOptions {
    /// The path with one slash in front and none behind.
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
            // Browsers ask nobody before they open a WebSocket, so the CORS headers alone keep nobody out.
            engine.origins(origins).transports(transports).allow_upgrades(upgrades)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_may_be_written_with_slashes_or_without() {
        for path in ["live", "/live", "/live/", "live/"] {
            let options = SocketOptions { path: path.to_owned(), ..SocketOptions::default() };
            assert_eq!(options.mount_point(), "/live");
        }
    }
}
