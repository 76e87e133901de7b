//! Contexts that handlers of a socket are called with, before their arguments are extracted.

use socketio_parser::Event;

use crate::error::ExtractError;
use crate::extract::{AckSlot, Carrier, Context, Extract, HandlerSocket};
use crate::handler::Incoming;
use crate::reply::Answer;

/// Context of a received event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventContext<S, A> {
    /// Receiver of the event.
    pub socket: S,
    /// The event.
    pub event: Event,
    /// The right to answer the event.
    pub ack: AckSlot<A>,
    /// Index of the argument that the next [`Data`](crate::extract::Data) takes.
    next_argument: usize,
}

/// Context of a handler of `connect`, `connect_error`, `disconnecting` or `disconnect`, and of a server's
/// middleware for sockets that are joining.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LifecycleContext<S, R> {
    /// The socket.
    pub socket: S,
    /// Reason of the call, such as an error.
    pub reason: R,
}

impl<S, A> EventContext<S, A> {
    /// Context of an event; `ack` is `None` if no acknowledgement was requested.
    pub fn new(socket: S, event: Event, ack: Option<A>) -> Self {
        Self { socket, event, ack: AckSlot::new(ack), next_argument: 0 }
    }
}

impl<S, R> LifecycleContext<S, R> {
    /// Context of a change of the socket.
    pub fn new(socket: S, reason: R) -> Self {
        Self { socket, reason }
    }
}

impl<S: HandlerSocket, A: Send + 'static> Context for EventContext<S, A> {
    type Socket = S;

    fn socket(&self) -> &S {
        &self.socket
    }
}

impl<S: HandlerSocket, R: Send + 'static> Context for LifecycleContext<S, R> {
    type Socket = S;

    fn socket(&self) -> &S {
        &self.socket
    }
}

impl<S, A: Answer + Clone> Carrier for EventContext<S, A> {
    type Ack = A;

    fn event(&self) -> &Event {
        &self.event
    }

    fn next_argument(&mut self) -> usize {
        let next = self.next_argument;
        self.next_argument += 1;
        next
    }

    fn take_ack(&mut self) -> Option<A> {
        let mut ack = self.ack.take()?;
        ack.share();
        Some(ack)
    }
}

impl<S: HandlerSocket, A: Answer + Clone + Send + 'static> Incoming for EventContext<S, A> {
    fn ack_slot(&mut self) -> &mut AckSlot<A> {
        &mut self.ack
    }

    fn report_mismatch(&self, error: ExtractError) {
        self.socket.report_mismatch(self.event.name(), error);
    }
}

/// `None` if no acknowledgement was requested.
impl<S, A: Answer + Clone> Extract<EventContext<S, A>> for Option<A> {
    fn extract(context: &mut EventContext<S, A>) -> Result<Self, ExtractError> {
        Ok(context.take_ack())
    }
}
