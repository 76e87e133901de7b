//! What few sockets have: handlers, middlewares and listeners of their own. Made when first needed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use socketio_events::table::{HandlerId, Table};
use socketio_parser::{Event, RawArgs};

use super::{EventContext, Socket};
use crate::rooms::Room;
use crate::socket::EventMiddleware;

/// Told of what goes out: the name and the arguments.
type OutgoingListener = Arc<dyn Fn(&str, &RawArgs) + Send + Sync>;

/// What few sockets have.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) handlers: Table<EventContext>,
    pub(crate) middlewares: Vec<EventMiddleware>,
    outgoing: Vec<(HandlerId, OutgoingListener)>,
    /// The rooms that middlewares put the socket into before it is in its namespace.
    pub(super) early: Vec<Room>,
}

impl Socket {
    /// Calls `listener` with each event that goes to this socket, broadcasts too, before it is sent.
    ///
    /// While a socket of a namespace has a listener, every broadcast there looks for it and is decoded for it.
    pub fn on_any_outgoing(&self, listener: impl Fn(&str, &RawArgs) + Send + Sync + 'static) -> HandlerId {
        self.add_outgoing(listener, false)
    }

    /// The same as [`on_any_outgoing`](Self::on_any_outgoing), before the listeners that are there.
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
        self.change_extras(|extras| {
            // Nothing goes to a socket that has left.
            if !self.has_left() {
                let at = if front { 0 } else { extras.outgoing.len() };
                extras.outgoing.insert(at, (id, Arc::new(listener)));
                self.space().hub.count_outgoing(1, 0);
            }
        });
        id
    }

    /// Takes a listener of outgoing events out again.
    pub fn off_any_outgoing(&self, id: HandlerId) -> bool {
        self.drop_outgoing(|listener| listener == id) > 0
    }

    /// Takes all listeners of outgoing events out.
    pub fn off_all_outgoing(&self) {
        self.drop_outgoing(|_| true);
    }

    /// How many were taken out.
    pub(super) fn drop_outgoing(&self, which: impl Fn(HandlerId) -> bool) -> usize {
        if !self.has_extras() {
            return 0;
        }
        self.change_extras(|extras| {
            let before = extras.outgoing.len();
            extras.outgoing.retain(|(id, _)| !which(*id));
            let gone = before - extras.outgoing.len();
            self.space().hub.count_outgoing(0, gone);
            gone
        })
    }

    /// Tells this socket's listeners of an event that goes to it.
    pub(crate) fn tell_outgoing(&self, event: &Event) {
        let listeners = self.extras(|extras| extras.outgoing.clone()).unwrap_or_default();
        for (_, listener) in listeners {
            listener(event.name(), event.args());
        }
    }

    /// Whether this socket has, or had, anything of its own.
    pub(crate) fn has_extras(&self) -> bool {
        self.0.has_extras.load(Ordering::Acquire)
    }

    /// Looks at what this socket has of its own, if anything.
    pub(crate) fn extras<R>(&self, look: impl FnOnce(&Extras) -> R) -> Option<R> {
        if !self.has_extras() {
            return None;
        }
        self.0.extras.read().unwrap_or_else(PoisonError::into_inner).as_deref().map(look)
    }

    /// Changes what this socket has of its own.
    pub(crate) fn change_extras<R>(&self, change: impl FnOnce(&mut Extras) -> R) -> R {
        let mut extras = self.0.extras.write().unwrap_or_else(PoisonError::into_inner);
        self.0.has_extras.store(true, Ordering::Release);
        change(extras.get_or_insert_default())
    }
}
