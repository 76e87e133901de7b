//! Registration of handlers of a single socket.

use socketio_events::extract::{HandlerSocket, Registration};
use socketio_events::function::HandlerFn;
use socketio_events::handler::{self, Call};
use socketio_events::reply::{Outcome, Reply};
use socketio_events::table::{HandlerId, List, Table};

use super::middleware;
use crate::socket::rewrite::Screen;
use crate::socket::{EventContext, Socket};

impl Socket {
    /// Calls `handler` for each event of this socket with this name, after the namespace's handlers. See
    /// [`Namespace::on`](crate::Namespace::on).
    ///
    /// A handler that is registered in `on_connect`, before the first await point, misses no event. The
    /// handlers of a socket may hold the socket: they are dropped when it has left.
    pub fn on<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        self.check::<H, M>(event);
        let call = handler::event(Some(event), handler);
        self.change(|table| table.on(event, call))
    }

    /// Calls `handler` for the next event with this name.
    pub fn once<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        self.check::<H, M>(event);
        let call = handler::event(Some(event), handler);
        self.change(|table| table.once(event, call))
    }

    /// Calls `handler` for each event of any name, before the middlewares for events and the handlers of the
    /// event's name. See [`Namespace::on_any`](crate::Namespace::on_any).
    #[doc(alias = "onAny")]
    pub fn on_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Outcome,
    {
        self.check::<H, M>("any event");
        let call = handler::any(handler);
        self.change(|table| table.any.push(call))
    }

    /// The same as [`on_any`](Self::on_any), but before the existing handlers.
    #[doc(alias = "prependAny")]
    pub fn prepend_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Outcome,
    {
        self.check::<H, M>("any event");
        let call = handler::any(handler);
        self.change(|table| table.any.push_front(call))
    }

    /// Removes a handler.
    pub fn off(&self, id: HandlerId) -> bool {
        self.remove(|table| table.remove(id))
    }

    /// Removes all handlers of an event from this socket.
    pub fn off_event(&self, event: &str) {
        self.remove(|table| table.remove_event(event));
    }

    /// Removes all handlers of any event from this socket; [`off`](Self::off) removes a single one.
    #[doc(alias = "offAny")]
    pub fn off_any(&self) {
        self.remove(|table| table.any.clear());
    }

    /// The handlers of any event of this socket, in the order of the calls (`listenersAny`).
    pub fn listeners_any(&self) -> Vec<HandlerId> {
        self.extras(|extras| extras.handlers.any.ids().collect()).unwrap_or_default()
    }

    /// Adds a middleware for the events of this socket, after the namespace's middlewares. See
    /// [`Namespace::event_middleware`](crate::Namespace::event_middleware).
    #[doc(alias = "use")]
    pub fn event_middleware<H, M>(&self, middleware: H)
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Screen,
    {
        self.check::<H, M>("a middleware of events");
        let middleware = middleware::event(middleware);
        self.change_extras(|extras| extras.middlewares.push(middleware));
    }

    /// Reports an argument that can never be extracted. Unlike a namespace this does not panic, because a
    /// client causes the registration.
    fn check<H: HandlerFn<EventContext, M>, M>(&self, event: &str) {
        if let Err(error) = H::register(&Registration::new(&*self.namespace_state().state)) {
            self.report_mismatch(event, error);
        }
    }

    /// Whether the socket has a handler of its own for this event name.
    pub(crate) fn handles(&self, event: &str) -> bool {
        self.extras(|extras| extras.handlers.event(event).is_some_and(|list| !list.is_empty()))
            .unwrap_or_default()
    }

    /// The handlers to call for an event of this name. Handlers for a single call are removed.
    pub(crate) fn own_handlers(&self, event: &str) -> Vec<Call<EventContext>> {
        let found = self.extras(|extras| {
            let named = extras.handlers.event(event).into_iter().flat_map(List::calls).cloned();
            (named.collect(), extras.handlers.has_once(event))
        });
        let Some((calls, has_once)) = found else { return Vec::new() };
        if has_once {
            self.change(|table| table.remove_once(event));
        }
        calls
    }

    /// Removes handlers. They are dropped after the lock is released.
    fn remove<R>(&self, remove: impl FnOnce(&mut Table<EventContext>) -> R) -> R {
        let (before, result) = self.change(|table| (table.clone(), remove(table)));
        drop(before);
        result
    }

    fn change<R>(&self, change: impl FnOnce(&mut Table<EventContext>) -> R) -> R {
        self.change_extras(|extras| change(&mut extras.handlers))
    }
}
