//! A namespace, as the application holds it: handlers, middlewares, and emits to everybody in it.

mod emit;
pub(crate) mod params;
pub(crate) mod registry;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use socketio_events::handler::HandlerFn;
use socketio_events::reply::Reply;
use socketio_events::table::HandlerId;

use self::params::Params;
use crate::broadcast::Family;
use crate::cluster::Hub;
use crate::cluster::server_events::ServerEventContext;
use crate::config::Config;
use crate::error::{ConnectError, HandlerError};
use crate::extensions::Extensions;
use crate::extract::handler;
use crate::rooms::{Delivered, Room, RoomEvent, Target};
use crate::socket::middleware;
use crate::socket::rewrite::Screen;
use crate::socket::{ConnectContext, DisconnectContext, EventContext, Kind, Socket, Space};

/// A namespace, or the parent of those that a pattern or function makes. This is a handle: clones are the same
/// namespace.
///
/// Handlers are registered here once for all of its sockets, before the first one comes or later; a socket can have
/// further ones of its own. A namespace that comes to be below a parent starts with the parent's handlers, and what
/// is sent by a parent goes to all namespaces below it.
#[derive(Clone)]
pub struct Namespace(Arc<Space>);

impl Namespace {
    pub(crate) fn new(name: &str, config: &Arc<Config>, state: &Arc<Extensions>, clustered: bool) -> Self {
        Self::of_kind(name, Kind::Static, config, state, clustered)
    }

    /// A parent has no sockets itself, so other nodes need not know of it.
    pub(crate) fn parent(
        name: &str,
        config: &Arc<Config>,
        state: &Arc<Extensions>,
        family: Arc<Family>,
    ) -> Self {
        Self::of_kind(name, Kind::Parent(family), config, state, false)
    }

    fn of_kind(
        name: &str,
        kind: Kind,
        config: &Arc<Config>,
        state: &Arc<Extensions>,
        clustered: bool,
    ) -> Self {
        let hub = Hub::new(name.into(), config, Arc::clone(state), clustered);
        Self(Arc::new(Space::new(hub, Arc::clone(config), Arc::clone(state), Arc::default(), kind)))
    }

    /// A namespace below this parent.
    pub(crate) fn child(&self, name: &str, params: Params, clustered: bool) -> Self {
        let space = &self.0;
        let hub = Hub::new(name.into(), &space.config, Arc::clone(&space.state), clustered);
        hub.inherit(&space.hub);
        let family = self.family();
        family.add(&hub);
        let kind = Kind::Child { family, params, occupants: AtomicUsize::new(0) };
        let (config, state) = (Arc::clone(&space.config), Arc::clone(&space.state));
        Self(Arc::new(Space::new(hub, config, state, space.handlers(), kind)))
    }

    fn family(&self) -> Arc<Family> {
        match self.0.kind() {
            Kind::Parent(family) | Kind::Child { family, .. } => Arc::clone(family),
            Kind::Static => Arc::default(),
        }
    }

    pub(crate) fn space(&self) -> &Arc<Space> {
        &self.0
    }

    /// Other nodes are told that this one is gone.
    pub(crate) fn close(&self) {
        if self.0.hub.is_clustered() {
            let hub = Arc::clone(&self.0.hub);
            // Without a runtime nothing can be said; the others find out by themselves.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { hub.close().await });
            }
        }
    }

    /// Its name, with the slash; of a parent its pattern.
    pub fn name(&self) -> &str {
        self.0.hub.name()
    }

    /// What the pattern that made it captured.
    pub fn params(&self) -> Params {
        self.0.params()
    }

    /// Asks `middleware` whether a client may join. Middlewares run in the order in which they were added; the first
    /// error refuses the client, which reads it as its `connect_error`.
    pub fn middleware<H, M, E>(&self, middleware: H) -> &Self
    where
        H: HandlerFn<ConnectContext, M, Output = Result<(), E>>,
        E: Into<ConnectError> + 'static,
    {
        let middleware = middleware::connect(middleware);
        self.0.register(|handlers| handlers.middlewares.push(middleware));
        self
    }

    /// Shows each event of a client to `middleware` before its handlers (`socket.use`). It takes what a handler
    /// takes, and returns `Result<(), E>` to let the event pass or refuse it, or `Result<Rewrite, E>` to put
    /// another one in its place. A refused event reaches [`on_error`](Self::on_error), and its answer, if the client
    /// wants one, is the error.
    ///
    /// While a middleware waits, the later events of the same client wait too, so their order stays.
    pub fn event_middleware<H, M>(&self, middleware: H) -> &Self
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Screen,
    {
        let middleware = middleware::event(middleware);
        self.0.register(|handlers| handlers.event_middlewares.push(middleware));
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
        let call = socketio_events::handler::event(Some(event), handler);
        self.0.register(|handlers| handlers.events.on(event, call))
    }

    /// Calls `handler` for each event of any name, before the event's own handlers.
    pub fn on_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M, Output = ()>,
    {
        let call = socketio_events::handler::any(handler);
        self.0.register(|handlers| handlers.events.any.push(call))
    }

    /// Calls `handler` for each event that no other handler is for by its name. What it returns is the answer, as with
    /// [`on`](Self::on). There is one: it takes the place of the one before.
    ///
    /// ```no_run
    /// # use socketio_server::{EventName, Server};
    /// # let io = Server::builder().build()?;
    /// io.fallback(|EventName(name): EventName| async move { Err::<(), _>(format!("there is no event {name}")) });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fallback<H, M>(&self, handler: H)
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        let call = socketio_events::handler::event(None, handler);
        self.0.register(|handlers| handlers.fallback = Some(call));
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

    /// Calls `hook` when what a client sent reaches no handler: it does not fit, a middleware refused it, or it broke
    /// the protocol. The client, if it asked for an answer, has been told. Also when what a handler returned as its
    /// answer does not leave, because it cannot be written or a full outbox refuses it, and when a handler returns an
    /// error although the client has asked for no answer.
    pub fn on_error(&self, hook: impl Fn(&Socket, &HandlerError) + Send + Sync + 'static) {
        self.0.register(|handlers| handlers.on_error = Some(Arc::new(hook)));
    }

    /// How many events so far fitted no handler's arguments, or were refused by a middleware.
    pub fn refused_events(&self) -> u64 {
        self.0.refused_events.load(Ordering::Relaxed)
    }

    /// How many answers that handlers returned so far did not leave, although the client was there: see
    /// [`on_error`](Self::on_error).
    pub fn lost_answers(&self) -> u64 {
        self.0.lost_answers.load(Ordering::Relaxed)
    }

    /// Calls `hook` for each room that comes or goes, and each socket that joins or leaves one. Only the first hook
    /// that is set counts.
    pub fn on_room_event(&self, hook: impl Fn(&RoomEvent) + Send + Sync + 'static) {
        self.0.hub.local.on_room_event(Arc::new(hook));
    }

    /// Calls `hook` for each broadcast that somebody on this server is meant by, for those who count. It is called
    /// while the event is being sent, and must not send anything itself. Only the first hook that is set counts; it
    /// costs a look at the clock before and after each broadcast.
    pub fn on_broadcast(&self, hook: impl Fn(&Delivered) + Send + Sync + 'static) {
        self.0.hub.local.on_broadcast(Arc::new(hook));
    }

    /// Calls `handler` for each event of this name that another server of the cluster sends. What it returns is the
    /// answer.
    pub fn on_server_event<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<ServerEventContext, M>,
        H::Output: Reply,
    {
        self.0.hub.on_server_event(event, handler::server_event(handler))
    }

    /// Takes all handlers of an event out.
    pub fn off_event(&self, event: &str) {
        self.0.register(|handlers| handlers.events.remove_event(event));
    }

    /// Takes a handler out again.
    pub fn off(&self, id: HandlerId) -> bool {
        self.0.register(|handlers| {
            handlers.events.remove(id)
                || handlers.connect.remove(id)
                || handlers.disconnecting.remove(id)
                || handlers.disconnect.remove(id)
        }) || self.0.hub.off_server_event(id)
    }

    /// The socket with this id, if it is on this server.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        let member = self.0.hub.local.read().find(id).cloned();
        member.and_then(Socket::from_member)
    }

    /// All sockets of the namespace on this server.
    pub fn sockets(&self) -> Vec<Socket> {
        let members = self.0.hub.local.members(&Target::default());
        members.into_iter().filter_map(Socket::from_member).collect()
    }

    /// How many sockets are in the namespace on this server.
    pub fn len(&self) -> usize {
        self.0.hub.local.read().len()
    }

    /// Whether nobody is in the namespace on this server.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the rooms that somebody on this server joined.
    pub fn rooms(&self) -> Vec<Room> {
        self.0.hub.local.read().names()
    }

    /// How many sockets of this server are in a room.
    pub fn room_len(&self, room: &str) -> usize {
        self.0.hub.local.read().room_len(room)
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Namespace {}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("name", &self.name()).finish_non_exhaustive()
    }
}
