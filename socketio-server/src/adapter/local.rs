//! The sockets of one namespace on this server, and what can be done to many of them at once.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use engineio::{Prepared, Session};
use socketio_parser::Parser;

use crate::ack::Waiting;
use crate::room::{MemberKey, Room, RoomEvent, Rooms, Target};

/// What the rooms know of a socket.
pub(crate) trait Member: Send + Sync {
    /// Makes the socket wait for the answer to a broadcast. `false` if it cannot.
    fn expect_ack(&self, id: u64, waiting: Waiting) -> bool;
    /// Forgets that answer.
    fn forget_ack(&self, id: u64);
    /// Puts the socket out of the namespace, and its client off the server if `close`.
    fn disconnect(self: Arc<Self>, close: bool);
    /// The socket itself, for those who know its type.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

type RoomHook = Box<dyn Fn(&RoomEvent) + Send + Sync>;

/// The sockets of one namespace on this server.
pub(crate) struct Local {
    name: Arc<str>,
    parser: Parser,
    rooms: RwLock<Rooms<Session, Arc<dyn Member>>>,
    next_ack: AtomicU64,
    on_room_event: OnceLock<RoomHook>,
}

impl Local {
    pub(crate) fn new(name: Arc<str>, parser: Parser) -> Self {
        Self {
            name,
            parser,
            rooms: RwLock::default(),
            next_ack: AtomicU64::new(0),
            on_room_event: OnceLock::new(),
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn parser(&self) -> Parser {
        self.parser
    }

    /// An id that no other emit of the namespace has.
    pub(crate) fn next_ack_id(&self) -> u64 {
        self.next_ack.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells `hook` of rooms that come and go. Only the first one that is set counts.
    pub(crate) fn on_room_event(&self, hook: RoomHook) {
        let _ = self.on_room_event.set(hook);
    }

    pub(crate) fn insert(&self, id: Arc<str>, session: Session, member: Arc<dyn Member>) -> MemberKey {
        self.write().insert(id, session, member)
    }

    pub(crate) fn remove(&self, key: MemberKey) {
        self.change(|rooms, events| rooms.remove(key, events));
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

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Rooms<Session, Arc<dyn Member>>> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rooms<Session, Arc<dyn Member>>> {
        self.rooms.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends to everybody in the target. The message is made only if there is somebody.
    ///
    /// A socket whose outbox is full is dealt with by its own policy; the others are not held up.
    pub(crate) fn broadcast<E>(
        &self,
        target: &Target,
        volatile: bool,
        encode: impl FnOnce() -> Result<Prepared, E>,
    ) -> Result<(), E> {
        let rooms = self.read();
        if rooms.is_empty(target) {
            return Ok(());
        }
        let message = encode()?;
        if volatile {
            rooms.for_each_session(target, |session| {
                let _ = session.send_volatile(message.clone());
            });
        } else {
            rooms.for_each_session(target, |session| {
                let _ = session.send(message.clone());
            });
        }
        Ok(())
    }

    /// Sends to everybody in the target and makes each of them wait for an answer. Returns who was asked.
    pub(crate) fn broadcast_with_ack<E>(
        &self,
        target: &Target,
        id: u64,
        waiting: impl Fn() -> Waiting,
        encode: impl FnOnce() -> Result<Prepared, E>,
    ) -> Result<Vec<Arc<dyn Member>>, E> {
        let rooms = self.read();
        let mut asked = Vec::new();
        if rooms.is_empty(target) {
            return Ok(asked);
        }
        let message = encode()?;
        rooms.for_each(target, |_, session, member| {
            if member.expect_ack(id, waiting()) {
                asked.push(Arc::clone(member));
                let _ = session.send(message.clone());
            }
        });
        Ok(asked)
    }

    /// Puts everybody in the target into rooms.
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

    /// Takes everybody in the target out of rooms.
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

    /// Everybody in the target, to be dealt with while the rooms are free to change.
    pub(crate) fn members(&self, target: &Target) -> Vec<Arc<dyn Member>> {
        let mut members = Vec::new();
        self.read().for_each(target, |_, _, member| members.push(Arc::clone(member)));
        members
    }

    fn keys(&self, target: &Target) -> Vec<MemberKey> {
        let mut keys = Vec::new();
        self.read().for_each(target, |key, _, _| keys.push(key));
        keys
    }

    /// Changes the rooms, and tells of it when they are free again.
    fn change<R>(
        &self,
        change: impl FnOnce(&mut Rooms<Session, Arc<dyn Member>>, &mut Vec<RoomEvent>) -> R,
    ) -> R {
        let mut events = Vec::new();
        let result = change(&mut self.write(), &mut events);
        if let Some(hook) = self.on_room_event.get() {
            events.iter().for_each(hook);
        }
        result
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("name", &self.name).finish_non_exhaustive()
    }
}
