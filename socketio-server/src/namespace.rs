//! A namespace, as the application holds it: handlers, middlewares, and emits to everybody in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_parser::ToArgs;

use crate::adapter::Local;
use crate::broadcast::{Broadcast, IntoRooms, Partial};
use crate::config::Config;
use crate::error::{AckError, ConnectError, EmitError, ExtractError};
use crate::extensions::Extensions;
use crate::extract::handler::{self, HandlerFn};
use crate::extract::reply::Reply;
use crate::handlers::HandlerId;
use crate::room::{Room, RoomEvent, Target};
use crate::socket::{ConnectContext, DisconnectContext, EventContext, Socket, Space};

/// A namespace. This is a handle: clones are the same namespace.
///
/// Handlers are registered here once for all of its sockets, before the first one comes or later; a socket can have
/// further ones of its own.
#[derive(Clone)]
pub struct Namespace(Arc<Space>);

impl Namespace {
    pub(crate) fn new(name: &str, config: &Arc<Config>, state: &Arc<Extensions>) -> Self {
        let local = Arc::new(Local::new(name.into(), config.parser));
        Self(Arc::new(Space::new(local, Arc::clone(config), Arc::clone(state))))
    }

    pub(crate) fn space(&self) -> &Arc<Space> {
        &self.0
    }

    /// Its name, with the slash.
    pub fn name(&self) -> &str {
        self.0.local.name()
    }

    /// Asks `middleware` whether a client may join. Middlewares run in the order in which they were added; the first
    /// error refuses the client, which reads it as its `connect_error`.
    pub fn middleware<H, M, E>(&self, middleware: H) -> &Self
    where
        H: HandlerFn<ConnectContext, M, Output = Result<(), E>>,
        E: Into<ConnectError> + 'static,
    {
        let middleware = handler::middleware(middleware);
        self.0.register(|handlers| handlers.middlewares.push(middleware));
        self
    }

    /// Calls `handler` for each socket that has joined.
    pub fn on_connect<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<ConnectContext, M, Output = ()>,
    {
        let call = handler::lifecycle("connect", handler);
        self.0.register(|handlers| handlers.connect.push(call))
    }

    /// Calls `handler` for each event of this name. Handlers of one socket start in the order in which its events
    /// arrived; what waits inside one does not hold up the others. What it returns is the answer, see
    /// [`Reply`].
    pub fn on<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        let call = handler::event(handler);
        self.0.register(|handlers| handlers.events.on(event, call))
    }

    /// Calls `handler` for each event of any name, before the event's own handlers.
    pub fn on_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M, Output = ()>,
    {
        let call = handler::any(handler);
        self.0.register(|handlers| handlers.events.any.push(call))
    }

    /// Calls `handler` before a socket leaves, while it is still in its rooms.
    pub fn on_disconnecting<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<DisconnectContext, M, Output = ()>,
    {
        let call = handler::lifecycle("disconnecting", handler);
        self.0.register(|handlers| handlers.disconnecting.push(call))
    }

    /// Calls `handler` when a socket has left.
    pub fn on_disconnect<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<DisconnectContext, M, Output = ()>,
    {
        let call = handler::lifecycle("disconnect", handler);
        self.0.register(|handlers| handlers.disconnect.push(call))
    }

    /// Calls `hook` when what a client sent does not fit a handler: with the socket, the event, and what is wrong.
    /// The client, if it asked for an answer, has been told.
    pub fn on_error(&self, hook: impl Fn(&Socket, &str, &ExtractError) + Send + Sync + 'static) {
        self.0.register(|handlers| handlers.on_error = Some(Arc::new(hook)));
    }

    /// Calls `hook` for each room that comes or goes, and each socket that joins or leaves one. Only the first hook
    /// that is set counts.
    pub fn on_room_event(&self, hook: impl Fn(&RoomEvent) + Send + Sync + 'static) {
        self.0.local.on_room_event(Box::new(hook));
    }

    /// Takes a handler out again.
    pub fn off(&self, id: HandlerId) -> bool {
        self.0.register(|handlers| {
            handlers.events.remove(id)
                || handlers.connect.remove(id)
                || handlers.disconnecting.remove(id)
                || handlers.disconnect.remove(id)
        })
    }

    fn everybody(&self) -> Broadcast {
        Broadcast::new(Arc::clone(&self.0.local), self.0.config.ack_timeout)
    }

    /// Everybody in a room, or in several.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.everybody().to(rooms)
    }

    /// The same as [`to`](Self::to).
    pub fn r#in(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Everybody but the members of a room, or of several. The id of a socket is a room too.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.everybody().except(rooms)
    }

    /// Everybody who can take the event at once.
    pub fn volatile(&self) -> Broadcast {
        self.everybody().volatile()
    }

    /// Whether the next event may be compressed, where compression is on.
    pub fn compress(&self, compress: bool) -> Broadcast {
        self.everybody().compress(compress)
    }

    /// How long the next emit waits for answers.
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.everybody().timeout(timeout)
    }

    /// Sends an event to everybody in the namespace.
    pub async fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        self.everybody().emit(event, args).await
    }

    /// Sends the event `message` to everybody in the namespace.
    pub async fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.everybody().send(args).await
    }

    /// Sends an event to everybody in the namespace and collects the answers.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<Result<Vec<T>, Partial<T>>, AckError> {
        self.everybody().emit_with_ack(event, args).await
    }

    /// Puts everybody into rooms.
    pub async fn sockets_join(&self, rooms: impl IntoRooms) {
        self.everybody().sockets_join(rooms).await;
    }

    /// Takes everybody out of rooms.
    pub async fn sockets_leave(&self, rooms: impl IntoRooms) {
        self.everybody().sockets_leave(rooms).await;
    }

    /// Puts everybody out of the namespace, and with `close` off the server.
    pub async fn disconnect_sockets(&self, close: bool) {
        self.everybody().disconnect_sockets(close).await;
    }

    /// The socket with this id, if it is on this server.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        let member = self.0.local.read().find(id).cloned();
        member.and_then(Socket::from_member)
    }

    /// All sockets of the namespace on this server.
    pub fn sockets(&self) -> Vec<Socket> {
        let members = self.0.local.members(&Target::default());
        members.into_iter().filter_map(Socket::from_member).collect()
    }

    /// How many sockets are in the namespace.
    pub fn len(&self) -> usize {
        self.0.local.read().len()
    }

    /// Whether nobody is in the namespace.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the rooms that somebody joined.
    pub fn rooms(&self) -> Vec<Room> {
        self.0.local.read().names()
    }

    /// How many sockets are in a room.
    pub fn room_len(&self, room: &str) -> usize {
        self.0.local.read().room_len(room)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("name", &self.name()).finish_non_exhaustive()
    }
}
