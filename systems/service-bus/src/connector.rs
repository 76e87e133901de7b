//! The client of a service: its connection to the bus, which reconnects by itself, and the HTTP API as a
//! fallback.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use engineio::client::Tls;
use engineio::sync::Mutex;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use socketio_client::{AckError, ConnectError, Data, HandlerId, Manager, Socket};
use tokio::sync::RwLock;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::command::{Command, Outcome};
use crate::event::{Event, EventType};
use crate::fallback::{Fallback, FallbackError};

/// Options of a connector.
#[derive(Clone, Debug)]
pub struct ConnectorOptions {
    /// The key of services. Default none.
    pub key: Option<String>,
    /// Path of Socket.IO. Default `/socket.io/`.
    pub path: String,
    /// TLS settings for URLs with `https://`. Default: the certificates that the operating system trusts;
    /// reading them takes some milliseconds, once per process.
    pub tls: Tls,
    /// Timeout of the first connection, and of each ack. Default 5 seconds.
    pub timeout: Duration,
    /// Delay before the first reconnection attempt; it doubles up to ten times that value. Default 500 ms.
    pub reconnection_delay: Duration,
}

impl Default for ConnectorOptions {
    fn default() -> Self {
        Self {
            key: None,
            path: "/socket.io/".to_owned(),
            tls: Tls::default(),
            timeout: Duration::from_secs(5),
            reconnection_delay: Duration::from_millis(500),
        }
    }
}

/// State of the link to the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// A connection.
    Socket,
    /// The HTTP API: events can be sent, but not received. Connection attempts continue.
    Http,
    /// None: the bus has refused the service, most likely because of its key. Another attempt would be
    /// refused too, so none is made until [`initialize`](ServiceConnector::initialize) is called again.
    Refused,
}

/// Errors while a connector is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectorError {
    /// The URL is invalid.
    #[error("{0} is not the URL of a bus: http://HOST:PORT, or https")]
    Url(String),
    /// The key is not a valid header value.
    #[error("the key cannot stand in a header")]
    Key,
    /// The certificates of the system cannot be used.
    #[error("the certificates of the system cannot be used")]
    Tls(#[source] std::io::Error),
}

/// Errors of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The bus refused the command.
    #[error("the bus refused: {0}")]
    Refused(String),
    /// The bus refuses this service, most likely because of its key. See [`LinkState::Refused`].
    #[error("the bus does not take this service: {0}")]
    Denied(String),
    /// The connection was lost, or the ack did not arrive in time: the command may have been executed.
    #[error("the bus did not answer")]
    Unanswered(#[source] AckError),
    /// There is no connection, and the request to the API failed.
    #[error(transparent)]
    Http(FallbackError),
    /// Rooms require a connection. The room is joined as soon as there is one.
    #[error("there is no connection")]
    NotConnected,
}

impl From<FallbackError> for BusError {
    fn from(error: FallbackError) -> Self {
        match error {
            FallbackError::Refused(StatusCode::UNAUTHORIZED, why) => Self::Denied(why),
            error => Self::Http(error),
        }
    }
}

/// The client of a service. Clones share the same connection.
#[derive(Clone)]
pub struct ServiceConnector {
    name: Arc<str>,
    manager: Manager,
    socket: Socket,
    fallback: Fallback,
    rooms: Arc<Mutex<BTreeSet<String>>>,
    /// The reason why the bus refuses the service, if it does.
    denied: Arc<Mutex<Option<String>>>,
    /// Read-locked by commands that wait for an ack.
    asking: Arc<RwLock<()>>,
    limit: Duration,
}

impl ServiceConnector {
    /// A service of this name, with default options; `url` is that of the bus, such as
    /// `http://localhost:8000`.
    pub fn new(name: &str, url: &str) -> Result<Self, ConnectorError> {
        Self::with_options(name, url, ConnectorOptions::default())
    }

    /// A service of this name.
    pub fn with_options(name: &str, url: &str, options: ConnectorOptions) -> Result<Self, ConnectorError> {
        let wrong = || ConnectorError::Url(url.to_owned());
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(wrong());
        }
        let ConnectorOptions { key, path, tls, timeout, reconnection_delay } = options;
        let fallback_tls = tls.clone();
        let bearer = key.as_ref().map(|key| HeaderValue::from_str(&format!("Bearer {key}")));
        let bearer = bearer.transpose().map_err(|_| ConnectorError::Key)?;
        let manager = Manager::builder(url)
            .map_err(|_| wrong())?
            .path(path)
            .engine(|engine| engine.tls(tls))
            .connect_timeout(timeout)
            .ack_timeout(timeout)
            .reconnection(|reconnection| {
                reconnection.delay = reconnection_delay;
                reconnection.delay_max = reconnection_delay.saturating_mul(10);
            })
            .build();
        let socket = manager.socket("/");
        // Strings can always be serialized.
        let auth = json!({ "service": name, "key": key });
        socket.auth(&auth).map_err(|_| ConnectorError::Key)?;
        let fallback = Fallback::new(url, &fallback_tls, bearer.as_ref(), name, timeout);
        let fallback = fallback.map_err(ConnectorError::Tls)?;
        let rooms = Arc::<Mutex<BTreeSet<String>>>::default();
        let denied = Arc::<Mutex<Option<String>>>::default();
        let (joined, taken, refused) = (Arc::clone(&rooms), Arc::clone(&denied), Arc::clone(&denied));
        socket.on_connect_error(move |error: ConnectError| {
            // A restarted bus may have another key.
            if let ConnectError::Refused(refusal) = error {
                warn!(why = refusal.message, "the bus does not take this service");
                *refused.lock() = Some(refusal.message);
            }
            async {}
        });
        socket.on_connect(move |socket: Socket| {
            *taken.lock() = None;
            let rooms = joined.lock().clone();
            async move {
                // The bus has lost the rooms with the previous connection.
                for room in rooms {
                    if let Err(error) = socket.emit("join_room", &json!({ "room": room })) {
                        warn!(%error, room, "a room was not joined again");
                    }
                }
            }
        });
        let asking = Arc::default();
        Ok(Self { name: name.into(), manager, socket, fallback, rooms, denied, asking, limit: timeout })
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects. If there is no connection in time, the API is used as long as it is reachable, and
    /// connection attempts continue. [`BusError::Denied`] means that the bus refuses the service: then
    /// neither works.
    pub async fn initialize(&self) -> Result<LinkState, BusError> {
        *self.denied.lock() = None;
        self.socket.connect();
        match timeout(self.limit, self.socket.connected()).await {
            Ok(Ok(())) => return Ok(LinkState::Socket),
            Ok(Err(ConnectError::Refused(refusal))) => {
                *self.denied.lock() = Some(refusal.message.clone());
                return Err(BusError::Denied(refusal.message));
            }
            Ok(Err(error)) => debug!(%error, service = &*self.name, "no connection"),
            Err(_) => debug!(service = &*self.name, "no connection in time"),
        }
        match self.fallback.is_there().await.map_err(BusError::from) {
            Ok(()) => Ok(LinkState::Http),
            Err(error) => {
                if let BusError::Denied(why) = &error {
                    *self.denied.lock() = Some(why.clone());
                    self.socket.disconnect();
                }
                Err(error)
            }
        }
    }

    /// The current state of the link.
    pub fn link(&self) -> LinkState {
        match (self.socket.is_connected(), self.why_denied()) {
            (true, _) => LinkState::Socket,
            (false, None) => LinkState::Http,
            (false, Some(_)) => LinkState::Refused,
        }
    }

    /// Adds a handler for events of a type.
    pub fn on_event<F, Fut>(&self, kind: impl Into<EventType>, handler: F) -> HandlerId
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.socket.on(kind.into().name(), move |Data(event): Data<Event>| handler(event))
    }

    /// Removes a handler.
    pub fn off(&self, id: HandlerId) -> bool {
        self.socket.off(id)
    }

    /// Sends to a user, on all its clients.
    pub async fn emit_to_user(&self, user_id: &str, event: Event) -> Result<Outcome, BusError> {
        self.ask(Command::EmitToUser { user_id: user_id.to_owned(), event }).await
    }

    /// Sends to one client.
    pub async fn emit_to_client(&self, client_id: &str, event: Event) -> Result<Outcome, BusError> {
        self.ask(Command::EmitToClient { client_id: client_id.to_owned(), event }).await
    }

    /// Sends to all sockets in a room. `service:NAME` is the room of a service, `services` the room of all
    /// services.
    pub async fn emit_to_room(&self, room: &str, event: Event) -> Result<Outcome, BusError> {
        self.ask(Command::EmitToRoom { room: room.to_owned(), event }).await
    }

    /// Sends to all clients and services.
    pub async fn broadcast(&self, event: Event) -> Result<Outcome, BusError> {
        self.ask(Command::Broadcast { event }).await
    }

    /// Adds this service to a room, now or when there is a connection, and again after each reconnection.
    pub async fn join(&self, room: &str) -> Result<(), BusError> {
        self.rooms.lock().insert(room.to_owned());
        let joined = self.in_person(Command::JoinRoom { client_id: None, room: room.to_owned() }).await;
        if let Err(BusError::Refused(_)) = joined {
            // The room would be refused after each reconnection too.
            self.rooms.lock().remove(room);
        }
        joined
    }

    /// Removes this service from a room.
    pub async fn leave(&self, room: &str) -> Result<(), BusError> {
        self.rooms.lock().remove(room);
        self.in_person(Command::LeaveRoom { client_id: None, room: room.to_owned() }).await
    }

    /// Adds a client to a room, for example `user:ID`.
    pub async fn join_client(&self, client_id: &str, room: &str) -> Result<(), BusError> {
        let command = Command::JoinRoom { client_id: Some(client_id.to_owned()), room: room.to_owned() };
        self.ask(command).await.map(drop)
    }

    /// Removes a client from a room.
    pub async fn leave_client(&self, client_id: &str, room: &str) -> Result<(), BusError> {
        let command = Command::LeaveRoom { client_id: Some(client_id.to_owned()), room: room.to_owned() };
        self.ask(command).await.map(drop)
    }

    /// Sends an event as a client would: an event of a standard type reaches all other services, and the bus
    /// answers `presence:query` with `presence:update`.
    pub fn say(&self, event: &Event) -> Result<(), socketio_client::EmitError> {
        self.socket.emit(event.kind.name(), event)
    }

    /// Ends the connection. Events sent before are written, and pending commands have the ack timeout to
    /// complete.
    pub async fn shutdown(&self) {
        // Later commands wait for the lock, and then use HTTP.
        let _asked = timeout(self.limit, self.asking.write()).await;
        self.manager.close().await;
    }

    async fn in_person(&self, command: Command) -> Result<(), BusError> {
        let _asking = self.asking.read().await;
        if !self.socket.is_connected() {
            return Err(self.why_denied().map_or(BusError::NotConnected, BusError::Denied));
        }
        self.over_socket(&command).await.map(drop)
    }

    /// A command that was sent over the connection is not repeated over HTTP, so no event arrives twice.
    async fn ask(&self, command: Command) -> Result<Outcome, BusError> {
        let _asking = self.asking.read().await;
        if self.socket.is_connected() {
            self.over_socket(&command).await
        } else if let Some(why) = self.why_denied() {
            Err(BusError::Denied(why))
        } else {
            debug!(service = &*self.name, op = command.op(), "over HTTP");
            Ok(self.fallback.carry_out(&command).await?)
        }
    }

    fn why_denied(&self) -> Option<String> {
        self.denied.lock().clone()
    }

    async fn over_socket(&self, command: &Command) -> Result<Outcome, BusError> {
        let asked = self.socket.timeout(self.limit).emit_with_ack::<Value>(command.op(), command).await;
        let answer = asked.map_err(BusError::Unanswered)?;
        match answer["reached"].as_u64().and_then(|count| usize::try_from(count).ok()) {
            Some(reached) => Ok(Outcome { reached }),
            None => Err(BusError::Refused(answer["error"].as_str().unwrap_or_default().to_owned())),
        }
    }
}
