//! Contexts that handlers are called with, before their arguments are extracted.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use socketio_events::message::TooManyAttachments;
use socketio_events::reply::{Answer, reject, send_once};
use socketio_events::{context, message};
use socketio_parser::ToArgs;

use super::{Socket, WeakSocket};
use crate::disconnect_reason::DisconnectReason;
use crate::error::{ConnectError, EmitError, HandlerError};

/// Context of an event handler.
pub type EventContext = context::EventContext<Socket, AckSender>;

/// Context of a `connect` handler.
pub type ConnectContext = context::LifecycleContext<Socket, ()>;

/// Context of a `disconnect` handler.
pub type DisconnectContext = context::LifecycleContext<Socket, DisconnectReason>;

/// Context of a `connect_error` handler.
pub type ConnectErrorContext = context::LifecycleContext<Socket, ConnectError>;

/// Sender of the acknowledgement of an event. It works once, and until the socket leaves its namespace or
/// loses the connection.
///
/// A handler that takes it as an argument decides whether and when the acknowledgement is sent. Otherwise the
/// return value of the handler is the acknowledgement.
#[derive(Clone, Debug)]
pub struct AckSender {
    pub(crate) socket: WeakSocket,
    /// Number of the attempt to join over which the event arrived.
    pub(crate) attempt: u64,
    pub(crate) id: u64,
    /// Shared by all handlers of the event: the first acknowledgement is sent.
    pub(crate) sent: Arc<AtomicBool>,
}

impl AckSender {
    /// Sends the acknowledgement. Without effect if one has been sent already.
    ///
    /// # Errors
    ///
    /// The arguments cannot be encoded, the outbox is full, or the socket has been disconnected since the
    /// event arrived.
    pub fn send<A: ToArgs + ?Sized>(self, args: &A) -> Result<(), EmitError> {
        self.try_send(args)
    }

    /// Sends the acknowledgement. After an error it can be sent again.
    fn try_send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        let namespace = self.socket.namespace.upgrade().ok_or(EmitError::Disconnected)?;
        let message =
            namespace.config.encode(|parser| message::ack(parser, &namespace.name, self.id, args))?;
        TooManyAttachments::check(message.attachments(), namespace.config.max_attachments)?;
        send_once(Some(&self.sent), || namespace.send_ack(self.attempt, message))
    }

    /// Reports that the return value of a handler could not be sent.
    #[cold]
    fn report_unsent(self, error: EmitError) {
        if let EmitError::Encode(_) | EmitError::TooManyAttachments(_) = &error {
            // The server receives an error instead, so that it does not wait for the acknowledgement.
            reject(Some(self.clone()), &error.to_string());
        }
        if let Some(socket) = self.socket.upgrade() {
            socket.report(&HandlerError::Answer(error));
        }
    }
}

impl Answer for AckSender {
    fn answer<A: ToArgs + ?Sized>(self, args: &A) {
        match self.try_send(args) {
            // A server that is not connected waits for no acknowledgement.
            Ok(()) | Err(EmitError::Disconnected) => {}
            Err(error) => self.report_unsent(error),
        }
    }
}
