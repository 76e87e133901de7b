//! Handlers, middlewares and listeners of a single socket. Allocated on first use, because few sockets have
//! any.

use std::sync::Arc;

use socketio_events::table::{HandlerId, Table};
use socketio_parser::{Event, RawArgs};

use super::{EventContext, Socket};
use crate::recovery::DirectQueue;
use crate::socket::EventMiddleware;

/// Listener of outgoing events, with name and arguments.
type OutgoingListener = Arc<dyn Fn(&str, &RawArgs) + Send + Sync>;

/// Rarely used parts of a socket.
#[derive(Default)]
pub(crate) struct SocketExtras {
    pub(crate) handlers: Table<EventContext>,
    pub(crate) middlewares: Vec<EventMiddleware>,
    outgoing: Vec<(HandlerId, OutgoingListener)>,
    /// The emits to this socket that are on their way through the medium of the cluster.
    pub(super) direct: Option<Arc<DirectQueue>>,
}

impl Socket {
    /// Calls `listener` for each event to this socket, including broadcasts, before it is sent.
    ///
    /// While any socket of a namespace has a listener, every broadcast in it is decoded and checked for
    /// listeners.
    #[doc(alias = "onAnyOutgoing")]
    pub fn on_any_outgoing(&self, listener: impl Fn(&str, &RawArgs) + Send + Sync + 'static) -> HandlerId {
        self.add_outgoing(listener, false)
    }

    /// The same as [`on_any_outgoing`](Self::on_any_outgoing), but before the existing listeners.
    #[doc(alias = "prependAnyOutgoing")]
    pub fn prepend_any_outgoing(
        &self,
        listener: impl Fn(&str, &RawArgs) + Send + Sync + 'static,
    ) -> HandlerId {
        self.add_outgoing(listener, true)
    }

    fn add_outgoing(
        &self,
        listener: impl Fn(&str, &RawArgs) + Send + Sync + 'static,
        front: bool,
    ) -> HandlerId {
        let id = HandlerId::next();
        let listener: OutgoingListener = Arc::new(listener);
        self.change_extras(|extras| {
            // No events are sent to a disconnected socket.
            if !self.has_left() {
                let at = if front { 0 } else { extras.outgoing.len() };
                extras.outgoing.insert(at, (id, Arc::clone(&listener)));
                self.namespace_state().node.count_outgoing(1, 0);
            }
        });
        id
    }

    /// Removes a listener of outgoing events.
    #[doc(alias = "offAnyOutgoing")]
    pub fn off_any_outgoing(&self, id: HandlerId) -> bool {
        self.remove_outgoing(|listener| listener == id) > 0
    }

    /// Removes all listeners of outgoing events.
    pub fn off_all_outgoing(&self) {
        self.remove_outgoing(|_| true);
    }

    /// The listeners of outgoing events, in the order of the calls (`listenersAnyOutgoing`).
    pub fn listeners_any_outgoing(&self) -> Vec<HandlerId> {
        self.extras(|extras| extras.outgoing.iter().map(|(id, _)| *id).collect()).unwrap_or_default()
    }

    /// Returns the number of removed listeners.
    pub(super) fn remove_outgoing(&self, which: impl Fn(HandlerId) -> bool) -> usize {
        if !self.has_extras() {
            return 0;
        }
        // The listeners are dropped after the lock is released.
        let removed: Vec<_> = self.change_extras(|extras| {
            let listeners = std::mem::take(&mut extras.outgoing);
            let (removed, kept) = listeners.into_iter().partition(|(id, _)| which(*id));
            extras.outgoing = kept;
            removed
        });
        self.namespace_state().node.count_outgoing(0, removed.len());
        removed.len()
    }

    /// Calls this socket's listeners of outgoing events.
    pub(crate) fn notify_outgoing(&self, event: &Event) {
        let listeners = self.extras(|extras| extras.outgoing.clone()).unwrap_or_default();
        for (_, listener) in listeners {
            listener(event.name(), event.args());
        }
    }

    /// Whether the extras were ever allocated.
    pub(crate) fn has_extras(&self) -> bool {
        self.0.extras.get().is_some()
    }

    /// Reads the extras, if they were allocated.
    pub(crate) fn extras<R>(&self, look: impl FnOnce(&SocketExtras) -> R) -> Option<R> {
        let extras = self.0.extras.get()?.read();
        Some(look(&extras))
    }

    /// Changes the extras; allocates them if necessary. `change` must not drop handlers or listeners, because
    /// their destructors may use the socket.
    ///
    /// The extras of a socket that has left are dropped. They often hold the socket, which would then never
    /// be freed.
    pub(crate) fn change_extras<R>(&self, change: impl FnOnce(&mut SocketExtras) -> R) -> R {
        let (result, unused) = {
            let mut extras = self.0.extras.get_or_init(Box::default).write();
            let result = change(&mut extras);
            (result, self.has_left().then(|| std::mem::take(&mut *extras)))
        };
        if let Some(unused) = unused {
            self.namespace_state().node.count_outgoing(0, unused.outgoing.len());
        }
        result
    }

    /// Drops the extras of a socket that has left.
    pub(super) fn drop_extras(&self) {
        if self.has_extras() {
            self.change_extras(|_| {});
        }
    }
}
