//! The sockets of one namespace on this server, and what can be done to many of them at once.

use std::any::Any;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use engineio::{Prepared, SendError, Session};
use socketio_parser::Event;

use super::delivered::Delivered;
use super::index::{MemberKey, Rooms};
use super::target::{Room, RoomEvent, Target};
use crate::acks::{Refused, Waiting};
use crate::cluster::{Link, SocketDetails};

/// What the rooms know of a socket.
pub(crate) trait Member: Send + Sync {
    /// Makes the socket wait for the answer to a broadcast.
    fn expect_ack(&self, id: u64, waiting: Waiting) -> Result<(), Refused>;
    /// Forgets that answer.
    fn forget_ack(&self, id: u64);
    /// Puts the socket out of the namespace, and its client off the server if `close`.
    fn disconnect(self: Arc<Self>, close: bool);
    /// Tells the listeners of outgoing events.
    fn outgoing(self: Arc<Self>, event: &Event);
    /// What others may know of it. The rooms are filled in by the caller.
    fn details(&self) -> SocketDetails;
    /// The socket itself, for those who know its type.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

type Members = Rooms<Session, Arc<dyn Member>>;
pub(crate) type RoomHook = Arc<dyn Fn(&RoomEvent) + Send + Sync>;
pub(crate) type BroadcastHook = Arc<dyn Fn(&Delivered) + Send + Sync>;

/// The sockets of one namespace on this server.
#[derive(Default)]
pub(crate) struct Local {
    rooms: RwLock<Members>,
    on_room_event: OnceLock<RoomHook>,
    on_broadcast: OnceLock<BroadcastHook>,
    /// Wants to know of rooms too, when there are other nodes.
    link: OnceLock<Arc<dyn Link>>,
}

impl Local {
    /// Tells `hook` of rooms that come and go. Only the first one that is set counts.
    pub(crate) fn on_room_event(&self, hook: RoomHook) {
        let _ = self.on_room_event.set(hook);
    }

    pub(crate) fn room_hook(&self) -> Option<RoomHook> {
        self.on_room_event.get().cloned()
    }

    /// Tells `hook` of broadcasts. Only the first one that is set counts.
    pub(crate) fn on_broadcast(&self, hook: BroadcastHook) {
        let _ = self.on_broadcast.set(hook);
    }

    pub(crate) fn broadcast_hook(&self) -> Option<BroadcastHook> {
        self.on_broadcast.get().cloned()
    }

    pub(crate) fn tell(&self, link: &Arc<dyn Link>) {
        let _ = self.link.set(Arc::clone(link));
    }

    /// A socket comes, and into these rooms. The caller tells of it when nothing is locked any more.
    pub(crate) fn insert(
        &self,
        id: Arc<str>,
        session: Session,
        member: Arc<dyn Member>,
        names: &[Room],
    ) -> (MemberKey, Vec<RoomEvent>) {
        let mut events = Vec::new();
        let mut rooms = self.write();
        let key = rooms.insert(id, session, member);
        for name in names {
            rooms.join(key, name, &mut events);
        }
        (key, events)
    }

    /// A socket goes. The caller tells of it when nothing is locked any more.
    pub(crate) fn remove(&self, key: MemberKey) -> Vec<RoomEvent> {
        let mut events = Vec::new();
        self.write().remove(key, &mut events);
        events
    }

    pub(crate) fn join(&self, key: MemberKey, room: &str) -> bool {
        self.change(|rooms, events| rooms.join(key, room, events))
    }

    pub(crate) fn leave(&self, key: MemberKey, room: &str) -> bool {
        self.change(|rooms, events| rooms.leave(key, room, events))
    }

    pub(crate) fn leave_all(&self, key: MemberKey) {
        self.change(|rooms, events| rooms.leave_all(key, events));
    }

    pub(crate) fn rooms_of(&self, key: MemberKey) -> Vec<Room> {
        self.read().rooms_of(key)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Members> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Members> {
        self.rooms.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody may be meant. Asked before anything is encoded.
    pub(crate) fn has(&self, target: &Target) -> bool {
        !self.read().is_empty(target)
    }

    /// Sends to everybody meant.
    ///
    /// A socket whose outbox is full is dealt with by its own policy; the others are not held up.
    pub(crate) fn send(&self, target: &Target, message: &Prepared, volatile: bool) {
        if let Some(hook) = self.on_broadcast.get() {
            return hook(&self.send_counted(target, message, volatile));
        }
        self.read().for_each_session(target, |session| {
            let _ = hand(session, message, volatile);
        });
    }

    /// The same, with an eye on what becomes of it.
    fn send_counted(&self, target: &Target, message: &Prepared, volatile: bool) -> Delivered {
        let begun = Instant::now();
        let mut delivered = Delivered::default();
        self.read().for_each_session(target, |session| delivered.count(hand(session, message, volatile)));
        delivered.took = begun.elapsed();
        delivered
    }

    /// Sends to everybody meant and makes each of them wait for an answer. Returns who was asked, and how many could not
    /// be, because they owe too many answers.
    pub(crate) fn ask(
        &self,
        target: &Target,
        id: u64,
        message: &Prepared,
        volatile: bool,
        waiting: impl Fn() -> Waiting,
    ) -> (Vec<Arc<dyn Member>>, usize) {
        let begun = Instant::now();
        let (mut asked, mut passed_over, mut delivered) = (Vec::new(), 0, Delivered::default());
        self.read().for_each(target, |_, session, member| match member.expect_ack(id, waiting()) {
            Ok(()) => {
                asked.push(Arc::clone(member));
                // Who does not get it does not answer, and is missing in the end.
                delivered.count(hand(session, message, volatile));
            }
            Err(Refused::TooMany) => passed_over += 1,
            Err(Refused::Closed) => {}
        });
        if let Some(hook) = self.on_broadcast.get() {
            delivered.took = begun.elapsed();
            hook(&delivered);
        }
        (asked, passed_over)
    }

    /// Puts everybody meant into rooms.
    pub(crate) fn join_all(&self, target: &Target, names: &[Room]) {
        let keys = self.keys(target);
        self.change(|rooms, events| {
            for key in keys {
                for name in names {
                    rooms.join(key, name, events);
                }
            }
        });
    }

    /// Takes everybody meant out of rooms.
    pub(crate) fn leave_rooms(&self, target: &Target, names: &[Room]) {
        let keys = self.keys(target);
        self.change(|rooms, events| {
            for key in keys {
                for name in names {
                    rooms.leave(key, name, events);
                }
            }
        });
    }

    /// Everybody meant, to be dealt with while the rooms are free to change.
    pub(crate) fn members(&self, target: &Target) -> Vec<Arc<dyn Member>> {
        let mut members = Vec::new();
        self.read().for_each(target, |_, _, member| members.push(Arc::clone(member)));
        members
    }

    /// What others may know of everybody meant.
    pub(crate) fn details(&self, target: &Target) -> Vec<SocketDetails> {
        let rooms = self.read();
        let mut details = Vec::new();
        rooms.for_each(target, |key, _, member| {
            details.push(SocketDetails { rooms: rooms.rooms_of(key), ..member.details() });
        });
        details
    }

    fn keys(&self, target: &Target) -> Vec<MemberKey> {
        let mut keys = Vec::new();
        self.read().for_each(target, |key, _, _| keys.push(key));
        keys
    }

    /// Changes the rooms, and tells of it when they are free again.
    fn change<R>(&self, change: impl FnOnce(&mut Members, &mut Vec<RoomEvent>) -> R) -> R {
        let mut events = Vec::new();
        let result = change(&mut self.write(), &mut events);
        self.tell_room_events(&events);
        result
    }

    /// Tells those who want to know of rooms.
    pub(crate) fn tell_room_events(&self, events: &[RoomEvent]) {
        for event in events {
            if let Some(hook) = self.on_room_event.get() {
                hook(event);
            }
            if let Some(link) = self.link.get() {
                link.on_room_event(event);
            }
        }
    }
}

/// Hands a message to one session. `Ok(false)` says that it was volatile and dropped.
fn hand(session: &Session, message: &Prepared, volatile: bool) -> Result<bool, SendError> {
    if volatile {
        session.send_volatile(message.clone())
    } else {
        session.send(message.clone()).map(|()| true)
    }
}
