//! The settings of a client, and the opening of sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::config::ClientConfig;
use super::config::proxy::Proxies;
use super::config::url::{Url, UrlError};
use super::error::{HttpError, OpenError, TransportError};
use super::http::connection::Connection;
use super::http::dial;
use super::http::route::Route;
use super::polling::Polling;
use super::session::Client;
use super::session::carrier::Carrier;
use super::session::handshake::Handshake;
use super::websocket::{Received, WebSocket};
use crate::config::Transport;
use crate::protocol::packet::{Packet, Protocol};

/// Opens sessions, one after the other, as often as needed: see [`connect`](Self::connect).
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    // The sessions share both, so a session costs no copy.
    url: Arc<Url>,
    config: Arc<ClientConfig>,
    /// Whether the last session used a WebSocket.
    remembered: Arc<AtomicBool>,
}

impl ClientBuilder {
    /// A client of the server at this URL, with the default settings.
    pub fn new(url: Url) -> Self {
        Self { url: Arc::new(url), config: Arc::default(), remembered: Arc::default() }
    }

    /// The address of the server.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The settings.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Changes any settings, those without a method of their own included.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut ClientConfig)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// See [`ClientConfig::protocol`].
    #[must_use]
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.configure(|config| config.protocol = protocol)
    }

    /// See [`ClientConfig::path`].
    #[must_use]
    pub fn path(self, path: impl Into<String>) -> Self {
        self.configure(|config| config.path = path.into())
    }

    /// Adds a parameter to each request. See [`ClientConfig::query`].
    #[must_use]
    pub fn query(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.configure(|config| config.query.push((key.into(), value.into())))
    }

    /// Adds a header to each request: names and values of the crate `http`, or strings. See
    /// [`ClientConfig::headers`]. If a string is no valid name or value,
    /// [`connect`](Self::connect) fails with [`HttpError::Request`].
    #[must_use]
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let name = name.try_into().map_err(Into::into);
        let header = name.and_then(|name| Ok((name, value.try_into().map_err(Into::into)?)));
        self.configure(|config| match header {
            Ok((name, value)) => config.headers.push((None, name, value)),
            Err(error) => config.invalid_header = Some(Arc::new(error)),
        })
    }

    /// See [`ClientConfig::transports`].
    #[must_use]
    pub fn transports(self, transports: impl Into<Vec<Transport>>) -> Self {
        self.configure(|config| config.transports = transports.into())
    }

    /// See [`ClientConfig::try_all_transports`].
    #[must_use]
    pub fn try_all_transports(self, try_all: bool) -> Self {
        self.configure(|config| config.try_all_transports = try_all)
    }

    /// See [`ClientConfig::upgrade`].
    #[must_use]
    pub fn upgrade(self, upgrade: bool) -> Self {
        self.configure(|config| config.upgrade = upgrade)
    }

    /// See [`ClientConfig::remember_upgrade`].
    #[must_use]
    pub fn remember_upgrade(self, remember: bool) -> Self {
        self.configure(|config| config.remember_upgrade = remember)
    }

    /// See [`ClientConfig::upgrade_timeout`].
    #[must_use]
    pub fn upgrade_timeout(self, timeout: Duration) -> Self {
        self.configure(|config| config.upgrade_timeout = timeout)
    }

    /// See [`ClientConfig::proxy`].
    #[must_use]
    pub fn proxy(self, proxy: Proxies) -> Self {
        self.configure(|config| config.proxy = proxy)
    }

    /// See [`ClientConfig::tls`]. [`Tls::trusting`](super::Tls::trusting) takes the certificates of an authority of
    /// one's own.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, tls: super::config::tls::Tls) -> Self {
        self.configure(|config| config.tls = tls)
    }

    /// Opens a session. Dropping the future cancels the attempt completely. There is no timeout; use
    /// `tokio::time::timeout`.
    pub async fn connect(&self) -> Result<Client, OpenError> {
        let transports = self.transports_to_try();
        let mut failed = OpenError::NoTransports;
        for transport in transports {
            match self.open(transport).await {
                Ok(client) => return Ok(client),
                Err(error) => failed = error.into(),
            }
            self.remembered.store(false, Ordering::Relaxed);
            if !self.config.try_all_transports {
                break;
            }
        }
        Err(failed)
    }

    /// The head of the server's response to a polling handshake, whatever the status, for the diagnosis of
    /// connection problems. The session that the server may open for it ends by its timeout.
    pub async fn first_answer(&self) -> Result<http::response::Parts, HttpError> {
        let route = Route::new(Arc::clone(&self.url), Arc::clone(&self.config));
        let request = route.poll(None, None)?;
        let mut connection = Connection::on(dial::open(&route, false).await?).await?;
        let answer = connection.send(request).await.map_err(|(error, _)| error)?;
        Ok(answer.into_parts().0)
    }

    fn transports_to_try(&self) -> Vec<Transport> {
        let mut transports = self.config.transports.clone();
        if self.config.remember_upgrade
            && self.remembered.load(Ordering::Relaxed)
            && transports.contains(&Transport::WebSocket)
        {
            transports.retain(|transport| *transport != Transport::WebSocket);
            transports.insert(0, Transport::WebSocket);
        }
        transports
    }

    async fn open(&self, transport: Transport) -> Result<Client, TransportError> {
        if let Some(error) = &self.config.invalid_header {
            let error = HttpError::Request(Arc::clone(error));
            return Err(match transport {
                Transport::Polling => TransportError::Poll(error),
                Transport::WebSocket => TransportError::WebSocket(error),
            });
        }
        let route = Arc::new(Route::new(Arc::clone(&self.url), Arc::clone(&self.config)));
        let (carrier, handshake) = match transport {
            Transport::Polling => {
                let mut polling = Polling::open(Arc::clone(&route)).await?;
                let handshake = Handshake::read(polling.handshake())?;
                polling.begin(handshake.sid.clone(), handshake.max_payload);
                (Carrier::Polling(Box::new(polling)), handshake)
            }
            Transport::WebSocket => {
                let mut websocket = WebSocket::open(Arc::clone(&route), None).await?;
                let first = std::future::poll_fn(|cx| websocket.poll_receive(cx)).await?;
                let handshake = Handshake::read(open_packet(first))?;
                (Carrier::WebSocket(Box::new(websocket)), handshake)
            }
        };
        Ok(Client::new(&route, carrier, handshake, Arc::clone(&self.remembered)))
    }
}

impl Client {
    /// A client of the server at this URL: `http://localhost:3000`, `wss://example.com`.
    pub fn builder(url: &str) -> Result<ClientBuilder, UrlError> {
        url.parse().map(ClientBuilder::new)
    }
}

fn open_packet(received: Received) -> Option<Packet> {
    match received {
        Received::Packet(packet) => Some(packet),
        Received::Closed(_) => None,
    }
}
