//! The sockets of one client, and what they share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use engineio::Session;
use engineio::sync::Mutex;
use socketio_events::table::HandlerId;

use super::session_event::{SessionEvent, SessionHook};
use super::{Inner, Socket};
use crate::hooks::Hooks;
use crate::socket::detached::{DetachedCount, DetachedHandlers};
use crate::wire::Wire;

/// Whether a hook for events of a connection was ever added in this process. Until then a packet of a client costs
/// one load, and does not touch the memory of its [`Siblings`].
static HAS_SESSION_HOOKS: AtomicBool = AtomicBool::new(false);

/// The sockets of one client. They share a connection and leave together when it is closed.
pub(crate) struct Siblings {
    sockets: Mutex<Vec<Weak<Inner>>>,
    detached_handlers: Arc<DetachedHandlers>,
    /// The parser of the connection, if it is not the server's.
    wire: Option<Arc<Wire>>,
    /// Hooks for events of the connection. Allocated on first use, because few connections have any.
    session_hooks: OnceLock<Box<Hooks<SessionHook>>>,
}

impl Siblings {
    pub(crate) fn new(detached_handlers: Arc<DetachedHandlers>, wire: Option<Arc<Wire>>) -> Self {
        Self { sockets: Mutex::default(), detached_handlers, wire, session_hooks: OnceLock::new() }
    }

    /// The parser of the connection, if it is not the server's.
    pub(crate) fn wire(&self) -> Option<&Arc<Wire>> {
        self.wire.as_ref()
    }

    /// Counts one detached handler until the result is dropped.
    pub(super) fn count_handler(&self) -> DetachedCount {
        let mut count = self.detached_handlers.counter();
        count.set(1);
        count
    }

    #[inline]
    pub(crate) fn has_session_hooks(&self) -> bool {
        HAS_SESSION_HOOKS.load(Ordering::Acquire) && self.hooks_exist()
    }

    fn hooks_exist(&self) -> bool {
        self.session_hooks.get().is_some_and(|hooks| hooks.current().is_some())
    }

    /// Calls the hooks for events of the connection.
    #[inline]
    pub(crate) fn session_event(&self, session: &Session, event: &SessionEvent) {
        if HAS_SESSION_HOOKS.load(Ordering::Acquire) {
            self.call_session_hooks(session, event);
        }
    }

    fn call_session_hooks(&self, session: &Session, event: &SessionEvent) {
        if let Some(hooks) = self.session_hooks.get().and_then(|hooks| hooks.current()) {
            hooks.calls().for_each(|hook| hook(session, event));
        }
    }

    /// Drops the hooks for events of a connection that has ended. They often hold a socket.
    pub(crate) fn drop_session_hooks(&self) {
        if let Some(hooks) = self.session_hooks.get() {
            hooks.clear();
        }
    }

    pub(super) fn add_session_hook(&self, hook: Arc<SessionHook>) -> HandlerId {
        let id = self.session_hooks.get_or_init(Box::default).add(hook);
        HAS_SESSION_HOOKS.store(true, Ordering::Release);
        id
    }

    pub(super) fn remove_session_hook(&self, id: HandlerId) -> bool {
        self.session_hooks.get().is_some_and(|hooks| hooks.remove(id))
    }

    pub(super) fn add(&self, socket: &Arc<Inner>) {
        self.sockets.lock().push(Arc::downgrade(socket));
    }

    pub(super) fn remove(&self, socket: &Arc<Inner>) {
        self.sockets.lock().retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(socket)));
    }

    pub(super) fn all(&self) -> Vec<Socket> {
        self.sockets.lock().iter().filter_map(Weak::upgrade).map(Socket).collect()
    }
}
