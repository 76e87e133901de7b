//! Dispatch of packets to the handlers of their namespace.

use std::future::Future;
use std::ops::ControlFlow;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use socketio_events::handler::{Called, Running};
use socketio_events::reply::Answer;
use socketio_events::table::List;
use socketio_parser::{Packet, Payload};

use super::screening::Screening;
use super::{Connection, Slot};
use crate::socket::disconnect_reason::DisconnectReason;
use crate::socket::{AckSender, EventContext, Handlers, Socket};

impl Connection {
    pub(super) fn packet(&mut self, packet: Packet, cx: &mut Context<'_>) {
        let namespace = self.name(&packet.namespace);
        let slot = self.slots.iter().position(|slot| slot.name() == namespace);
        match (packet.payload, slot) {
            (Payload::Connect(auth), None) => self.connect(&packet.namespace, auth, cx),
            (Payload::Connect(auth), Some(at)) if self.slots[at].has_left() => {
                self.remove_slot(at);
                self.connect(&packet.namespace, auth, cx);
            }
            (Payload::ConnectError(_) | Payload::Connect(_), _) | (_, None) => self.violation(),
            (payload, Some(at)) => match &self.slots[at] {
                Slot::Joining(_) => self.violation(),
                Slot::Disconnected(_) => {}
                Slot::Joined(socket, _) => {
                    if matches!(payload, Payload::Disconnect) {
                        socket.leave_namespace(DisconnectReason::ClientNamespaceDisconnect);
                        self.remove_slot(at);
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
                self.received(at, EventContext::new(socket, event, ack), cx);
            }
            Payload::Ack(args) => {
                if let Some(id) = ack_id {
                    socket.acks().resolve(id, args);
                }
            }
            Payload::Disconnect | Payload::EmptyEvent | Payload::Connect(_) | Payload::ConnectError(_) => {}
        }
    }

    /// Brings a received event to its handlers: after those of any event and the middlewares, if there are any.
    fn received(&mut self, at: usize, context: EventContext, cx: &mut Context<'_>) {
        let Some(handlers) = self.slots[at].handlers() else { return };
        // The common case.
        if handlers.events.any.is_empty()
            && handlers.event_middlewares.is_empty()
            && !context.socket.has_extras()
        {
            return match single(handlers, context, cx) {
                ControlFlow::Break(called) => self.called(at, called),
                ControlFlow::Continue(context) => self.event(at, context, cx),
            };
        }
        if !self.any(at, &context, cx) {
            return;
        }
        match Screening::new(&context, self.slots[at].handlers()) {
            None => self.event(at, context, cx),
            Some(screening) => {
                self.screening = Some(Box::new(screening));
                self.screen(cx);
            }
        }
    }

    /// Calls the handlers of any event: the namespace's, then the socket's own. As with the official server they
    /// precede the middlewares, so they see events that are refused, and those that are replaced in their
    /// original form. Returns `false` if one of them disconnected the socket; the event is then dropped.
    fn any(&mut self, at: usize, context: &EventContext, cx: &mut Context<'_>) -> bool {
        let Some(handlers) = self.slots[at].handlers() else { return true };
        let socket = &context.socket;
        let own = socket.extras(|extras| extras.handlers.any.clone()).unwrap_or_default();
        let calls: Vec<_> = handlers.events.any.calls().chain(own.calls()).cloned().collect();
        for call in &calls {
            self.called(at, call(EventContext::new(socket.clone(), context.event.clone(), None), cx));
        }
        calls.is_empty() || socket.is_connected()
    }

    /// Polls the event that is with the middlewares. Returns `false` while they are pending.
    pub(super) fn screen(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(screening) = &mut self.screening else { return true };
        let Poll::Ready(passed) = screening.poll(cx) else { return false };
        self.screening = None;
        let Some(context) = passed else { return true };
        // The socket may have been disconnected in the meantime.
        let at = self
            .slots
            .iter()
            .position(|slot| matches!(slot, Slot::Joined(socket, _) if *socket == context.socket));
        if let Some(at) = at.filter(|_| context.socket.is_connected()) {
            self.event(at, context, cx);
        }
        true
    }

    /// Calls the handlers of an event's name: the namespace's, then the socket's own.
    pub(super) fn event(&mut self, at: usize, mut context: EventContext, cx: &mut Context<'_>) {
        let Some(handlers) = self.slots[at].handlers() else { return };
        if !context.socket.has_extras() {
            match single(handlers, context, cx) {
                ControlFlow::Break(called) => return self.called(at, called),
                ControlFlow::Continue(several) => context = several,
            }
        }
        let named = handlers.events.event(context.event.name());
        let mut calls: Vec<_> = named.into_iter().flat_map(List::calls).cloned().collect();
        if calls.is_empty() && !context.socket.handles(context.event.name()) {
            calls.extend(handlers.fallback.clone());
        }
        calls.extend(context.socket.own_handlers(context.event.name()));
        if let Some(ack) = context.ack.as_mut() {
            ack.share();
        }
        for call in calls {
            self.called(at, call(context.clone(), cx));
        }
    }

    /// Takes the result of a handler's call. A pending future continues with the others.
    #[inline]
    pub(super) fn called(&mut self, at: usize, called: Called) {
        if !matches!(called, Called::Done) {
            self.incomplete(at, called);
        }
    }

    fn incomplete(&mut self, at: usize, called: Called) {
        let Some(Slot::Joined(socket, _)) = self.slots.get(at) else { return };
        match called {
            Called::Done => {}
            Called::Failed(failure) => socket.report_failure(failure),
            Called::Pending(work) => {
                self.running.get_or_insert_default().push(Running::new(work, socket.clone()));
            }
        }
    }

    pub(super) fn can_start_handler(&self) -> bool {
        let limit = self.server.config.max_handlers_in_flight;
        self.running.as_ref().is_none_or(|running| running.len() < limit)
    }

    /// Polls the running handlers. Returns whether one has finished.
    pub(super) fn poll_running(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(running) = &mut self.running else { return false };
        let mut ended = false;
        while let Poll::Ready(Some(done)) = running.poll_next_unpin(cx) {
            if let Some((socket, failure)) = done {
                socket.report_failure(failure);
            }
            ended = true;
        }
        ended
    }

    /// Takes an event from the rate limit. The error is the time until it is within the limit.
    #[inline]
    pub(super) fn take_from_rate(&mut self, packet: &Packet) -> Result<(), Duration> {
        if self.server.config.events_per_second == 0 {
            return Ok(());
        }
        self.take_event(is_event(packet))
    }

    #[cold]
    fn take_event(&mut self, is_event: bool) -> Result<(), Duration> {
        if !is_event {
            return Ok(());
        }
        let config = &self.server.config;
        let now = tokio::time::Instant::now().into_std();
        self.events.take(now, config.event_burst.max(1), config.events_per_second)
    }

    /// Whether the first packet of the inbox is within the rate limit of events. Otherwise the task is woken when
    /// it is.
    fn is_within_rate(&mut self, cx: &mut Context<'_>) -> bool {
        if self.server.config.events_per_second == 0 {
            return true;
        }
        loop {
            if let Some(sleep) = &mut self.rate_limited {
                if sleep.as_mut().poll(cx).is_pending() {
                    return false;
                }
                self.rate_limited = None;
            }
            let is_event = self.inbox.first().is_some_and(is_event);
            match self.take_event(is_event) {
                Ok(()) => return true,
                Err(wait) => self.rate_limited = Some(Box::pin(tokio::time::sleep(wait))),
            }
        }
    }

    pub(super) fn poll_inbox(&mut self, cx: &mut Context<'_>) {
        // The common case.
        if self.inbox.is_empty() && self.screening.is_none() {
            return;
        }
        while self.screen(cx) && self.can_start_handler() && self.is_within_rate(cx) {
            let Some(packet) = self.inbox.pop() else { break };
            self.packet(packet, cx);
        }
    }
}

/// Calls the only handler of an event, which takes the context without a clone. Without a handler of the name it is
/// the fallback. Continues with the context if there are several handlers.
#[inline(always)]
fn single(
    handlers: &Handlers,
    context: EventContext,
    cx: &mut Context<'_>,
) -> ControlFlow<Called, EventContext> {
    let mut calls = handlers.events.event(context.event.name()).into_iter().flat_map(List::calls);
    match (calls.next(), calls.next()) {
        (None, _) => ControlFlow::Break(match &handlers.fallback {
            Some(fallback) => fallback(context, cx),
            None => Called::Done,
        }),
        (Some(only), None) => ControlFlow::Break(only(context, cx)),
        (Some(_), Some(_)) => ControlFlow::Continue(context),
    }
}

/// Whether the packet counts in the rate limit of events.
fn is_event(packet: &Packet) -> bool {
    matches!(packet.payload, Payload::Event(_) | Payload::EmptyEvent)
}
