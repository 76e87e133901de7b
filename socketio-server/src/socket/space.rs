//! What a namespace shares with its sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use super::Socket;
use super::context::{ConnectContext, DisconnectContext, EventContext};
use crate::adapter::Local;
use crate::config::Config;
use crate::error::{ConnectError, ExtractError};
use crate::extensions::Extensions;
use crate::handlers::{List, Table};

/// A middleware at work.
pub(crate) type Asked = Pin<Box<dyn Future<Output = Result<(), ConnectError>> + Send>>;
pub(crate) type Middleware = Arc<dyn Fn(ConnectContext) -> Asked + Send + Sync>;
/// Told of a handler that could not be called: the socket, the event (or "connect", "disconnect"), and why.
pub(crate) type ErrorHook = Arc<dyn Fn(&Socket, &str, &ExtractError) + Send + Sync>;

/// What a namespace shares with its sockets.
pub(crate) struct Space {
    pub(crate) local: Arc<Local>,
    pub(crate) config: Arc<Config>,
    pub(crate) state: Arc<Extensions>,
    /// Registered once for all sockets, mostly before the first one comes: read on every event, seldom changed.
    pub(crate) handlers: RwLock<Arc<Handlers>>,
}

/// The handlers of a namespace.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    pub(crate) events: Table<EventContext>,
    pub(crate) connect: List<ConnectContext>,
    pub(crate) disconnecting: List<DisconnectContext>,
    pub(crate) disconnect: List<DisconnectContext>,
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) on_error: Option<ErrorHook>,
}

impl Space {
    pub(crate) fn new(local: Arc<Local>, config: Arc<Config>, state: Arc<Extensions>) -> Self {
        Self { local, config, state, handlers: RwLock::default() }
    }

    /// The handlers as they are now.
    pub(crate) fn handlers(&self) -> Arc<Handlers> {
        Arc::clone(&self.handlers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the handlers for the events to come.
    pub(crate) fn register<R>(&self, change: impl FnOnce(&mut Handlers) -> R) -> R {
        change(Arc::make_mut(&mut self.handlers.write().unwrap_or_else(PoisonError::into_inner)))
    }
}
