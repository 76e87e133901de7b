//! What a handler is called with, before its arguments are taken out of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engineio::SendError;
use socketio_events::extract::AckSlot;
use socketio_events::reply::{Answer, reject};
use socketio_parser::{Event, Parser, ToArgs};

use super::Socket;
use crate::cluster::server_events::ServerReply;
use crate::emit;
use crate::error::{EmitError, HandlerError};
use crate::socket::disconnect_reason::DisconnectReason;

/// An event that arrived.
#[derive(Clone, Debug)]
pub struct EventContext {
    pub(crate) socket: Socket,
    pub(crate) event: Event,
    pub(crate) ack: AckSlot<AckSender>,
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
/// A handler that takes it decides when, and whether, the other side gets its answer; otherwise what the handler
/// returns is the answer.
#[derive(Clone, Debug)]
pub struct AckSender(To);

#[derive(Clone, Debug)]
enum To {
    Client {
        socket: Socket,
        id: u64,
        /// Shared by all who have got the event, if there may be more than one: the first answer counts.
        sent: Option<Arc<AtomicBool>>,
    },
    /// Another server of the cluster.
    Server(ServerReply, Parser),
}

impl AckSender {
    pub(crate) fn new(socket: Socket, id: u64) -> Self {
        Self(To::Client { socket, id, sent: None })
    }

    pub(crate) fn to_server(reply: ServerReply, parser: Parser) -> Self {
        Self(To::Server(reply, parser))
    }

    /// Makes copies answer together only once.
    pub(crate) fn share(&mut self) {
        if let To::Client { sent, .. } = &mut self.0 {
            sent.get_or_insert_default();
        }
    }

    /// Answers. Without effect if another handler has answered already. Another server gets the first argument.
    pub fn send<A: ToArgs + ?Sized>(self, args: &A) -> Result<(), EmitError> {
        self.try_send(args)
    }

    /// What does not leave leaves the right to answer as it was.
    fn try_send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        match &self.0 {
            To::Client { socket, id, sent } => {
                let hub = &socket.space().hub;
                let message = emit::ack(hub.parser(), hub.name(), *id, args)?;
                if sent.as_ref().is_some_and(|sent| sent.swap(true, Ordering::Relaxed)) {
                    return Ok(());
                }
                let outcome = socket.send_prepared(message, false);
                if let (Err(_), Some(sent)) = (&outcome, sent) {
                    sent.store(false, Ordering::Relaxed);
                }
                outcome
            }
            To::Server(reply, parser) => {
                reply.send(emit::to_value(*parser, args)?);
                Ok(())
            }
        }
    }

    /// Nobody but the application's hook hears that a client that is there does not get what a handler returned.
    #[cold]
    fn lost(self, error: EmitError) {
        if let EmitError::Encode(error) = &error {
            // It must not wait for what nobody can write.
            reject(Some(self.clone()), &error.to_string());
        }
        if let To::Client { socket, .. } = &self.0 {
            socket.space().report(socket, &HandlerError::Answer(error));
        }
    }
}

impl Answer for AckSender {
    fn answer<A: ToArgs + ?Sized>(self, args: &A) {
        match self.try_send(args) {
            // A client that is gone needs no answer.
            Ok(()) | Err(EmitError::Send(SendError::Closed)) => {}
            Err(error) => self.lost(error),
        }
    }
}
