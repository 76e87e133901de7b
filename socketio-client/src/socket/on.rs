//! Registration and removal of handlers.

use std::sync::Arc;

use socketio_events::function::HandlerFn;
use socketio_events::handler;
use socketio_events::reply::{Outcome, Reply};
use socketio_events::table::HandlerId;
use socketio_parser::RawArgs;

use super::Socket;
use super::context::{ConnectContext, ConnectErrorContext, DisconnectContext, EventContext};
use crate::error::HandlerError;

impl Socket {
    /// Registers a handler for the events of this name. The connection's task calls the handlers of all
    /// events in the order of their arrival; a handler that waits does not block the next one. The return
    /// value is the acknowledgement: see [`Reply`].
    pub fn on<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        self.namespace.handlers().events.on(event, handler::event(Some(event), handler))
    }

    /// Registers a handler for the next event of this name.
    pub fn once<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        self.namespace.handlers().events.once(event, handler::event(Some(event), handler))
    }

    /// Registers a handler for all events. It is called before the handlers of the event's name.
    #[doc(alias = "onAny")]
    pub fn on_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Outcome,
    {
        self.namespace.handlers().events.any.push(handler::any(handler))
    }

    /// Same as [`on_any`](Self::on_any), before the handlers that are registered already.
    #[doc(alias = "prependAny")]
    pub fn prepend_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Outcome,
    {
        self.namespace.handlers().events.any.push_front(handler::any(handler))
    }

    /// The handlers of all events, in the order of the calls.
    #[doc(alias = "listenersAny")]
    pub fn listeners_any(&self) -> Vec<HandlerId> {
        self.namespace.handlers().events.any.ids().collect()
    }

    /// Registers a listener for all outgoing events. It is called when an event is sent, not when it is
    /// buffered.
    #[doc(alias = "onAnyOutgoing")]
    pub fn on_any_outgoing(&self, listener: impl Fn(&str, &RawArgs) + Send + Sync + 'static) -> HandlerId {
        self.namespace.outgoing_listeners().push(Arc::new(listener))
    }

    /// Same as [`on_any_outgoing`](Self::on_any_outgoing), before the listeners that are registered already.
    #[doc(alias = "prependAnyOutgoing")]
    pub fn prepend_any_outgoing(
        &self,
        listener: impl Fn(&str, &RawArgs) + Send + Sync + 'static,
    ) -> HandlerId {
        self.namespace.outgoing_listeners().push_front(Arc::new(listener))
    }

    /// The listeners of outgoing events, in the order of the calls.
    #[doc(alias = "listenersAnyOutgoing")]
    pub fn listeners_any_outgoing(&self) -> Vec<HandlerId> {
        self.namespace.outgoing_listeners().ids().collect()
    }

    /// Registers a handler that is called each time the socket is connected.
    pub fn on_connect<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<ConnectContext, M>,
        H::Output: Outcome,
    {
        self.namespace.handlers().connect.push(handler::lifecycle("connect", handler))
    }

    /// Registers a handler for failed attempts to connect. [`is_active`](Self::is_active) says whether
    /// another attempt follows.
    #[doc(alias = "connect_error")]
    pub fn on_connect_error<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<ConnectErrorContext, M>,
        H::Output: Outcome,
    {
        self.namespace.handlers().connect_error.push(handler::lifecycle("connect_error", handler))
    }

    /// Registers a handler that is called each time the socket is disconnected.
    pub fn on_disconnect<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<DisconnectContext, M>,
        H::Output: Outcome,
    {
        self.namespace.handlers().disconnect.push(handler::lifecycle("disconnect", handler))
    }

    /// Sets the hook for errors of handlers: an event does not match the arguments of its handler, the
    /// acknowledgement that a handler returned cannot be sent, or a handler returned an error and the server
    /// requested no acknowledgement. It replaces the previous hook. Without a hook the errors are logged,
    /// with the feature `tracing`.
    pub fn on_error(&self, hook: impl Fn(&Self, &HandlerError) + Send + Sync + 'static) {
        let previous = self.namespace.handlers().on_error.replace(Arc::new(hook));
        drop(previous);
    }

    /// Removes a handler. `false` if it is not registered.
    pub fn off(&self, id: HandlerId) -> bool {
        self.namespace.remove_handlers(|handlers| {
            handlers.events.remove(id)
                || handlers.connect.remove(id)
                || handlers.connect_error.remove(id)
                || handlers.disconnect.remove(id)
        })
    }

    /// Removes all handlers of an event name.
    pub fn off_event(&self, event: &str) {
        self.namespace.remove_handlers(|handlers| handlers.events.remove_event(event));
    }

    /// Removes all handlers that are registered for all events.
    #[doc(alias = "offAny")]
    pub fn off_any(&self) {
        self.namespace.remove_handlers(|handlers| handlers.events.any.clear());
    }

    /// Removes a listener of outgoing events. `false` if it is not registered.
    #[doc(alias = "offAnyOutgoing")]
    pub fn off_any_outgoing(&self, id: HandlerId) -> bool {
        self.namespace.remove_outgoing_listeners(|listeners| listeners.remove(id))
    }

    /// Removes all listeners of outgoing events.
    pub fn off_all_outgoing(&self) {
        self.namespace.remove_outgoing_listeners(|listeners| listeners.clear());
    }
}
