//! Contexts: the data of a handler call, from which extractors take the arguments.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engineio::SendError;
use socketio_events::context;
use socketio_events::reply::{Answer, reject, send_once};
use socketio_parser::{Parser, ToArgs};

use super::Socket;
use crate::cluster::server_event::ServerReply;
use crate::encode;
use crate::error::{EmitError, HandlerError};
use crate::socket::disconnect_reason::DisconnectReason;

/// Context of a received event.
pub type EventContext = context::EventContext<Socket, AckSender>;

/// Context of a client that is joining or has joined.
pub type ConnectContext = context::LifecycleContext<Socket, ()>;

/// Context of a socket that is leaving or has left.
pub type DisconnectContext = context::LifecycleContext<Socket, DisconnectReason>;

/// The right to answer an event once.
///
/// A handler that takes it decides when, and whether, the event is answered; otherwise the handler's return
/// value is the answer.
#[derive(Clone, Debug)]
pub struct AckSender(To);

#[derive(Clone, Debug)]
enum To {
    Client {
        socket: Socket,
        id: u64,
        /// Shared by all handlers of the event, if there are several. The first answer counts.
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

    /// Sends the answer. Has no effect if another handler has answered. Another server receives the first
    /// argument.
    ///
    /// # Errors
    ///
    /// The answer cannot be encoded, has too many binary parts, or does not fit into the outbox of the
    /// client; or the client has left.
    pub fn send<A: ToArgs + ?Sized>(self, args: &A) -> Result<(), EmitError> {
        self.try_send(args)
    }

    /// On an error the right to answer remains.
    fn try_send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        match &self.0 {
            To::Client { socket, id, sent } => {
                let node = &socket.namespace_state().node;
                let message = encode::ack(socket.parser(), node.name(), *id, args)?;
                let message = socket.finish(node.acceptable(message)?)?;
                send_once(sent.as_deref(), || socket.send_prepared(message, false))
            }
            To::Server(reply, parser) => {
                reply.send(encode::to_value(*parser, args)?);
                Ok(())
            }
        }
    }

    /// Reports an answer that a connected client does not receive. Only the error hook of the application is
    /// informed.
    #[cold]
    fn lost(self, error: EmitError) {
        if let EmitError::Encode(_) | EmitError::TooManyAttachments(_) = &error {
            // The client should not wait for its timeout because the answer cannot be encoded.
            reject(Some(self.clone()), &error.to_string());
        }
        if let To::Client { socket, .. } = &self.0 {
            socket.namespace_state().report(socket, &HandlerError::Answer(error));
        }
    }
}

impl Answer for AckSender {
    fn answer<A: ToArgs + ?Sized>(self, args: &A) {
        match self.try_send(args) {
            // A disconnected client needs no answer.
            Ok(()) | Err(EmitError::Send(SendError::Closed)) => {}
            Err(error) => self.lost(error),
        }
    }

    fn share(&mut self) {
        if let To::Client { sent, .. } = &mut self.0 {
            sent.get_or_insert_default();
        }
    }
}
