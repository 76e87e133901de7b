//! What a handler is called with, before its arguments are taken out of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socketio_events::extract::AckSlot;
use socketio_events::message;
use socketio_events::reply::{Answer, reject};
use socketio_parser::{Event, ToArgs};

use super::{Socket, WeakSocket};
use crate::disconnect_reason::DisconnectReason;
use crate::error::{ConnectError, EmitError, HandlerError};

/// Something that happened to a socket.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SocketEvent {
    /// It is connected.
    Connect {
        /// With the id, the rooms and the data that it had before, and the events that it had missed.
        recovered: bool,
    },
    /// It could not be connected. Whether there will be another attempt says
    /// [`Socket::is_active`](crate::Socket::is_active).
    ConnectError(ConnectError),
    /// The server sent an event.
    Event {
        /// Its name and its arguments.
        event: Event,
        /// The right to answer it, if the server wants an answer.
        ack: Option<AckSender>,
    },
    /// It is not connected any more.
    Disconnect(DisconnectReason),
}

/// An event that arrived.
#[derive(Clone, Debug)]
pub struct EventContext {
    pub(crate) socket: Socket,
    pub(crate) event: Event,
    pub(crate) ack: AckSlot<AckSender>,
}

/// A socket that is connected.
#[derive(Clone, Debug)]
pub struct ConnectContext {
    pub(crate) socket: Socket,
}

/// A socket that could not be connected.
#[derive(Clone, Debug)]
pub struct ConnectErrorContext {
    pub(crate) socket: Socket,
    pub(crate) error: ConnectError,
}

/// A socket that is not connected any more.
#[derive(Clone, Debug)]
pub struct DisconnectContext {
    pub(crate) socket: Socket,
    pub(crate) reason: DisconnectReason,
}

/// The right to answer an event, once, and only until the socket leaves its namespace or loses the connection.
///
/// A handler that takes it decides when, and whether, the server gets its answer; otherwise what the handler returns
/// is the answer.
#[derive(Clone, Debug)]
pub struct AckSender {
    pub(crate) socket: WeakSocket,
    /// How often the socket had asked to join when the event came.
    pub(crate) join: u64,
    pub(crate) id: u64,
    /// Shared by all who have got the event: the first answer counts.
    pub(crate) sent: Arc<AtomicBool>,
}

impl AckSender {
    /// Answers. Without effect if somebody else has answered already.
    pub fn send<A: ToArgs + ?Sized>(self, args: &A) -> Result<(), EmitError> {
        self.try_send(args)
    }

    /// What does not leave leaves the right to answer as it was.
    fn try_send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        let space = self.socket.space.upgrade().ok_or(EmitError::Disconnected)?;
        let message = message::ack(space.config.parser, &space.name, self.id, args)?;
        if self.sent.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let outcome = space.answer(self.join, message);
        if outcome.is_err() {
            self.sent.store(false, Ordering::Relaxed);
        }
        outcome
    }

    /// Nobody but the application's hook hears that a server that is there does not get what a handler returned.
    #[cold]
    fn lost(self, error: EmitError) {
        if let EmitError::Encode(error) = &error {
            // It must not wait for what nobody can write.
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
            // A server that is gone needs no answer.
            Ok(()) | Err(EmitError::Disconnected) => {}
            Err(error) => self.lost(error),
        }
    }
}
