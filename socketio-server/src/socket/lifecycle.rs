//! Life cycle of a socket: joining, rooms, leaving.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};

use engineio::{Prepared, Session};
use socketio_events::handler::{Called, Failure};
use socketio_parser::{EncodeError, Event};

use super::state::{Membership, RecoveryOutcome, SocketState};
use super::{DisconnectContext, Inner, NamespaceState, Siblings, Socket};
use crate::acks::{AckRefused, AckWaiter, PendingAcks};
use crate::cluster::{LazyHandshake, Member, SocketDetails};
use crate::error::HandlerError;
use crate::extensions::Extensions;
use crate::id::random_id;
use crate::recovery::{AwaySocket, Lease, NotRecovered, OrderedLog, PendingRecovery, StoredSession};
use crate::rooms::{Room, RoomEvents};
use crate::socket::disconnect_reason::DisconnectReason;
use crate::socket::handshake::Handshake;
use crate::trace;
use crate::wire::Wire;

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
        handshake: Arc<Handshake>,
    ) -> Self {
        let (id, recovery) = match start {
            Start::New(id, None) => (id, RecoveryOutcome::NotRequested),
            Start::New(id, Some(reason)) => (id, RecoveryOutcome::Failed(*reason)),
            Start::Recovered(pending) => (&pending.away.sid, RecoveryOutcome::Recovered),
        };
        let socket = Self(Arc::new(Inner {
            id: Arc::clone(id),
            session,
            namespace,
            siblings: Arc::clone(siblings),
            wire: siblings.wire().cloned(),
            handshake,
            state: SocketState::new(recovery),
            acks: PendingAcks::default(),
            extras: OnceLock::new(),
            extensions: Extensions::default(),
            data: crate::socket_data::SocketData::default(),
        }));
        if let Start::Recovered(pending) = start {
            socket.0.data.replace(pending.away.data.to_value());
            // The rooms of a socket are within the limit.
            socket.join_rooms(&pending.away.rooms);
        }
        socket
    }

    /// The socket of a room member.
    pub(crate) fn from_member(member: Arc<dyn Member>) -> Option<Self> {
        member.into_any().downcast().ok().map(Self)
    }

    /// Whether the socket is in its namespace.
    #[doc(alias = "connected")]
    pub fn is_connected(&self) -> bool {
        self.0.state.is_connected()
    }

    pub(crate) fn has_left(&self) -> bool {
        self.0.state.is_disconnected()
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
        let ordered = self.0.namespace.node.ordered_log();
        let lease = match (&pending, ordered) {
            (Some(pending), _) => pending.lease(),
            (None, Some(ordered)) => ordered.next_lease(),
            (None, None) => Lease::default(),
        };
        let mut room_events = RoomEvents::default();
        // A broadcast must be either before all of this, and among the missed events, or after it.
        let enter = |pending: Result<Option<PendingRecovery>, NotRecovered>, missed: &[Prepared]| {
            // Without random numbers the socket is not recoverable.
            let new_pid = || log.and_then(|_| random_id().ok());
            let pid = match pending {
                Ok(Some(pending)) => Some(pending.away.pid),
                Ok(None) => new_pid(),
                Err(reason) => {
                    self.0.state.recovery_failed(reason);
                    new_pid()
                }
            };
            let packet = confirmation(pid.as_deref()).and_then(|packet| self.finish(packet));
            let Ok(packet) = packet else { return false };
            let send = |message: &Prepared| {
                self.convert(message).is_ok_and(|message| self.0.session.send(message).is_ok())
            };
            if !missed.iter().all(send) {
                // The missed events do not fit into the outbox. A client must not take a part of them for
                // all.
                self.0.session.abort();
                return false;
            }
            if self.0.session.send(packet).is_err() {
                return false;
            }
            let connected = self.0.state.connect(pid, lease, |early_rooms| {
                let member: Arc<dyn Member> = Arc::clone(&self.0) as _;
                let (id, session) = (Arc::clone(&self.0.id), self.0.session.clone());
                let (key, events) = self.0.namespace.node.rooms.insert(id, session, member, early_rooms);
                room_events = events;
                key
            });
            if connected {
                self.0.siblings.add(&self.0);
            }
            connected
        };
        let admitted = match (log, ordered) {
            (_, Some(ordered)) => ordered.admit(pending, enter),
            (Some(log), None) => log.admit(pending, enter),
            (None, None) => enter(Ok(None), &[]),
        };
        let rooms = &self.0.namespace.node.rooms;
        if admitted {
            rooms.notify_socket(&self.0.id, true);
            if let Some(ordered) = ordered {
                self.write_ahead(ordered);
            }
        }
        rooms.notify_room_events(&room_events);
        admitted
    }

    /// Has the session written ahead into the store of the cluster.
    fn write_ahead(&self, ordered: &Arc<OrderedLog>) {
        let Some(membership) = self.0.state.membership() else { return };
        let (key, Some(pid)) = (membership.member, membership.pid) else { return };
        let (inner, session_pid) = (Arc::downgrade(&self.0), Arc::clone(&pid));
        let read = move || {
            let inner = inner.upgrade()?;
            let session = StoredSession {
                sid: inner.id.to_string(),
                pid: session_pid.to_string(),
                rooms: inner.namespace.node.rooms.rooms_of(key),
                data: inner.data.to_value(),
            };
            Some((session, inner as _))
        };
        ordered.connected(key, pid, membership.lease, Box::new(read));
        let log = Arc::downgrade(ordered);
        self.0.data.on_change(move |_| {
            if let Some(log) = log.upgrade() {
                log.session_changed(key);
            }
        });
        // The socket may have left meanwhile.
        if !self.is_connected() {
            ordered.forget(key);
        }
    }

    /// Ends a socket that never connected: a middleware refused the client, or the client has disconnected.
    pub(crate) fn give_up(&self) {
        self.0.state.disconnect(false);
        self.drop_extras();
    }

    /// Joins the rooms, up to the limit. Returns the number of rooms beyond it.
    pub(super) fn join_rooms(&self, rooms: &[Room]) -> usize {
        if rooms.is_empty() {
            return 0;
        }
        let mut refused = 0;
        let member = self.0.state.member_or(|early| {
            for room in rooms {
                // The own id, which a recovered socket has first, does not count.
                let own = usize::from(early.first().is_some_and(|first| **first == *self.0.id));
                if early.len() - own < self.0.namespace.config.max_rooms {
                    early.push(Arc::clone(room));
                } else if !early.contains(room) {
                    refused += 1;
                }
            }
        });
        if let Some(key) = member {
            let joined = |room: &&Room| self.0.namespace.node.rooms.join(key, room);
            refused = rooms.len() - rooms.iter().filter(joined).count();
        }
        refused
    }

    pub(super) fn leave_room(&self, room: &str) {
        if let Some(key) = self.0.state.member_or(|early| early.retain(|early| **early != *room)) {
            self.0.namespace.node.rooms.leave(key, room);
        }
    }

    pub(super) fn leave_all_rooms(&self) {
        if let Some(key) = self.0.state.member_or(Vec::clear) {
            self.0.namespace.node.rooms.leave_all(key);
        }
    }

    pub(super) fn all_rooms(&self) -> Vec<Room> {
        let mut early_rooms = Vec::new();
        match self.0.state.member_or(|early| early_rooms.clone_from(early)) {
            Some(key) => self.0.namespace.node.rooms.rooms_of(key),
            None => early_rooms,
        }
    }

    pub(super) fn is_in_room(&self, room: &str) -> bool {
        let mut early = false;
        let member = self.0.state.member_or(|rooms| early = rooms.iter().any(|joined| **joined == *room));
        member.map_or(early, |key| self.0.namespace.node.rooms.read().is_in(key, room))
    }

    /// Disconnects the socket from its namespace. Later calls have no effect.
    pub(crate) fn leave_namespace(&self, reason: DisconnectReason) {
        self.leave_after(reason, || {});
    }

    /// The same, with a call of `first` if the socket is still connected.
    pub(super) fn leave_after(&self, reason: DisconnectReason, first: impl FnOnce()) {
        if !self.0.state.leave() {
            return;
        }
        first();
        let context = || DisconnectContext::new(self.clone(), reason);
        let handlers = self.0.namespace.handlers();
        // The rooms are still available to these handlers.
        for call in handlers.disconnecting.calls() {
            self.detach(|cx| call(context(), cx));
        }
        let Some(membership) = self.0.state.disconnect(reason.is_recoverable()) else { return };
        self.drop_extras();
        self.leave_rooms(&membership, reason);
        self.0.acks.close();
        self.0.siblings.remove(&self.0);
        trace::disconnected(self.namespace(), self.id(), &reason);
        for call in handlers.disconnect.calls() {
            self.detach(|cx| call(context(), cx));
        }
    }

    /// Runs a handler of a leaving socket: its first poll here, the rest in a task.
    fn detach(&self, call: impl FnOnce(&mut Context<'_>) -> Called) {
        let work = match call(&mut Context::from_waker(Waker::noop())) {
            Called::Done => return,
            Called::Failed(failure) => return self.report_failure(failure),
            Called::Pending(work) => work,
        };
        // Without a runtime a pending future could not continue.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (counted, socket) = (self.0.siblings.count_handler(), self.clone());
            runtime.spawn(async move {
                let _counted = counted;
                if let Some(failure) = work.await {
                    socket.report_failure(failure);
                }
            });
        }
    }

    /// Reports a failed handler to the application.
    pub(crate) fn report_failure(&self, Failure { event, error }: Failure) {
        self.0.namespace.report(self, &HandlerError::Failed { event: event.to_string(), error });
    }

    fn leave_rooms(&self, membership: &Membership, reason: DisconnectReason) {
        let key = membership.member;
        let local = &self.0.namespace.node.rooms;
        let events = match self.0.namespace.node.log() {
            None => local.remove(key),
            Some(log) => {
                let pid = membership.pid.as_ref().filter(|_| reason.is_recoverable());
                let away = pid.map(|pid| AwaySocket {
                    sid: Arc::clone(&self.0.id),
                    pid: Arc::clone(pid),
                    rooms: local.rooms_of(key),
                    data: self.0.data.copy(),
                });
                let mut events = RoomEvents::default();
                match self.0.namespace.node.ordered_log() {
                    Some(ordered) => {
                        ordered.leave(key, membership.lease, away, || events = local.remove(key));
                    }
                    None => log.leave(away, || events = local.remove(key)),
                }
                events
            }
        };
        local.notify_socket(&self.0.id, false);
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

    fn details(&self, rooms: Vec<Room>) -> SocketDetails {
        let handshake = LazyHandshake::own(Arc::clone(&self.handshake) as _);
        SocketDetails::new(Arc::clone(&self.id), handshake, rooms, self.data.to_value())
    }

    fn wire(&self) -> Option<&Arc<Wire>> {
        self.wire.as_ref()
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
