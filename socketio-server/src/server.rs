//! The server: namespaces, and the Engine.IO server below them.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use engineio::{EngineLayer, Session};
use socketio_parser::{Limits, Parser};
use tokio::net::TcpListener;

use crate::client::Client;
use crate::config::Config;
use crate::extensions::Extensions;
use crate::namespace::Namespace;
use crate::namespaces::Namespaces;

/// A Socket.IO server.
///
/// This is a handle: clones are the same server. Everything that a [`Namespace`] can do it does for the default
/// namespace `/` too.
#[derive(Clone)]
pub struct Server {
    namespaces: Arc<Namespaces>,
    engine: engineio::Server,
    /// The namespace `/`, which always exists.
    root: Namespace,
}

/// Collects the settings of a [`Server`].
#[derive(Debug)]
#[must_use]
pub struct ServerBuilder {
    config: Config,
    engine: engineio::ServerBuilder,
    state: Extensions,
}

impl ServerBuilder {
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
        let namespaces = Arc::new(Namespaces::new(config, state));
        let root = namespaces.of("/");
        let clients = Arc::clone(&namespaces);
        let engine =
            self.engine.build(move |session: &Session| Client::new(Arc::clone(&clients), session))?;
        Ok(Server { namespaces, engine, root })
    }
}

impl Server {
    /// Starts with the official server's defaults.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            config: Config::default(),
            engine: engineio::Server::builder().path("/socket.io").outside_path(http::StatusCode::NOT_FOUND),
            state: Extensions::default(),
        }
    }

    /// The namespace of this name, which comes to be if it did not exist. The slash in front may be left out.
    pub fn of(&self, name: &str) -> Namespace {
        self.namespaces.of(name)
    }

    /// The Engine.IO server below: its sessions, its counts, and its service.
    pub fn engine(&self) -> &engineio::Server {
        &self.engine
    }

    /// Serves the connections of a listener until [`close`](Self::close).
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.engine.serve(listener).await
    }

    /// A layer that answers the requests below the path and passes all others on.
    pub fn layer(&self) -> EngineLayer {
        self.engine.layer()
    }

    /// A service that takes every request for its own, to be mounted by a router.
    pub fn service(&self) -> engineio::Server {
        self.engine.service()
    }

    /// Disconnects everybody at once and takes nobody new.
    pub fn close(&self) {
        self.namespaces.close();
        self.engine.close();
    }

    /// Disconnects everybody in good order, spread over `spread`; what is left after `deadline` at once.
    pub async fn drain(&self, deadline: Duration, spread: Duration) {
        self.namespaces.close();
        self.engine.drain(deadline, spread).await;
    }
}

impl std::ops::Deref for Server {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.root
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("config", &self.namespaces.config).finish_non_exhaustive()
    }
}
