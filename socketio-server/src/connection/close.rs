//! The server closes the connection: protocol violations and deadlines.

use std::future::Future;
use std::task::Context;

use socketio_parser::DecodeError;

use super::{Client, Slot};
use crate::error::HandlerError;
use crate::socket::disconnect_reason::DisconnectReason;
use crate::trace;

impl Client {
    /// What the client sent is no packet: its connection is closed.
    pub(super) fn undecodable(&mut self, error: DecodeError) {
        let error = HandlerError::Protocol(error);
        for slot in &self.slots {
            if let Slot::In(socket, _) = slot {
                socket.space().report(socket, &error);
            }
        }
        trace::hung_up("it sent what is no packet");
        self.hang_up();
    }

    /// The client sent a packet that it must not send now: its connection is closed.
    pub(super) fn violation(&mut self) {
        self.leave_all(DisconnectReason::ForcedServerClose);
        trace::hung_up("it sent a packet that it must not send now");
        self.hang_up();
    }

    pub(super) fn hang_up(&mut self) {
        self.over = true;
        self.inbox.clear();
        self.session.close();
    }

    pub(super) fn leave_all(&mut self, reason: DisconnectReason) {
        for slot in std::mem::take(&mut self.slots) {
            if let Slot::In(socket, _) = slot {
                socket.leave_namespace(reason);
            }
        }
        for joining in self.joining.drain(..) {
            joining.give_up();
        }
        self.visits.clear();
    }

    /// Closes the connection of a client that keeps us waiting.
    pub(super) fn poll_deadlines(&mut self, cx: &mut Context<'_>) {
        if !self.decoder.is_pending() {
            self.attachments_by = None;
        } else if self.attachments_by.is_none() {
            let timeout = self.server.config.attachment_timeout;
            self.attachments_by = Some(Box::pin(tokio::time::sleep(timeout)));
        }
        let deadlines = [
            (&mut self.connect_by, "it joined no namespace in time"),
            (&mut self.attachments_by, "its attachments did not come in time"),
        ];
        for (deadline, fault) in deadlines {
            if deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
                *deadline = None;
                trace::hung_up(fault);
                self.session.close();
            }
        }
    }
}
