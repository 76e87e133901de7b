//! Namespaces: registration of handlers, middlewares and hooks.

mod check;
mod emit;
mod listing;
pub(crate) mod parent;
pub(crate) mod registry;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task;

use socketio_events::extract::{Context, Extract};
use socketio_events::function::HandlerFn;
use socketio_events::reply::{Outcome, Reply};
use socketio_events::table::HandlerId;
use tokio::sync::watch;

use crate::broadcast::Family;
use crate::cluster::{AdapterHealth, ClusterGap, ClusterStats, NamespaceNode};
use crate::config::Config;
use crate::error::{ConnectError, ExtractError, HandlerError};
use crate::extensions::Extensions;
use crate::extract::ServerEventContext;
use crate::params::Params;
use crate::rooms::{Delivered, RoomEvent};
use crate::socket::middleware;
use crate::socket::rewrite::Screen;
use crate::socket::{ConnectContext, DisconnectContext, EventContext, Kind, NamespaceState, Socket};

/// A namespace, or the parent of the namespaces that are created from a pattern or function. This is a
/// handle: clones refer to the same namespace.
///
/// Handlers are registered here for all sockets of the namespace, before the first one connects or later; a
/// socket can have additional handlers of its own. A namespace below a parent starts with a copy of the
/// parent's handlers. Events sent by a parent reach all namespaces below it.
///
/// Handlers take the namespace of their socket as an argument. A handler that holds a `Namespace` would own what
/// owns it, see [`WeakServer`](crate::WeakServer).
///
/// ```
/// # use socketio_server::{Ack, ConnectError, Data, Namespace, Server, Socket};
/// # let io = Server::builder().build()?;
/// let chat = io.of("/chat");
/// chat.middleware(|socket: Socket| async move {
///     let token = socket.handshake().header("authorization");
///     token.map(drop).ok_or(ConnectError::new("who are you?"))
/// });
/// chat.on("count", |chat: Namespace| async move { Ack(chat.len()) });
/// let id = chat.on("say", |chat: Namespace, Data(text): Data<String>| async move { chat.emit("said", &text).await });
/// chat.off(id); // `on` returns an id to remove the handler, so it does not chain; `middleware` does.
/// # Ok::<(), socketio_server::ConfigError>(())
/// ```
///
/// # Panics
///
/// The methods that register a handler or a middleware panic if it takes a [`State<T>`](crate::State) that the
/// server does not hold. The message names the type and the handler. This is a mistake in the program that no
/// client can cause, and every call of the handler would fail.
#[derive(Clone)]
pub struct Namespace(Arc<NamespaceState>);

impl Namespace {
    pub(crate) fn new(name: &str, config: &Arc<Config>, state: &Arc<Extensions>, clustered: bool) -> Self {
        Self::of_kind(name, Kind::Static, config, state, clustered)
    }

    /// A parent has no sockets, so it is not announced to other nodes.
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
        let node = NamespaceNode::new(name.into(), config, Arc::clone(state), clustered);
        Self(Arc::new(NamespaceState::new(node, Arc::clone(config), Arc::clone(state), Arc::default(), kind)))
    }

    /// Creates a namespace below this parent.
    pub(crate) fn child(&self, name: &str, params: Params, clustered: bool) -> Self {
        let namespace = &self.0;
        let node =
            NamespaceNode::new(name.into(), &namespace.config, Arc::clone(&namespace.state), clustered);
        node.inherit(&namespace.node);
        let family = self.family();
        family.add(&node);
        let kind = Kind::Child { family, params, occupants: AtomicUsize::new(0) };
        let (config, state) = (Arc::clone(&namespace.config), Arc::clone(&namespace.state));
        Self(Arc::new(NamespaceState::new(node, config, state, namespace.handlers(), kind)))
    }

    fn family(&self) -> Arc<Family> {
        match self.0.kind() {
            Kind::Parent(family) | Kind::Child { family, .. } => Arc::clone(family),
            Kind::Static => Arc::default(),
        }
    }

    pub(crate) fn namespace_state(&self) -> &Arc<NamespaceState> {
        &self.0
    }

    /// Announces to other nodes that this one leaves, without waiting for it.
    pub(crate) fn close(&self) {
        if self.0.node.is_clustered() {
            let node = Arc::clone(&self.0.node);
            // Without a runtime no message can be sent; other nodes detect the loss by timeout.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { node.close().await });
            }
        }
    }

    /// Announces to other nodes that this one leaves, and waits until the last messages are sent.
    pub(crate) async fn leave_cluster(&self) {
        if self.0.node.is_clustered() {
            self.0.node.close().await;
        }
    }

    /// The name, with its leading slash; for a parent the pattern.
    pub fn name(&self) -> &str {
        self.0.node.name()
    }

    /// The parameters that the pattern captured.
    pub fn params(&self) -> Params {
        self.0.params()
    }

    /// Adds a middleware that decides whether a client may join. Middlewares run in the order of
    /// registration. The first error refuses the client, which receives it as `connect_error`.
    #[doc(alias = "use")]
    #[track_caller]
    pub fn middleware<H, M, E>(&self, middleware: H) -> &Self
    where
        H: HandlerFn<ConnectContext, M, Output = Result<(), E>>,
        E: Into<ConnectError> + 'static,
    {
        self.check::<ConnectContext, H, M>("a middleware");
        let middleware = middleware::connect(middleware);
        self.0.register(|handlers| handlers.middlewares.push(middleware));
        self
    }

    /// Adds a middleware for events (`socket.use`), which runs before the handlers. It takes the same
    /// arguments as a handler, and returns `Result<(), E>` to pass or refuse the event, or `Result<Rewrite,
    /// E>` to replace it. A refused event is reported to [`on_error`](Self::on_error), and answered with the
    /// error if the client requested an acknowledgement.
    ///
    /// While a middleware is pending, later events of the same client wait, so the order is preserved.
    #[doc(alias = "socket.use")]
    #[track_caller]
    pub fn event_middleware<H, M>(&self, middleware: H) -> &Self
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Screen,
    {
        self.check::<EventContext, H, M>("a middleware of events");
        let middleware = middleware::event(middleware);
        self.0.register(|handlers| handlers.event_middlewares.push(middleware));
        self
    }

    /// Calls `handler` for each socket that has joined. It may return a `Result<(), E>`, whose errors go to
    /// [`on_error`](Self::on_error).
    #[doc(alias = "connection")]
    #[track_caller]
    pub fn on_connect<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<ConnectContext, M>,
        H::Output: Outcome,
    {
        self.check::<ConnectContext, H, M>("connect");
        let call = socketio_events::handler::lifecycle("connect", handler);
        self.0.register(|handlers| handlers.connect.push(call))
    }

    /// Calls `handler` for each event with this name. The handlers of one socket start in the order of its
    /// events; a pending handler does not delay the others. The return value is the answer, see [`Reply`].
    #[track_caller]
    pub fn on<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        self.check::<EventContext, H, M>(event);
        let call = socketio_events::handler::event(Some(event), handler);
        self.0.register(|handlers| handlers.events.on(event, call))
    }

    /// Calls `handler` for each event of any name, in the order of registration, and before the handlers of any
    /// event of the socket. As with the official server they precede the middlewares for events and the handlers
    /// of the event's name: such a handler sees an event that a middleware refuses, and one that it replaces in
    /// its original form. It cannot answer. If it disconnects the socket, the event is dropped.
    #[doc(alias = "onAny")]
    #[track_caller]
    pub fn on_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Outcome,
    {
        self.check::<EventContext, H, M>("any event");
        let call = socketio_events::handler::any(handler);
        self.0.register(|handlers| handlers.events.any.push(call))
    }

    /// The same as [`on_any`](Self::on_any), but before the existing handlers.
    #[track_caller]
    pub fn prepend_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Outcome,
    {
        self.check::<EventContext, H, M>("any event");
        let call = socketio_events::handler::any(handler);
        self.0.register(|handlers| handlers.events.any.push_front(call))
    }

    /// Removes all handlers of any event; [`off`](Self::off) removes a single one.
    pub fn off_any(&self) {
        self.0.unregister(|handlers| handlers.events.any.clear());
    }

    /// The handlers of any event, in the order of the calls (`listenersAny`).
    pub fn listeners_any(&self) -> Vec<HandlerId> {
        self.0.handlers().events.any.ids().collect()
    }

    /// Calls `handler` for each event without a handler for its name. The return value is the answer, as with
    /// [`on`](Self::on). A namespace has one fallback: a second call replaces it.
    ///
    /// ```no_run
    /// # use socketio_server::{EventName, Server};
    /// # let io = Server::builder().build()?;
    /// io.fallback(|EventName(name): EventName| async move { Err::<(), _>(format!("there is no event {name}")) });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn fallback<H, M>(&self, handler: H)
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        self.check::<EventContext, H, M>("the fallback");
        let call = socketio_events::handler::event(None, handler);
        let before = self.0.register(|handlers| handlers.fallback.replace(call));
        // Dropped without a lock, because its destructor may use the namespace.
        drop(before);
    }

    /// Calls `handler` before a socket leaves, while it is still in its rooms.
    #[doc(alias = "disconnecting")]
    #[track_caller]
    pub fn on_disconnecting<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<DisconnectContext, M>,
        H::Output: Outcome,
    {
        self.check::<DisconnectContext, H, M>("disconnecting");
        let call = socketio_events::handler::lifecycle("disconnecting", handler);
        self.0.register(|handlers| handlers.disconnecting.push(call))
    }

    /// Calls `handler` after a socket has left.
    #[track_caller]
    pub fn on_disconnect<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<DisconnectContext, M>,
        H::Output: Outcome,
    {
        self.check::<DisconnectContext, H, M>("disconnect");
        let call = socketio_events::handler::lifecycle("disconnect", handler);
        self.0.register(|handlers| handlers.disconnect.push(call))
    }

    /// Calls `hook` for each error of a client's event: the event does not match the handler's arguments, a
    /// middleware refused it, or it violates the protocol. A client that requested an acknowledgement was
    /// answered with the error. The hook is also called when the answer of a handler is not sent, because it
    /// cannot be encoded or the outbox is full, and when a handler returns an error although no
    /// acknowledgement was requested, or is one of "connect", "disconnecting", "disconnect" or of any event.
    ///
    /// All hooks are called, in the order of registration. Without a hook the error is logged.
    pub fn on_error(&self, hook: impl Fn(&Socket, &HandlerError) + Send + Sync + 'static) -> HandlerId {
        let hook = Arc::new(hook);
        self.0.register(|handlers| handlers.on_error.push(hook))
    }

    /// Number of events that did not match their handler's arguments or that were refused by a middleware.
    pub fn refused_events(&self) -> u64 {
        self.0.refused_events.load(Ordering::Relaxed)
    }

    /// Number of handlers' answers that were not sent to a connected client: see
    /// [`on_error`](Self::on_error).
    pub fn lost_answers(&self) -> u64 {
        self.0.lost_answers.load(Ordering::Relaxed)
    }

    /// Calls `hook` for each created or deleted room, and for each socket that joins or leaves a room. All
    /// hooks are called, in the order of registration. Each socket is in a room under its own id from its
    /// connection to its disconnection; it leaves that one first, and then the others in the order in which
    /// it joined them.
    pub fn on_room_event(&self, hook: impl Fn(&RoomEvent) + Send + Sync + 'static) -> HandlerId {
        self.0.node.rooms.on_room_event.add(Arc::new(hook))
    }

    /// Calls `hook` for each broadcast that selects a socket of this server, with its delivery statistics.
    /// All hooks are called, in the order of registration, after the event is in the outboxes. The first
    /// hook adds two clock reads to each broadcast. An event that a hook sends must not cause another call
    /// without end.
    pub fn on_broadcast(&self, hook: impl Fn(&Delivered) + Send + Sync + 'static) -> HandlerId {
        self.0.node.rooms.on_broadcast.add(Arc::new(hook))
    }

    /// Calls `hook` each time when this server has not received messages of other servers, with the lost
    /// time. All hooks are called, in the order of registration.
    ///
    /// An application that keeps state by events of other servers has to restore it then. The adapter decides
    /// what it can notice, and says so in its documentation.
    pub fn on_cluster_gap(&self, hook: impl Fn(&ClusterGap) + Send + Sync + 'static) -> HandlerId {
        self.0.node.on_gap.add(Arc::new(hook))
    }

    /// State of the link to the other servers, and its changes. Without an adapter it is always connected.
    /// Valid for the life of the namespace, if the adapter has opened the link, which it does before the
    /// first client joins.
    pub fn cluster_health(&self) -> watch::Receiver<AdapterHealth> {
        self.0.node.health()
    }

    /// Counts of this namespace in its cluster; all 0 without an adapter.
    pub fn cluster_stats(&self) -> ClusterStats {
        self.0.node.cluster_stats()
    }

    /// Calls `handler` for each event with this name that another server of the cluster sends. The return
    /// value is the answer.
    #[doc(alias = "serverSideEmit")]
    #[track_caller]
    pub fn on_server_event<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<ServerEventContext, M>,
        H::Output: Reply,
    {
        self.check::<ServerEventContext, H, M>(event);
        let call = socketio_events::handler::event(Some(event), handler);
        let call =
            Arc::new(move |event, cx: &mut task::Context<'_>| call(ServerEventContext::new(event), cx));
        self.0.node.on_server_event(event, call)
    }

    /// Removes all handlers of an event.
    pub fn off_event(&self, event: &str) {
        self.0.unregister(|handlers| handlers.events.remove_event(event));
    }

    /// Removes a handler or a hook.
    pub fn off(&self, id: HandlerId) -> bool {
        self.0.unregister(|handlers| {
            handlers.events.remove(id)
                || handlers.connect.remove(id)
                || handlers.disconnecting.remove(id)
                || handlers.disconnect.remove(id)
                || handlers.on_error.remove(id)
        }) || self.0.node.off(id)
    }
}

/// The namespace of the socket.
impl<C: Context<Socket = Socket>> Extract<C> for Namespace {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(Self(Arc::clone(context.socket().namespace_state())))
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
