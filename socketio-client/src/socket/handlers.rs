//! Handlers of a socket, as its namespace stores them.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};

use socketio_events::handler::Call;
use socketio_events::table::{Calls, Table};

use super::context::{ConnectContext, ConnectErrorContext, DisconnectContext, EventContext};
use super::events::SocketEvent;
use super::{Namespace, Socket};
use crate::error::HandlerError;
use crate::namespace::inbox::Inbox;

type ErrorHook = Arc<dyn Fn(&Socket, &HandlerError) + Send + Sync>;

/// Handlers of a socket, and its stream of events.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    pub(crate) events: Table<EventContext>,
    pub(crate) connect: Calls<ConnectContext>,
    pub(crate) connect_error: Calls<ConnectErrorContext>,
    pub(crate) disconnect: Calls<DisconnectContext>,
    pub(crate) on_error: Option<ErrorHook>,
    /// Inbox of the current [`Events`](super::events::Events) stream.
    stream: Weak<Inbox<SocketEvent>>,
}

impl Handlers {
    /// Inbox of the current stream, if there is one.
    pub(crate) fn inbox(&self) -> Option<Arc<Inbox<SocketEvent>>> {
        self.stream.upgrade()
    }
}

impl Namespace {
    /// Handlers to call for an event. Handlers that are called once are removed.
    pub(crate) fn event_calls(&self, event: &str) -> Vec<Call<EventContext>> {
        let mut handlers = self.handlers();
        let calls = handlers.events.calls(event);
        if handlers.events.has_once(event) {
            handlers.events.remove_once(event);
        }
        calls
    }

    /// Inbox of the current stream, if there is one.
    pub(crate) fn inbox(&self) -> Option<Arc<Inbox<SocketEvent>>> {
        self.handlers().inbox()
    }

    /// Creates the inbox of a new stream. The previous stream receives no further events.
    pub(crate) fn open_inbox(&self, full_inboxes: &Arc<AtomicUsize>) -> Arc<Inbox<SocketEvent>> {
        let inbox = Arc::new(Inbox::new(self.config.max_waiting_events, Arc::clone(full_inboxes)));
        let previous = std::mem::replace(&mut self.handlers().stream, Arc::downgrade(&inbox));
        if let Some(previous) = previous.upgrade() {
            previous.detach();
        }
        inbox
    }

    /// Removes the inbox of a dropped stream, unless a new stream has replaced it.
    pub(crate) fn close_inbox(&self, inbox: &Arc<Inbox<SocketEvent>>) {
        let mut handlers = self.handlers();
        if std::ptr::eq(handlers.stream.as_ptr(), Arc::as_ptr(inbox)) {
            handlers.stream = Weak::new();
        }
        drop(handlers);
        inbox.detach();
    }
}
