//! The application's handle of a session: cheap to clone, usable from any thread.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};

use super::command::Command;
use crate::close_reason::CloseReason;
use crate::config::Transport;
use crate::deflate::Plan;
use crate::error::SendError;
use crate::outbox::budget::Budget;
use crate::outbox::received::ReceivedBytes;
use crate::outbox::{Outbox, Until};
use crate::protocol::packet::Protocol;
use crate::protocol::prepared::{Dialect, Prepared};
use crate::protocol::sid::Sid;
use crate::server::metrics::stats::Gauge;
use crate::server::request::head::RequestHead;
use crate::server::response::loan::{Lender, Loan};
use crate::sync::Mutex;

/// A session: one client's Engine.IO connection over any transport.
///
/// This is a handle. Clones are the same session. All methods may be called from any thread, and none blocks.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

/// The state that the handles and the driver of a session share.
pub(crate) struct Shared {
    sid: Sid,
    protocol: Protocol,
    /// The client does not accept binary data (`b64=1`).
    base64: bool,
    request: RequestHead,
    transport: AtomicU8,
    /// The compression of messages before they are queued: a [`Plan`], or 0.
    plan: AtomicU32,
    pub(crate) outbox: Outbox,
    received: Arc<Budget>,
    on_create: Option<OnCreate>,
    /// `None` once the driver has ended.
    mailbox: Mutex<Option<Vec<Command>>>,
    _counted: Gauge,
}

/// Called for each packet that is about to be queued.
pub(crate) type OnCreate = Arc<dyn Fn(&Session, &Prepared) + Send + Sync>;

/// The parts of a session that belong to its server: its share of the memory, and the observer of its
/// packets.
pub(crate) struct SessionMemory {
    pub(crate) outbox: Outbox,
    pub(crate) received: Arc<Budget>,
    pub(crate) counted: Gauge,
    pub(crate) on_create: Option<OnCreate>,
}

impl Session {
    pub(crate) fn new(
        sid: Sid,
        Dialect { protocol, base64 }: Dialect,
        transport: Transport,
        request: RequestHead,
        memory: SessionMemory,
    ) -> Self {
        let SessionMemory { outbox, received, counted, on_create } = memory;
        Self(Arc::new(Shared {
            sid,
            protocol,
            base64,
            request,
            transport: AtomicU8::new(transport as u8),
            plan: AtomicU32::new(0),
            outbox,
            received,
            on_create,
            mailbox: Mutex::new(Some(Vec::new())),
            _counted: counted,
        }))
    }

    /// The session id. It is the client's secret: never show it to others.
    pub fn id(&self) -> &Sid {
        &self.0.sid
    }

    /// The protocol revision that the client opened the session with.
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// The current transport of the session.
    pub fn transport(&self) -> Transport {
        if self.0.transport.load(Ordering::Relaxed) == Transport::Polling as u8 {
            Transport::Polling
        } else {
            Transport::WebSocket
        }
    }

    /// The request that opened the session. It does not change with an upgrade.
    pub fn request(&self) -> &RequestHead {
        &self.0.request
    }

    /// The peer's address, if the server knows it (see [`PeerAddr`](crate::PeerAddr)).
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.0.request.peer()
    }

    /// A counter for received data that the application keeps until it is complete, such as parts of a
    /// message. It counts within
    /// [`ServerBuilder::max_received_bytes`](crate::ServerBuilder::max_received_bytes).
    pub fn received_bytes(&self) -> ReceivedBytes {
        ReceivedBytes::new(&self.0.received)
    }

    /// Sends a message: text from a `&str` or `String`, binary from `Bytes` or `Vec<u8>`, or a [`Prepared`]
    /// message that is shared by several sessions.
    ///
    /// The message is queued and sent in order. When the outbox is full,
    /// [`Config::slow_consumer`](crate::Config::slow_consumer) decides, and the caller gets
    /// [`SendError::Full`]. When the server's budget is used up, the caller gets [`SendError::ServerFull`];
    /// only sessions that hold much of it are then treated as slow.
    pub fn send(&self, message: impl Into<Prepared>) -> Result<(), SendError> {
        let message = message.into();
        self.created(&message);
        self.0.outbox.push(self.compressed(message)).map(drop)
    }

    /// Queues a message regardless of the limits: for the short messages of a protocol on top that must not
    /// get lost, and of which a client cannot cause many. No effect on a session that accepts no more
    /// messages.
    pub fn send_regardless(&self, message: impl Into<Prepared>) {
        let message = message.into();
        self.created(&message);
        self.0.outbox.push_control(message);
    }

    /// Sends a message and returns a future that is ready when the message has been passed to the transport.
    pub fn send_tracked(&self, message: impl Into<Prepared>) -> Result<Sent, SendError> {
        let message = message.into();
        self.created(&message);
        let number = self.0.outbox.push_tracked(self.compressed(message))?;
        Ok(self.until(Until::Written(number)))
    }

    /// Sends a message if the transport accepts it now. `Ok(false)` means that it was dropped.
    pub fn send_volatile(&self, message: impl Into<Prepared>) -> Result<bool, SendError> {
        let message = message.into();
        self.created(&message);
        // A message that will be dropped is not compressed.
        if self.plan().is_some() && self.is_open() && !self.can_send_now() {
            return Ok(false);
        }
        self.0.outbox.push_volatile(self.compressed(message))
    }

    /// Waits until the message fits into the outbox, then sends it. For
    /// [`SlowConsumer::Refuse`](crate::SlowConsumer::Refuse), and for senders that adapt to the peer's speed.
    pub async fn send_when_ready(&self, message: impl Into<Prepared>) -> Result<(), SendError> {
        let message = message.into();
        self.created(&message);
        let message = self.compressed(message);
        loop {
            self.until(Until::Room(message.wire_len())).await?;
            // Another sender may have used the capacity in between. The outbox is then full again.
            match self.0.outbox.try_push(message.clone()).map(drop) {
                Err(SendError::Full) => {}
                other => return other,
            }
        }
    }

    /// Whether a volatile message would be sent now: nothing is queued, and the transport accepts more (with
    /// polling: a GET waits).
    pub fn can_send_now(&self) -> bool {
        self.0.outbox.can_send_now()
    }

    /// Ready when everything queued so far has been passed to the transport.
    pub fn drained(&self) -> Sent {
        self.until(Until::Written(self.0.outbox.last()))
    }

    /// The number of bytes that wait for the peer, with WebSocket headers.
    pub fn queued_bytes(&self) -> usize {
        self.0.outbox.queued_bytes()
    }

    /// The number of messages that wait for the peer.
    pub fn queued_messages(&self) -> usize {
        self.0.outbox.queued_messages()
    }

    /// The number of messages that the policy for slow clients has dropped: see
    /// [`SlowConsumer::DropNewest`](crate::SlowConsumer::DropNewest).
    pub fn dropped_messages(&self) -> u64 {
        self.0.outbox.dropped_messages()
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.0.outbox.is_open()
    }

    /// Closes the session after the queued messages have reached the peer, within
    /// [`Config::close_timeout`](crate::Config::close_timeout). No more messages can be sent. The session's
    /// task closes in its next turn; messages may still arrive until then.
    pub fn close(&self) {
        self.0.outbox.drain();
        self.command(Command::Close);
    }

    /// Closes the session at once. Messages in the outbox are dropped.
    pub fn abort(&self) {
        self.abort_with(CloseReason::ForcedClose);
    }

    pub(crate) fn abort_with(&self, reason: CloseReason) {
        self.command(Command::Abort(reason));
    }

    /// Whether both handles are the same session.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Reports a packet that is about to be queued to the observer, if there is one and the session accepts
    /// packets.
    #[inline]
    pub(crate) fn created(&self, packet: &Prepared) {
        if let Some(on_create) = &self.0.on_create {
            if self.is_open() {
                on_create(self, packet);
            }
        }
    }

    fn until(&self, until: Until) -> Sent {
        Sent { session: self.clone(), until, id: None }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        Dialect { protocol: self.0.protocol, base64: self.0.base64 }
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// Counts the bytes of a polling response, taken out of the outbox, until the client has taken them.
    pub(crate) fn lend(&self, bytes: usize) -> Option<Loan> {
        Loan::new(&self.0, bytes)
    }

    /// Sets the compression of messages before they are queued.
    pub(crate) fn set_plan(&self, plan: Option<Plan>) {
        self.0.plan.store(plan.map_or(0, Plan::number), Ordering::Relaxed);
    }

    fn plan(&self) -> Option<Plan> {
        Plan::from_number(self.0.plan.load(Ordering::Relaxed))
    }

    /// The compressed form of a message, if the WebSocket of the session agreed on it. It is what waits in the outbox.
    #[inline]
    fn compressed(&self, message: Prepared) -> Prepared {
        match self.plan() {
            // Binary parts of other dialects are laid out later.
            Some(plan) if self.dialect().is_plain() || message.is_one_piece() => message.deflated(plan),
            _ => message,
        }
    }

    pub(crate) fn set_transport(&self, transport: Transport) {
        self.0.transport.store(transport as u8, Ordering::Relaxed);
    }

    /// Queues a command for the driver and wakes it. After the driver has ended the command is dropped, and
    /// its response channel with it.
    pub(crate) fn command(&self, command: Command) {
        if let Some(mailbox) = &mut *self.mailbox() {
            mailbox.push(command);
        }
        self.0.outbox.rouse();
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        self.mailbox().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Closes the mailbox at the end of the driver: pending and later commands are dropped.
    pub(crate) fn close_mailbox(&self) {
        let dropped = self.mailbox().take();
        // After the lock is released, as the drop of a command may send an answer.
        drop(dropped);
    }

    fn mailbox(&self) -> MutexGuard<'_, Option<Vec<Command>>> {
        self.0.mailbox.lock()
    }

    /// Prepares the driver for sleep. `false` means that a command or a message arrived in the meantime.
    pub(crate) fn park(&self, writable: bool, waker: &Waker) -> bool {
        // The order matters: the waker is registered before the look into the mailbox, so a command in
        // between wakes the driver.
        self.0.outbox.park(writable, waker) && self.mailbox().as_ref().is_none_or(Vec::is_empty)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", self.id())
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}

impl Lender for Shared {
    fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

/// A future that is ready when a message has been passed to the transport, or fails when the session closes
/// before.
///
/// Dropping it does not affect the message.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Sent {
    session: Session,
    until: Until,
    id: Option<u64>,
}

impl Future for Sent {
    type Output = Result<(), SendError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.session.0.outbox.poll_until(this.until, &mut this.id, cx)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.session.0.outbox.forget(id);
        }
    }
}
