//! Emitters: events for the clients of a cluster from a process that is no server.

use std::fmt;
use std::sync::Arc;

use socketio_cluster::{Flags, Message, Target};
use socketio_events::message::to_event;
use socketio_parser::{Event, Parser, ToArgs};

use crate::connections::Connections;
use crate::driver::Command;
use crate::error::PublishError;
use crate::publisher::Publisher;

/// The message format of an emitter.
pub trait Format: Send + Sync + 'static {
    /// The encoding in which most messages are sent.
    fn parser(&self) -> Parser;

    /// The command that sends a message to the clients or the servers of a namespace.
    ///
    /// # Errors
    ///
    /// The format cannot express the message.
    fn command(&self, namespace: &str, message: &Message) -> Result<Command, PublishError>;
}

/// Emits to the clients of a cluster, and to its servers, without being one of them. It is the same type for all brokers, so
/// that code that emits does not depend on one.
///
/// A call queues a message, which a task sends. It fails only when the queue is full, or when the event
/// cannot be encoded; [`Connections::flush`] waits until everything has been sent.
///
/// ```no_run
/// # use socketio_broker::{PublishError, emitter::Emitter};
/// # async fn example(emitter: Emitter) -> Result<(), PublishError> {
/// emitter.to("news").except("away").emit("headline", "for the members on all servers")?;
/// emitter.of("/admin").disconnect_sockets(true)?;
/// emitter.connections().flush().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Emitter {
    shared: Arc<Shared>,
    namespace: Arc<str>,
    target: Target,
    flags: Flags,
}

struct Shared {
    publisher: Publisher,
    connections: Connections,
    format: Box<dyn Format>,
}

impl Emitter {
    /// The emitter of an adapter crate, for the namespace `/`.
    pub fn new(publisher: Publisher, format: impl Format) -> Self {
        let connections = Connections::of_emitter(publisher.clone());
        let shared = Shared { publisher, connections, format: Box::new(format) };
        Self::in_namespace(Arc::new(shared), "/".into())
    }

    fn in_namespace(shared: Arc<Shared>, namespace: Arc<str>) -> Self {
        Self { shared, namespace, target: Target::default(), flags: Flags::default() }
    }

    /// The emitter for another namespace.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Self {
        let slash = if namespace.starts_with('/') { "" } else { "/" };
        Self::in_namespace(Arc::clone(&self.shared), format!("{slash}{namespace}").into())
    }

    /// Selects the members of a room; several calls select the members of any of the rooms.
    #[must_use]
    pub fn to(&self, room: &str) -> Self {
        let mut emitter = self.clone();
        emitter.target.rooms.push(room.into());
        emitter
    }

    /// As [`to`](Self::to).
    #[must_use]
    pub fn r#in(&self, room: &str) -> Self {
        self.to(room)
    }

    /// Excludes the members of a room.
    #[must_use]
    pub fn except(&self, room: &str) -> Self {
        let mut emitter = self.clone();
        emitter.target.except.push(room.into());
        emitter
    }

    /// Clients that cannot take the event at once are skipped.
    #[must_use]
    pub fn volatile(&self) -> Self {
        let mut emitter = self.clone();
        emitter.flags.volatile = true;
        emitter
    }

    /// Whether the event may be compressed.
    #[must_use]
    pub fn compress(&self, compress: bool) -> Self {
        let mut emitter = self.clone();
        emitter.flags.compress = compress;
        emitter
    }

    /// Emits to the selected clients.
    ///
    /// # Errors
    ///
    /// The queue is full, or the event cannot be encoded.
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), PublishError> {
        let event = self.event(event, args)?;
        self.send(&Message::Broadcast {
            target: self.target.clone(),
            flags: self.flags,
            event,
            request: None,
        })
    }

    /// Adds the selected sockets to rooms.
    ///
    /// # Errors
    ///
    /// The queue is full, or the message is too large.
    pub fn sockets_join(&self, rooms: &[&str]) -> Result<(), PublishError> {
        let rooms = rooms.iter().map(|room| (*room).into()).collect();
        self.send(&Message::SocketsJoin { target: self.target.clone(), rooms })
    }

    /// Removes the selected sockets from rooms.
    ///
    /// # Errors
    ///
    /// The queue is full, or the message is too large.
    pub fn sockets_leave(&self, rooms: &[&str]) -> Result<(), PublishError> {
        let rooms = rooms.iter().map(|room| (*room).into()).collect();
        self.send(&Message::SocketsLeave { target: self.target.clone(), rooms })
    }

    /// Disconnects the selected sockets from the namespace; with `close`, closes their connections.
    ///
    /// # Errors
    ///
    /// The queue is full, or the message is too large.
    pub fn disconnect_sockets(&self, close: bool) -> Result<(), PublishError> {
        self.send(&Message::DisconnectSockets { target: self.target.clone(), close })
    }

    /// Emits to the servers.
    ///
    /// # Errors
    ///
    /// The queue is full, or the event cannot be encoded.
    pub fn server_side_emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), PublishError> {
        let event = self.event(event, args)?;
        self.send(&Message::ServerSideEmit { event, request: None })
    }

    /// The connection to the broker.
    pub fn connections(&self) -> &Connections {
        &self.shared.connections
    }

    fn event<A: ToArgs + ?Sized>(&self, name: &str, args: &A) -> Result<Event, PublishError> {
        to_event(self.shared.format.parser(), name, args)
            .map_err(|error| PublishError::Encode(error.to_string()))
    }

    fn send(&self, message: &Message) -> Result<(), PublishError> {
        let command = self.shared.format.command(&self.namespace, message)?;
        self.shared.publisher.push(command)
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter")
            .field("namespace", &self.namespace)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
