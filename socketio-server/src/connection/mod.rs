//! A client's connection: one Engine.IO session whose packets are dispatched to the sockets of its
//! namespaces.
//!
//! All work happens in the session's task, in the order of the packets. A handler is called, and its future
//! polled once, when its event arrives. Pending futures continue concurrently. While too many are pending,
//! the connection is not read.

mod after_close;
mod close;
mod connect;
mod dispatch;
mod inbox;
mod join;
mod rate_limiter;
mod screening;

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use engineio::{CloseReason, Handler, Message, Prepared, Protocol, ReceivedBytes, Session, Transport};
use futures_util::stream::FuturesUnordered;
use socketio_events::handler::Running;
use socketio_parser::{ConnectionDecoder, Decoder, Packet, Payload};
use tokio::time::Sleep;

use self::inbox::Inbox;
use self::join::PendingJoin;
use self::rate_limiter::RateLimiter;
use self::screening::Screening;
use crate::namespace::registry::{NamespaceRegistry, Occupancy};
use crate::socket::disconnect_reason::DisconnectReason;
use crate::socket::session_event::SessionEvent;
use crate::socket::{Handlers, Siblings, Snapshot, Socket};

/// The connection of a client.
pub(crate) struct Connection {
    server: Arc<NamespaceRegistry>,
    session: Session,
    decoder: ConnectionDecoder,
    siblings: Arc<Siblings>,
    slots: Vec<Slot>,
    /// Keeps dynamic namespaces alive.
    occupancies: Vec<Occupancy>,
    /// Packets that wait while a middleware decides about an earlier event.
    inbox: Inbox,
    /// Memory of the packets that wait, for handlers or for attachments. `None` while none waits.
    received: Option<Box<ReceivedBytes>>,
    /// An event that a middleware has not decided about. Later packets wait.
    screening: Option<Box<Screening>>,
    /// Pending handlers. Allocated for the first one.
    running: Option<Box<FuturesUnordered<Running<Socket>>>>,
    joining: Vec<PendingJoin>,
    refused: usize,
    connects: RateLimiter,
    events: RateLimiter,
    /// Time at which the first packet of the inbox is within the rate limit of events.
    rate_limited: Option<Pin<Box<Sleep>>>,
    /// The server has closed the connection. Further packets of the same read are ignored.
    closed_by_server: bool,
    /// Deadline for the first joined namespace.
    connect_by: Option<Pin<Box<Sleep>>>,
    /// Deadline for the attachments of a packet.
    attachments_by: Option<Pin<Box<Sleep>>>,
}

/// State of the client in a namespace.
enum Slot {
    /// Middlewares have not decided yet.
    Joining(Box<str>),
    Joined(Socket, Snapshot),
    /// The server disconnected the socket. Packets that were under way are ignored; they are no violation.
    Disconnected(Box<str>),
}

impl Connection {
    pub(crate) fn new(server: Arc<NamespaceRegistry>, session: &Session) -> Self {
        let wire = server.wire(session.request());
        let siblings = Siblings::new(Arc::clone(&server.detached_handlers), wire);
        let mut connection = Self::with_siblings(server, session, Arc::new(siblings));
        let timeout = connection.server.config.connect_timeout;
        connection.connect_by = Some(Box::pin(tokio::time::sleep(timeout)));
        let (parser, limits) = (connection.server.config.parser, connection.server.config.limits);
        let parser = connection.siblings.wire().map_or(parser.into(), |wire| wire.own().clone());
        connection.decoder = parser.decoder(limits);
        if session.protocol() == Protocol::V3 {
            // Socket.IO v2 clients join the namespace `/` without a CONNECT packet.
            let payload = Payload::Connect(None);
            connection.inbox.push(Packet { namespace: "/".into(), ack_id: None, payload });
        }
        connection
    }

    /// A connection that receives nothing and has no deadlines yet.
    fn with_siblings(server: Arc<NamespaceRegistry>, session: &Session, siblings: Arc<Siblings>) -> Self {
        Self {
            decoder: ConnectionDecoder::BuiltIn(Decoder::default()),
            siblings,
            server,
            session: session.clone(),
            slots: Vec::new(),
            occupancies: Vec::new(),
            inbox: Inbox::default(),
            received: None,
            screening: None,
            running: None,
            joining: Vec::new(),
            refused: 0,
            connects: RateLimiter::default(),
            events: RateLimiter::default(),
            rate_limited: None,
            closed_by_server: false,
            connect_by: None,
            attachments_by: None,
        }
    }

    /// The name of a namespace. Socket.IO v2 clients append their credentials as a query string.
    fn name<'a>(&self, namespace: &'a socketio_parser::Namespace) -> &'a str {
        match self.session.protocol() {
            Protocol::V3 => namespace.path(),
            Protocol::V4 => namespace.as_str(),
        }
    }

    /// Handles a packet, behind those that wait.
    #[inline(always)]
    fn arrived(&mut self, packet: Packet) {
        self.attachments_by = None;
        if self.inbox.is_empty() && self.screening.is_none() && self.take_from_rate(&packet).is_ok() {
            // A pending future is polled again with a real waker in `poll`, after everything was read.
            self.packet(packet, &mut Context::from_waker(Waker::noop()));
        } else {
            self.inbox.push(packet);
            self.count_received();
        }
    }

    /// Counts the memory of the packets that wait. The connection is closed if the server holds too much.
    fn count_received(&mut self) {
        let bytes = self.decoder.buffered() + self.inbox.bytes();
        if bytes <= ReceivedBytes::UNCOUNTED {
            self.received = None;
            return;
        }
        let session = &self.session;
        if !self.received.get_or_insert_with(|| Box::new(session.received_bytes())).set(bytes) {
            self.server_full();
        }
    }

    /// Removes the slot of a namespace, even while the application still disconnects the socket.
    fn remove_slot(&mut self, at: usize) {
        let slot = self.slots.swap_remove(at);
        self.occupancies.retain(|occupancy| occupancy.namespace.name() != slot.name());
    }

    /// Releases disconnected sockets, and the dynamic namespaces that only they used.
    fn release_disconnected(&mut self) {
        for slot in &mut self.slots {
            let Slot::Joined(socket, _) = slot else { continue };
            if !socket.is_connected() {
                let name = socket.namespace();
                self.occupancies.retain(|occupancy| occupancy.namespace.name() != name);
                *slot = Slot::Disconnected(name.into());
            }
        }
    }
}

impl Handler for Connection {
    fn on_message(&mut self, _: &Session, message: Message) {
        if self.closed_by_server {
            return;
        }
        let decoded = match message {
            Message::Text(text) => self.decoder.text(text.into_bytes()),
            Message::Binary(data) => self.decoder.binary(data),
        };
        match decoded {
            Ok(Some(packet)) => self.arrived(packet),
            // Attachments are missing.
            Ok(None) => self.count_received(),
            Err(error) => self.undecodable(error),
        }
    }

    fn on_decoded(&mut self, _: &Session, message: &mut dyn Any) {
        if self.closed_by_server {
            return;
        }
        if let Some(packet) = message.downcast_mut::<Option<Packet>>().and_then(Option::take) {
            self.arrived(packet);
        }
    }

    fn on_close(&mut self, session: &Session, reason: CloseReason) {
        // Packets before the end count, above all a DISCONNECT: often one read returns all of them.
        self.end(reason);
        self.siblings.session_event(session, &SessionEvent::Close(reason));
        self.siblings.drop_session_hooks();
    }

    fn on_upgrade(&mut self, session: &Session, transport: Transport) {
        self.siblings.session_event(session, &SessionEvent::Upgrade(transport));
    }

    fn on_upgrading(&mut self, session: &Session, transport: Transport) {
        self.siblings.session_event(session, &SessionEvent::Upgrading(transport));
    }

    fn on_packet(&mut self, session: &Session, packet: &engineio::packet::Packet) {
        self.siblings.session_event(session, &SessionEvent::Packet(packet.kind()));
    }

    fn on_heartbeat(&mut self, session: &Session) {
        self.siblings.session_event(session, &SessionEvent::Heartbeat);
    }

    fn on_flush(&mut self, session: &Session, messages: &[Prepared]) {
        if self.siblings.has_session_hooks() {
            let kinds = messages.iter().map(Prepared::kind).collect();
            self.siblings.session_event(session, &SessionEvent::Flush(kinds));
        }
    }

    fn on_drain(&mut self, session: &Session) {
        self.siblings.session_event(session, &SessionEvent::Drain);
    }

    fn poll(&mut self, _: &Session, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_inbox(cx);
        self.poll_joining(cx);
        // A finished handler makes room for a waiting event.
        while self.poll_running(cx) && !self.inbox.is_empty() {
            self.poll_inbox(cx);
        }
        if self.received.is_some() {
            self.count_received();
        }
        // The application may have disconnected sockets.
        self.release_disconnected();
        self.poll_deadlines(cx);
        Poll::Ready(())
    }

    fn is_ready(&self) -> bool {
        self.inbox.len() < self.server.config.max_waiting_events && self.can_start_handler()
    }
}

/// A panic in a hook drops the session without [`on_close`](Handler::on_close), and so does the end of the runtime. Its
/// sockets must still leave their rooms. A panic in a handler ends the handler alone.
impl Drop for Connection {
    fn drop(&mut self) {
        for joining in self.joining.drain(..) {
            joining.give_up();
        }
        // In separate tasks, because this thread may be unwinding and a second panic would abort the process.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.siblings.has_session_hooks() {
            let siblings = Arc::clone(&self.siblings);
            runtime.spawn(async move { siblings.drop_session_hooks() });
        }
        for slot in self.slots.drain(..) {
            if let Slot::Joined(socket, _) = slot {
                let leaving = Leaving(socket);
                runtime.spawn(async move { drop(leaving) });
            }
        }
    }
}

/// A socket that leaves its namespace when this is dropped, with a task or by a runtime that starts no task any more.
struct Leaving(Socket);

impl Drop for Leaving {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.leave_namespace(DisconnectReason::ForcedServerClose);
        }
    }
}

impl Slot {
    /// The handlers of the namespace, if the client has joined it.
    fn handlers(&mut self) -> Option<&Handlers> {
        match self {
            Self::Joined(socket, snapshot) => Some(snapshot.current(socket.namespace_state())),
            Self::Joining(_) | Self::Disconnected(_) => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Joining(name) | Self::Disconnected(name) => name,
            Self::Joined(socket, _) => socket.namespace(),
        }
    }

    fn has_left(&self) -> bool {
        match self {
            Self::Joining(_) => false,
            Self::Joined(socket, _) => !socket.is_connected(),
            Self::Disconnected(_) => true,
        }
    }
}
