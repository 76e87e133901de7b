//! The server: events, rooms, broadcasts, and connections.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, MutexGuard};

use engineio::sync::{Mutex, RwLock};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

use crate::connection::Connection;
use crate::emitter::{Emitter, Event, HandlerId};
use crate::endpoint::SendError;
use crate::handshake::{Authenticate, Handshake, Identity, Refusal};
use crate::message::{Message, MessageType};
use crate::options::ServerOptions;
use crate::places::Addresses;
use crate::registry::{JoinError, Joined, Registry, Room, Target};
use crate::state::CloseReason;
use crate::traffic::Counters;

/// A WebSocket server with rooms. Clones share the same server.
#[derive(Clone)]
pub struct Server(Arc<Shared>);

struct Shared {
    options: ServerOptions,
    events: Emitter<ServerEvent>,
    authenticate: RwLock<Option<Authenticate>>,
    registry: Mutex<Registry>,
    closing: watch::Sender<bool>,
    counters: Counters,
    handshakes: Arc<Semaphore>,
    addresses: Addresses,
}

/// Events of a server. Each contains the server, so that a handler need not own one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A new connection.
    Connect(Server, Connection),
    /// A connection has ended, and all its messages have been handled.
    Disconnect(Server, Connection, CloseReason),
    /// A message was received.
    Message(Server, Connection, Message),
    /// A ping, a pong or a close frame was received. Pings are answered automatically.
    Control(Server, Connection, Message),
    /// A connection joined a room.
    RoomJoin(Server, Connection, Room),
    /// A connection left a room, or ended while it was in the room.
    RoomLeave(Server, Connection, Room),
}

/// The kinds of server events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerEventKind {
    /// `connect`
    Connect,
    /// `disconnect`
    Disconnect,
    /// `message`
    Message,
    /// `control`
    Control,
    /// `room:join`
    RoomJoin,
    /// `room:leave`
    RoomLeave,
}

/// Statistics of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerStats {
    /// Number of connections.
    pub connections: usize,
    /// Number of rooms.
    pub rooms: usize,
    /// Number of users with a connection.
    pub users: usize,
}

impl Event for ServerEvent {
    type Kind = ServerEventKind;

    fn kind(&self) -> ServerEventKind {
        match self {
            Self::Connect(..) => ServerEventKind::Connect,
            Self::Disconnect(..) => ServerEventKind::Disconnect,
            Self::Message(..) => ServerEventKind::Message,
            Self::Control(..) => ServerEventKind::Control,
            Self::RoomJoin(..) => ServerEventKind::RoomJoin,
            Self::RoomLeave(..) => ServerEventKind::RoomLeave,
        }
    }
}

impl Server {
    /// A server without handlers that does not listen yet: see [`serve`](Self::serve) and
    /// [`accept`](Self::accept).
    pub fn new(options: ServerOptions) -> Self {
        let handshakes = Arc::new(Semaphore::new(options.max_handshakes.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Shared {
            options,
            events: Emitter::new(),
            authenticate: RwLock::default(),
            registry: Mutex::default(),
            closing: watch::Sender::new(false),
            counters: Counters::new(),
            handshakes,
            addresses: Addresses::default(),
        }))
    }

    /// Sets the authentication function, which identifies and accepts or refuses clients. Without it all
    /// clients are accepted, without a user.
    pub fn authenticate<F, Fut>(&self, decide: F)
    where
        F: Fn(Handshake) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Identity, Refusal>> + Send + 'static,
    {
        let decide: Authenticate = Arc::new(move |handshake| Box::pin(decide(handshake)));
        *self.0.authenticate.write() = Some(decide);
    }

    /// The handlers: adds and removes those of any event. The events of one connection are handled in order;
    /// different connections do not wait for one another.
    pub fn events(&self) -> &Emitter<ServerEvent> {
        &self.0.events
    }

    /// Adds a handler for new connections.
    pub fn on_connect<F, Fut>(&self, handler: F) -> HandlerId
    where
        F: Fn(Self, Connection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.events.on_those(ServerEventKind::Connect, move |event| match event {
            ServerEvent::Connect(server, connection) => Some(handler(server, connection)),
            _ => None,
        })
    }

    /// Adds a handler for ended connections.
    pub fn on_disconnect<F, Fut>(&self, handler: F) -> HandlerId
    where
        F: Fn(Self, Connection, CloseReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.events.on_those(ServerEventKind::Disconnect, move |event| match event {
            ServerEvent::Disconnect(server, connection, reason) => Some(handler(server, connection, reason)),
            _ => None,
        })
    }

    /// Adds a handler for text and binary messages.
    pub fn on_message<F, Fut>(&self, handler: F) -> HandlerId
    where
        F: Fn(Self, Connection, Message) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.events.on_those(ServerEventKind::Message, move |event| match event {
            ServerEvent::Message(server, connection, message) => Some(handler(server, connection, message)),
            _ => None,
        })
    }

    /// Adds a handler for connections that joined a room.
    pub fn on_room_join<F, Fut>(&self, handler: F) -> HandlerId
    where
        F: Fn(Self, Connection, Room) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.events.on_those(ServerEventKind::RoomJoin, move |event| match event {
            ServerEvent::RoomJoin(server, connection, room) => Some(handler(server, connection, room)),
            _ => None,
        })
    }

    /// Adds a handler for connections that left a room.
    pub fn on_room_leave<F, Fut>(&self, handler: F) -> HandlerId
    where
        F: Fn(Self, Connection, Room) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.events.on_those(ServerEventKind::RoomLeave, move |event| match event {
            ServerEvent::RoomLeave(server, connection, room) => Some(handler(server, connection, room)),
            _ => None,
        })
    }

    /// Adds a connection to a room, and waits for the handlers of the event. Returns false if it is already
    /// in the room.
    pub async fn join_room(&self, id: &str, room: &str) -> Result<bool, JoinError> {
        let joined = self.registry().join(id, room, self.0.options.max_rooms_per_connection)?;
        let Some(Joined { connection, room }) = joined else {
            return Ok(false);
        };
        self.0.events.emit(ServerEvent::RoomJoin(self.clone(), connection, room)).await;
        Ok(true)
    }

    /// Removes a connection from a room, and waits for the handlers of the event. Returns false if it was not
    /// in the room.
    pub async fn leave_room(&self, id: &str, room: &str) -> bool {
        let left = self.registry().leave(id, room);
        let Some(Joined { connection, room }) = left else {
            return false;
        };
        self.0.events.emit(ServerEvent::RoomLeave(self.clone(), connection, room)).await;
        true
    }

    /// Sends to all connections, and returns their number.
    pub fn broadcast(&self, message: impl Into<Message>) -> usize {
        self.send_all(&Target::All, &message.into(), &HashSet::new())
    }

    /// Sends to all connections except those with these ids.
    pub fn broadcast_except<I: AsRef<str>>(
        &self,
        message: impl Into<Message>,
        exclude: impl IntoIterator<Item = I>,
    ) -> usize {
        self.send_all(&Target::All, &message.into(), &ids(exclude))
    }

    /// Sends to all connections of a room, and returns their number.
    pub fn broadcast_to_room(&self, room: &str, message: impl Into<Message>) -> usize {
        self.send_all(&Target::Room(room), &message.into(), &HashSet::new())
    }

    /// Sends to all connections of a room except those with these ids.
    pub fn broadcast_to_room_except<I: AsRef<str>>(
        &self,
        room: &str,
        message: impl Into<Message>,
        exclude: impl IntoIterator<Item = I>,
    ) -> usize {
        self.send_all(&Target::Room(room), &message.into(), &ids(exclude))
    }

    /// Sends to a user over all its connections, and returns their number.
    pub fn send_to_user(&self, user: &str, message: impl Into<Message>) -> usize {
        self.send_all(&Target::User(user), &message.into(), &HashSet::new())
    }

    /// Sends to one connection.
    pub fn send(&self, id: &str, message: impl Into<Message>) -> Result<(), SendError> {
        self.registry().connection(id).ok_or(SendError::NotOpen)?.send(message)
    }

    fn send_all(&self, target: &Target<'_>, message: &Message, exclude: &HashSet<String>) -> usize {
        self.registry().send(target, message, exclude)
    }

    /// Closes a connection. Returns false if there is none with this id.
    pub fn disconnect(&self, id: &str) -> bool {
        let registry = self.registry();
        registry.connection(id).inspect(|connection| connection.close(1000, "")).is_some()
    }

    /// The connection with this id.
    pub fn connection(&self, id: &str) -> Option<Connection> {
        self.registry().connection(id).cloned()
    }

    /// All connections.
    pub fn connections(&self) -> Vec<Connection> {
        self.registry().connections().cloned().collect()
    }

    /// The connections of a user.
    pub fn user_connections(&self, user: &str) -> Vec<Connection> {
        self.registry().meant(&Target::User(user)).into_iter().cloned().collect()
    }

    /// The connections in a room.
    pub fn room_connections(&self, room: &str) -> Vec<Connection> {
        self.registry().meant(&Target::Room(room)).into_iter().cloned().collect()
    }

    /// The room of this name.
    pub fn room(&self, name: &str) -> Option<Room> {
        self.registry().room(name)
    }

    /// All rooms, by name.
    pub fn rooms(&self) -> Vec<Room> {
        self.registry().rooms().collect()
    }

    /// Statistics of the server.
    pub fn stats(&self) -> ServerStats {
        let registry = self.registry();
        ServerStats {
            connections: registry.connections().len(),
            rooms: registry.rooms().len(),
            users: registry.users(),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Permits of connections whose handshake is not complete.
    pub(crate) fn handshakes(&self) -> &Arc<Semaphore> {
        &self.0.handshakes
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.0.addresses
    }

    pub(crate) fn options(&self) -> &ServerOptions {
        &self.0.options
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.registry.lock()
    }

    pub(crate) fn decide(&self) -> Option<Authenticate> {
        self.0.authenticate.read().clone()
    }

    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.0.closing.subscribe()
    }

    /// Ends the acceptance of connections, and their handshakes.
    pub(crate) fn stop_accepting(&self) {
        self.0.closing.send_replace(true);
    }

    /// Text and binary messages, and control frames, have different events.
    pub(crate) async fn heard(&self, connection: &Connection, message: Message) {
        let (server, connection) = (self.clone(), connection.clone());
        let event = match message.kind() {
            MessageType::Text | MessageType::Binary => ServerEvent::Message(server, connection, message),
            _ => ServerEvent::Control(server, connection, message),
        };
        self.0.events.emit(event).await;
    }
}

fn ids<I: AsRef<str>>(ids: impl IntoIterator<Item = I>) -> HashSet<String> {
    ids.into_iter().map(|id| id.as_ref().to_owned()).collect()
}

impl Default for Server {
    fn default() -> Self {
        Self::new(ServerOptions::default())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.stats()).finish()
    }
}
