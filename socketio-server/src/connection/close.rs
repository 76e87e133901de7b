//! The server closes the connection: protocol violations and deadlines.

use std::future::Future;
use std::task::Context;

use socketio_parser::{ConnectionDecoder, DecodeError, Decoder};

use super::{Connection, Slot};
use crate::error::HandlerError;
use crate::socket::disconnect_reason::DisconnectReason;
use crate::trace;

impl Connection {
    /// Closes the connection after an invalid packet.
    pub(super) fn undecodable(&mut self, error: DecodeError) {
        let error = HandlerError::Protocol(error);
        for slot in &self.slots {
            if let Slot::Joined(socket, _) = slot {
                socket.namespace_state().report(socket, &error);
            }
        }
        trace::connection_closed("invalid packet");
        self.close_connection();
    }

    /// Closes the connection after a packet that is not allowed in this state.
    pub(super) fn violation(&mut self) {
        self.leave_all(DisconnectReason::ForcedServerClose);
        trace::connection_closed("packet not allowed in this state");
        self.close_connection();
    }

    /// Closes the connection because the server holds too much received data. The client may connect again.
    pub(super) fn server_full(&mut self) {
        trace::connection_closed("the server holds too many received bytes");
        // Discards the incomplete packet.
        self.decoder = ConnectionDecoder::BuiltIn(Decoder::default());
        self.close_connection();
    }

    pub(super) fn close_connection(&mut self) {
        self.closed_by_server = true;
        self.inbox.clear();
        self.session.close();
    }

    pub(super) fn leave_all(&mut self, reason: DisconnectReason) {
        for slot in std::mem::take(&mut self.slots) {
            if let Slot::Joined(socket, _) = slot {
                socket.leave_namespace(reason);
            }
        }
        for joining in self.joining.drain(..) {
            joining.give_up();
        }
        self.occupancies.clear();
    }

    /// Closes the connection if a deadline has passed.
    pub(super) fn poll_deadlines(&mut self, cx: &mut Context<'_>) {
        if !self.decoder.is_pending() {
            self.attachments_by = None;
        } else if self.attachments_by.is_none() {
            let timeout = self.server.config.attachment_timeout;
            self.attachments_by = Some(Box::pin(tokio::time::sleep(timeout)));
        }
        let deadlines = [
            (&mut self.connect_by, "no namespace joined before the connect timeout"),
            (&mut self.attachments_by, "attachments missing after the attachment timeout"),
        ];
        for (deadline, fault) in deadlines {
            if deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
                *deadline = None;
                trace::connection_closed(fault);
                self.session.close();
            }
        }
    }
}
