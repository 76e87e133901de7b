//! A socket: a client in a namespace, as the application holds it.

mod context;
pub(crate) mod detached;
pub(crate) mod disconnect_reason;
mod emitter;
pub(crate) mod handshake;
pub(crate) mod middleware;
mod namespace_state;
mod on;
mod own;
pub(crate) mod rewrite;
mod siblings;
mod state;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use engineio::{Prepared, Session};
use serde::de::DeserializeOwned;
use socketio_parser::ToArgs;

pub use self::context::{AckSender, ConnectContext, DisconnectContext, EventContext};
pub use self::emitter::Emitter;
pub(crate) use self::namespace_state::{Asked, EventMiddleware, Handlers, Kind, Snapshot, Space};
pub(crate) use self::siblings::Siblings;
pub(crate) use self::state::Start;

use self::own::Extras;
use crate::acks::PendingAcks;
use crate::broadcast::Broadcast;
use crate::emit;
use crate::error::{AckError, EmitError};
use crate::extensions::Extensions;
use crate::namespace::params::Params;
use crate::recovery::NotRecovered;
use crate::rooms::IntoRooms;
use crate::rooms::{MemberKey, Room};
use crate::socket::disconnect_reason::DisconnectReason;
use crate::socket::handshake::Handshake;
use crate::socket_data::SocketData;

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
    acks: PendingAcks,
    extras: RwLock<Option<Box<Extras>>>,
    has_extras: AtomicBool,
    extensions: Extensions,
    data: SocketData,
    /// The secret by which the client can come back as this socket.
    pid: OnceLock<Arc<str>>,
    /// What became of the client's wish to be who it was.
    recovery: AtomicU8,
}

impl Socket {
    /// The socket's public id. It is not the session's id, which is a secret.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The name of the namespace.
    pub fn namespace(&self) -> &str {
        self.0.space.hub.name()
    }

    /// How the client came: its request and what its CONNECT packet said.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// The connection under the socket, shared with the client's other namespaces (`conn`).
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// What the pattern of a dynamic namespace captured: see [`Server::of_pattern`](crate::Server::of_pattern).
    pub fn params(&self) -> Params {
        self.0.space.params()
    }

    /// Whether the client came back as the socket that it was, with its id, rooms and data, and has got what it
    /// missed. See [`ServerBuilder::connection_state_recovery`](crate::ServerBuilder::connection_state_recovery).
    pub fn recovered(&self) -> bool {
        self.0.recovery.load(Ordering::Relaxed) == state::RECOVERED
    }

    /// Why the client did not, if it wanted to.
    pub fn not_recovered(&self) -> Option<NotRecovered> {
        state::not_recovered(self.0.recovery.load(Ordering::Relaxed))
    }

    /// The application's values that other servers see and that survive a recovery.
    pub fn data(&self) -> &SocketData {
        &self.0.data
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

    /// Waits until the client has room for the event, then sends it. For those who would rather send at the client's
    /// pace than lose a slow client.
    pub async fn emit_when_ready<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        self.emitter().emit_when_ready(event, args).await
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
        Broadcast::new(Arc::clone(&self.0.space.hub), self.0.space.config.ack_timeout)
            .except(self.shared_id())
    }

    /// Everybody on this server but this socket.
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// Everybody in a room, or in several, but this socket.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// The same as [`to`](Self::to).
    pub fn r#in(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Everybody but the members of a room, or of several, and this socket.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// Joins a room, or several. Without effect once the socket is disconnected.
    pub fn join(&self, rooms: impl IntoRooms) {
        self.join_rooms(rooms.into_rooms());
    }

    /// Leaves a room.
    pub fn leave(&self, room: &str) {
        self.leave_room(room);
    }

    /// Leaves all rooms but the one that every socket has under its own id.
    pub fn leave_all(&self) {
        self.leave_all_rooms();
    }

    /// The rooms that the socket is in: its own id first, then those that it
    /// [joined](Self::joined_rooms). Empty once it is disconnected.
    pub fn rooms(&self) -> Vec<Room> {
        self.all_rooms()
    }

    /// The rooms that the socket was put into: all but the one under its own id.
    pub fn joined_rooms(&self) -> Vec<Room> {
        let mut rooms = self.all_rooms();
        // Not simply all but the first: before the socket is let in, its own is not among them.
        rooms.retain(|room| **room != *self.id());
        rooms
    }

    /// Puts the socket out of its namespace. With `close` all sockets of the client leave, and its connection is
    /// closed.
    pub fn disconnect(&self, close: bool) {
        if close {
            for sibling in self.0.siblings.all() {
                sibling.disconnect(false);
            }
            self.0.session.close();
        } else {
            self.leave_after(DisconnectReason::ServerNamespaceDisconnect, || {
                let hub = &self.0.space.hub;
                if let Ok(packet) = emit::disconnect(hub.parser(), hub.name()) {
                    // Otherwise the client goes on as if it were there. To be put out again it has to come in again.
                    self.0.session.send_regardless(packet);
                }
            });
        }
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

    pub(crate) fn shared_id(&self) -> Arc<str> {
        Arc::clone(&self.0.id)
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
