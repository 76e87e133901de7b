//! Builder of managers.

use std::time::Duration;

#[cfg(feature = "tls")]
use engineio::client::{CertificateError, Tls};
use engineio::client::{Client, ClientBuilder, UrlError};
use engineio::{Protocol, Transport};
use http::header::{HeaderName, HeaderValue};
use socketio_parser::ConnectionParser;

use super::Manager;
use crate::config::{Config, Overflow, Reconnection};
use crate::driver;
use crate::socket::{SharedHandle, Socket};

/// Settings of a manager: of the connection, and of the sockets on it.
///
/// ```
/// use std::time::Duration;
///
/// use socketio_client::{Manager, Transport};
///
/// let manager = Manager::builder("https://example.com?room=lobby")?
///     .path("/realtime/")
///     .transports([Transport::WebSocket])
///     .reconnection(|it| it.delay = Duration::from_millis(500))
///     .ack_timeout(Duration::from_secs(10))
///     .retries(3)
///     .build();
/// # drop(manager);
/// # Ok::<(), socketio_client::UrlError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing exists before `build`"]
pub struct ManagerBuilder {
    engine: ClientBuilder,
    config: Config,
}

impl Manager {
    /// Starts the settings of a manager for the server at this URL: `http://localhost:3000`,
    /// `wss://example.com`. The query of the URL is sent with each request; its path is ignored.
    ///
    /// # Errors
    ///
    /// The URL is invalid, or its scheme is not supported.
    pub fn builder(url: &str) -> Result<ManagerBuilder, UrlError> {
        let engine = Client::builder(url)?.path("/socket.io/");
        Ok(ManagerBuilder { engine, config: Config::default() })
    }
}

impl Socket {
    /// Socket on a connection of its own. The path of the URL is the namespace: `http://localhost:3000/chat`.
    /// [`connect`](Self::connect) opens the connection.
    ///
    /// # Errors
    ///
    /// The URL is invalid, or its scheme is not supported.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let manager = Manager::builder(url)?.build();
        let namespace = manager.url().path().to_owned();
        Ok(manager.socket(&namespace))
    }
}

impl ManagerBuilder {
    /// Builds the manager. Nothing is connected before [`Socket::connect`] or [`Manager::open`], unless
    /// [`auto_connect`](Self::auto_connect) is on.
    ///
    /// # Panics
    ///
    /// With `auto_connect`, outside of a tokio runtime.
    pub fn build(self) -> Manager {
        let Self { engine, config } =
            self.engine(|engine| engine.configure(|config| config.ping_events = true));
        let auto_connect = config.auto_connect;
        let manager = Manager::new(SharedHandle::new(config, engine, driver::start));
        if auto_connect {
            manager.open();
        }
        manager
    }

    /// See [`Config::auto_connect`].
    pub fn auto_connect(self, auto_connect: bool) -> Self {
        self.configure(|config| config.auto_connect = auto_connect)
    }

    /// Changes any setting, also those without a method of their own.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Changes any setting of the connection, also those without a method of their own: cookies, proxies,
    /// TLS, limits.
    pub fn engine(mut self, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        self.engine = change(self.engine);
        self
    }

    /// Protocol version of the connection. Default [`Protocol::V4`], the version of Socket.IO v3 and later.
    ///
    /// Servers of Socket.IO v2 need [`Protocol::V3`]. They accept no credentials in the root namespace: use a
    /// [`query`](Self::query) there. In other namespaces the fields of the credentials become the namespace's
    /// query.
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.engine(|engine| engine.protocol(protocol))
    }

    /// Path of the server's endpoint. Default `/socket.io/`.
    pub fn path(self, path: impl Into<String>) -> Self {
        self.engine(|engine| engine.path(path))
    }

    /// Adds a query parameter to each request (`handshake.query` in the server).
    pub fn query(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.engine(|engine| engine.query(key, value))
    }

    /// Adds a header to each request (`extraHeaders`): strings, or names and values of the crate `http`. If a
    /// string is no valid name or value, each attempt to connect fails with that error.
    ///
    /// ```
    /// # use socketio_client::Manager;
    /// let manager = Manager::builder("http://localhost:3000")?.header("x-bot", "1").build();
    /// # Ok::<(), socketio_client::UrlError>(())
    /// ```
    #[doc(alias = "extraHeaders")]
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.engine(|engine| engine.header(name, value))
    }

    /// Trusts the certificate authorities in a PEM text, and no others (`ca`). Default: those that the operating
    /// system trusts.
    ///
    /// ```no_run
    /// # use socketio_client::Manager;
    /// let pem = std::fs::read("ca.pem")?;
    /// let manager = Manager::builder("https://localhost:3000")?.ca_certificate(pem)?.build();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The text is not PEM, contains no certificate, or one that cannot be used.
    #[cfg(feature = "tls")]
    #[doc(alias = "ca")]
    pub fn ca_certificate(self, pem: impl AsRef<[u8]>) -> Result<Self, CertificateError> {
        let tls = Tls::trusting(pem)?;
        Ok(self.engine(|engine| engine.tls(tls)))
    }

    /// Accepts any certificate of the server (`rejectUnauthorized: false`). A machine between client and server can then
    /// read and change all traffic, so this is for tests and development alone.
    #[cfg(feature = "tls")]
    #[doc(alias = "rejectUnauthorized")]
    pub fn danger_accept_invalid_certificates(self) -> Self {
        self.engine(|engine| engine.tls(Tls::danger_accept_invalid_certificates()))
    }

    /// Transports in order of preference. Default: polling, then WebSocket.
    pub fn transports(self, transports: impl Into<Vec<Transport>>) -> Self {
        self.engine(|engine| engine.transports(transports))
    }

    /// See [`Config::reconnection`].
    #[doc(alias = "reconnectionDelay")]
    pub fn reconnection(self, change: impl FnOnce(&mut Reconnection)) -> Self {
        self.configure(|config| change(&mut config.reconnection))
    }

    /// See [`Config::connect_timeout`].
    #[doc(alias = "timeout")]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        self.configure(|config| config.connect_timeout = timeout)
    }

    /// See [`Config::connected_timeout`]. `None` waits for ever.
    pub fn connected_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        let timeout = timeout.into();
        self.configure(|config| config.connected_timeout = timeout)
    }

    /// See [`Config::ack_timeout`].
    #[doc(alias = "ackTimeout")]
    pub fn ack_timeout(self, timeout: Duration) -> Self {
        self.configure(|config| config.ack_timeout = Some(timeout))
    }

    /// See [`Config::retries`].
    pub fn retries(self, retries: u32) -> Self {
        self.configure(|config| config.retries = retries)
    }

    /// See [`Config::count_lost_connections`].
    pub fn count_lost_connections(self, count: bool) -> Self {
        self.configure(|config| config.count_lost_connections = count)
    }

    /// See [`Config::max_buffered`] and [`Config::overflow`].
    pub fn buffer(self, max_buffered: usize, overflow: Overflow) -> Self {
        self.configure(|config| {
            config.max_buffered = max_buffered;
            config.overflow = overflow;
        })
    }

    /// See [`Config::parser`].
    pub fn parser(self, parser: impl Into<ConnectionParser>) -> Self {
        self.configure(|config| config.parser = parser.into())
    }
}
