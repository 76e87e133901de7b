//! The sockets of one namespace on this server, and operations on many of them at once.

use std::any::Any;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, RwLockReadGuard};
use std::time::Instant;

use engineio::sync::{RwLock, hold_wakeups};
use engineio::{Prepared, SendError, Session};
use socketio_parser::Event;

use super::{ClusterLink, SocketDetails};
use crate::acks::{AckRefused, AckWaiter};
use crate::hooks::Hooks;
use crate::recovery::OrderedLog;
use crate::rooms::{Delivered, MemberKey, Room, RoomEvent, RoomEvents, Rooms, Target};
use crate::trace;
use crate::wire::{Forms, Wire};

/// A socket, as the rooms see it.
pub(crate) trait Member: Send + Sync {
    /// Registers a waiter for the acknowledgement of a broadcast.
    fn expect_ack(&self, id: u64, waiting: AckWaiter) -> Result<(), AckRefused>;
    /// Removes that waiter.
    fn forget_ack(&self, id: u64);
    /// Disconnects the socket from the namespace; with `close`, closes the client's connection.
    fn disconnect(self: Arc<Self>, close: bool);
    /// Calls the listeners of outgoing events.
    fn outgoing(self: Arc<Self>, event: &Event);
    /// The parser of the connection, if it is not the server's.
    fn wire(&self) -> Option<&Arc<Wire>>;
    /// Details for other servers. The caller fills in the rooms.
    fn details(&self, rooms: Vec<Room>) -> SocketDetails;
    /// The concrete socket, for downcasts.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

type Members = Rooms<Session, Arc<dyn Member>>;
type RoomHook = dyn Fn(&RoomEvent) + Send + Sync;
type BroadcastHook = dyn Fn(&Delivered) + Send + Sync;

/// The sockets of one namespace on this server.
pub(crate) struct LocalRooms {
    rooms: RwLock<Members>,
    /// Number of sockets with another parser than the server's. Changed while the rooms are locked.
    converted: AtomicUsize,
    /// Maximum number of rooms per socket.
    max_rooms: usize,
    /// Counter of joins beyond the maximum.
    pub(crate) refused_joins: AtomicU64,
    pub(crate) on_room_event: Hooks<RoomHook>,
    pub(crate) on_broadcast: Hooks<BroadcastHook>,
    /// Link to other nodes, which receives room events too.
    link: OnceLock<Arc<dyn ClusterLink>>,
    /// The log that writes the sessions of the sockets ahead.
    sessions: OnceLock<Arc<OrderedLog>>,
}

impl LocalRooms {
    pub(crate) fn new(max_rooms: usize) -> Self {
        Self {
            rooms: RwLock::default(),
            converted: AtomicUsize::new(0),
            max_rooms,
            refused_joins: AtomicU64::new(0),
            on_room_event: Hooks::default(),
            on_broadcast: Hooks::default(),
            link: OnceLock::new(),
            sessions: OnceLock::new(),
        }
    }

    pub(crate) fn set_link(&self, link: &Arc<dyn ClusterLink>) {
        let _ = self.link.set(Arc::clone(link));
    }

    pub(crate) fn write_sessions_to(&self, log: &Arc<OrderedLog>) {
        let _ = self.sessions.set(Arc::clone(log));
    }

    /// Reports that sockets have joined or left rooms.
    fn sessions_changed(&self, keys: impl IntoIterator<Item = MemberKey>) {
        if let Some(log) = self.sessions.get() {
            keys.into_iter().for_each(|key| log.session_changed(key));
        }
    }

    /// Adds a socket with these rooms. The caller reports the events after it has released its locks.
    pub(crate) fn insert(
        &self,
        id: Arc<str>,
        session: Session,
        member: Arc<dyn Member>,
        names: &[Room],
    ) -> (MemberKey, RoomEvents) {
        let mut events = self.room_events();
        let mut rooms = self.rooms.write();
        if member.wire().is_some() {
            self.converted.fetch_add(1, Ordering::Relaxed);
        }
        let key = rooms.insert(id, session, member, &mut events);
        for name in names {
            rooms.join(key, name, &mut events);
        }
        (key, events)
    }

    /// Removes a socket. The caller reports the events after it has released its locks.
    pub(crate) fn remove(&self, key: MemberKey) -> RoomEvents {
        let mut events = self.room_events();
        let mut rooms = self.rooms.write();
        let removed = rooms.remove(key, &mut events);
        if removed.as_ref().is_some_and(|member| member.wire().is_some()) {
            self.converted.fetch_sub(1, Ordering::Relaxed);
        }
        drop(rooms);
        events
    }

    /// Adds a socket to a room. Returns `false` if it is in too many.
    pub(crate) fn join(&self, key: MemberKey, room: &str) -> bool {
        let has_joined = self.change(|rooms, events| {
            let may_join = rooms.may_join(key, room, self.max_rooms);
            if may_join {
                rooms.join(key, room, events);
            }
            may_join
        });
        self.sessions_changed([key]);
        has_joined
    }

    /// Counts and logs joins that had no effect.
    pub(crate) fn joins_refused(&self, count: usize) {
        if count > 0 {
            self.refused_joins.fetch_add(count as u64, Ordering::Relaxed);
            trace::joins_refused(count, self.max_rooms);
        }
    }

    pub(crate) fn leave(&self, key: MemberKey, room: &str) -> bool {
        let has_left = self.change(|rooms, events| rooms.leave(key, room, events));
        self.sessions_changed([key]);
        has_left
    }

    pub(crate) fn leave_all(&self, key: MemberKey) {
        self.change(|rooms, events| rooms.leave_all(key, events));
        self.sessions_changed([key]);
    }

    pub(crate) fn rooms_of(&self, key: MemberKey) -> Vec<Room> {
        self.read().rooms_of(key)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Members> {
        self.rooms.read()
    }

    /// Whether the target may select a socket. Checked before an event is encoded.
    pub(crate) fn has_receivers(&self, target: &Target) -> bool {
        !self.read().is_empty(target)
    }

    /// Sends to all selected sockets.
    ///
    /// A socket with a full outbox is handled by its own policy and does not delay the others.
    ///
    /// The tasks of the sessions are woken after the lock of the rooms is released, or with recovery enabled
    /// that of the log.
    ///
    /// With hooks for broadcasts it returns the statistics, which the caller passes to
    /// [`report_broadcast`](Self::report_broadcast) after it has released its locks.
    #[must_use = "the hooks are called by `report_broadcast`"]
    pub(crate) fn send(&self, target: &Target, message: &Prepared, volatile: bool) -> Option<Delivered> {
        if self.on_broadcast.current().is_some() {
            return Some(self.send_counted(target, message, volatile));
        }
        let _held = hold_wakeups();
        self.for_each_message(target, message, |session, message| {
            let _ = send_to(session, message, volatile);
        });
        None
    }

    /// Calls `visit` once for each selected session, with the message in the encoding of its connection.
    fn for_each_message(
        &self,
        target: &Target,
        message: &Prepared,
        mut visit: impl FnMut(&Session, &Prepared),
    ) {
        let rooms = self.read();
        if self.converted.load(Ordering::Relaxed) == 0 {
            return rooms.for_each_session(target, |session| visit(session, message));
        }
        let mut forms = Forms::new(message);
        rooms.for_each(target, |_, session, member| {
            if let Some(message) = forms.of(member.wire()) {
                visit(session, message);
            }
        });
    }

    /// Calls the hooks for broadcasts.
    pub(crate) fn report_broadcast(&self, delivered: Option<Delivered>) {
        if let Some((delivered, hooks)) = delivered.zip(self.on_broadcast.current()) {
            hooks.calls().for_each(|hook| hook(&delivered));
        }
    }

    /// Sends and counts the results.
    fn send_counted(&self, target: &Target, message: &Prepared, volatile: bool) -> Delivered {
        let begun = Instant::now();
        let mut delivered = Delivered::default();
        let _held = hold_wakeups();
        self.for_each_message(target, message, |session, message| {
            delivered.count(send_to(session, message, volatile));
        });
        delivered.took = begun.elapsed();
        delivered
    }

    /// Sends to all selected sockets and registers a waiter for each acknowledgement. Returns the receivers,
    /// and the number of sockets that were skipped because they have too many pending acknowledgements.
    pub(crate) fn send_with_ack(
        &self,
        target: &Target,
        id: u64,
        message: &Prepared,
        volatile: bool,
        waiting: impl Fn() -> AckWaiter,
    ) -> (Vec<Arc<dyn Member>>, usize) {
        let begun = Instant::now();
        let (mut receivers, mut over_limit, mut delivered) = (Vec::new(), 0, Delivered::default());
        let mut forms = Forms::new(message);
        let held = hold_wakeups();
        self.read().for_each(target, |_, session, member| match member.expect_ack(id, waiting()) {
            Ok(()) => {
                receivers.push(Arc::clone(member));
                // A socket that did not get the event never answers and is reported as missing.
                if let Some(message) = forms.of(member.wire()) {
                    delivered.count(send_to(session, message, volatile));
                }
            }
            Err(AckRefused::TooMany) => over_limit += 1,
            Err(AckRefused::Closed) => {}
        });
        drop(held);
        if self.on_broadcast.current().is_some() {
            delivered.took = begun.elapsed();
            self.report_broadcast(Some(delivered));
        }
        (receivers, over_limit)
    }

    /// Adds the selected sockets to rooms.
    pub(crate) fn join_all(&self, target: &Target, names: &[Room]) {
        let keys = self.keys(target);
        let refused = self.change(|rooms, events| {
            let mut refused = 0;
            for &key in &keys {
                for name in names {
                    if rooms.may_join(key, name, self.max_rooms) {
                        rooms.join(key, name, events);
                    } else {
                        refused += 1;
                    }
                }
            }
            refused
        });
        self.joins_refused(refused);
        self.sessions_changed(keys);
    }

    /// Removes the selected sockets from rooms.
    pub(crate) fn leave_rooms(&self, target: &Target, names: &[Room]) {
        let keys = self.keys(target);
        self.change(|rooms, events| {
            for &key in &keys {
                for name in names {
                    rooms.leave(key, name, events);
                }
            }
        });
        self.sessions_changed(keys);
    }

    /// The selected sockets, collected so that the rooms are unlocked while the caller works on them.
    pub(crate) fn members(&self, target: &Target) -> Vec<Arc<dyn Member>> {
        let mut members = Vec::new();
        self.read().for_each(target, |_, _, member| members.push(Arc::clone(member)));
        members
    }

    /// The details of the selected sockets.
    pub(crate) fn details(&self, target: &Target) -> Vec<SocketDetails> {
        let rooms = self.read();
        let mut details = Vec::with_capacity(rooms.at_most(target));
        rooms.for_each(target, |key, _, member| details.push(member.details(rooms.rooms_of(key))));
        details
    }

    fn keys(&self, target: &Target) -> Vec<MemberKey> {
        let mut keys = Vec::new();
        self.read().for_each(target, |key, _, _| keys.push(key));
        keys
    }

    /// Changes the rooms, and reports the events after the lock is released.
    fn change<R>(&self, change: impl FnOnce(&mut Members, &mut RoomEvents) -> R) -> R {
        let mut events = self.room_events();
        let result = change(&mut self.rooms.write(), &mut events);
        self.notify_room_events(&events);
        result
    }

    /// The events of one operation. Without hooks and without a link none is made.
    fn room_events(&self) -> RoomEvents {
        RoomEvents::new(self.link.get().is_some() || self.on_room_event.current().is_some())
    }

    /// Reports a socket that came or left to the cluster link.
    pub(crate) fn notify_socket(&self, id: &str, is_here: bool) {
        if let Some(link) = self.link.get() {
            link.on_socket_event(id, is_here);
        }
    }

    /// Reports room events to the hooks and to the cluster link.
    pub(crate) fn notify_room_events(&self, events: &RoomEvents) {
        if events.list().is_empty() {
            return;
        }
        let (hooks, link) = (self.on_room_event.current(), self.link.get());
        for event in events.list() {
            if let Some(hooks) = &hooks {
                hooks.calls().for_each(|hook| hook(event));
            }
            if let Some(link) = link {
                link.on_room_event(event);
            }
        }
    }
}

/// Sends a message to one session. `Ok(false)` means that it was volatile and was dropped.
fn send_to(session: &Session, message: &Prepared, volatile: bool) -> Result<bool, SendError> {
    if volatile {
        session.send_volatile(message.clone())
    } else {
        session.send(message.clone()).map(|()| true)
    }
}
