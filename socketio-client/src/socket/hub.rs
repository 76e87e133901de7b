//! What the handles of a manager and the connection's task share.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use engineio::client::ClientBuilder;
use socketio_events::table::{HandlerId, List};

use super::space::Space;
use super::{Socket, WeakSocket};
use crate::bell::Bell;
use crate::config::Config;
use crate::manager_event::ManagerEvent;
use crate::trace;
use crate::watched::Watched;

/// Someone who is told what happens to the connection.
type Hook = dyn Fn(&ManagerEvent) + Send + Sync;

/// What is shared.
pub(crate) struct Hub {
    pub(crate) config: Arc<Config>,
    pub(crate) engine: ClientBuilder,
    pub(crate) bell: Bell,
    /// Whether a lost connection is opened again.
    pub(crate) reconnection: AtomicBool,
    connection: Watched<Connection>,
    spaces: Mutex<Spaces>,
    hooks: Mutex<List<Hook>>,
    /// Counts how often nobody wanted to be connected any more.
    lulls: AtomicU64,
    /// Whether the connection's task is there.
    running: Mutex<bool>,
    /// Begins it.
    start: fn(Arc<Self>),
    handle: Weak<Handle>,
}

#[derive(Debug, Default)]
struct Connection {
    /// Whether there is one, or one is being opened or waited for.
    open: bool,
    /// How many are over.
    over: u64,
}

/// The namespaces that somebody needs.
#[derive(Default)]
struct Spaces {
    list: Vec<Arc<Space>>,
    /// What new ones begin to count with, because the server may still answer what one of this name asked before.
    first_ack_id: u64,
}

/// What managers and sockets hold. With the last of them the connection is closed.
pub(crate) struct Handle {
    pub(crate) hub: Arc<Hub>,
}

impl Handle {
    pub(crate) fn new(config: Config, engine: ClientBuilder, start: fn(Arc<Hub>)) -> Arc<Self> {
        Arc::new_cyclic(|handle| Self {
            hub: Arc::new(Hub {
                reconnection: AtomicBool::new(config.reconnection.enabled),
                config: Arc::new(config),
                engine,
                bell: Bell::default(),
                connection: Watched::default(),
                spaces: Mutex::default(),
                hooks: Mutex::default(),
                lulls: AtomicU64::new(0),
                running: Mutex::default(),
                start,
                handle: Weak::clone(handle),
            }),
        })
    }

    /// The socket of a namespace, the same one as long as somebody needs it.
    pub(crate) fn socket(self: &Arc<Self>, namespace: &str) -> Socket {
        let name: Arc<str> =
            if namespace.starts_with('/') { namespace.into() } else { format!("/{namespace}").into() };
        let mut spaces = lock(&self.hub.spaces);
        let known = spaces.list.iter().find(|space| space.name == name).cloned();
        let space = known.unwrap_or_else(|| {
            let space = Arc::new(Space::new(name, Arc::clone(&self.hub.config), spaces.first_ack_id));
            spaces.list.push(Arc::clone(&space));
            space
        });
        // Under the lock, so that it is not forgotten in between.
        Socket::of(Arc::clone(self), space)
    }

    /// The socket of this namespace, if it was not forgotten.
    pub(super) fn known(self: &Arc<Self>, space: &Arc<Space>) -> Option<Socket> {
        let spaces = lock(&self.hub.spaces);
        let is_known = spaces.list.iter().any(|known| Arc::ptr_eq(known, space));
        is_known.then(|| Socket::of(Arc::clone(self), Arc::clone(space)))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for space in self.hub.spaces() {
            space.clear_handlers();
            space.leave();
        }
        self.hub.left();
    }
}

impl Hub {
    pub(crate) fn spaces(&self) -> Vec<Arc<Space>> {
        lock(&self.spaces).list.clone()
    }

    pub(crate) fn space(&self, name: &str) -> Option<Arc<Space>> {
        lock(&self.spaces).list.iter().find(|space| *space.name == *name).cloned()
    }

    /// A handle of a namespace, for the connection's task: while it is there, nobody else forgets one.
    pub(crate) fn socket(&self, space: &Arc<Space>) -> Option<Socket> {
        Some(Socket::of(self.handle.upgrade()?, Arc::clone(space)))
    }

    pub(crate) fn weak_socket(&self, space: &Arc<Space>) -> WeakSocket {
        WeakSocket { handle: Weak::clone(&self.handle), space: Arc::downgrade(space) }
    }

    /// Whether no handle is left.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.handle.strong_count() == 0
    }

    /// Whether somebody who reads a socket's events does not keep up.
    pub(crate) fn is_backed_up(&self) -> bool {
        lock(&self.spaces).list.iter().any(|space| space.inbox().is_some_and(|inbox| inbox.is_full()))
    }

    pub(crate) fn is_wanted(&self) -> bool {
        lock(&self.spaces).list.iter().any(|space| space.lock().is_active())
    }

    /// Tells the connection's task to look around, and begins it if it is not there.
    pub(crate) fn wake(self: &Arc<Self>) {
        self.bell.ring();
        let was_running = std::mem::replace(&mut *lock(&self.running), true);
        if !was_running {
            // Not under the lock: without a runtime, or with one that shuts down, the task is dropped at once, and says so.
            (self.start)(Arc::clone(self));
        }
    }

    /// A socket does not want to be connected any more.
    pub(crate) fn left(&self) {
        if !self.is_wanted() {
            self.lulls.fetch_add(1, Ordering::AcqRel);
        }
        self.bell.ring();
    }

    pub(crate) fn lulls(&self) -> u64 {
        self.lulls.load(Ordering::Acquire)
    }

    /// Whether the connection's task may end: nobody has rung in the meantime.
    pub(crate) fn stop(&self) -> bool {
        let mut running = lock(&self.running);
        *running = self.bell.is_rung();
        !*running
    }

    pub(crate) fn set_open(&self, open: bool) {
        self.connection.change(|connection| {
            let was_open = std::mem::replace(&mut connection.open, open);
            connection.over += u64::from(was_open && !open);
        });
    }

    /// Waits until the connection that there is now, or is being opened or waited for, is over. Another one may follow.
    pub(crate) async fn closed(&self) {
        let mut over = None;
        let is_over = |connection: &Connection| {
            let before = *over.get_or_insert(connection.over);
            (!connection.open || connection.over > before).then_some(())
        };
        self.connection.wait(is_over).await;
    }

    /// The connection's task ended in the middle of something.
    pub(crate) fn stopped(&self) {
        *lock(&self.running) = false;
        self.let_go();
    }

    /// Somebody needs a namespace no more. The connection's task may still have to tell its handlers something, so only
    /// the task forgets while it is there.
    pub(super) fn let_go(&self) {
        // Before the look: a task that ends looks at the bell.
        self.bell.ring();
        let running = lock(&self.running);
        let forgotten = if *running { Vec::new() } else { self.take_forgotten() };
        drop(running);
        // What handlers own may be the last handle of another one.
        drop(forgotten);
    }

    /// Takes out the namespaces that nobody needs.
    pub(crate) fn take_forgotten(&self) -> Vec<Arc<Space>> {
        let mut spaces = lock(&self.spaces);
        let Spaces { list, first_ack_id } = &mut *spaces;
        let mut forgotten = Vec::new();
        list.retain(|space| {
            let is_forgotten = space.is_forgotten();
            if is_forgotten {
                *first_ack_id = space.ack_ids().max(*first_ack_id);
                forgotten.push(Arc::clone(space));
            }
            !is_forgotten
        });
        if list.capacity() > 4 * (list.len() + 4) {
            list.shrink_to_fit();
        }
        forgotten
    }

    pub(crate) fn on_event(&self, hook: Arc<Hook>) -> HandlerId {
        lock(&self.hooks).push(hook)
    }

    pub(crate) fn off(&self, id: HandlerId) -> bool {
        lock(&self.hooks).remove(id)
    }

    pub(crate) fn tell(&self, event: &ManagerEvent) {
        trace::connection(event);
        let hooks = lock(&self.hooks).clone();
        hooks.calls().for_each(|hook| hook(event));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("url", self.hub.engine.url()).finish_non_exhaustive()
    }
}
