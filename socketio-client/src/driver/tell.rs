//! Calling the application: its handlers, and whoever reads the socket's events.

use std::sync::Arc;
use std::task::{Context, Waker};

use socketio_events::extract::AckSlot;
use socketio_events::handler::{Failure, Running, Work};
use socketio_parser::Event;

use super::Driver;
use crate::disconnect_reason::DisconnectReason;
use crate::error::{ConnectError, HandlerError};
use crate::socket::{
    AckSender, ConnectContext, ConnectErrorContext, DisconnectContext, EventContext, SocketEvent, Space,
};
use crate::trace;

impl Driver {
    pub(super) fn tell_event(&mut self, space: &Arc<Space>, event: Event, ack: Option<AckSender>) {
        let calls = space.calls(event.name());
        let Some(socket) = self.hub.socket(space) else { return };
        for call in calls {
            let (socket, event, ack) = (socket.clone(), event.clone(), AckSlot::new(ack.clone()));
            self.begin(space, call(EventContext { socket, event, ack }));
        }
        put(space, || SocketEvent::Event { event, ack });
    }

    pub(super) fn tell_connect(&mut self, space: &Arc<Space>, recovered: bool) {
        trace::connected(&space.name, recovered);
        put(space, || SocketEvent::Connect { recovered });
        let calls = space.handlers().connect.clone();
        let Some(socket) = self.hub.socket(space) else { return };
        for call in calls.calls() {
            self.begin(space, call(ConnectContext { socket: socket.clone() }));
        }
    }

    pub(super) fn tell_connect_error(&mut self, space: &Arc<Space>, error: &ConnectError) {
        trace::refused(&space.name, error);
        put(space, || SocketEvent::ConnectError(error.clone()));
        let calls = space.handlers().connect_error.clone();
        let Some(socket) = self.hub.socket(space) else { return };
        for call in calls.calls() {
            self.begin(space, call(ConnectErrorContext { socket: socket.clone(), error: error.clone() }));
        }
    }

    pub(super) fn tell_disconnect(&mut self, space: &Arc<Space>, reason: &DisconnectReason) {
        trace::disconnected(&space.name, reason);
        put(space, || SocketEvent::Disconnect(reason.clone()));
        let calls = space.handlers().disconnect.clone();
        let Some(socket) = self.hub.socket(space) else { return };
        for call in calls.calls() {
            self.begin(space, call(DisconnectContext { socket: socket.clone(), reason: reason.clone() }));
        }
    }

    /// Nothing more happens unless the application connects again.
    pub(super) fn tell_end(&self, space: &Space) {
        if let Some(inbox) = space.inbox() {
            inbox.push(None);
        }
    }

    /// Most handlers are done at once. One that waits goes on beside the others.
    fn begin(&mut self, space: &Arc<Space>, work: Option<Work>) {
        let Some(work) = work else { return };
        match Running::start(work, || Arc::clone(space), &mut Context::from_waker(Waker::noop())) {
            Ok(None) => {}
            Ok(Some(running)) => self.works.push(running),
            Err(failure) => self.tell_failure(space, failure),
        }
    }

    pub(super) fn tell_failure(&self, space: &Arc<Space>, Failure { event, error }: Failure) {
        if let Some(socket) = self.hub.socket(space) {
            socket.report(&HandlerError::Failed { event: event.to_string(), error });
        }
    }
}

fn put(space: &Space, event: impl FnOnce() -> SocketEvent) {
    if let Some(inbox) = space.inbox() {
        inbox.push(Some(event()));
    }
}
