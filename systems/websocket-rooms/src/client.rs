//! The client: connects, comes back when the connection is lost, and tells what happens.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engineio::client::Tls;
use http::{HeaderMap, Uri};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, ClientRequestBuilder};

use crate::emitter::{Emitter, Event, HandlerId};
use crate::line::{Line, LineOptions, SendError};
use crate::message::Message;
use crate::state::{CloseReason, ConnectionState};
use crate::wire;

/// The options of a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Whether to come back when the connection is lost, or cannot be made. Default: yes.
    pub auto_reconnect: bool,
    /// How long to wait before trying again. It doubles from one attempt to the next. Default: 5 seconds.
    pub reconnect_interval: Duration,
    /// The longest wait. Default: 60 seconds.
    pub reconnect_interval_max: Duration,
    /// After how many failed attempts in a row to give up; `None` is never. Default: 10.
    pub max_reconnect_attempts: Option<u32>,
    /// How long an attempt may take. Default: 10 seconds.
    pub connect_timeout: Duration,
    /// What to send along with the request: `Authorization`, for example. Default: nothing.
    pub headers: HeaderMap,
    /// How TLS is spoken where the URL begins with `wss://`. Default: with the certificates that the operating system
    /// trusts; reading them takes some milliseconds, once in a process.
    pub tls: Tls,
    /// How a connection is kept.
    pub line: LineOptions,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            auto_reconnect: true,
            reconnect_interval: Duration::from_secs(5),
            reconnect_interval_max: Duration::from_secs(60),
            max_reconnect_attempts: Some(10),
            connect_timeout: Duration::from_secs(10),
            headers: HeaderMap::new(),
            tls: Tls::default(),
            line: LineOptions::default(),
        }
    }
}

/// A connection could not be made.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL begins neither with `ws://` nor with `wss://`, or names no host.
    #[error("this is not the URL of a WebSocket: {0}")]
    Url(Uri),
    /// The text is no URL.
    #[error("this is not a URL")]
    NoUrl,
    /// The network said no.
    #[error("cannot connect: {0}")]
    Io(#[source] Arc<io::Error>),
    /// The server is not the one that it should be, or speaks no TLS.
    #[error("no secure connection: {0}")]
    Tls(#[source] Arc<io::Error>),
    /// The server refused, with this status.
    #[error("the server refused with {0}")]
    Refused(http::StatusCode),
    /// The server speaks something else.
    #[error("the server does not speak WebSocket: {0}")]
    Protocol(#[source] Arc<tungstenite::Error>),
    /// It took too long.
    #[error("the server did not answer in time")]
    Timeout,
    /// The client was closed meanwhile.
    #[error("the client was closed")]
    Closed,
    /// The client is connected, or about to be.
    #[error("the client is connected already")]
    AlreadyConnected,
}

/// What happens at a client. Each carries the client, so that a handler need not own one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Connected, for the first time or again.
    Open(Client),
    /// A text or binary message was received.
    Message(Client, Message),
    /// A message was written to the connection.
    Sent(Client, Message),
    /// An attempt to connect failed.
    Error(Client, ConnectError),
    /// The connection is over. If the client comes back, `Open` follows.
    Close(Client, CloseReason),
}

/// The names of what happens at a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientEventKind {
    /// `open`
    Open,
    /// `message`
    Message,
    /// `sent`
    Sent,
    /// `error`
    Error,
    /// `close`
    Close,
}

impl Event for ClientEvent {
    type Kind = ClientEventKind;

    fn kind(&self) -> ClientEventKind {
        match self {
            Self::Open(..) => ClientEventKind::Open,
            Self::Message(..) => ClientEventKind::Message,
            Self::Sent(..) => ClientEventKind::Sent,
            Self::Error(..) => ClientEventKind::Error,
            Self::Close(..) => ClientEventKind::Close,
        }
    }
}

/// A WebSocket client that comes back. Cloning gives another handle of the same. Once connected it runs until
/// [`close`](Self::close), or until it gives up.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    uri: Uri,
    options: ClientOptions,
    events: Emitter<ClientEvent>,
    link: Mutex<Link>,
    changed: watch::Sender<()>,
}

/// The bytes of a connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What a client is at.
enum Link {
    /// Nothing: it was not connected yet, or is closed.
    Idle,
    /// On its way to a connection, or waiting before it tries again; it stops when it is told.
    Trying(watch::Sender<bool>),
    /// Connected, or taking leave. It is told too, as it would try again otherwise.
    Up(watch::Sender<bool>, Line),
}

impl Client {
    /// A client of a server, such as `ws://127.0.0.1:8080/chat` or `wss://example.com/chat`, that is not connected yet.
    pub fn new(url: &str, options: ClientOptions) -> Result<Self, ConnectError> {
        let uri: Uri = url.parse().map_err(|_| ConnectError::NoUrl)?;
        if !matches!(uri.scheme_str(), Some("ws" | "wss")) || uri.host().is_none_or(str::is_empty) {
            return Err(ConnectError::Url(uri));
        }
        let link = Mutex::new(Link::Idle);
        let changed = watch::Sender::new(());
        Ok(Self(Arc::new(Shared { uri, options, events: Emitter::new(), link, changed })))
    }

    /// Connects. Done when the connection is open; or when it cannot be made and will not be tried again.
    pub async fn connect(&self) -> Result<(), ConnectError> {
        let (stop, stopped) = watch::channel(false);
        {
            let mut link = self.link();
            if !matches!(*link, Link::Idle) {
                return Err(ConnectError::AlreadyConnected);
            }
            *link = Link::Trying(stop);
        }
        let (opened, done) = oneshot::channel();
        tokio::spawn(self.clone().run(stopped, opened));
        done.await.unwrap_or(Err(ConnectError::Closed))
    }

    /// Ends the connection: what was sent before goes out. It does not come back.
    pub fn close(&self) {
        match &*self.link() {
            Link::Idle => {}
            Link::Trying(stop) => {
                stop.send_replace(true);
            }
            Link::Up(stop, line) => {
                stop.send_replace(true);
                line.close_with(1000, "");
            }
        }
    }

    /// Waits until there is no connection and none will be made; the handlers of the last one are done then.
    pub async fn closed(&self) {
        let mut changes = self.0.changed.subscribe();
        while !matches!(*self.link(), Link::Idle) {
            // The sender is ours, so it is there.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// The URL that it connects to.
    pub fn url(&self) -> &Uri {
        &self.0.uri
    }

    /// The state that it is in.
    pub fn state(&self) -> ConnectionState {
        match &*self.link() {
            Link::Idle => ConnectionState::Closed,
            Link::Trying(_) => ConnectionState::Connecting,
            Link::Up(_, line) => line.state(),
        }
    }

    /// How long the last ping and its answer took. `None` before the first.
    pub fn latency(&self) -> Option<Duration> {
        match &*self.link() {
            Link::Up(_, line) => line.pulse().latency,
            _ => None,
        }
    }

    /// Sends a message. Nothing is waited for; without an open connection it is refused.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        match &*self.link() {
            Link::Up(_, line) => line.send(message.into()),
            _ => Err(SendError::NotOpen),
        }
    }

    /// Sends a value as JSON.
    pub fn send_json(&self, value: &impl Serialize) -> Result<(), SendError> {
        self.send(Message::json(value).map_err(|_| SendError::Json)?)
    }

    /// The handlers, for adding and taking off those of any event.
    pub fn events(&self) -> &Emitter<ClientEvent> {
        &self.0.events
    }

    /// Adds a handler for open connections.
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

    /// Adds a handler for messages that were written. The next is not written before it is done.
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

    /// Adds a handler for connections that are over.
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

    /// There is nothing any more.
    pub(crate) fn idle(&self) {
        *self.link() = Link::Idle;
        self.0.changed.send_replace(());
    }

    /// There is a connection. Returns false if the client was closed just before.
    pub(crate) fn up(&self, line: &Line) -> bool {
        let mut link = self.link();
        let stop = match &*link {
            Link::Trying(stop) if !*stop.borrow() => stop.clone(),
            _ => return false,
        };
        line.open();
        *link = Link::Up(stop, line.clone());
        true
    }

    /// There is no connection any more. Returns whether there shall be another one: not if the client was closed,
    /// were it while the server said goodbye.
    pub(crate) fn down(&self) -> bool {
        let mut link = self.link();
        let stop = match &*link {
            Link::Up(stop, _) if !*stop.borrow() => stop.clone(),
            _ => return false,
        };
        *link = Link::Trying(stop);
        true
    }

    /// One attempt.
    pub(crate) async fn attempt(&self) -> Result<WebSocketStream<Box<dyn Stream>>, ConnectError> {
        match tokio::time::timeout(self.0.options.connect_timeout, self.dial()).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectError::Timeout),
        }
    }

    async fn dial(&self) -> Result<WebSocketStream<Box<dyn Stream>>, ConnectError> {
        let builder = ClientRequestBuilder::new(self.0.uri.clone());
        let mut request = builder.into_client_request().map_err(why)?;
        for (name, value) in &self.0.options.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let config = wire::config(&self.0.options.line);
        let uri = &self.0.uri;
        let is_secure = uri.scheme_str() == Some("wss");
        // An address of IPv6 stands in brackets.
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let tcp = TcpStream::connect((host, port)).await;
        let tcp = tcp.map_err(|error| ConnectError::Io(Arc::new(error)))?;
        // What waits is written together already.
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Stream> = if is_secure {
            let secured = self.0.options.tls.connect(host, tcp).await;
            Box::new(secured.map_err(|error| ConnectError::Tls(Arc::new(error)))?)
        } else {
            Box::new(tcp)
        };
        let connected = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        connected.map(|(ws, _)| ws).map_err(why)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.0.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn why(error: tungstenite::Error) -> ConnectError {
    match error {
        tungstenite::Error::Io(error) => ConnectError::Io(Arc::new(error)),
        tungstenite::Error::Http(response) => ConnectError::Refused(response.status()),
        error => ConnectError::Protocol(Arc::new(error)),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Client");
        shown.field("url", &self.0.uri).field("state", &self.state()).finish_non_exhaustive()
    }
}
