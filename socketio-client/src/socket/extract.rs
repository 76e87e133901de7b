//! Extractors that only clients have. `socketio-events` has those that clients and servers share.

use socketio_events::extract::{AckSlot, Carrier, Extract};
use socketio_events::handler::Incoming;
use socketio_parser::Event;

use super::Socket;
use super::context::{AckSender, ConnectContext, ConnectErrorContext, DisconnectContext, EventContext};
use crate::disconnect_reason::DisconnectReason;
use crate::error::{ConnectError, ExtractError};

/// Context of a handler of a socket.
pub trait Context: Send + 'static {
    /// Socket of the handler.
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
        self.socket.report_mismatch(self.event.name(), error);
    }
}

/// `None` if the server requested no acknowledgement.
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
