//! A socket: a client in a namespace, as the application holds it.

mod context;
mod emitter;
mod space;

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use engineio::{Prepared, Session};
use serde::de::DeserializeOwned;
use socketio_parser::ToArgs;

pub use self::context::{AckSender, ConnectContext, DisconnectContext, EventContext};
pub use self::emitter::Emitter;
pub(crate) use self::space::{Asked, Handlers, Middleware, Space};

use crate::ack::{PendingAcks, Waiting};
use crate::adapter::Member;
use crate::broadcast::Broadcast;
use crate::disconnect_reason::DisconnectReason;
use crate::emit;
use crate::error::{AckError, EmitError};
use crate::extensions::Extensions;
use crate::handlers::{Table, Work};
use crate::handshake::Handshake;
use crate::room::{MemberKey, Room};

/// A client in a namespace.
///
/// This is a handle: clones are the same socket, and all methods may be called from anywhere.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

pub(crate) struct Inner {
    id: Arc<str>,
    session: Session,
    space: Arc<Space>,
    siblings: Arc<Siblings>,
    handshake: Handshake,
    phase: AtomicU8,
    /// The place in the rooms, from the moment that the socket is connected.
    member: OnceLock<MemberKey>,
    /// The rooms that middlewares put it into before.
    early: Mutex<Vec<Room>>,
    acks: PendingAcks,
    handlers: RwLock<Option<Box<Table<EventContext>>>>,
    extensions: Extensions,
}

/// All sockets of one client.
#[derive(Default)]
pub(crate) struct Siblings(Mutex<Vec<Weak<Inner>>>);

/// A socket is made before its namespace's middlewares run, and is not connected before they agree.
const JOINING: u8 = 0;
const CONNECTED: u8 = 1;
const DISCONNECTED: u8 = 2;

impl Socket {
    pub(crate) fn new(
        id: Arc<str>,
        session: Session,
        space: Arc<Space>,
        siblings: &Arc<Siblings>,
        handshake: Handshake,
    ) -> Self {
        Self(Arc::new(Inner {
            id,
            session,
            space,
            siblings: Arc::clone(siblings),
            handshake,
            phase: AtomicU8::new(JOINING),
            member: OnceLock::new(),
            early: Mutex::default(),
            acks: PendingAcks::default(),
            handlers: RwLock::default(),
            extensions: Extensions::default(),
        }))
    }

    /// The socket's public id. It is not the session's id, which is a secret.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The name of the namespace.
    pub fn namespace(&self) -> &str {
        self.0.space.local.name()
    }

    /// How the client came: its request and what its CONNECT packet said.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// The connection under the socket, shared with the client's other namespaces (`conn`).
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// Whether the socket is in its namespace.
    pub fn is_connected(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) == CONNECTED
    }

    /// Values that belong to this socket, by type. They stay on this server.
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// Sends an event to the client. One value is one argument; several are said with [`Args`](crate::Args).
    ///
    /// The event is queued and leaves in order.
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        self.emitter().emit(event, args)
    }

    /// Sends the event `message`.
    pub fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    /// Sends an event and waits for the client's answer, of which the first argument is read as `T`. At most
    /// [`Config::ack_timeout`](crate::Config::ack_timeout), unless [`timeout`](Self::timeout) says otherwise.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<T, AckError> {
        self.emitter().emit_with_ack(event, args).await
    }

    fn emitter(&self) -> Emitter {
        Emitter::new(self.clone())
    }

    /// The next event is dropped if the client cannot take it at once.
    pub fn volatile(&self) -> Emitter {
        self.emitter().volatile()
    }

    /// Whether the next event may be compressed, where compression is on.
    pub fn compress(&self, compress: bool) -> Emitter {
        self.emitter().compress(compress)
    }

    /// How long the next emit waits for its answer.
    pub fn timeout(&self, timeout: Duration) -> Emitter {
        self.emitter().timeout(timeout)
    }

    /// Everybody in the namespace but this socket.
    pub fn broadcast(&self) -> Broadcast {
        Broadcast::new(Arc::clone(&self.0.space.local), self.0.space.config.ack_timeout).except(self.id())
    }

    /// Everybody in a room, or in several, but this socket.
    pub fn to(&self, rooms: impl crate::broadcast::IntoRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// The same as [`to`](Self::to).
    pub fn r#in(&self, rooms: impl crate::broadcast::IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Everybody but the members of a room, or of several, and this socket.
    pub fn except(&self, rooms: impl crate::broadcast::IntoRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// Joins a room, or several. Without effect once the socket is disconnected.
    pub fn join(&self, rooms: impl crate::broadcast::IntoRooms) {
        let rooms = rooms.into_rooms();
        let Some(&key) = self.0.member.get() else {
            if self.0.phase.load(Ordering::Acquire) == JOINING {
                self.early().extend(rooms);
            }
            return;
        };
        for room in rooms {
            self.0.space.local.join(key, &room);
        }
        // A disconnect that came in between has emptied the rooms before this one.
        if self.0.phase.load(Ordering::Acquire) == DISCONNECTED {
            self.0.space.local.leave_all(key);
        }
    }

    /// Leaves a room.
    pub fn leave(&self, room: &str) {
        if let Some(&key) = self.0.member.get() {
            self.0.space.local.leave(key, room);
        }
    }

    /// Leaves all rooms but the one that every socket has under its own id.
    pub fn leave_all(&self) {
        if let Some(&key) = self.0.member.get() {
            self.0.space.local.leave_all(key);
        }
    }

    /// The rooms that the socket is in, its own id first. Empty once it is disconnected.
    pub fn rooms(&self) -> Vec<Room> {
        match self.0.member.get() {
            Some(key) => self.0.space.local.rooms_of(*key),
            None => self.early().clone(),
        }
    }

    /// Puts the socket out of its namespace. With `close` all sockets of the client leave, and its connection is
    /// closed.
    pub fn disconnect(&self, close: bool) {
        if close {
            for sibling in self.0.siblings.all() {
                sibling.disconnect(false);
            }
            self.0.session.close();
        } else if self.is_connected() {
            let local = &self.0.space.local;
            if let Ok(packet) = emit::disconnect(local.parser(), local.name()) {
                let _ = self.0.session.send(packet);
            }
            self.leave_namespace(DisconnectReason::ServerNamespaceDisconnect);
        }
    }

    /// The socket that a member of the rooms is.
    pub(crate) fn from_member(member: Arc<dyn Member>) -> Option<Self> {
        member.into_any().downcast().ok().map(Self)
    }

    /// Sends what was encoded for this socket.
    pub(crate) fn send_prepared(&self, message: Prepared, volatile: bool) -> Result<(), EmitError> {
        if !self.is_connected() {
            return Err(engineio::SendError::Closed.into());
        }
        if volatile {
            self.0.session.send_volatile(message)?;
        } else {
            self.0.session.send(message)?;
        }
        Ok(())
    }

    pub(crate) fn space(&self) -> &Arc<Space> {
        &self.0.space
    }

    pub(crate) fn acks(&self) -> &PendingAcks {
        &self.0.acks
    }

    pub(crate) fn table(&self) -> &RwLock<Option<Box<Table<EventContext>>>> {
        &self.0.handlers
    }

    /// The middlewares agreed and the client was told: the socket is in, and in the rooms that they put it into.
    pub(crate) fn connected(&self) {
        let member: Arc<dyn Member> = Arc::clone(&self.0) as _;
        let key = self.0.space.local.insert(Arc::clone(&self.0.id), self.0.session.clone(), member);
        let _ = self.0.member.set(key);
        self.0.siblings.add(&self.0);
        let early = std::mem::take(&mut *self.early());
        self.0.phase.store(CONNECTED, Ordering::Release);
        self.join(early);
    }

    /// A middleware refused, or the client went away in the meantime.
    pub(crate) fn give_up(&self) {
        self.0.phase.store(DISCONNECTED, Ordering::Release);
        self.early().clear();
    }

    fn early(&self) -> MutexGuard<'_, Vec<Room>> {
        self.0.early.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The socket leaves its namespace, for whatever reason and only once.
    pub(crate) fn leave_namespace(&self, reason: DisconnectReason) {
        // The handlers of "disconnecting" still see the rooms.
        if !self.is_connected() {
            return;
        }
        let context = || DisconnectContext { socket: self.clone(), reason };
        let handlers = Arc::clone(&self.0.space.handlers.read().unwrap_or_else(PoisonError::into_inner));
        for call in handlers.disconnecting.calls() {
            detach(call(context()));
        }
        if self
            .0
            .phase
            .compare_exchange(CONNECTED, DISCONNECTED, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            return;
        }
        if let Some(key) = self.0.member.get() {
            self.0.space.local.remove(*key);
        }
        self.0.acks.close();
        self.0.siblings.remove(&self.0);
        for call in handlers.disconnect.calls() {
            detach(call(context()));
        }
    }
}

/// Runs what a handler began: at once as far as it goes, the rest in a task.
fn detach(work: Option<Work>) {
    let Some(mut work) = work else { return };
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    if work.as_mut().poll(&mut cx).is_pending() {
        // Without a runtime nothing that waits would ever go on.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(work);
        }
    }
}

impl Member for Inner {
    fn expect_ack(&self, id: u64, waiting: Waiting) -> bool {
        self.acks.expect(id, waiting, self.space.config.max_pending_acks).is_ok()
    }

    fn forget_ack(&self, id: u64) {
        self.acks.forget(id);
    }

    fn disconnect(self: Arc<Self>, close: bool) {
        Socket(self).disconnect(close);
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Siblings {
    fn add(&self, socket: &Arc<Inner>) {
        self.lock().push(Arc::downgrade(socket));
    }

    fn remove(&self, socket: &Arc<Inner>) {
        self.lock().retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(socket)));
    }

    fn all(&self) -> Vec<Socket> {
        self.lock().iter().filter_map(Weak::upgrade).map(Socket).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Inner>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.id())
            .field("namespace", &self.namespace())
            .finish_non_exhaustive()
    }
}
