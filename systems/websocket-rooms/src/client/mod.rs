//! The client: connects, reconnects when the connection is lost, and emits events.

mod error;
mod event;
mod options;

pub use self::error::ConnectError;
pub use self::event::{ClientEvent, ClientEventKind};
pub use self::options::ClientOptions;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use engineio::sync::Mutex;
use http::Uri;
use http::uri::PathAndQuery;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::emitter::{Emitter, HandlerId};
use crate::endpoint::{Endpoint, SendError};
use crate::message::Message;
use crate::state::{CloseReason, ConnectionState};
use crate::wire;

/// A WebSocket client that reconnects. Clones share the same client. Once connected it runs until
/// [`close`](Self::close), or until it gives up.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    uri: Uri,
    options: ClientOptions,
    events: Emitter<ClientEvent>,
    link: Mutex<LinkState>,
    changed: watch::Sender<()>,
}

/// The bytes of a connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The state of a client's connection.
enum LinkState {
    /// No connection: not connected yet, or closed.
    Idle,
    /// Connecting, or waiting for the next attempt; the sender stops it.
    Trying(watch::Sender<bool>),
    /// Connected, or closing. The sender prevents a reconnect.
    Up(watch::Sender<bool>, Endpoint),
}

impl Client {
    /// A client of a server, for example `ws://127.0.0.1:8080/chat` or `wss://example.com/chat`. It is not
    /// connected yet.
    pub fn new(url: &str, options: ClientOptions) -> Result<Self, ConnectError> {
        let uri: Uri = url.parse().map_err(|_| ConnectError::NoUrl)?;
        if !matches!(uri.scheme_str(), Some("ws" | "wss")) || uri.host().is_none_or(str::is_empty) {
            return Err(ConnectError::Url(uri));
        }
        let uri = with_path(uri)?;
        let link = Mutex::new(LinkState::Idle);
        let changed = watch::Sender::new(());
        Ok(Self(Arc::new(Shared { uri, options, events: Emitter::new(), link, changed })))
    }

    /// Connects. Returns when the connection is open and the handlers of [`on_open`](Self::on_open) have returned, or when
    /// it has failed without further attempts.
    pub async fn connect(&self) -> Result<(), ConnectError> {
        let (stop, stopped) = watch::channel(false);
        {
            let mut link = self.link();
            if !matches!(*link, LinkState::Idle) {
                return Err(ConnectError::AlreadyConnected);
            }
            *link = LinkState::Trying(stop);
        }
        let (opened, done) = oneshot::channel();
        tokio::spawn(self.clone().run(stopped, opened));
        done.await.unwrap_or(Err(ConnectError::Closed))
    }

    /// Closes the connection after the queued messages have been sent. The client does not reconnect.
    pub fn close(&self) {
        match &*self.link() {
            LinkState::Idle => {}
            LinkState::Trying(stop) => {
                stop.send_replace(true);
            }
            LinkState::Up(stop, endpoint) => {
                stop.send_replace(true);
                endpoint.close_with(1000, "");
            }
        }
    }

    /// Waits until the client is closed for good; the handlers of its last connection have then returned.
    pub async fn closed(&self) {
        let mut changes = self.0.changed.subscribe();
        while !matches!(*self.link(), LinkState::Idle) {
            // This struct owns the sender, so it exists.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// The URL of the server.
    pub fn url(&self) -> &Uri {
        &self.0.uri
    }

    /// The current state.
    pub fn state(&self) -> ConnectionState {
        match &*self.link() {
            LinkState::Idle => ConnectionState::Closed,
            LinkState::Trying(_) => ConnectionState::Connecting,
            LinkState::Up(_, endpoint) => endpoint.state(),
        }
    }

    /// Round-trip time of the last ping. `None` before the first.
    pub fn latency(&self) -> Option<Duration> {
        match &*self.link() {
            LinkState::Up(_, endpoint) => endpoint.pulse().latency,
            _ => None,
        }
    }

    /// Queues a message without waiting. Fails if no connection is open.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        match &*self.link() {
            LinkState::Up(_, endpoint) => endpoint.send(message.into()),
            _ => Err(SendError::NotOpen),
        }
    }

    /// Sends a value as JSON.
    pub fn send_json(&self, value: &impl Serialize) -> Result<(), SendError> {
        self.send(Message::json(value).map_err(|_| SendError::Json)?)
    }

    /// The handlers: adds and removes those of any event.
    pub fn events(&self) -> &Emitter<ClientEvent> {
        &self.0.events
    }

    /// Adds a handler for opened connections.
    pub fn on_open<F, Fut>(&self, handler: F) -> HandlerId
    where
        F: Fn(Self) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.events.on_those(ClientEventKind::Open, move |event| match event {
            ClientEvent::Open(client) => Some(handler(client)),
            _ => None,
        })
    }

    /// Adds a handler for text and binary messages.
    pub fn on_message<F, Fut>(&self, handler: F) -> HandlerId
    where
        F: Fn(Self, Message) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.events.on_those(ClientEventKind::Message, move |event| match event {
            ClientEvent::Message(client, message) => Some(handler(client, message)),
            _ => None,
        })
    }

    /// Adds a handler for written messages. The next message is written after the handler has returned.
    pub fn on_sent<F, Fut>(&self, handler: F) -> HandlerId
    where
        F: Fn(Self, Message) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.events.on_those(ClientEventKind::Sent, move |event| match event {
            ClientEvent::Sent(client, message) => Some(handler(client, message)),
            _ => None,
        })
    }

    /// Adds a handler for failed attempts to connect.
    pub fn on_error<F, Fut>(&self, handler: F) -> HandlerId
    where
        F: Fn(Self, ConnectError) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.events.on_those(ClientEventKind::Error, move |event| match event {
            ClientEvent::Error(client, error) => Some(handler(client, error)),
            _ => None,
        })
    }

    /// Adds a handler for ended connections.
    pub fn on_close<F, Fut>(&self, handler: F) -> HandlerId
    where
        F: Fn(Self, CloseReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.events.on_those(ClientEventKind::Close, move |event| match event {
            ClientEvent::Close(client, reason) => Some(handler(client, reason)),
            _ => None,
        })
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.0.options
    }

    /// Sets the state to idle.
    pub(crate) fn idle(&self) {
        *self.link() = LinkState::Idle;
        self.0.changed.send_replace(());
    }

    /// Sets the state to connected. Returns false if the client was closed just before.
    pub(crate) fn up(&self, endpoint: &Endpoint) -> bool {
        let mut link = self.link();
        let stop = match &*link {
            LinkState::Trying(stop) if !*stop.borrow() => stop.clone(),
            _ => return false,
        };
        endpoint.open();
        *link = LinkState::Up(stop, endpoint.clone());
        true
    }

    /// Ends the state of being connected. Returns whether to reconnect: not if the client was closed, even
    /// while the server sent its close frame.
    pub(crate) fn down(&self) -> bool {
        let mut link = self.link();
        let stop = match &*link {
            LinkState::Up(stop, _) if !*stop.borrow() => stop.clone(),
            _ => return false,
        };
        *link = LinkState::Trying(stop);
        true
    }

    /// Runs one attempt to connect.
    pub(crate) async fn attempt(&self) -> Result<WebSocketStream<Box<dyn Stream>>, ConnectError> {
        match tokio::time::timeout(self.0.options.connect_timeout, self.dial()).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectError::Timeout),
        }
    }

    async fn dial(&self) -> Result<WebSocketStream<Box<dyn Stream>>, ConnectError> {
        let builder = ClientRequestBuilder::new(self.0.uri.clone());
        let mut request = builder.into_client_request().map_err(ConnectError::from)?;
        for (name, value) in &self.0.options.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let config = wire::config(&self.0.options.connection);
        let uri = &self.0.uri;
        let is_secure = uri.scheme_str() == Some("wss");
        // IPv6 addresses are in brackets.
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let tcp = TcpStream::connect((host, port)).await;
        let tcp = tcp.map_err(|error| ConnectError::Io(Arc::new(error)))?;
        // Queued messages are already written together.
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Stream> = if is_secure {
            let secured = self.0.options.tls.connect(host, tcp).await;
            Box::new(secured.map_err(|error| ConnectError::Tls(Arc::new(error)))?)
        } else {
            Box::new(tcp)
        };
        let connected = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        connected.map(|(ws, _)| ws).map_err(ConnectError::from)
    }

    fn link(&self) -> MutexGuard<'_, LinkState> {
        self.0.link.lock()
    }
}

/// A query without a path, as in `ws://example.com?token=x`, gets the path `/`: a request needs one.
fn with_path(uri: Uri) -> Result<Uri, ConnectError> {
    let Some(query) = uri.path_and_query().map(PathAndQuery::as_str).filter(|query| query.starts_with('?'))
    else {
        return Ok(uri);
    };
    let path: PathAndQuery = format!("/{query}").parse().map_err(|_| ConnectError::NoUrl)?;
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| ConnectError::NoUrl)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Client");
        shown.field("url", &self.0.uri).field("state", &self.state()).finish_non_exhaustive()
    }
}
