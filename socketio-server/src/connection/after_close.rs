//! Work after the end of a connection: running handlers, and received events that still wait.
//!
//! The sockets stay in their namespaces until the last waiting event has started. Handlers therefore find
//! their socket, and a DISCONNECT among the events determines the reason.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use engineio::CloseReason;
use socketio_parser::{Packet, Payload};

use super::{Connection, Slot};
use crate::socket::detached::DetachedCount;
use crate::socket::disconnect_reason::DisconnectReason;
use crate::trace;

impl Connection {
    /// Ends the connection.
    pub(super) fn end(&mut self, reason: CloseReason) {
        for joining in self.joining.drain(..) {
            joining.give_up();
        }
        self.slots.retain(|slot| !matches!(slot, Slot::Joining(_)));
        // Usually all waiting events can start at once.
        let all_started = self.poll_remaining(&mut Context::from_waker(Waker::noop())).is_ready();
        let is_closing = self.server.is_closing();
        let by_server = is_closing || matches!(reason, CloseReason::ForcedClose | CloseReason::ParseError);
        let reason = if is_closing {
            DisconnectReason::ServerShuttingDown
        } else {
            DisconnectReason::Connection(reason)
        };
        if all_started || by_server {
            self.leave_all(reason);
            if self.running.is_none() {
                return;
            }
            self.inbox.clear();
            self.screening = None;
        }
        // Running handlers continue after the client has disconnected.
        let siblings = Arc::clone(&self.siblings);
        let mut remaining = Self::with_siblings(Arc::clone(&self.server), &self.session, siblings);
        remaining.slots = std::mem::take(&mut self.slots);
        remaining.occupancies = std::mem::take(&mut self.occupancies);
        remaining.inbox = std::mem::take(&mut self.inbox);
        remaining.received = self.received.take();
        remaining.screening = self.screening.take();
        remaining.running = self.running.take();
        let mut detached = self.server.detached_handlers.counter();
        detached.set(remaining.unfinished());
        tokio::spawn(remaining.finish(reason, detached));
    }

    /// Number of running handlers and waiting events.
    fn unfinished(&self) -> usize {
        let running = self.running.as_ref().map_or(0, |running| running.len());
        running + self.inbox.len() + usize::from(self.screening.is_some())
    }

    async fn finish(mut self, reason: DisconnectReason, mut detached: DetachedCount) {
        let timeout = self.server.config.waiting_events_timeout;
        let remaining = poll_fn(|cx| {
            let all_started = self.poll_remaining(cx);
            detached.set(self.unfinished());
            all_started
        });
        if tokio::time::timeout(timeout, remaining).await.is_err() {
            trace::events_dropped(self.inbox.len() + usize::from(self.screening.is_some()));
            self.inbox.clear();
            self.screening = None;
        }
        self.leave_all(reason);
        poll_fn(|cx| {
            self.poll_running(cx);
            detached.set(self.unfinished());
            if self.unfinished() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Starts waiting events within the handler limit. Ready when all have started.
    fn poll_remaining(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            while self.screen(cx) && self.can_start_handler() {
                let Some(packet) = self.inbox.pop() else { return Poll::Ready(()) };
                self.remaining_packet(packet, cx);
            }
            if !self.poll_running(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Handles a packet after the end of the connection. CONNECT is ignored, and so are packets for
    /// namespaces without a socket.
    fn remaining_packet(&mut self, packet: Packet, cx: &mut Context<'_>) {
        let name = self.name(&packet.namespace);
        let is_in = self.slots.iter().any(|slot| slot.name() == name && matches!(slot, Slot::Joined(..)));
        if is_in && !matches!(packet.payload, Payload::Connect(_) | Payload::ConnectError(_)) {
            self.packet(packet, cx);
        }
    }
}
