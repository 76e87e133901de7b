//! Handlers as people write them: async functions whose arguments say what they need. What servers have too is in
//! `socketio-events`; here is what only clients can give.

mod on;

use socketio_events::extract::{Carrier, Extract, AckSlot};
use socketio_events::handler::{self, Call, HandlerFn, Incoming};
use socketio_parser::Event;

use crate::disconnect_reason::DisconnectReason;
use crate::error::{ConnectError, ExtractError, HandlerError};
use crate::socket::{
    AckSender, ConnectContext, ConnectErrorContext, DisconnectContext, EventContext, Socket,
};

/// A context that belongs to a socket.
pub trait Context: Send + 'static {
    /// The socket.
    fn socket(&self) -> &Socket;
}

macro_rules! context {
    ($($name:ident)*) => {
        $(
            impl Context for $name {
                fn socket(&self) -> &Socket {
                    &self.socket
                }
            }
        )*
    };
}

context!(EventContext ConnectContext ConnectErrorContext DisconnectContext);

impl<C: Context> Extract<C> for Socket {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().clone())
    }
}

impl Carrier for EventContext {
    type Ack = AckSender;

    fn event(&self) -> &Event {
        &self.event
    }

    fn take_ack(&mut self) -> Option<AckSender> {
        self.ack.take()
    }
}

impl Incoming for EventContext {
    fn ack_slot(&mut self) -> &mut AckSlot<AckSender> {
        &mut self.ack
    }

    fn report_mismatch(&self, error: ExtractError) {
        misfit(&self.socket, self.event.name(), error);
    }
}

/// `None` when no answer is wanted.
impl Extract<EventContext> for Option<AckSender> {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        Ok(context.take_ack())
    }
}

impl Extract<DisconnectContext> for DisconnectReason {
    fn extract(context: &mut DisconnectContext) -> Result<Self, ExtractError> {
        Ok(context.reason.clone())
    }
}

impl Extract<ConnectErrorContext> for ConnectError {
    fn extract(context: &mut ConnectErrorContext) -> Result<Self, ExtractError> {
        Ok(context.error.clone())
    }
}

/// A handler of a socket that is connected or is not (`kind` says which).
fn lifecycle<C, H, M>(kind: &'static str, handler: H) -> Call<C>
where
    C: Context,
    H: HandlerFn<C, M, Output = ()>,
{
    handler::lifecycle(handler, move |context: &C, error| misfit(context.socket(), kind, error))
}

/// Tells the application of what does not fit.
fn misfit(socket: &Socket, event: &str, source: ExtractError) {
    socket.report(&HandlerError::Extract { event: event.to_owned(), source });
}
