//! Registering handlers.

use std::sync::Arc;

use socketio_events::handler::{self, HandlerFn};
use socketio_events::reply::Reply;
use socketio_events::table::HandlerId;
use socketio_parser::RawArgs;

use super::lifecycle;
use crate::error::HandlerError;
use crate::socket::{ConnectContext, ConnectErrorContext, DisconnectContext, EventContext, Socket};

impl Socket {
    /// Calls `handler` for each event of this name. Handlers start in the order in which the events arrived, in the
    /// connection's task; one that waits goes on beside it. What it returns is the answer, see [`Reply`].
    pub fn on<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        self.space.handlers().events.on(event, handler::event(Some(event), handler))
    }

    /// Calls `handler` for the next event of this name.
    pub fn once<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        self.space.handlers().events.once(event, handler::event(Some(event), handler))
    }

    /// Calls `handler` for each event of any name, before the event's own handlers.
    pub fn on_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M, Output = ()>,
    {
        self.space.handlers().events.any.push(handler::any(handler))
    }

    /// The same as [`on_any`](Self::on_any), before the handlers that are there.
    pub fn prepend_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M, Output = ()>,
    {
        self.space.handlers().events.any.push_front(handler::any(handler))
    }

    /// Calls `listener` for each event that leaves.
    pub fn on_any_outgoing(&self, listener: impl Fn(&str, &RawArgs) + Send + Sync + 'static) -> HandlerId {
        self.space.handlers().outgoing.push(Arc::new(listener))
    }

    /// The same as [`on_any_outgoing`](Self::on_any_outgoing), before the listeners that are there.
    pub fn prepend_any_outgoing(
        &self,
        listener: impl Fn(&str, &RawArgs) + Send + Sync + 'static,
    ) -> HandlerId {
        self.space.handlers().outgoing.push_front(Arc::new(listener))
    }

    /// Calls `handler` each time the socket is connected.
    pub fn on_connect<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<ConnectContext, M, Output = ()>,
    {
        self.space.handlers().connect.push(lifecycle("connect", handler))
    }

    /// Calls `handler` each time the socket could not be connected. Whether there will be another attempt says
    /// [`is_active`](Self::is_active).
    pub fn on_connect_error<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<ConnectErrorContext, M, Output = ()>,
    {
        self.space.handlers().connect_error.push(lifecycle("connect_error", handler))
    }

    /// Calls `handler` each time the socket is not connected any more.
    pub fn on_disconnect<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<DisconnectContext, M, Output = ()>,
    {
        self.space.handlers().disconnect.push(lifecycle("disconnect", handler))
    }

    /// Calls `hook` when an event does not fit the arguments of its handler, or what a handler returned as its answer
    /// does not leave: it cannot be written, or there is no room for it in the connection's outbox. Also when a handler
    /// returns an error although the server has asked for no answer.
    pub fn on_error(&self, hook: impl Fn(&Self, &HandlerError) + Send + Sync + 'static) {
        self.space.handlers().on_error = Some(Arc::new(hook));
    }

    /// Takes a handler out again.
    pub fn off(&self, id: HandlerId) -> bool {
        let mut handlers = self.space.handlers();
        handlers.events.remove(id)
            || handlers.connect.remove(id)
            || handlers.connect_error.remove(id)
            || handlers.disconnect.remove(id)
    }

    /// Takes all handlers of an event out.
    pub fn off_event(&self, event: &str) {
        self.space.handlers().events.remove_event(event);
    }

    /// Takes all handlers of any event out.
    pub fn off_any(&self) {
        self.space.handlers().events.any.clear();
    }

    /// Takes a listener of outgoing events out.
    pub fn off_any_outgoing(&self, id: HandlerId) -> bool {
        self.space.handlers().outgoing.remove(id)
    }

    /// Takes all listeners of outgoing events out.
    pub fn off_all_outgoing(&self) {
        self.space.handlers().outgoing.clear();
    }
}
