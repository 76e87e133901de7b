//! Packets to handlers: each packet goes to the socket of its namespace.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use socketio_events::extract::AckSlot;
use socketio_events::handler::{Failure, Running, Work};
use socketio_events::table::List;
use socketio_parser::{Packet, Payload};

use super::screening::Screening;
use super::{Client, Slot};
use crate::error::HandlerError;
use crate::socket::disconnect_reason::DisconnectReason;
use crate::socket::{AckSender, EventContext, Socket};

impl Client {
    pub(super) fn packet(&mut self, packet: Packet, cx: &mut Context<'_>) {
        let namespace = self.name(&packet.namespace);
        let slot = self.slots.iter().position(|slot| slot.name() == namespace);
        match (packet.payload, slot) {
            (Payload::Connect(auth), None) => self.connect(&packet.namespace, auth, cx),
            (Payload::Connect(auth), Some(at)) if self.slots[at].has_left() => {
                self.forget(at);
                self.connect(&packet.namespace, auth, cx);
            }
            (Payload::ConnectError(_) | Payload::Connect(_), _) | (_, None) => self.violation(),
            (payload, Some(at)) => match &self.slots[at] {
                Slot::Joining(_) => self.violation(),
                Slot::Left(_) => {}
                Slot::In(socket, _) => {
                    if matches!(payload, Payload::Disconnect) {
                        socket.leave_namespace(DisconnectReason::ClientNamespaceDisconnect);
                        self.forget(at);
                    } else if socket.is_connected() {
                        let socket = socket.clone();
                        self.socket_packet(at, socket, packet.ack_id, payload, cx);
                    }
                }
            },
        }
    }

    pub(super) fn socket_packet(
        &mut self,
        at: usize,
        socket: Socket,
        ack_id: Option<u64>,
        payload: Payload,
        cx: &mut Context<'_>,
    ) {
        match payload {
            Payload::Event(event) => {
                let ack = ack_id.map(|id| AckSender::new(socket.clone(), id));
                let context = EventContext { socket, event, ack: AckSlot::new(ack) };
                match Screening::new(&context, self.slots[at].handlers()) {
                    None => self.event(at, context, cx),
                    Some(screening) => {
                        self.screening = Some(Box::new(screening));
                        self.screen(cx);
                    }
                }
            }
            Payload::Ack(args) => {
                if let Some(id) = ack_id {
                    socket.acks().resolve(id, args);
                }
            }
            Payload::Disconnect | Payload::EmptyEvent | Payload::Connect(_) | Payload::ConnectError(_) => {}
        }
    }

    /// Goes on with the event that is with the middlewares. `false` if they still decide.
    pub(super) fn screen(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(screening) = &mut self.screening else { return true };
        let Poll::Ready(passed) = screening.poll(cx) else { return false };
        self.screening = None;
        let Some(context) = passed else { return true };
        // It may have been put out in the meantime.
        let at = self
            .slots
            .iter()
            .position(|slot| matches!(slot, Slot::In(socket, _) if *socket == context.socket));
        if let Some(at) = at.filter(|_| context.socket.is_connected()) {
            self.event(at, context, cx);
        }
        true
    }

    /// Calls an event's handlers: those for any event, then the namespace's, then the socket's own.
    pub(super) fn event(&mut self, at: usize, mut context: EventContext, cx: &mut Context<'_>) {
        let Some(handlers) = self.slots[at].handlers() else { return };
        let named = handlers.events.event(context.event.name());
        if !context.socket.has_extras() && handlers.events.any.is_empty() {
            // The usual case: one handler, which gets the context itself.
            let work = {
                let mut named = named.into_iter().flat_map(List::calls);
                match (named.next().or(handlers.fallback.as_ref()), named.next()) {
                    (None, _) => return,
                    (Some(only), None) => Ok(only(context)),
                    (Some(_), Some(_)) => Err(context),
                }
            };
            match work {
                Ok(work) => return self.start(at, work, cx),
                Err(back) => context = back,
            }
        }
        let mut calls = handlers.events.calls(context.event.name());
        if named.is_none() && !context.socket.handles(context.event.name()) {
            calls.extend(handlers.fallback.clone());
        }
        calls.extend(context.socket.own_handlers(context.event.name()));
        if let Some(ack) = context.ack.as_mut() {
            ack.share();
        }
        for call in calls {
            self.start(at, call(context.clone()), cx);
        }
    }

    /// Begins with what a handler of the socket at this place does. What waits goes on with the others.
    pub(super) fn start(&mut self, at: usize, work: Option<Work>, cx: &mut Context<'_>) {
        let (Some(work), Some(Slot::In(socket, _))) = (work, self.slots.get(at)) else { return };
        match Running::start(work, || socket.clone(), cx) {
            Ok(None) => {}
            Ok(Some(running)) => self.running.get_or_insert_default().push(running),
            Err(failure) => tell(Some((socket.clone(), failure))),
        }
    }

    pub(super) fn has_room_to_run(&self) -> bool {
        let limit = self.server.config.max_handlers_in_flight;
        self.running.as_ref().is_none_or(|running| running.len() < limit)
    }

    /// Says whether a handler has ended.
    pub(super) fn poll_running(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(running) = &mut self.running else { return false };
        let mut ended = false;
        while let Poll::Ready(Some(done)) = running.poll_next_unpin(cx) {
            tell(done);
            ended = true;
        }
        ended
    }

    pub(super) fn poll_inbox(&mut self, cx: &mut Context<'_>) {
        while self.screen(cx) && self.has_room_to_run() {
            let Some(packet) = self.inbox.pop_front() else { break };
            self.packet(packet, cx);
        }
        if self.inbox.is_empty() && self.inbox.capacity() > 16 {
            self.inbox = VecDeque::new();
        }
    }
}

/// Tells the application of a handler that failed, if there was one.
fn tell(failed: Option<(Socket, Failure)>) {
    let Some((socket, Failure { event, error })) = failed else { return };
    socket.space().report(&socket, &HandlerError::Failed { event: event.to_string(), error });
}
