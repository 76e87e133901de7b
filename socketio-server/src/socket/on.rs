//! Handlers of one socket, beside those of its namespace.

use socketio_events::handler::{self, Call, HandlerFn};
use socketio_events::reply::Reply;
use socketio_events::table::{HandlerId, Table};

use super::middleware;
use crate::socket::rewrite::Screen;
use crate::socket::{EventContext, Socket};

impl Socket {
    /// Calls `handler` for each event of this name from this socket, after the namespace's handlers. See
    /// [`Namespace::on`](crate::Namespace::on).
    ///
    /// Registered in `on_connect` before anything is awaited, it misses no event.
    pub fn on<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        self.change(|table| table.on(event, handler::event(Some(event), handler)))
    }

    /// Calls `handler` for the next event of this name.
    pub fn once<H, M>(&self, event: &str, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        self.change(|table| table.once(event, handler::event(Some(event), handler)))
    }

    /// Calls `handler` for each event of any name, before the event's own handlers.
    pub fn on_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M, Output = ()>,
    {
        self.change(|table| table.any.push(handler::any(handler)))
    }

    /// The same as [`on_any`](Self::on_any), before the handlers that are there.
    pub fn prepend_any<H, M>(&self, handler: H) -> HandlerId
    where
        H: HandlerFn<EventContext, M, Output = ()>,
    {
        self.change(|table| table.any.push_front(handler::any(handler)))
    }

    /// Takes a handler out again.
    pub fn off(&self, id: HandlerId) -> bool {
        self.change(|table| table.remove(id))
    }

    /// Takes all of this socket's handlers of an event out.
    pub fn off_event(&self, event: &str) {
        self.change(|table| table.remove_event(event));
    }

    /// Takes all of this socket's handlers of any event out.
    pub fn off_any(&self) {
        self.change(|table| table.any.clear());
    }

    /// Shows each event of this socket to `middleware` before its handlers, and after the namespace's middlewares.
    /// See [`Namespace::event_middleware`](crate::Namespace::event_middleware).
    pub fn event_middleware<H, M>(&self, middleware: H)
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Screen,
    {
        self.change_extras(|extras| extras.middlewares.push(middleware::event(middleware)));
    }

    /// Whether the socket itself has a handler for this event by its name.
    pub(crate) fn handles(&self, event: &str) -> bool {
        self.extras(|extras| extras.handlers.event(event).is_some_and(|list| !list.is_empty()))
            .unwrap_or_default()
    }

    /// The handlers to call for an event: those of any event, then the event's own. Those that wanted to be called
    /// once are called now for the last time.
    pub(crate) fn own_handlers(&self, event: &str) -> Vec<Call<EventContext>> {
        let found = self.extras(|extras| (extras.handlers.calls(event), extras.handlers.has_once(event)));
        let Some((calls, has_once)) = found else { return Vec::new() };
        if has_once {
            self.change(|table| table.remove_once(event));
        }
        calls
    }

    fn change<R>(&self, change: impl FnOnce(&mut Table<EventContext>) -> R) -> R {
        self.change_extras(|extras| change(&mut extras.handlers))
    }
}
