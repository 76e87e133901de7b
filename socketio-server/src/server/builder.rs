//! Builder of a server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engineio::{RequestHead, Session};
use socketio_parser::{ConnectionParser, Limits, Parser};

use super::Server;
use super::extract::OwnServer;
use crate::cluster::Adapter;
use crate::config::{Config, Recovery};
use crate::connection::Connection;
use crate::extensions::Extensions;
use crate::extract::extension::Engine;
use crate::namespace::registry::{NamespaceRegistry, SelectParser};

/// Builder with the settings of a [`Server`].
#[derive(Debug)]
#[must_use]
pub struct ServerBuilder {
    config: Config,
    engine: engineio::ServerBuilder,
    state: Extensions,
    adapter: Option<AdapterBox>,
    connection_parser: Option<SelectBox>,
}

/// Wrapper with a `Debug` implementation.
struct AdapterBox(Arc<dyn Adapter>);

impl fmt::Debug for AdapterBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapter")
    }
}

/// Wrapper with a `Debug` implementation.
struct SelectBox(SelectParser);

impl fmt::Debug for SelectBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fn")
    }
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            config: Config::default(),
            engine: engineio::Server::builder().path("/socket.io").outside_path(http::StatusCode::NOT_FOUND),
            state: Extensions::default(),
            adapter: None,
            connection_parser: None,
        }
    }

    /// Changes settings of the transport. The methods of `engineio::ServerBuilder` have the names of the
    /// official server's options.
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

    /// Replaces all settings of the Socket.IO layer; the methods below change single ones. Call it before
    /// them.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Changes any setting of the Socket.IO layer, also those without a method of their own.
    ///
    /// ```
    /// let io = socketio_server::Server::builder().configure(|config| config.max_namespaces = 4).build()?;
    /// # Ok::<(), socketio_server::ConfigError>(())
    /// ```
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Path of the server's requests, used if it is combined with other routes. Default `/socket.io`.
    pub fn path(self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.engine(|engine| engine.path(path))
    }

    /// Time between the answer to a ping and the next ping. Default 25 s.
    #[doc(alias = "pingInterval")]
    pub fn ping_interval(self, interval: Duration) -> Self {
        self.engine(|engine| engine.ping_interval(interval))
    }

    /// Maximum time for the answer to a ping. Default 20 s.
    #[doc(alias = "pingTimeout")]
    pub fn ping_timeout(self, timeout: Duration) -> Self {
        self.engine(|engine| engine.ping_timeout(timeout))
    }

    /// Maximum size of a message in bytes (`maxHttpBufferSize`). Default 1,000,000.
    #[doc(alias = "maxHttpBufferSize")]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.config.limits = Limits { max_packet_bytes: bytes, ..self.config.limits };
        self.engine(|engine| engine.max_payload(bytes))
    }

    /// Allows pages of other origins to connect. Default: no CORS headers are sent.
    pub fn cors(self, cors: engineio::Cors) -> Self {
        self.engine(|engine| engine.cors(cors))
    }

    /// Pages whose requests are accepted. Default: all pages, as with the official server. A server that authenticates
    /// users by cookies needs [`Origins::SameHost`](crate::Origins::SameHost) or a list, since browsers send cookies with
    /// the requests of any page. Cost: a look at three headers per request.
    pub fn origins(self, origins: impl Into<engineio::OriginPolicy>) -> Self {
        let origins = origins.into();
        self.engine(|engine| engine.origins(origins))
    }

    /// See [`Config::connect_timeout`]. Default 45 s.
    #[doc(alias = "connectTimeout")]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// See [`Config::ack_timeout`]. Default 30 s.
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.config.ack_timeout = timeout;
        self
    }

    /// See [`Config::max_rooms`]. Default 10,000.
    pub fn max_rooms(mut self, rooms: usize) -> Self {
        self.config.max_rooms = rooms;
        self
    }

    /// Rate limit of the events of a connection, and the burst before it applies: see
    /// [`Config::events_per_second`]. Default off.
    pub fn event_rate(mut self, events_per_second: u32, burst: usize) -> Self {
        (self.config.events_per_second, self.config.event_burst) = (events_per_second, burst);
        self
    }

    /// Enables connection state recovery: see [`Config::connection_state_recovery`]. Default off.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use socketio_server::{Recovery, Server};
    /// let recovery = Recovery::default().max_disconnection_duration(Duration::from_secs(60));
    /// let io = Server::builder().connection_state_recovery(recovery).build()?;
    /// # Ok::<(), socketio_server::ConfigError>(())
    /// ```
    ///
    /// A client that reconnects in time has its previous id, rooms and [`data`](crate::Socket::data), and
    /// receives the missed events; [`Socket::recovered`] returns `true`. Requires clients of Socket.IO 4.6 or
    /// later; other clients get a new socket. Every event carries its offset as a last argument, which these
    /// clients hide from the application.
    ///
    /// [`Socket::recovered`]: crate::Socket::recovered
    #[doc(alias = "connectionStateRecovery")]
    pub fn connection_state_recovery(mut self, recovery: Recovery) -> Self {
        self.config.connection_state_recovery = Some(recovery);
        self
    }

    /// See [`Config::cleanup_empty_child_namespaces`]. Default `false`.
    #[doc(alias = "cleanupEmptyChildNamespaces")]
    pub fn cleanup_empty_child_namespaces(mut self, cleanup: bool) -> Self {
        self.config.cleanup_empty_child_namespaces = cleanup;
        self
    }

    /// See [`Config::random_ids_for_v2`]. Default `false`.
    pub fn random_ids_for_v2(mut self, random: bool) -> Self {
        self.config.random_ids_for_v2 = random;
        self
    }

    /// Connects this server with the others of a cluster. Default: no cluster. The server must then be built
    /// inside a Tokio runtime.
    pub fn adapter(mut self, adapter: impl Adapter) -> Self {
        self.adapter = Some(AdapterBox(Arc::new(adapter)));
        self
    }

    /// See [`Config::node_name`]. Default: none.
    pub fn node_name(mut self, name: impl Into<String>) -> Self {
        self.config.node_name = Some(name.into());
        self
    }

    /// See [`Config::limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Encoding of packets. Default JSON; all clients must use the same, unless
    /// [`connection_parser`](Self::connection_parser) selects others.
    pub fn parser(mut self, parser: Parser) -> Self {
        self.config.parser = parser;
        self
    }

    /// Selects the encoding of each connection by its opening request, so that clients with different parsers share
    /// a port: by a query parameter, a header or the path. Default: all connections use [`parser`](Self::parser).
    ///
    /// Handlers see no difference. An emit to one socket is encoded in its own encoding. A broadcast is encoded once
    /// by [`parser`](Self::parser), which should therefore be that of most clients, and converted once for each other
    /// encoding among its receivers; while all connected clients use the same parser this costs nothing. Sessions of
    /// a `Translator` keep the server's parser.
    ///
    /// ```
    /// use socketio_server::{ConnectionParser, Parser, Server};
    ///
    /// # fn main() -> Result<(), engineio::ConfigError> {
    /// // JavaScript: io({ parser: require("socket.io-msgpack-parser"), query: { parser: "msgpack" } })
    /// let io = Server::builder()
    ///     .connection_parser(|request| match request.query().get("parser") {
    ///         # #[cfg(feature = "msgpack")]
    ///         Some("msgpack") => Parser::Msgpack.into(),
    ///         _ => Parser::Json.into(),
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A parser of one's own is a [`CustomParser`](crate::CustomParser).
    pub fn connection_parser(
        mut self,
        select: impl Fn(&RequestHead) -> ConnectionParser + Send + Sync + 'static,
    ) -> Self {
        self.connection_parser = Some(SelectBox(Box::new(select)));
        self
    }

    /// Adds a value that handlers take as [`State`](crate::State). One value per type. It is cloned for each
    /// handler call, so large values belong behind an `Arc`.
    pub fn state<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Builds the server.
    ///
    /// # Errors
    ///
    /// A setting of the transport is invalid.
    pub fn build(self) -> Result<Server, engineio::ConfigError> {
        let config = Arc::new(self.config);
        let state = Arc::new(self.state);
        let adapter = self.adapter.map(|adapter| adapter.0);
        let select_parser = self.connection_parser.map(|select| select.0);
        let namespaces = Arc::new(NamespaceRegistry::new(config, Arc::clone(&state), adapter, select_parser));
        let root = namespaces.of("/");
        let clients = Arc::clone(&namespaces);
        let engine =
            self.engine.build(move |session: &Session| Connection::new(Arc::clone(&clients), session))?;
        let server = Server { namespaces, engine, root };
        state.insert(Engine(server.engine.downgrade()));
        state.insert(OwnServer(server.downgrade()));
        Ok(server)
    }
}
