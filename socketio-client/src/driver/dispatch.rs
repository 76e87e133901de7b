//! Calls of the application: handlers, and the stream of events.

use std::sync::Arc;
use std::task::{Context, Waker};

use socketio_events::handler::{CallFn, Called, Failure, Running};
use socketio_parser::Event;

use super::Driver;
use crate::disconnect_reason::DisconnectReason;
use crate::error::{ConnectError, HandlerError};
use crate::socket::context::{
    AckSender, ConnectContext, ConnectErrorContext, DisconnectContext, EventContext,
};
use crate::socket::events::SocketEvent;
use crate::socket::{Namespace, Socket};
use crate::trace;

impl Driver {
    pub(super) fn dispatch_event(
        &mut self,
        namespace: &Arc<Namespace>,
        event: Event,
        ack: Option<AckSender>,
    ) {
        let calls = namespace.event_calls(event.name());
        let Some(socket) = Socket::for_handlers(&self.shared, namespace) else { return };
        for call in calls {
            let context = EventContext::new(socket.clone(), event.clone(), ack.clone());
            self.start_handler(namespace, &*call, context);
        }
        push_to_stream(namespace, || SocketEvent::Event { event, ack });
    }

    pub(super) fn dispatch_connect(&mut self, namespace: &Arc<Namespace>, recovered: bool) {
        trace::connected(&namespace.name, recovered);
        push_to_stream(namespace, || SocketEvent::Connect { recovered });
        let calls = namespace.handlers().connect.clone();
        let Some(socket) = Socket::for_handlers(&self.shared, namespace) else { return };
        for call in calls.calls() {
            self.start_handler(namespace, &**call, ConnectContext::new(socket.clone(), ()));
        }
    }

    pub(super) fn dispatch_connect_error(&mut self, namespace: &Arc<Namespace>, error: &ConnectError) {
        trace::refused(&namespace.name, error);
        push_to_stream(namespace, || SocketEvent::ConnectError(error.clone()));
        let calls = namespace.handlers().connect_error.clone();
        let Some(socket) = Socket::for_handlers(&self.shared, namespace) else { return };
        for call in calls.calls() {
            let context = ConnectErrorContext::new(socket.clone(), error.clone());
            self.start_handler(namespace, &**call, context);
        }
    }

    pub(super) fn dispatch_disconnect(&mut self, namespace: &Arc<Namespace>, reason: &DisconnectReason) {
        trace::disconnected(&namespace.name, reason);
        push_to_stream(namespace, || SocketEvent::Disconnect(reason.clone()));
        let calls = namespace.handlers().disconnect.clone();
        let Some(socket) = Socket::for_handlers(&self.shared, namespace) else { return };
        for call in calls.calls() {
            let context = DisconnectContext::new(socket.clone(), reason.clone());
            self.start_handler(namespace, &**call, context);
        }
    }

    /// Ends the stream: no event follows unless the application connects again.
    pub(super) fn dispatch_end(&self, namespace: &Namespace) {
        if let Some(inbox) = namespace.inbox() {
            inbox.push(None);
        }
    }

    /// Calls a handler, whose future is polled once. Most handlers complete with that; one that waits continues
    /// beside the others.
    fn start_handler<C>(&mut self, namespace: &Arc<Namespace>, call: &CallFn<C>, context: C) {
        match call(context, &mut Context::from_waker(Waker::noop())) {
            Called::Done => {}
            Called::Failed(failure) => self.report_failure(namespace, failure),
            Called::Pending(work) => self.handlers.push(Running::new(work, Arc::clone(namespace))),
        }
    }

    /// Reports the error that a handler returned.
    pub(super) fn report_failure(&self, namespace: &Arc<Namespace>, Failure { event, error }: Failure) {
        if let Some(socket) = Socket::for_handlers(&self.shared, namespace) {
            socket.report(&HandlerError::Failed { event: event.to_string(), error });
        }
    }
}

fn push_to_stream(namespace: &Namespace, event: impl FnOnce() -> SocketEvent) {
    if let Some(inbox) = namespace.inbox() {
        inbox.push(Some(event()));
    }
}
