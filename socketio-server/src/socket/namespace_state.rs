//! State of a namespace that its sockets share.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use engineio::sync::RwLock;
use socketio_events::handler::Call;
use socketio_events::table::{Calls, List, Table};

use super::Socket;
use super::context::{ConnectContext, DisconnectContext, EventContext};
use crate::broadcast::Family;
use crate::cluster::NamespaceNode;
use crate::config::Config;
use crate::error::{ConnectError, HandlerError};
use crate::extensions::Extensions;
use crate::params::Params;
use crate::socket::rewrite::Screened;
use crate::trace;

/// The future of a middleware.
pub(crate) type MiddlewareFuture = Pin<Box<dyn Future<Output = Result<(), ConnectError>> + Send>>;
pub(crate) type Middleware = Arc<dyn Fn(ConnectContext) -> MiddlewareFuture + Send + Sync>;
/// A middleware for events.
pub(crate) type EventMiddleware = Arc<dyn Fn(EventContext) -> Screened + Send + Sync>;
/// Hook for refused events and for answers that were not sent.
pub(crate) type ErrorHook = dyn Fn(&Socket, &HandlerError) + Send + Sync;

/// State of a namespace that its sockets share.
pub(crate) struct NamespaceState {
    pub(crate) node: Arc<NamespaceNode>,
    pub(crate) config: Arc<Config>,
    pub(crate) state: Arc<Extensions>,
    /// Read for every event and rarely changed.
    handlers: RwLock<Arc<Handlers>>,
    /// Version of the handlers, for the snapshots of connections.
    version: AtomicU32,
    kind: Kind,
    /// Whether the setup is complete; `false` if it failed.
    announced: OnceLock<bool>,
    /// Whether the application deleted the namespace. Clients that were joining must not stay in it.
    deleted: AtomicBool,
    /// Counter of events that did not match their handler, or that a middleware refused.
    pub(crate) refused_events: AtomicU64,
    /// Counter of answers that were not sent to a waiting client.
    pub(crate) lost_answers: AtomicU64,
}

/// A connection's copy of a namespace's handlers, so that an event takes no lock.
pub(crate) struct Snapshot {
    handlers: Arc<Handlers>,
    version: u32,
}

impl Snapshot {
    pub(crate) fn new(namespace: &NamespaceState) -> Self {
        // A change in between makes the copy newer than its version, and the next check renews it.
        let version = namespace.version.load(Ordering::Acquire);
        Self { handlers: namespace.handlers(), version }
    }

    /// The current handlers.
    pub(crate) fn current(&mut self, namespace: &NamespaceState) -> &Handlers {
        if self.version != namespace.version.load(Ordering::Acquire) {
            *self = Self::new(namespace);
        }
        &self.handlers
    }
}

/// Origin of a namespace.
pub(crate) enum Kind {
    /// Created by the application.
    Static,
    /// Parent of dynamic namespaces; it has no sockets.
    Parent(Arc<Family>),
    /// Created from a pattern or function.
    Child {
        family: Arc<Family>,
        params: Params,
        /// Number of sockets, and of clients that are joining.
        occupants: AtomicUsize,
    },
}

/// The handlers of a namespace.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    pub(crate) events: Table<EventContext>,
    /// Handler of events without a handler for their name.
    pub(crate) fallback: Option<Call<EventContext>>,
    pub(crate) connect: Calls<ConnectContext>,
    pub(crate) disconnecting: Calls<DisconnectContext>,
    pub(crate) disconnect: Calls<DisconnectContext>,
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) event_middlewares: Vec<EventMiddleware>,
    pub(crate) on_error: List<ErrorHook>,
}

impl NamespaceState {
    pub(crate) fn new(
        node: Arc<NamespaceNode>,
        config: Arc<Config>,
        state: Arc<Extensions>,
        handlers: Arc<Handlers>,
        kind: Kind,
    ) -> Self {
        Self {
            node,
            config,
            state,
            handlers: RwLock::new(handlers),
            version: AtomicU32::new(0),
            kind,
            announced: OnceLock::new(),
            deleted: AtomicBool::new(false),
            refused_events: AtomicU64::new(0),
            lost_answers: AtomicU64::new(0),
        }
    }

    /// Result of the setup, or `None` while it runs. Clients may join after it.
    pub(crate) fn announced(&self) -> Option<bool> {
        self.announced.get().copied()
    }

    /// Sets the result of the setup.
    pub(crate) fn announce(&self, is_there: bool) {
        let _ = self.announced.set(is_there);
    }

    /// Whether the application deleted the namespace.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::SeqCst)
    }

    /// Marks the namespace as deleted. Its sockets are disconnected afterwards; a socket that joins meanwhile sees
    /// the mark.
    pub(crate) fn delete(&self) {
        self.deleted.store(true, Ordering::SeqCst);
    }

    /// The current handlers.
    pub(crate) fn handlers(&self) -> Arc<Handlers> {
        Arc::clone(&self.handlers.read())
    }

    /// Removes handlers; connections see the change with their next event. Removed handlers are dropped after
    /// the lock is released, because their destructors may use the namespace.
    pub(crate) fn unregister<R>(&self, remove: impl FnOnce(&mut Handlers) -> R) -> R {
        // The clone keeps all handlers alive until the lock is released.
        let before = self.handlers();
        let result = self.register(remove);
        drop(before);
        result
    }

    /// Adds handlers; connections see the change with their next event.
    pub(crate) fn register<R>(&self, change: impl FnOnce(&mut Handlers) -> R) -> R {
        let mut handlers = self.handlers.write();
        let result = change(Arc::make_mut(&mut handlers));
        self.version.fetch_add(1, Ordering::Release);
        result
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The parameters of a dynamic namespace.
    pub(crate) fn params(&self) -> Params {
        match &self.kind {
            Kind::Child { params, .. } => params.clone(),
            Kind::Static | Kind::Parent(_) => Params::default(),
        }
    }

    /// Reports an error to the application's hooks, or to the log if there are none.
    pub(crate) fn report(&self, socket: &Socket, error: &HandlerError) {
        match error {
            HandlerError::Answer(_) => drop(self.lost_answers.fetch_add(1, Ordering::Relaxed)),
            HandlerError::Failed { .. } => {}
            _ => drop(self.refused_events.fetch_add(1, Ordering::Relaxed)),
        }
        let handlers = self.handlers();
        if handlers.on_error.is_empty() {
            let (namespace, id) = (socket.namespace(), socket.id());
            match error {
                HandlerError::Answer(error) => trace::answer_lost(namespace, id, error),
                HandlerError::Failed { .. } => trace::handler_failed(namespace, id, error),
                error => trace::event_refused(namespace, id, error),
            }
        }
        handlers.on_error.calls().for_each(|hook| hook(socket, error));
    }
}
