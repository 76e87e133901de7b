//! The settings of a manager.

use std::time::Duration;

use engineio::client::{Client, ClientBuilder, UrlError};
use engineio::{Protocol, Transport};
use http::header::{HeaderName, HeaderValue};
use socketio_parser::Parser;

use crate::config::{Config, Overflow, Reconnection};
use crate::driver;
use crate::manager::Manager;
use crate::socket::{Handle, Socket};

/// The settings of a manager.
#[derive(Clone, Debug)]
#[must_use = "nothing exists before `build`"]
pub struct ManagerBuilder {
    engine: ClientBuilder,
    config: Config,
}

impl Manager {
    /// A manager of connections to the server at this URL: `http://localhost:3000`, `wss://example.com`. Its parameters
    /// go along with each request, its path means nothing here.
    pub fn builder(url: &str) -> Result<ManagerBuilder, UrlError> {
        let engine = Client::builder(url)?.path("/socket.io/");
        Ok(ManagerBuilder { engine, config: Config::default() })
    }
}

impl Socket {
    /// A socket on a connection of its own; the path of the URL is the namespace: `http://localhost:3000/chat`. The
    /// connection is opened by [`connect`](Self::connect).
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let manager = Manager::builder(url)?.build();
        let namespace = manager.url().path().to_owned();
        Ok(manager.socket(&namespace))
    }
}

impl ManagerBuilder {
    /// The manager. Nothing is connected before [`Socket::connect`].
    pub fn build(self) -> Manager {
        Manager::new(Handle::new(self.config, self.engine, driver::start))
    }

    /// All settings, for those that have no method of their own here.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// The settings of the connection that have no method of their own here: cookies, proxies, TLS, limits.
    pub fn engine(mut self, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        self.engine = change(self.engine);
        self
    }

    /// The revision of Engine.IO's protocol that the server speaks. Default [`Protocol::V4`], as it is since Socket.IO v3.
    ///
    /// Servers of Socket.IO v2 need [`Protocol::V3`]. They know no credentials in the root namespace, where a
    /// [`query`](Self::query) does instead; in others the fields of an object become the namespace's query.
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.engine(|engine| engine.protocol(protocol))
    }

    /// Where the server answers. Default `/socket.io/`.
    pub fn path(self, path: impl Into<String>) -> Self {
        self.engine(|engine| engine.path(path))
    }

    /// Adds a parameter to each request: the server's `handshake.query`.
    pub fn query(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.engine(|engine| engine.query(key, value))
    }

    /// Adds a header to each request (`extraHeaders`).
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.engine(|engine| engine.header(name, value))
    }

    /// The transports to use, the first one first. Default polling, then WebSocket.
    pub fn transports(self, transports: impl Into<Vec<Transport>>) -> Self {
        self.engine(|engine| engine.transports(transports))
    }

    /// See [`Config::reconnection`].
    pub fn reconnection(self, change: impl FnOnce(&mut Reconnection)) -> Self {
        self.configure(|config| change(&mut config.reconnection))
    }

    /// See [`Config::connect_timeout`].
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        self.configure(|config| config.connect_timeout = timeout)
    }

    /// See [`Config::ack_timeout`].
    pub fn ack_timeout(self, timeout: Duration) -> Self {
        self.configure(|config| config.ack_timeout = Some(timeout))
    }

    /// See [`Config::retries`].
    pub fn retries(self, retries: u32) -> Self {
        self.configure(|config| config.retries = Some(retries))
    }

    /// See [`Config::max_buffered`] and [`Config::overflow`].
    pub fn buffer(self, max_buffered: usize, overflow: Overflow) -> Self {
        self.configure(|config| {
            config.max_buffered = max_buffered;
            config.overflow = overflow;
        })
    }

    /// See [`Config::parser`].
    pub fn parser(self, parser: Parser) -> Self {
        self.configure(|config| config.parser = parser)
    }
}
