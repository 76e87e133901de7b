//! Life cycle of a socket: joining, rooms, leaving.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::task::{Context, Waker};

use engineio::{Prepared, Session};
use socketio_events::handler::Work;
use socketio_parser::{EncodeError, Event};

use super::{DisconnectContext, Inner, NamespaceState, Siblings, Socket};
use crate::acks::{AckRefused, AckWaiter, PendingAcks};
use crate::cluster::SocketDetails;
use crate::extensions::Extensions;
use crate::id::random_id;
use crate::recovery::{AwaySocket, NotRecovered, PendingRecovery};
use crate::rooms::{Member, MemberKey, Room};
use crate::socket::disconnect_reason::DisconnectReason;
use crate::socket::handshake::Handshake;
use crate::trace;

/// Before the namespace's middlewares have accepted the client.
const JOINING: u8 = 0;
const DISCONNECTED: u8 = 1;
/// The "disconnecting" handlers run. The socket is still connected for them, but cannot be disconnected
/// again.
const LEAVING: u8 = 2;
const CONNECTED: u8 = 3;

/// Result of the recovery request: none was made.
const NEW: u8 = 0;
pub(super) const RECOVERED: u8 = 1;
const UNKNOWN_SESSION: u8 = 2;
const UNKNOWN_OFFSET: u8 = 3;

pub(super) fn not_recovered(recovery: u8) -> Option<NotRecovered> {
    match recovery {
        UNKNOWN_SESSION => Some(NotRecovered::UnknownSession),
        UNKNOWN_OFFSET => Some(NotRecovered::UnknownOffset),
        _ => None,
    }
}

fn recovery(outcome: Option<NotRecovered>) -> u8 {
    match outcome {
        None => NEW,
        Some(NotRecovered::UnknownSession) => UNKNOWN_SESSION,
        Some(NotRecovered::UnknownOffset) => UNKNOWN_OFFSET,
    }
}

/// Start of a socket.
pub(crate) enum Start<'a> {
    /// As a new socket with this id, with the result of a failed recovery request.
    New(Arc<str>, Option<NotRecovered>),
    /// As a recovered socket.
    Recovered(&'a PendingRecovery),
}

impl Socket {
    pub(crate) fn new(
        start: &Start<'_>,
        session: Session,
        namespace: Arc<NamespaceState>,
        siblings: &Arc<Siblings>,
        handshake: Handshake,
    ) -> Self {
        let (id, outcome) = match start {
            Start::New(id, outcome) => (id, recovery(*outcome)),
            Start::Recovered(pending) => (&pending.away.sid, RECOVERED),
        };
        let socket = Self(Arc::new(Inner {
            id: Arc::clone(id),
            session,
            namespace,
            siblings: Arc::clone(siblings),
            handshake,
            phase: AtomicU8::new(JOINING),
            member: OnceLock::new(),
            acks: PendingAcks::default(),
            extras: RwLock::default(),
            has_extras: AtomicBool::new(false),
            extensions: Extensions::default(),
            data: crate::socket_data::SocketData::default(),
            pid: OnceLock::new(),
            recovery: AtomicU8::new(outcome),
        }));
        if let Start::Recovered(pending) = start {
            socket.0.data.replace(pending.away.data.to_map());
            socket.join_rooms(pending.away.rooms.clone());
        }
        socket
    }

    /// The socket of a room member.
    pub(crate) fn from_member(member: Arc<dyn Member>) -> Option<Self> {
        member.into_any().downcast().ok().map(Self)
    }

    /// Whether the socket is in its namespace.
    pub fn is_connected(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) >= LEAVING
    }

    pub(crate) fn has_left(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) == DISCONNECTED
    }

    /// Connects the socket after the middlewares: sends the missed events and then `confirmation`, which
    /// receives the new `pid`, and adds the socket to the rooms that middlewares joined. `false` if the
    /// client has disconnected.
    pub(crate) fn admit(
        &self,
        pending: Option<PendingRecovery>,
        confirmation: impl FnOnce(Option<&str>) -> Result<Prepared, EncodeError>,
    ) -> bool {
        let log = self.0.namespace.node.log();
        let mut room_events = Vec::new();
        // A broadcast must be either before all of this, and among the missed events, or after it.
        let enter = |pending: Result<Option<PendingRecovery>, NotRecovered>, missed: &[Prepared]| {
            // Without random numbers the socket is not recoverable.
            let new_pid = || log.and_then(|_| random_id().ok());
            let pid = match pending {
                Ok(Some(pending)) => Some(pending.away.pid),
                Ok(None) => new_pid(),
                Err(reason) => {
                    self.0.recovery.store(recovery(Some(reason)), Ordering::Relaxed);
                    new_pid()
                }
            };
            let Ok(packet) = confirmation(pid.as_deref()) else { return false };
            if missed.iter().any(|message| self.0.session.send(message.clone()).is_err()) {
                // The missed events do not fit into the outbox. A client must not take a part of them for
                // all.
                self.0.session.abort();
                return false;
            }
            if self.0.session.send(packet).is_err() {
                return false;
            }
            if let Some(pid) = pid {
                let _ = self.0.pid.set(pid);
            }
            self.change_early(|early| {
                let member: Arc<dyn Member> = Arc::clone(&self.0) as _;
                let session = self.0.session.clone();
                let (key, events) =
                    self.0.namespace.node.rooms.insert(Arc::clone(&self.0.id), session, member, early);
                let _ = self.0.member.set(key);
                room_events = events;
                self.0.phase.store(CONNECTED, Ordering::Release);
            });
            self.0.siblings.add(&self.0);
            true
        };
        let admitted = match log {
            Some(log) => log.admit(pending, enter),
            None => enter(Ok(None), &[]),
        };
        self.0.namespace.node.rooms.notify_room_events(&room_events);
        admitted
    }

    /// Ends a socket that never connected: a middleware refused the client, or the client has disconnected.
    pub(crate) fn give_up(&self) {
        self.0.phase.store(DISCONNECTED, Ordering::Release);
    }

    pub(super) fn join_rooms(&self, rooms: Vec<Room>) {
        if rooms.is_empty() {
            return;
        }
        let member = self.member_or(|early| {
            if !self.has_left() {
                early.extend(rooms.iter().cloned());
            }
        });
        if let Some(key) = member {
            for room in rooms {
                self.0.namespace.node.rooms.join(key, &room);
            }
        }
    }

    pub(super) fn leave_room(&self, room: &str) {
        if let Some(key) = self.member_or(|early| early.retain(|early| **early != *room)) {
            self.0.namespace.node.rooms.leave(key, room);
        }
    }

    pub(super) fn leave_all_rooms(&self) {
        if let Some(key) = self.member_or(Vec::clear) {
            self.0.namespace.node.rooms.leave_all(key);
        }
    }

    /// The socket's key in the rooms. Before it has one, `change` is applied to its early rooms.
    fn member_or(&self, change: impl FnOnce(&mut Vec<Room>)) -> Option<MemberKey> {
        if let Some(&key) = self.0.member.get() {
            return Some(key);
        }
        // The lock of the early rooms excludes a concurrent `admit`.
        self.change_extras(|extras| match self.0.member.get() {
            Some(&key) => Some(key),
            None => {
                change(&mut extras.early);
                None
            }
        })
    }

    pub(super) fn all_rooms(&self) -> Vec<Room> {
        match self.0.member.get() {
            Some(key) => self.0.namespace.node.rooms.rooms_of(*key),
            None => self.extras(|extras| extras.early.clone()).unwrap_or_default(),
        }
    }

    /// Runs `enter` with the early rooms and clears them. Concurrent joins wait for the lock.
    fn change_early(&self, enter: impl FnOnce(&[Room])) {
        let mut extras = self.0.extras.write().unwrap_or_else(PoisonError::into_inner);
        let early = extras.as_mut().map(|extras| std::mem::take(&mut extras.early)).unwrap_or_default();
        enter(&early);
    }

    /// Disconnects the socket from its namespace. Later calls have no effect.
    pub(crate) fn leave_namespace(&self, reason: DisconnectReason) {
        self.leave_after(reason, || {});
    }

    /// The same, with a call of `first` if the socket is still connected.
    pub(super) fn leave_after(&self, reason: DisconnectReason, first: impl FnOnce()) {
        let leaving = self.0.phase.compare_exchange(CONNECTED, LEAVING, Ordering::AcqRel, Ordering::Acquire);
        if leaving.is_err() {
            return;
        }
        first();
        let context = || DisconnectContext { socket: self.clone(), reason };
        let handlers = self.0.namespace.handlers();
        // The rooms are still available to these handlers.
        for call in handlers.disconnecting.calls() {
            self.detach(|| call(context()));
        }
        self.0.phase.store(DISCONNECTED, Ordering::Release);
        self.remove_outgoing(|_| true);
        self.leave_rooms(reason);
        self.0.acks.close();
        self.0.siblings.remove(&self.0);
        trace::disconnected(self.namespace(), self.id(), &reason);
        for call in handlers.disconnect.calls() {
            self.detach(|| call(context()));
        }
    }

    /// Runs a handler of a leaving socket: its first poll here, the rest in a task. A panic ends only the
    /// handler, as it would in a task, because the socket must leave in any case.
    fn detach(&self, begin: impl FnOnce() -> Option<Work>) {
        let begun = panic::catch_unwind(AssertUnwindSafe(|| {
            let mut work = begin()?;
            let mut cx = Context::from_waker(Waker::noop());
            work.as_mut().poll(&mut cx).is_pending().then_some(work)
        }));
        let Ok(begun) = begun else { return trace::handler_panicked(self.namespace(), self.id()) };
        let Some(work) = begun else { return };
        // Without a runtime a pending future could not continue.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let counted = self.0.siblings.count_handler();
            runtime.spawn(async move {
                let _counted = counted;
                work.await
            });
        }
    }

    fn leave_rooms(&self, reason: DisconnectReason) {
        let Some(&key) = self.0.member.get() else { return };
        let local = &self.0.namespace.node.rooms;
        let events = match self.0.namespace.node.log() {
            None => local.remove(key),
            Some(log) => {
                let pid = self.0.pid.get().filter(|_| reason.is_recoverable());
                let away = pid.map(|pid| AwaySocket {
                    sid: Arc::clone(&self.0.id),
                    pid: Arc::clone(pid),
                    rooms: local.rooms_of(key),
                    data: self.0.data.copy(),
                });
                let mut events = Vec::new();
                log.leave(away, || events = local.remove(key));
                events
            }
        };
        local.notify_room_events(&events);
    }
}

impl Member for Inner {
    fn expect_ack(&self, id: u64, waiting: AckWaiter) -> Result<(), AckRefused> {
        self.acks.expect(id, waiting, self.namespace.config.max_pending_acks)
    }

    fn forget_ack(&self, id: u64) {
        self.acks.forget(id);
    }

    fn disconnect(self: Arc<Self>, close: bool) {
        Socket(self).disconnect(close);
    }

    fn outgoing(self: Arc<Self>, event: &Event) {
        Socket(self).notify_outgoing(event);
    }

    fn details(&self) -> SocketDetails {
        SocketDetails {
            id: self.id.to_string(),
            handshake: self.handshake.details(),
            rooms: Vec::new(),
            data: self.data.to_map(),
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
