//! A client: one session as Socket.IO sees it. Packets in, to the sockets of their namespaces.
//!
//! Everything happens in the session's task and in the order in which the packets came: a handler is called and
//! polled once when its event comes. What then waits goes on beside the others; while too many wait, nothing
//! is read.

mod after_close;
mod join;
mod rate_limiter;
mod screening;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use engineio::{CloseReason, Handler, Message, Protocol, Session};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use socketio_events::extract::AckSlot;
use socketio_events::handler::{Failure, Running, Work};
use socketio_events::table::List;
use socketio_parser::{DecodeError, Decoder, Packet, Parser, Payload, RawValue};
use tokio::time::Sleep;

use self::join::{Admission, Joining, Verdict};
use self::rate_limiter::Pace;
use self::screening::Screening;
use crate::emit;
use crate::error::{ConnectError, HandlerError};
use crate::namespace::registry::{Namespaces, Visit};
use crate::socket::disconnect_reason::DisconnectReason;
use crate::socket::{AckSender, ConnectContext, EventContext, Handlers, Siblings, Snapshot, Socket};
use crate::trace;

/// One connected client.
pub(crate) struct Client {
    server: Arc<Namespaces>,
    session: Session,
    decoder: Decoder,
    siblings: Arc<Siblings>,
    slots: Vec<Slot>,
    /// Keeps the namespaces alive that a pattern or function made.
    visits: Vec<Visit>,
    /// Packets that wait because a middleware still decides about an earlier one.
    inbox: VecDeque<Packet>,
    /// An event that a middleware still decides about. Those behind it wait.
    screening: Option<Box<Screening>>,
    /// Handlers that wait for something. Made when the first one does.
    running: Option<Box<FuturesUnordered<Running<Socket>>>>,
    joining: Vec<Joining>,
    refused: usize,
    connects: Pace,
    /// The client broke the protocol. What it said in the same breath is not heard any more.
    over: bool,
    /// When a client that has joined nothing is put out.
    connect_by: Option<Pin<Box<Sleep>>>,
    /// When a client whose attachments do not arrive is put out.
    attachments_by: Option<Pin<Box<Sleep>>>,
}

/// What the client is in a namespace.
enum Slot {
    /// It is on its way into it.
    Joining(Box<str>),
    In(Socket, Snapshot),
    /// The server put it out. What was on its way by then is nobody's, and no offence.
    Left(Box<str>),
}

impl Client {
    pub(crate) fn new(server: Arc<Namespaces>, session: &Session) -> Self {
        let connect_by = Box::pin(tokio::time::sleep(server.config.connect_timeout));
        let mut inbox = VecDeque::new();
        if session.protocol() == Protocol::V3 {
            // Clients of Socket.IO v2 are in the namespace / without asking for it.
            let payload = Payload::Connect(None);
            inbox.push_back(Packet { namespace: "/".into(), ack_id: None, payload });
        }
        Self {
            decoder: Decoder::new(server.config.parser, server.config.limits),
            siblings: Arc::new(Siblings::new(Arc::clone(&server.unfinished))),
            server,
            session: session.clone(),
            slots: Vec::new(),
            visits: Vec::new(),
            inbox,
            screening: None,
            running: None,
            joining: Vec::new(),
            refused: 0,
            connects: Pace::default(),
            over: false,
            connect_by: Some(connect_by),
            attachments_by: None,
        }
    }

    fn packet(&mut self, packet: Packet, cx: &mut Context<'_>) {
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

    /// Clients of Socket.IO v2 put into a query string what later became the CONNECT packet's payload.
    fn name<'a>(&self, namespace: &'a socketio_parser::Namespace) -> &'a str {
        match self.session.protocol() {
            Protocol::V3 => namespace.path(),
            Protocol::V4 => namespace.as_str(),
        }
    }

    /// Lets go of a namespace, even if the application is still putting the socket out.
    fn forget(&mut self, at: usize) {
        let slot = self.slots.swap_remove(at);
        self.visits.retain(|visit| visit.namespace.name() != slot.name());
    }

    /// Lets go of the sockets that have left, and of the namespaces that only they kept.
    fn forget_left(&mut self) {
        for slot in &mut self.slots {
            let Slot::In(socket, _) = slot else { continue };
            if !socket.is_connected() {
                let name = socket.namespace();
                self.visits.retain(|visit| visit.namespace.name() != name);
                *slot = Slot::Left(name.into());
            }
        }
    }

    fn socket_packet(
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
    fn screen(&mut self, cx: &mut Context<'_>) -> bool {
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
    fn event(&mut self, at: usize, mut context: EventContext, cx: &mut Context<'_>) {
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

    fn connect(
        &mut self,
        namespace: &socketio_parser::Namespace,
        auth: Option<RawValue>,
        cx: &mut Context<'_>,
    ) {
        if self.slots.len() >= self.server.config.max_namespaces {
            self.slots.retain(|slot| !matches!(slot, Slot::Left(_)));
            if self.slots.len() >= self.server.config.max_namespaces {
                return self.violation();
            }
        }
        let auth = match self.session.protocol() {
            Protocol::V4 => auth,
            Protocol::V3 => namespace.query().and_then(query_as_auth),
        };
        let name = self.name(namespace);
        if auth.as_ref().is_some_and(|auth| auth.as_bytes().len() > self.server.config.max_auth_bytes) {
            return self.refuse(name, &ConnectError::new("the credentials are too large"));
        }
        if self.server.unfinished.now() >= self.server.config.max_detached_handlers {
            let busy = ConnectError::new("the server is busy").with_data(json!({"code": "busy"}));
            return self.refuse(name, &busy);
        }
        let config = &self.server.config;
        let burst = config.connect_burst.max(config.max_namespaces);
        let now = tokio::time::Instant::now().into_std();
        if !self.connects.admits(now, burst, config.connects_per_second) {
            return self.refuse(name, &ConnectError::new("too many connects"));
        }
        // They are kept for as long as the socket lives.
        let auth = auth.map(RawValue::detach);
        // Reserved before anything is awaited.
        self.slots.push(Slot::Joining(name.into()));
        let mut joining = Joining::new(&self.server, name, &self.session, &self.siblings, auth);
        match joining.poll(cx) {
            Poll::Ready(verdict) => self.joined(joining.name(), verdict, cx),
            Poll::Pending => self.joining.push(joining),
        }
    }

    fn joined(&mut self, name: &str, verdict: Verdict, cx: &mut Context<'_>) {
        let slot = self.slots.iter().position(|slot| slot.name() == name);
        match (verdict, slot) {
            (Verdict::Welcome(admission), Some(at)) => self.welcome(*admission, at, cx),
            (Verdict::Welcome(admission), None) => admission.give_up(),
            (Verdict::Refused(error), at) => {
                if let Some(at) = at {
                    self.slots.swap_remove(at);
                }
                self.refuse(name, &error);
            }
        }
    }

    /// Begins with what a handler of the socket at this place does. What waits goes on with the others.
    fn start(&mut self, at: usize, work: Option<Work>, cx: &mut Context<'_>) {
        let (Some(work), Some(Slot::In(socket, _))) = (work, self.slots.get(at)) else { return };
        match Running::start(work, || socket.clone(), cx) {
            Ok(None) => {}
            Ok(Some(running)) => self.running.get_or_insert_default().push(running),
            Err(failure) => tell(Some((socket.clone(), failure))),
        }
    }

    fn welcome(&mut self, admission: Admission, at: usize, cx: &mut Context<'_>) {
        let Some((socket, visit)) = admission.admit() else {
            self.slots.swap_remove(at);
            return;
        };
        self.slots[at] = Slot::In(socket.clone(), Snapshot::new(socket.space()));
        if visit.is_counted() {
            self.visits.push(visit);
        }
        self.connect_by = None;
        trace::connected(
            socket.namespace(),
            socket.id(),
            socket.recovered(),
            socket.not_recovered().as_ref(),
        );
        let handlers = socket.space().handlers();
        for call in handlers.connect.calls() {
            self.start(at, call(ConnectContext { socket: socket.clone() }), cx);
        }
    }

    fn refuse(&mut self, namespace: &str, error: &ConnectError) {
        self.refused += 1;
        trace::refused(namespace, error);
        let (parser, protocol) = (self.server.config.parser, self.session.protocol());
        if let Ok(packet) = join::refusal(parser, protocol, namespace, error) {
            // Otherwise the client waits for ever. How many there are is limited, here.
            self.session.send_regardless(packet);
        }
        if self.refused > self.server.config.max_refused_connects {
            self.violation();
        }
    }

    /// What the client sent is no packet: its connection is closed.
    fn undecodable(&mut self, error: DecodeError) {
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
    fn violation(&mut self) {
        self.leave_all(DisconnectReason::ForcedServerClose);
        trace::hung_up("it sent a packet that it must not send now");
        self.hang_up();
    }

    fn hang_up(&mut self) {
        self.over = true;
        self.inbox.clear();
        self.session.close();
    }

    fn leave_all(&mut self, reason: DisconnectReason) {
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

    fn has_room_to_run(&self) -> bool {
        let limit = self.server.config.max_handlers_in_flight;
        self.running.as_ref().is_none_or(|running| running.len() < limit)
    }

    /// Says whether a handler has ended.
    fn poll_running(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(running) = &mut self.running else { return false };
        let mut ended = false;
        while let Poll::Ready(Some(done)) = running.poll_next_unpin(cx) {
            tell(done);
            ended = true;
        }
        ended
    }

    fn poll_inbox(&mut self, cx: &mut Context<'_>) {
        while self.screen(cx) && self.has_room_to_run() {
            let Some(packet) = self.inbox.pop_front() else { break };
            self.packet(packet, cx);
        }
        if self.inbox.is_empty() && self.inbox.capacity() > 16 {
            self.inbox = VecDeque::new();
        }
    }

    fn poll_joining(&mut self, cx: &mut Context<'_>) {
        let mut at = 0;
        while at < self.joining.len() {
            match self.joining[at].poll(cx) {
                Poll::Ready(verdict) => {
                    let joining = self.joining.swap_remove(at);
                    self.joined(joining.name(), verdict, cx);
                }
                Poll::Pending => at += 1,
            }
        }
    }

    /// Closes the connection of a client that keeps us waiting.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) {
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

/// Tells the application of a handler that failed, if there was one.
fn tell(failed: Option<(Socket, Failure)>) {
    let Some((socket, Failure { event, error })) = failed else { return };
    socket.space().report(&socket, &HandlerError::Failed { event: event.to_string(), error });
}

/// The credentials of a client of Socket.IO v2, as later ones would send them.
fn query_as_auth(query: &str) -> Option<RawValue> {
    let query = engineio::Query::from(query);
    let auth: serde_json::Map<_, _> =
        query.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    emit::to_value(Parser::Json, &auth).ok().flatten()
}

impl Handler for Client {
    fn on_message(&mut self, _: &Session, message: Message) {
        if self.over {
            return;
        }
        let decoded = match message {
            Message::Text(text) => self.decoder.text(text.into_bytes()),
            Message::Binary(data) => self.decoder.binary(data),
        };
        match decoded {
            Ok(Some(packet)) => {
                self.attachments_by = None;
                if self.inbox.is_empty() && self.screening.is_none() {
                    // What waits after this is polled again, with a waker, when all that was read is handled.
                    self.packet(packet, &mut Context::from_waker(Waker::noop()));
                } else {
                    self.inbox.push_back(packet);
                }
            }
            // Attachments are still to come.
            Ok(None) => {}
            Err(error) => self.undecodable(error),
        }
    }

    fn on_close(&mut self, _: &Session, reason: CloseReason) {
        // What the client said before it hung up counts, its goodbye above all: often one read brings them all.
        self.end(reason);
    }

    fn poll(&mut self, _: &Session, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_inbox(cx);
        self.poll_joining(cx);
        // Each handler that ends makes room for an event that waits.
        while self.poll_running(cx) && !self.inbox.is_empty() {
            self.poll_inbox(cx);
        }
        // The application may have put sockets out.
        self.forget_left();
        self.poll_deadlines(cx);
        Poll::Ready(())
    }

    fn is_ready(&self) -> bool {
        self.inbox.len() < self.server.config.max_waiting_events && self.has_room_to_run()
    }
}

/// A session ends without [`on_close`](Handler::on_close) when a handler panics. Its sockets must not stay in their rooms.
impl Drop for Client {
    fn drop(&mut self) {
        for joining in self.joining.drain(..) {
            joining.give_up();
        }
        // In tasks, as this thread may be unwinding: a second panic would be the end of the process.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        for slot in self.slots.drain(..) {
            if let Slot::In(socket, _) = slot {
                runtime.spawn(async move { socket.leave_namespace(DisconnectReason::ForcedServerClose) });
            }
        }
    }
}

impl Slot {
    /// The handlers of the namespace that the client is in.
    fn handlers(&mut self) -> Option<&Handlers> {
        match self {
            Self::In(socket, snapshot) => Some(snapshot.current(socket.space())),
            Self::Joining(_) | Self::Left(_) => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Joining(name) | Self::Left(name) => name,
            Self::In(socket, _) => socket.namespace(),
        }
    }

    fn has_left(&self) -> bool {
        match self {
            Self::Joining(_) => false,
            Self::In(socket, _) => !socket.is_connected(),
            Self::Left(_) => true,
        }
    }
}
