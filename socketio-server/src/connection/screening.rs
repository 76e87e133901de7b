//! Event middlewares: each event passes them, one after the other, before its handlers are called.

use std::task::{Context, Poll};

use socketio_events::extract::AckSlot;
use socketio_events::reply::reject;

use crate::error::HandlerError;
use crate::socket::rewrite::Screened;
use crate::socket::{EventContext, EventMiddleware, Handlers};

/// An event that passes through the middlewares.
pub(crate) struct Screening {
    context: Option<EventContext>,
    middlewares: Vec<EventMiddleware>,
    /// Number of called middlewares, including the current one.
    called: usize,
    current: Option<Screened>,
}

impl Screening {
    /// Collects the middlewares of the namespace and of the socket. `None` if there are none.
    pub(crate) fn new(context: &EventContext, handlers: Option<&Handlers>) -> Option<Self> {
        let shared = handlers.map_or(&[][..], |handlers| &handlers.event_middlewares);
        let own = context.socket.extras(|extras| extras.middlewares.clone()).unwrap_or_default();
        if own.is_empty() && shared.is_empty() {
            return None;
        }
        let middlewares = shared.iter().cloned().chain(own).collect();
        Some(Self { context: Some(context.clone()), middlewares, called: 0, current: None })
    }

    /// Resolves to the event after all middlewares; `None` if one of them refused it, which was reported and
    /// answered.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<EventContext>> {
        loop {
            let Some(context) = &mut self.context else { return Poll::Ready(None) };
            if let Some(current) = &mut self.current {
                match current.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(None)) => {}
                    Poll::Ready(Ok(Some(event))) => context.event = event,
                    Poll::Ready(Err(refusal)) => {
                        let event = context.event.name().to_owned();
                        reject(std::mem::replace(&mut context.ack, AckSlot::empty()).into_inner(), &refusal);
                        let error = HandlerError::Refused { event, refusal };
                        context.socket.namespace_state().report(&context.socket, &error);
                        self.context = None;
                        return Poll::Ready(None);
                    }
                }
                self.current = None;
            }
            let Some(middleware) = self.middlewares.get(self.called) else {
                return Poll::Ready(self.context.take());
            };
            self.called += 1;
            self.current =
                Some(middleware(EventContext::new(context.socket.clone(), context.event.clone(), None)));
        }
    }
}
