//! What a handler is called with, before its arguments are taken out of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socketio_parser::{Event, ToArgs};

use super::Socket;
use crate::disconnect_reason::DisconnectReason;
use crate::emit;
use crate::error::EmitError;

/// An event that arrived.
#[derive(Clone, Debug)]
pub struct EventContext {
    pub(crate) socket: Socket,
    pub(crate) event: Event,
    pub(crate) ack: Option<AckSender>,
}

/// A client that asks to join, or has joined.
#[derive(Clone, Debug)]
pub struct ConnectContext {
    pub(crate) socket: Socket,
}

/// A socket that leaves.
#[derive(Clone, Debug)]
pub struct DisconnectContext {
    pub(crate) socket: Socket,
    pub(crate) reason: DisconnectReason,
}

/// The right to answer an event, once.
///
/// A handler that takes it decides when, and whether, the client gets its answer; otherwise what the handler
/// returns is the answer.
#[derive(Clone, Debug)]
pub struct AckSender {
    socket: Socket,
    id: u64,
    /// Shared by the handlers of the same event: the first answer counts.
    sent: Option<Arc<AtomicBool>>,
}

impl AckSender {
    pub(crate) fn new(socket: Socket, id: u64) -> Self {
        Self { socket, id, sent: None }
    }

    /// Makes copies answer together only once.
    pub(crate) fn share(&mut self) {
        self.sent = Some(Arc::default());
    }

    /// Answers. Without effect if another handler has answered already.
    pub fn send<A: ToArgs + ?Sized>(self, args: &A) -> Result<(), EmitError> {
        if self.sent.as_ref().is_some_and(|sent| sent.swap(true, Ordering::Relaxed)) {
            return Ok(());
        }
        let local = &self.socket.space().local;
        let message = emit::ack(local.parser(), local.name(), self.id, args)?;
        self.socket.send_prepared(message, false)
    }
}
