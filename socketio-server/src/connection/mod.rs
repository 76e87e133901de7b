//! A client: one session as Socket.IO sees it. Packets in, to the sockets of their namespaces.
//!
//! Everything happens in the session's task and in the order in which the packets came: a handler is called and
//! polled once when its event comes. What then waits goes on beside the others; while too many wait, nothing
//! is read.

mod after_close;
mod close;
mod connect;
mod dispatch;
mod join;
mod rate_limiter;
mod screening;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use engineio::{CloseReason, Handler, Message, Protocol, Session};
use futures_util::stream::FuturesUnordered;
use socketio_events::handler::Running;
use socketio_parser::{Decoder, Packet, Payload};
use tokio::time::Sleep;

use self::join::Joining;
use self::rate_limiter::Pace;
use self::screening::Screening;
use crate::namespace::registry::{Namespaces, Visit};
use crate::socket::disconnect_reason::DisconnectReason;
use crate::socket::{Handlers, Siblings, Snapshot, Socket};

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
