//! The settings of a server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engineio::Session;
use socketio_parser::{Limits, Parser};

use super::Server;
use crate::cluster::Adapter;
use crate::config::{Config, Recovery};
use crate::connection::Client;
use crate::extensions::Extensions;
use crate::namespace::registry::Namespaces;

/// Collects the settings of a [`Server`].
#[derive(Debug)]
#[must_use]
pub struct ServerBuilder {
    config: Config,
    engine: engineio::ServerBuilder,
    state: Extensions,
    adapter: Option<AdapterBox>,
}

/// Only so that the builder can be printed.
struct AdapterBox(Arc<dyn Adapter>);

impl fmt::Debug for AdapterBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapter")
    }
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            config: Config::default(),
            engine: engineio::Server::builder().path("/socket.io").outside_path(http::StatusCode::NOT_FOUND),
            state: Extensions::default(),
            adapter: None,
        }
    }

    /// Changes the settings of the transport below: everything that `engineio` can be told, under the names that the
    /// official server has for it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let io = socketio_server::Server::builder()
    ///     .engine(|engine| engine.ping_interval(Duration::from_secs(10)).max_payload(100_000))
    ///     .build()?;
    /// # Ok::<(), engineio::ConfigError>(())
    /// ```
    pub fn engine(mut self, change: impl FnOnce(engineio::ServerBuilder) -> engineio::ServerBuilder) -> Self {
        self.engine = change(self.engine);
        self
    }

    /// Replaces all settings of the Socket.IO layer at once; the methods below change single ones.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Which requests are ours when the server stands in front of other routes. Default `/socket.io`.
    pub fn path(self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.engine(|engine| engine.path(path))
    }

    /// How long the server waits between a heartbeat's answer and the next ping. Default 25 s.
    pub fn ping_interval(self, interval: Duration) -> Self {
        self.engine(|engine| engine.ping_interval(interval))
    }

    /// How long the answer to a ping may take. Default 20 s.
    pub fn ping_timeout(self, timeout: Duration) -> Self {
        self.engine(|engine| engine.ping_timeout(timeout))
    }

    /// The largest message in bytes (`maxHttpBufferSize`). Default 1,000,000.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.config.limits = Limits { max_packet_bytes: bytes, ..self.config.limits };
        self.engine(|engine| engine.max_payload(bytes))
    }

    /// Lets pages of other origins connect. Default: no CORS headers are sent.
    pub fn cors(self, cors: engineio::Cors) -> Self {
        self.engine(|engine| engine.cors(cors))
    }

    /// See [`Config::connect_timeout`]. Default 45 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// See [`Config::ack_timeout`]. Default 30 s.
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.config.ack_timeout = timeout;
        self
    }

    /// Lets clients come back as who they were: see [`Config::connection_state_recovery`]. Default off.
    ///
    /// A client that lost its connection and comes back in time has its id, its rooms and its
    /// [`data`](crate::Socket::data) again, gets the events that it missed, and [`Socket::recovered`] says so. This
    /// is for clients of Socket.IO 4.6 and later; others start anew. Every event carries its offset as a last
    /// argument, which these clients keep to themselves.
    ///
    /// [`Socket::recovered`]: crate::Socket::recovered
    pub fn connection_state_recovery(mut self, recovery: Recovery) -> Self {
        self.config.connection_state_recovery = Some(recovery);
        self
    }

    /// See [`Config::cleanup_empty_child_namespaces`]. Default `false`.
    pub fn cleanup_empty_child_namespaces(mut self, cleanup: bool) -> Self {
        self.config.cleanup_empty_child_namespaces = cleanup;
        self
    }

    /// See [`Config::random_ids_for_v2`]. Default `false`.
    pub fn random_ids_for_v2(mut self, random: bool) -> Self {
        self.config.random_ids_for_v2 = random;
        self
    }

    /// Connects this server with others. Default: it is alone. The server has to be built inside a Tokio runtime
    /// then.
    pub fn adapter(mut self, adapter: impl Adapter) -> Self {
        self.adapter = Some(AdapterBox(Arc::new(adapter)));
        self
    }

    /// See [`Config::limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// How packets are written. Default JSON; all clients have to use the same.
    pub fn parser(mut self, parser: Parser) -> Self {
        self.config.parser = parser;
        self
    }

    /// A value that handlers take as [`State`](crate::State). One of each type; it is cloned for each handler call,
    /// so keep what is large behind an `Arc`.
    pub fn state<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// The server.
    pub fn build(self) -> Result<Server, engineio::ConfigError> {
        let config = Arc::new(self.config);
        let state = Arc::new(self.state);
        let namespaces = Arc::new(Namespaces::new(config, state, self.adapter.map(|adapter| adapter.0)));
        let root = namespaces.of("/");
        let clients = Arc::clone(&namespaces);
        let engine =
            self.engine.build(move |session: &Session| Client::new(Arc::clone(&clients), session))?;
        Ok(Server { namespaces, engine, root })
    }
}
