//! What goes on after a client's connection has ended: handlers that have begun, and events that had come before the end
//! and wait for their turn.
//!
//! The sockets stay in their namespaces until the last of these events has begun, so that handlers find their socket and a
//! DISCONNECT among the events is the reason for which it leaves.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use engineio::CloseReason;
use socketio_parser::{Packet, Payload};

use super::{Client, Slot};
use crate::socket::detached::Share;
use crate::socket::disconnect_reason::DisconnectReason;
use crate::trace;

impl Client {
    /// The connection has ended.
    pub(super) fn end(&mut self, reason: CloseReason) {
        for joining in self.joining.drain(..) {
            joining.give_up();
        }
        self.slots.retain(|slot| !matches!(slot, Slot::Joining(_)));
        // Mostly all that waits can begin at once.
        let all_begun = self.poll_rest(&mut Context::from_waker(Waker::noop())).is_ready();
        let is_closing = self.server.is_closing();
        let by_server = is_closing || matches!(reason, CloseReason::ForcedClose | CloseReason::ParseError);
        let reason = if is_closing {
            DisconnectReason::ServerShuttingDown
        } else {
            DisconnectReason::Connection(reason)
        };
        if all_begun || by_server {
            self.leave_all(reason);
            if self.running.is_none() {
                return;
            }
            self.inbox.clear();
            self.screening = None;
        }
        // Handlers that have begun are not cut off because their client went away.
        let mut rest = Self::new(Arc::clone(&self.server), &self.session);
        rest.connect_by = None;
        rest.siblings = Arc::clone(&self.siblings);
        rest.slots = std::mem::take(&mut self.slots);
        rest.visits = std::mem::take(&mut self.visits);
        rest.inbox = std::mem::take(&mut self.inbox);
        rest.screening = self.screening.take();
        rest.running = self.running.take();
        let mut share = self.server.unfinished.share();
        share.set(rest.unfinished());
        tokio::spawn(rest.finish(reason, share));
    }

    /// Handlers that have begun, and events for which some will.
    fn unfinished(&self) -> usize {
        let running = self.running.as_ref().map_or(0, |running| running.len());
        running + self.inbox.len() + usize::from(self.screening.is_some())
    }

    async fn finish(mut self, reason: DisconnectReason, mut share: Share) {
        let timeout = self.server.config.waiting_events_timeout;
        let rest = poll_fn(|cx| {
            let all_begun = self.poll_rest(cx);
            share.set(self.unfinished());
            all_begun
        });
        if tokio::time::timeout(timeout, rest).await.is_err() {
            trace::unfinished(self.inbox.len() + usize::from(self.screening.is_some()));
            self.inbox.clear();
            self.screening = None;
        }
        self.leave_all(reason);
        poll_fn(|cx| {
            self.poll_running(cx);
            share.set(self.unfinished());
            if self.unfinished() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Begins with the events that wait, as many at a time as may be. Ready when all have begun.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            while self.screen(cx) && self.has_room_to_run() {
                let Some(packet) = self.inbox.pop_front() else { return Poll::Ready(()) };
                self.packet_of_rest(packet, cx);
            }
            if !self.poll_running(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Nobody joins any more, and what is for a namespace that the client is not in is nobody's.
    fn packet_of_rest(&mut self, packet: Packet, cx: &mut Context<'_>) {
        let name = self.name(&packet.namespace);
        let is_in = self.slots.iter().any(|slot| slot.name() == name && matches!(slot, Slot::In(..)));
        if is_in && !matches!(packet.payload, Payload::Connect(_) | Payload::ConnectError(_)) {
            self.packet(packet, cx);
        }
    }
}
