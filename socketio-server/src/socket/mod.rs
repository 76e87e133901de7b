//! A socket: the application's handle of a client in a namespace.

mod context;
pub(crate) mod detached;
pub(crate) mod disconnect_reason;
mod emitter;
mod extras;
pub(crate) mod handshake;
mod lifecycle;
pub(crate) mod middleware;
mod namespace_state;
mod on;
pub(crate) mod rewrite;
pub(crate) mod session_event;
mod siblings;
mod state;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use engineio::sync::RwLock;
use engineio::{Prepared, Session};
use serde::de::DeserializeOwned;
use socketio_parser::{EncodeError, Parser, ToArgs};

pub use self::context::{AckSender, ConnectContext, DisconnectContext, EventContext};
pub use self::emitter::Emitter;
pub(crate) use self::lifecycle::Start;
pub(crate) use self::namespace_state::{
    EventMiddleware, Handlers, Kind, MiddlewareFuture, NamespaceState, Snapshot,
};
pub(crate) use self::siblings::Siblings;

use self::extras::SocketExtras;
use self::state::{RecoveryOutcome, SocketState};
use crate::acks::PendingAcks;
use crate::broadcast::Broadcast;
use crate::encode;
use crate::error::{AckError, EmitError, TooManyRooms};
use crate::extensions::Extensions;
use crate::params::Params;
use crate::recovery::NotRecovered;
use crate::rooms::IntoRooms;
use crate::rooms::Room;
use crate::socket::disconnect_reason::DisconnectReason;
use crate::socket::handshake::Handshake;
use crate::socket_data::SocketData;
use crate::wire::Wire;

/// A client in a namespace.
///
/// This is a handle: clones refer to the same socket, and all methods may be called from any thread.
///
/// ```
/// # use std::time::Duration;
/// # use socketio_server::{Args, Data, HandlerResult, Server, Socket};
/// # let io = Server::builder().build()?;
/// io.on_connect(|socket: Socket| async move {
///     println!("{} from {:?}", socket.id(), socket.handshake().address());
///     socket.join(["news", "lobby"]);
///     socket.data().set("name", "ada")?;
///     socket.emit("welcome", "hello")?; // One argument.
///     socket.emit("welcome", &Args(("hello", 2)))?; // Two.
///     HandlerResult::Ok(())
/// });
/// io.on("say", |socket: Socket, Data(text): Data<String>| async move {
///     socket.to("lobby").emit("said", &text).await?; // The others in the room.
///     socket.broadcast().except("quiet").emit("said", &text).await?; // All others but these.
///     let wait = Duration::from_secs(5);
///     let read = socket.timeout(wait).emit_with_ack::<bool>("read?", &text).await?; // The type of the answer.
///     if !read && socket.is_in("guests") {
///         socket.disconnect(true);
///     }
///     HandlerResult::Ok(())
/// });
/// # Ok::<(), socketio_server::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

pub(crate) struct Inner {
    id: Arc<str>,
    session: Session,
    namespace: Arc<NamespaceState>,
    siblings: Arc<Siblings>,
    /// The parser of the connection, if it is not the server's.
    wire: Option<Arc<Wire>>,
    /// Shared with the details of the socket that are given out.
    handshake: Arc<Handshake>,
    state: SocketState,
    acks: PendingAcks,
    /// Allocated on first use.
    extras: OnceLock<Box<RwLock<SocketExtras>>>,
    extensions: Extensions,
    data: SocketData,
}

impl Socket {
    /// The socket's public id. It differs from the session id, which is a secret.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The name of the namespace.
    #[doc(alias = "nsp")]
    pub fn namespace(&self) -> &str {
        self.0.namespace.node.name()
    }

    /// The handshake: the opening request and the payload of CONNECT.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// The connection of the socket, shared with the client's other namespaces (`conn`). Its events are those of
    /// [`on_session_event`](Self::on_session_event).
    #[doc(alias = "conn")]
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// The parameters of a dynamic namespace: see [`Server::of_pattern`](crate::Server::of_pattern).
    pub fn params(&self) -> Params {
        self.0.namespace.params()
    }

    /// Whether the socket was recovered, with its id, rooms and data, and the client has received the missed
    /// events. See
    /// [`ServerBuilder::connection_state_recovery`](crate::ServerBuilder::connection_state_recovery).
    pub fn recovered(&self) -> bool {
        self.0.state.recovery() == RecoveryOutcome::Recovered
    }

    /// Reason why a recovery request failed, if the client made one.
    pub fn not_recovered(&self) -> Option<NotRecovered> {
        match self.0.state.recovery() {
            RecoveryOutcome::Failed(reason) => Some(reason),
            RecoveryOutcome::NotRequested | RecoveryOutcome::Recovered => None,
        }
    }

    /// Application data that other servers can read and that survives a recovery.
    pub fn data(&self) -> &SocketData {
        &self.0.data
    }

    /// Application values of this socket by type, on this server only.
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// Sends an event to the client. One value is one argument; for several arguments see
    /// [`Args`](crate::Args).
    ///
    /// The event is queued, in order, without waiting. Unlike a broadcast the call is not async, because no
    /// other server is involved.
    ///
    /// # Errors
    ///
    /// The event cannot be encoded, the socket has left, or its outbox is full.
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        self.emitter().emit(event, args)
    }

    /// Waits for space in the client's outbox, then sends the event. For producers that adapt to a slow
    /// client instead of losing it.
    ///
    /// # Errors
    ///
    /// The event cannot be encoded, or the socket has left.
    pub async fn emit_when_ready<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        self.emitter().emit_when_ready(event, args).await
    }

    /// Sends the event `message`.
    pub fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    /// Sends an event and waits for the client's acknowledgement, whose first argument is deserialized as
    /// `T`. The wait is limited by [`Config::ack_timeout`](crate::Config::ack_timeout), or by
    /// [`timeout`](Self::timeout).
    ///
    /// ```
    /// # async fn example(socket: socketio_server::Socket) -> Result<(), socketio_server::AckError> {
    /// let color = socket.emit_with_ack::<String>("color?", &"sky").await?;
    /// socket.emit_with_ack::<()>("received?", &color).await?; // Whatever the client answers.
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The event could not be emitted, no acknowledgement arrived in time or before the socket left, the client's
    /// handler returned an error ([`AckError::Remote`](crate::AckError::Remote)), or the acknowledgement is not a `T`.
    #[doc(alias = "emitWithAck")]
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

    /// Drops the next event if the client cannot take it at once.
    pub fn volatile(&self) -> Emitter {
        self.emitter().volatile()
    }

    /// Whether the next event may be compressed, if compression is enabled.
    pub fn compress(&self, compress: bool) -> Emitter {
        self.emitter().compress(compress)
    }

    /// Marks the next event as the latest value of a key: see [`Broadcast::conflate_by`](crate::Broadcast::conflate_by).
    pub fn conflate_by(&self, key: NonZeroU32) -> Emitter {
        self.emitter().conflate_by(key)
    }

    /// Maximum wait of the next emit for its acknowledgement.
    pub fn timeout(&self, timeout: Duration) -> Emitter {
        self.emitter().timeout(timeout)
    }

    /// All sockets of the namespace except this one.
    pub fn broadcast(&self) -> Broadcast {
        Broadcast::new(Arc::clone(&self.0.namespace.node), self.0.namespace.config.ack_timeout)
            .except(self.shared_id())
    }

    /// All sockets of this server except this one.
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// The members of a room, or of several, except this socket.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// The same as [`to`](Self::to).
    pub fn r#in(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// All sockets except this one and the members of a room, or of several.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// Joins a room, or several. Has no effect on a disconnected socket. Rooms beyond
    /// [`Config::max_rooms`](crate::Config::max_rooms) are not joined, which is logged and counted: see
    /// [`try_join`](Self::try_join).
    pub fn join(&self, rooms: impl IntoRooms) {
        let refused = self.join_rooms(&rooms.into_rooms());
        self.0.namespace.node.rooms.joins_refused(refused);
    }

    /// The same, for rooms that a client chooses.
    ///
    /// # Errors
    ///
    /// The socket is in too many rooms: see [`Config::max_rooms`](crate::Config::max_rooms). Those that were within
    /// the limit are joined.
    pub fn try_join(&self, rooms: impl IntoRooms) -> Result<(), TooManyRooms> {
        match self.join_rooms(&rooms.into_rooms()) {
            0 => Ok(()),
            _ => Err(TooManyRooms { max: self.0.namespace.config.max_rooms }),
        }
    }

    /// Leaves a room.
    pub fn leave(&self, room: &str) {
        self.leave_room(room);
    }

    /// Leaves all rooms except the one under its own id.
    pub fn leave_all(&self) {
        self.leave_all_rooms();
    }

    /// The rooms of the socket: its own id first, then those that it [joined](Self::joined_rooms). Empty
    /// after the disconnection.
    pub fn rooms(&self) -> Vec<Room> {
        self.all_rooms()
    }

    /// Whether the socket is in a room. The room under its own id counts; after the disconnection there is none.
    #[doc(alias = "socket.rooms.has")]
    pub fn is_in(&self, room: &str) -> bool {
        self.is_in_room(room)
    }

    /// The joined rooms: all except the one under its own id.
    pub fn joined_rooms(&self) -> Vec<Room> {
        let mut rooms = self.all_rooms();
        // Skipping the first room would be wrong: before the socket is connected its own id is not in the
        // list.
        rooms.retain(|room| **room != *self.id());
        rooms
    }

    /// Disconnects the socket from its namespace. With `close` all sockets of the client leave, and its
    /// connection is closed.
    pub fn disconnect(&self, close: bool) {
        if close {
            for sibling in self.0.siblings.all() {
                sibling.disconnect(false);
            }
            self.0.session.close();
        } else {
            self.leave_after(DisconnectReason::ServerNamespaceDisconnect, || {
                self.finish_direct();
                let node = &self.0.namespace.node;
                let packet = encode::disconnect(self.parser(), node.name());
                if let Ok(packet) = packet.and_then(|packet| self.finish(packet)) {
                    // Sent even if the outbox is full, because the client would otherwise assume to be
                    // connected. The number is limited by the CONNECTs of the client.
                    self.0.session.send_regardless(packet);
                }
            });
        }
    }

    /// Sends an encoded message to this socket.
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

    /// The parser for packets to this socket; [`finish`](Self::finish) completes them.
    pub(crate) fn parser(&self) -> Parser {
        match &self.0.wire {
            None => self.0.namespace.node.parser(),
            Some(wire) => wire.parser(),
        }
    }

    /// The message for this socket's connection.
    pub(crate) fn finish(&self, message: Prepared) -> Result<Prepared, EncodeError> {
        match &self.0.wire {
            None => Ok(message),
            Some(wire) => wire.finish(message),
        }
    }

    /// The message for this socket's connection, from one for all sockets of the namespace.
    pub(crate) fn convert(&self, message: &Prepared) -> Result<Prepared, EncodeError> {
        match &self.0.wire {
            None => Ok(message.clone()),
            Some(wire) => wire.convert(message),
        }
    }

    pub(crate) fn namespace_state(&self) -> &Arc<NamespaceState> {
        &self.0.namespace
    }

    fn away(&self) -> Option<(Arc<str>, Duration)> {
        self.0.state.away()
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
