//! State that the handles of a manager share with the connection's task.
//!
//! Generic over the handlers `H` of a namespace: handlers receive a `Socket`, and a `Socket` owns a handle of
//! this state.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use engineio::client::ClientBuilder;
use engineio::sync::Mutex;
use engineio::{Sid, Transport};
use socketio_events::table::{HandlerId, List};

use crate::config::{Config, Reconnection};
use crate::manager_event::ManagerEvent;
use crate::namespace::NamespaceState;
use crate::sync::{Observed, Wakeup};
use crate::trace;

/// Hook for the events of the connection.
type Hook = dyn Fn(&ManagerEvent) + Send + Sync;

/// Shared state of a manager, its sockets and the connection's task.
pub(crate) struct ManagerShared<H: Default> {
    pub(crate) config: Arc<Config>,
    pub(crate) engine: ClientBuilder,
    /// Wakes the connection's task.
    pub(crate) wakeup: Wakeup,
    /// Number of streams with [`Config::max_waiting_events`] unread events. The task does not read the
    /// connection while there is one; the reader signals the task after it has taken an event.
    pub(crate) full_inboxes: Arc<AtomicUsize>,
    /// Reconnection, which may change at run time.
    pub(crate) reconnection: Mutex<Reconnection>,
    /// Timeout of opening the connection, which may change at run time.
    pub(crate) connect_timeout: Mutex<Duration>,
    /// Whether the application has opened the connection, which is then needed without an active socket.
    kept_open: AtomicBool,
    /// Session id and transport of the open connection.
    session: Mutex<Option<(Sid, Transport)>>,
    /// Whether a socket has or had retries, so that the task needs the timer of the queues.
    pub(crate) retrying: AtomicBool,
    connection: Observed<Connection>,
    namespaces: Mutex<Namespaces<H>>,
    hooks: Mutex<List<Hook>>,
    /// Number of times that the last active socket was disconnected.
    idle_count: AtomicU64,
    /// Whether the connection's task exists.
    running: Mutex<bool>,
    /// Spawns the connection's task.
    start: fn(Arc<Self>),
    handle: Weak<SharedHandle<H>>,
}

#[derive(Debug, Default)]
struct Connection {
    /// Whether a connection is open, is being opened, or is scheduled.
    open: bool,
    /// Number of connections that have ended.
    ended: u64,
}

/// Namespaces with a handle or an active socket.
struct Namespaces<H> {
    list: Vec<Arc<NamespaceState<H>>>,
    /// First acknowledgement id of new namespaces. It is higher than the ids of removed namespaces, because
    /// the server may still acknowledge an event of an earlier one of the same name.
    first_ack_id: u64,
}

/// Handle that managers and sockets hold. When the last one is dropped, the connection is closed.
pub(crate) struct SharedHandle<H: Default> {
    pub(crate) shared: Arc<ManagerShared<H>>,
}

impl<H: Default> SharedHandle<H> {
    pub(crate) fn new(config: Config, engine: ClientBuilder, start: fn(Arc<ManagerShared<H>>)) -> Arc<Self> {
        Arc::new_cyclic(|handle| Self {
            shared: Arc::new(ManagerShared {
                reconnection: Mutex::new(config.reconnection.clone()),
                connect_timeout: Mutex::new(config.connect_timeout),
                kept_open: AtomicBool::new(false),
                session: Mutex::default(),
                retrying: AtomicBool::new(config.retries > 0),
                config: Arc::new(config),
                engine,
                wakeup: Wakeup::default(),
                full_inboxes: Arc::default(),
                connection: Observed::default(),
                namespaces: Mutex::new(Namespaces { list: Vec::new(), first_ack_id: 0 }),
                hooks: Mutex::default(),
                idle_count: AtomicU64::new(0),
                running: Mutex::default(),
                start,
                handle: Weak::clone(handle),
            }),
        })
    }

    /// Returns the state of a namespace, with a socket handle counted. Creates it if there is none.
    pub(crate) fn namespace(&self, name: &str) -> Arc<NamespaceState<H>> {
        let name: Arc<str> = if name.starts_with('/') { name.into() } else { format!("/{name}").into() };
        let mut namespaces = self.shared.namespaces.lock();
        let existing = namespaces.list.iter().find(|namespace| namespace.name == name).cloned();
        let namespace = existing.unwrap_or_else(|| {
            let config = Arc::clone(&self.shared.config);
            let namespace = Arc::new(NamespaceState::new(name, config, namespaces.first_ack_id));
            namespaces.list.push(Arc::clone(&namespace));
            namespace
        });
        // Under the lock: otherwise the namespace could be removed before the handle is counted.
        namespace.add_handle();
        namespace
    }

    /// Counts a socket handle of a namespace. `false` if the namespace has been removed.
    pub(crate) fn add_handle_if_present(&self, namespace: &Arc<NamespaceState<H>>) -> bool {
        let namespaces = self.shared.namespaces.lock();
        let is_present = namespaces.list.iter().any(|present| Arc::ptr_eq(present, namespace));
        if is_present {
            namespace.add_handle();
        }
        is_present
    }
}

impl<H: Default> Drop for SharedHandle<H> {
    fn drop(&mut self) {
        for namespace in self.shared.namespaces() {
            namespace.clear_handlers();
            namespace.leave();
        }
        self.shared.left();
    }
}

impl<H: Default> ManagerShared<H> {
    pub(crate) fn namespaces(&self) -> Vec<Arc<NamespaceState<H>>> {
        self.namespaces.lock().list.clone()
    }

    pub(crate) fn find_namespace(&self, name: &str) -> Option<Arc<NamespaceState<H>>> {
        self.namespaces.lock().list.iter().find(|namespace| *namespace.name == *name).cloned()
    }

    pub(crate) fn any_namespace(&self, predicate: impl Fn(&NamespaceState<H>) -> bool) -> bool {
        self.namespaces.lock().list.iter().any(|namespace| predicate(namespace))
    }

    pub(crate) fn handle(&self) -> Option<Arc<SharedHandle<H>>> {
        self.handle.upgrade()
    }

    pub(crate) fn weak_handle(&self) -> Weak<SharedHandle<H>> {
        Weak::clone(&self.handle)
    }

    /// Whether all handles of the application have been dropped.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.handle.strong_count() == 0
    }

    /// Whether a socket is active, so that the connection is needed.
    pub(crate) fn has_active_socket(&self) -> bool {
        self.any_namespace(|namespace| namespace.lock().is_active())
    }

    /// Whether the connection is needed: for an active socket, or because the application has opened it.
    pub(crate) fn is_needed(&self) -> bool {
        self.kept_open.load(Ordering::Acquire) || self.has_active_socket()
    }

    /// Opens the connection without an active socket.
    pub(crate) fn keep_open(self: &Arc<Self>) {
        self.kept_open.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn stop_keeping_open(&self) {
        self.kept_open.store(false, Ordering::Release);
    }

    /// Notes the session of a connection that was opened, or that the connection was lost.
    pub(crate) fn set_engine(&self, session: Option<(Sid, Transport)>) {
        *self.session.lock() = session;
    }

    pub(crate) fn engine_upgraded(&self) {
        if let Some((_, transport)) = &mut *self.session.lock() {
            *transport = Transport::WebSocket;
        }
    }

    /// Session id and transport of the open connection.
    pub(crate) fn session(&self) -> Option<(Sid, Transport)> {
        self.session.lock().clone()
    }

    /// Wakes the connection's task, and spawns it if it does not exist.
    pub(crate) fn wake(self: &Arc<Self>) {
        self.wakeup.signal();
        let was_running = std::mem::replace(&mut *self.running.lock(), true);
        if !was_running {
            // Without the lock: a runtime that shuts down drops the task at once, and its `Drop` calls
            // `stopped`.
            (self.start)(Arc::clone(self));
        }
    }

    /// Handles a socket that is not active any more. The last one closes the connection, however it was
    /// opened.
    pub(crate) fn left(&self) {
        if !self.has_active_socket() {
            self.stop_keeping_open();
            self.idle_count.fetch_add(1, Ordering::AcqRel);
        }
        self.wakeup.signal();
    }

    pub(crate) fn idle_count(&self) -> u64 {
        self.idle_count.load(Ordering::Acquire)
    }

    /// Asks whether the connection's task may end. It may not if a signal is pending.
    pub(crate) fn stop(&self) -> bool {
        let mut running = self.running.lock();
        *running = self.wakeup.is_pending();
        !*running
    }

    pub(crate) fn set_open(&self, open: bool) {
        if !open {
            self.set_engine(None);
        }
        self.connection.change(|connection| {
            let was_open = std::mem::replace(&mut connection.open, open);
            connection.ended += u64::from(was_open && !open);
        });
    }

    /// Waits until the current connection has ended, also one that is being opened or scheduled. The next one
    /// may exist already.
    pub(crate) async fn closed(&self) {
        let mut ended_before = None;
        let has_ended = |connection: &Connection| {
            let before = *ended_before.get_or_insert(connection.ended);
            (!connection.open || connection.ended > before).then_some(())
        };
        self.connection.wait(has_ended).await;
    }

    /// Handles the drop of an unfinished task.
    pub(crate) fn stopped(&self) {
        *self.running.lock() = false;
        self.remove_unused();
    }

    /// Removes unused namespaces if the connection's task does not exist. The task removes them itself, after
    /// it has called their handlers.
    pub(crate) fn remove_unused(&self) {
        // Before `running` is read: a task that ends checks for a pending signal.
        self.wakeup.signal();
        let running = self.running.lock();
        let unused = if *running { Vec::new() } else { self.take_unused() };
        drop(running);
        // Without the lock: a handler may own the last handle of another namespace.
        drop(unused);
    }

    /// Takes the namespaces that have neither a handle nor an active socket.
    pub(crate) fn take_unused(&self) -> Vec<Arc<NamespaceState<H>>> {
        let mut namespaces = self.namespaces.lock();
        let Namespaces { list, first_ack_id } = &mut *namespaces;
        let mut unused = Vec::new();
        list.retain(|namespace| {
            let is_unused = namespace.is_unused();
            if is_unused {
                *first_ack_id = namespace.following_ack_id().max(*first_ack_id);
                unused.push(Arc::clone(namespace));
            }
            !is_unused
        });
        if list.capacity() > 4 * (list.len() + 4) {
            list.shrink_to_fit();
        }
        unused
    }

    pub(crate) fn on_event(&self, hook: Arc<Hook>) -> HandlerId {
        self.hooks.lock().push(hook)
    }

    pub(crate) fn off(&self, id: HandlerId) -> bool {
        let mut hooks = self.hooks.lock();
        // Keeps the removed hook until the lock is released: the drop of a captured value may call back into
        // the manager.
        let before = hooks.clone();
        let removed = hooks.remove(id);
        drop(hooks);
        drop(before);
        removed
    }

    pub(crate) fn has_hooks(&self) -> bool {
        !self.hooks.lock().is_empty()
    }

    /// Calls the hooks with an event of the connection.
    pub(crate) fn emit_event(&self, event: &ManagerEvent) {
        trace::connection(event);
        let hooks = self.hooks.lock().clone();
        hooks.calls().for_each(|hook| hook(event));
    }
}

impl<H: Default> fmt::Debug for SharedHandle<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedHandle").field("url", self.shared.engine.url()).finish_non_exhaustive()
    }
}
