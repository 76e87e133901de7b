//! What a namespace shares with its sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use socketio_events::handler::Call;
use socketio_events::table::{Calls, Table};

use super::Socket;
use super::context::{ConnectContext, DisconnectContext, EventContext};
use crate::broadcast::Family;
use crate::cluster::Hub;
use crate::config::Config;
use crate::error::{ConnectError, HandlerError};
use crate::extensions::Extensions;
use crate::namespace::params::Params;
use crate::socket::rewrite::Screened;
use crate::trace;

/// A middleware at work.
pub(crate) type Asked = Pin<Box<dyn Future<Output = Result<(), ConnectError>> + Send>>;
pub(crate) type Middleware = Arc<dyn Fn(ConnectContext) -> Asked + Send + Sync>;
/// A middleware for events.
pub(crate) type EventMiddleware = Arc<dyn Fn(EventContext) -> Screened + Send + Sync>;
/// Told of what a client sent and no handler got, and of answers that did not leave.
pub(crate) type ErrorHook = Arc<dyn Fn(&Socket, &HandlerError) + Send + Sync>;

/// What a namespace shares with its sockets.
pub(crate) struct Space {
    pub(crate) hub: Arc<Hub>,
    pub(crate) config: Arc<Config>,
    pub(crate) state: Arc<Extensions>,
    /// Registered once for all sockets, mostly before the first one comes: read on every event, seldom changed.
    handlers: RwLock<Arc<Handlers>>,
    /// Counts the changes of the handlers, for those who keep a copy.
    version: AtomicU32,
    kind: Kind,
    /// Whether the application knows of it. `false` if it could not be connected with the other nodes.
    announced: OnceLock<bool>,
    /// Events that no handler got because they did not fit, or a middleware refused them.
    pub(crate) refused_events: AtomicU64,
    /// What handlers returned, clients waited for, and did not leave.
    pub(crate) lost_answers: AtomicU64,
}

/// The handlers of a namespace as a client keeps them, so that an event need not lock anything.
pub(crate) struct Snapshot {
    handlers: Arc<Handlers>,
    version: u32,
}

impl Snapshot {
    pub(crate) fn new(space: &Space) -> Self {
        // A change in between makes the copy newer than its version, and the next look renews it.
        let version = space.version.load(Ordering::Acquire);
        Self { handlers: space.handlers(), version }
    }

    /// The handlers as they are now.
    pub(crate) fn current(&mut self, space: &Space) -> &Handlers {
        if self.version != space.version.load(Ordering::Acquire) {
            *self = Self::new(space);
        }
        &self.handlers
    }
}

/// Where a namespace comes from.
pub(crate) enum Kind {
    /// The application named it.
    Static,
    /// It stands for those that a pattern or function makes, and has no sockets itself.
    Parent(Arc<Family>),
    /// A pattern or function made it.
    Child {
        family: Arc<Family>,
        params: Params,
        /// The sockets in it, and the clients that ask to join.
        occupants: AtomicUsize,
    },
}

/// The handlers of a namespace.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    pub(crate) events: Table<EventContext>,
    /// For the events that none of them is for.
    pub(crate) fallback: Option<Call<EventContext>>,
    pub(crate) connect: Calls<ConnectContext>,
    pub(crate) disconnecting: Calls<DisconnectContext>,
    pub(crate) disconnect: Calls<DisconnectContext>,
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) event_middlewares: Vec<EventMiddleware>,
    pub(crate) on_error: Option<ErrorHook>,
}

impl Space {
    pub(crate) fn new(
        hub: Arc<Hub>,
        config: Arc<Config>,
        state: Arc<Extensions>,
        handlers: Arc<Handlers>,
        kind: Kind,
    ) -> Self {
        Self {
            hub,
            config,
            state,
            handlers: RwLock::new(handlers),
            version: AtomicU32::new(0),
            kind,
            announced: OnceLock::new(),
            refused_events: AtomicU64::new(0),
            lost_answers: AtomicU64::new(0),
        }
    }

    /// Whether the application knows of the namespace by now, and clients may be let in.
    pub(crate) fn announced(&self) -> Option<bool> {
        self.announced.get().copied()
    }

    /// The application knows of it, or never will.
    pub(crate) fn announce(&self, is_there: bool) {
        let _ = self.announced.set(is_there);
    }

    /// The handlers as they are now.
    pub(crate) fn handlers(&self) -> Arc<Handlers> {
        Arc::clone(&self.handlers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the handlers for the events to come.
    pub(crate) fn register<R>(&self, change: impl FnOnce(&mut Handlers) -> R) -> R {
        let mut handlers = self.handlers.write().unwrap_or_else(PoisonError::into_inner);
        let result = change(Arc::make_mut(&mut handlers));
        self.version.fetch_add(1, Ordering::Release);
        result
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What the pattern that made this namespace captured.
    pub(crate) fn params(&self) -> Params {
        match &self.kind {
            Kind::Child { params, .. } => params.clone(),
            Kind::Static | Kind::Parent(_) => Params::default(),
        }
    }

    /// Tells the application of what no handler got, or of what a client did not get from one.
    pub(crate) fn report(&self, socket: &Socket, error: &HandlerError) {
        match error {
            HandlerError::Answer(_) => drop(self.lost_answers.fetch_add(1, Ordering::Relaxed)),
            HandlerError::Failed { .. } => {}
            _ => drop(self.refused_events.fetch_add(1, Ordering::Relaxed)),
        }
        match (self.handlers().on_error.clone(), error) {
            (Some(hook), error) => hook(socket, error),
            (None, HandlerError::Answer(error)) => trace::unanswered(socket.namespace(), socket.id(), error),
            (None, HandlerError::Failed { .. }) => trace::failed(socket.namespace(), socket.id(), error),
            (None, error) => trace::unheard(socket.namespace(), socket.id(), error),
        }
    }
}
