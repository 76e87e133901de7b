//! A client: one session as Socket.IO sees it. Packets in, to the sockets of their namespaces.
//!
//! Everything happens in the session's task and in the order in which the packets came: a handler is called and
//! polled once when its event's turn comes. What then waits goes on beside the others; while too many wait, nothing
//! is read.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use engineio::{CloseReason, Handler, Message, Protocol, Session};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socketio_parser::{Decoder, Packet, Payload, RawValue};
use tokio::time::Sleep;

use crate::connect::{self, Joining, Verdict};
use crate::disconnect_reason::DisconnectReason;
use crate::error::ConnectError;
use crate::handlers::{List, Work};
use crate::namespaces::Namespaces;
use crate::socket::{AckSender, ConnectContext, EventContext, Siblings, Socket};

/// One connected client.
pub(crate) struct Client {
    server: Arc<Namespaces>,
    session: Session,
    decoder: Decoder,
    siblings: Arc<Siblings>,
    slots: Vec<Slot>,
    /// Packets whose turn has not come.
    inbox: VecDeque<Packet>,
    /// Handlers that wait for something. Made when the first one does.
    running: Option<Box<FuturesUnordered<Work>>>,
    joining: Vec<Joining>,
    refused: usize,
    /// When a client that has joined nothing is put out.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// What the client is in a namespace.
enum Slot {
    /// Its middlewares are still asked.
    Joining(Box<str>),
    In(Socket),
}

impl Client {
    pub(crate) fn new(server: Arc<Namespaces>, session: &Session) -> Self {
        let deadline = Box::pin(tokio::time::sleep(server.config.connect_timeout));
        Self {
            decoder: Decoder::new(server.config.parser, server.config.limits),
            server,
            session: session.clone(),
            siblings: Arc::default(),
            slots: Vec::new(),
            inbox: VecDeque::new(),
            running: None,
            joining: Vec::new(),
            refused: 0,
            deadline: Some(deadline),
        }
    }

    fn packet(&mut self, packet: Packet, cx: &mut Context<'_>) {
        let namespace = self.name(&packet.namespace);
        let slot = self.slots.iter().position(|slot| slot.name() == namespace);
        match (packet.payload, slot) {
            (Payload::Connect(auth), None) => self.connect(&packet.namespace, auth, cx),
            (Payload::Connect(auth), Some(at)) if self.slots[at].has_left() => {
                self.slots.swap_remove(at);
                self.connect(&packet.namespace, auth, cx);
            }
            (Payload::ConnectError(_) | Payload::Connect(_), _) | (_, None) => self.violation(),
            (payload, Some(at)) => {
                let Slot::In(socket) = &self.slots[at] else { return self.violation() };
                let socket = socket.clone();
                if matches!(payload, Payload::Disconnect) {
                    self.slots.swap_remove(at);
                    socket.leave_namespace(DisconnectReason::ClientNamespaceDisconnect);
                } else if socket.is_connected() {
                    // What was on its way when the server put the socket out is nobody's.
                    self.socket_packet(&socket, packet.ack_id, payload, cx);
                }
            }
        }
    }

    /// Clients of Socket.IO v2 put into a query string what later became the CONNECT packet's payload.
    fn name<'a>(&self, namespace: &'a socketio_parser::Namespace) -> &'a str {
        match self.session.protocol() {
            Protocol::V3 => namespace.path(),
            Protocol::V4 => namespace.as_str(),
        }
    }

    fn socket_packet(
        &mut self,
        socket: &Socket,
        ack_id: Option<u64>,
        payload: Payload,
        cx: &mut Context<'_>,
    ) {
        match payload {
            Payload::Event(event) => {
                let ack = ack_id.map(|id| AckSender::new(socket.clone(), id));
                self.event(EventContext { socket: socket.clone(), event, ack }, cx);
            }
            Payload::Ack(args) => {
                if let Some(id) = ack_id {
                    socket.acks().resolve(id, args);
                }
            }
            Payload::Disconnect | Payload::EmptyEvent | Payload::Connect(_) | Payload::ConnectError(_) => {}
        }
    }

    /// Calls an event's handlers: those for any event, then the namespace's, then the socket's own.
    fn event(&mut self, mut context: EventContext, cx: &mut Context<'_>) {
        let handlers = context.socket.space().handlers();
        let name = context.event.name();
        let own = context.socket.own_handlers(name);
        let mut calls = Vec::new();
        let named = handlers.events.event(name);
        if own.is_empty() && handlers.events.any.is_empty() {
            // The usual case: one handler, which gets the context itself.
            let mut named = named.into_iter().flat_map(List::calls);
            match (named.next(), named.next()) {
                (None, _) => return,
                (Some(only), None) => return self.start(only(context), cx),
                (Some(first), Some(second)) => {
                    calls.extend([first.clone(), second.clone()]);
                    calls.extend(named.cloned());
                }
            }
        } else {
            calls.extend(handlers.events.any.calls().cloned());
            calls.extend(named.into_iter().flat_map(List::calls).cloned());
            calls.extend(own);
        }
        if let Some(ack) = &mut context.ack {
            ack.share();
        }
        for call in calls {
            self.start(call(context.clone()), cx);
        }
    }

    /// Polls what a handler began, once and now.
    fn start(&mut self, work: Option<Work>, cx: &mut Context<'_>) {
        let Some(mut work) = work else { return };
        if work.as_mut().poll(cx).is_pending() {
            self.running.get_or_insert_default().push(work);
        }
    }

    fn connect(
        &mut self,
        namespace: &socketio_parser::Namespace,
        auth: Option<RawValue>,
        cx: &mut Context<'_>,
    ) {
        if self.slots.len() >= self.server.config.max_namespaces {
            return self.violation();
        }
        let name = self.name(namespace);
        let Some(found) = self.server.find(name) else {
            return self.refuse(name, &ConnectError::new("Invalid namespace"));
        };
        self.slots.push(Slot::Joining(name.into()));
        let mut joining = Joining::new(&found, &self.session, &self.siblings, auth);
        match joining.poll(cx) {
            Poll::Ready(verdict) => self.joined(verdict, cx),
            Poll::Pending => self.joining.push(joining),
        }
    }

    fn joined(&mut self, verdict: Verdict, cx: &mut Context<'_>) {
        match verdict {
            Verdict::Welcome(socket) => {
                let Some(slot) = self.slots.iter_mut().find(|slot| slot.name() == socket.namespace()) else {
                    return socket.give_up();
                };
                let local = &socket.space().local;
                let Ok(packet) = connect::welcome(local, &socket) else { return socket.give_up() };
                if self.session.send(packet).is_err() {
                    return socket.give_up();
                }
                *slot = Slot::In(socket.clone());
                self.deadline = None;
                socket.connected();
                let handlers = socket.space().handlers();
                for call in handlers.connect.calls() {
                    self.start(call(ConnectContext { socket: socket.clone() }), cx);
                }
            }
            Verdict::Refused(socket, error) => {
                socket.give_up();
                self.slots.retain(|slot| slot.name() != socket.namespace());
                self.refuse(socket.namespace(), &error);
            }
        }
    }

    fn refuse(&mut self, namespace: &str, error: &ConnectError) {
        self.refused += 1;
        if let Ok(packet) = connect::refusal(self.server.config.parser, namespace, error) {
            let _ = self.session.send(packet);
        }
        if self.refused > self.server.config.max_refused_connects {
            self.violation();
        }
    }

    /// The client broke the protocol: its connection is closed.
    fn violation(&mut self) {
        self.inbox.clear();
        self.session.close();
    }
}

impl Handler for Client {
    fn on_message(&mut self, _: &Session, message: Message) {
        let decoded = match message {
            Message::Text(text) => self.decoder.text(text.into_bytes()),
            Message::Binary(data) => self.decoder.binary(data),
        };
        match decoded {
            Ok(Some(packet)) => self.inbox.push_back(packet),
            // Attachments are still to come.
            Ok(None) => {}
            Err(_) => self.violation(),
        }
    }

    fn on_close(&mut self, _: &Session, reason: CloseReason) {
        let reason = if self.server.is_closing() {
            DisconnectReason::ServerShuttingDown
        } else {
            DisconnectReason::Connection(reason)
        };
        for slot in std::mem::take(&mut self.slots) {
            if let Slot::In(socket) = slot {
                socket.leave_namespace(reason);
            }
        }
        for joining in self.joining.drain(..) {
            joining.give_up();
        }
        // Handlers that have begun are not cut off because their client went away.
        if let Some(mut running) = self.running.take() {
            tokio::spawn(async move { while running.next().await.is_some() {} });
        }
    }

    fn poll(&mut self, _: &Session, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(packet) = self.inbox.pop_front() {
            self.packet(packet, cx);
        }
        if self.inbox.capacity() > 16 {
            self.inbox = VecDeque::new();
        }
        let mut at = 0;
        while at < self.joining.len() {
            match self.joining[at].poll(cx) {
                Poll::Ready(verdict) => {
                    self.joining.swap_remove(at);
                    self.joined(verdict, cx);
                }
                Poll::Pending => at += 1,
            }
        }
        if let Some(running) = &mut self.running {
            while let Poll::Ready(Some(())) = running.poll_next_unpin(cx) {}
        }
        if let Some(deadline) = &mut self.deadline {
            if deadline.as_mut().poll(cx).is_ready() {
                self.deadline = None;
                self.session.close();
            }
        }
        Poll::Ready(())
    }

    fn is_ready(&self) -> bool {
        self.running.as_ref().is_none_or(|running| running.len() < self.server.config.max_handlers_in_flight)
    }
}

impl Slot {
    fn name(&self) -> &str {
        match self {
            Self::Joining(name) => name,
            Self::In(socket) => socket.namespace(),
        }
    }

    fn has_left(&self) -> bool {
        matches!(self, Self::In(socket) if !socket.is_connected())
    }
}
