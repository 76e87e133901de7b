//! Emitters: events for the clients of a cluster from a process that is no server.

use std::fmt;
use std::sync::Arc;

use socketio_broker::publisher::Publisher;
use socketio_broker::{Connections, PublishError};
use socketio_cluster::{Flags, Limits, Message, Sender, Target};
use socketio_events::message::to_event;
use socketio_parser::{Event, Parser, ToArgs};

use crate::channel::{channel, table};
use crate::driver::PostgresDriver;
use crate::encode::Envelope;
use crate::settings::Postgres;

/// Emits to the clients of a cluster, and to its servers, without being one of them.
///
/// A call queues a message, which a task sends. It fails only when the queue is full, or when the event
/// cannot be encoded; [`Connections::flush`] waits until everything has been sent.
///
/// Servers of both kinds read its messages. Those of the official emitter do not name their namespace, so that version 0.5 of
/// the official adapter ignores them; those of this one do.
///
/// ```no_run
/// use socketio_postgres::{Postgres, PostgresEmitter};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let emitter = PostgresEmitter::new(&Postgres::open("postgres://user:password@127.0.0.1/database")?);
/// emitter.to("news").except("away").emit("headline", "for the members on all servers")?;
/// emitter.of("/admin").disconnect_sockets(true)?;
/// emitter.connections().flush().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresEmitter {
    shared: Arc<Shared>,
    namespace: Arc<str>,
    target: Target,
    flags: Flags,
}

struct Shared {
    publisher: Publisher,
    connections: Connections,
    channel_prefix: String,
    payload_threshold: usize,
}

/// Options of a [`PostgresEmitter`], with the names of the official emitter.
#[derive(Clone, Debug)]
pub struct PostgresEmitterBuilder {
    postgres: Postgres,
    channel_prefix: String,
    table_name: String,
    payload_threshold: usize,
}

impl PostgresEmitterBuilder {
    /// Prefix of the channels, as the servers have it. Default `socket.io`.
    #[must_use]
    pub fn channel_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.channel_prefix);
        self
    }

    /// Name of the table of large messages, as the servers have it. It has to exist. Default `socket_io_attachments`.
    #[must_use]
    pub fn table_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.table_name);
        self
    }

    /// Maximum size of a notification. A larger message is a row of the table.
    ///
    /// Default 8000; unit: bytes. PostgreSQL takes 7999 at most, so that a larger value is that. Cost of a row: it is written
    /// once and read once by each server.
    #[must_use]
    pub fn payload_threshold(mut self, bytes: usize) -> Self {
        self.payload_threshold = bytes;
        self
    }

    /// Opens the connection. It must be called within a runtime of tokio.
    pub fn build(self) -> PostgresEmitter {
        let driver = PostgresDriver::of_emitter(&self.postgres, &table(&self.table_name));
        let tuning = self.postgres.tuning().clone();
        let publisher = Publisher::start(Box::new(driver), Arc::default(), tuning, false);
        let connections = Connections::of_emitter(publisher.clone());
        let Self { channel_prefix, payload_threshold, .. } = self;
        PostgresEmitter {
            shared: Arc::new(Shared { publisher, connections, channel_prefix, payload_threshold }),
            namespace: "/".into(),
            target: Target::default(),
            flags: Flags::default(),
        }
    }
}

impl PostgresEmitter {
    /// The emitter with the official defaults. It must be made within a runtime of tokio.
    pub fn new(postgres: &Postgres) -> Self {
        Self::builder(postgres).build()
    }

    /// Sets options first.
    pub fn builder(postgres: &Postgres) -> PostgresEmitterBuilder {
        PostgresEmitterBuilder {
            postgres: postgres.clone(),
            channel_prefix: "socket.io".to_owned(),
            table_name: "socket_io_attachments".to_owned(),
            payload_threshold: 8000,
        }
    }

    /// The emitter for another namespace.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Self {
        let slash = if namespace.starts_with('/') { "" } else { "/" };
        Self {
            shared: Arc::clone(&self.shared),
            namespace: format!("{slash}{namespace}").into(),
            target: Target::default(),
            flags: Flags::default(),
        }
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
    pub fn sockets_join(&self, rooms: &[&str]) -> Result<(), PublishError> {
        let rooms = rooms.iter().map(|room| (*room).into()).collect();
        self.send(&Message::SocketsJoin { target: self.target.clone(), rooms })
    }

    /// Removes the selected sockets from rooms.
    pub fn sockets_leave(&self, rooms: &[&str]) -> Result<(), PublishError> {
        let rooms = rooms.iter().map(|room| (*room).into()).collect();
        self.send(&Message::SocketsLeave { target: self.target.clone(), rooms })
    }

    /// Disconnects the selected sockets from the namespace; with `close`, closes their connections.
    pub fn disconnect_sockets(&self, close: bool) -> Result<(), PublishError> {
        self.send(&Message::DisconnectSockets { target: self.target.clone(), close })
    }

    /// Emits to the servers.
    pub fn server_side_emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), PublishError> {
        let event = self.event(event, args)?;
        self.send(&Message::ServerSideEmit { event, request: None })
    }

    /// The connection to PostgreSQL.
    pub fn connections(&self) -> &Connections {
        &self.shared.connections
    }

    fn event<A: ToArgs + ?Sized>(&self, name: &str, args: &A) -> Result<Event, PublishError> {
        to_event(Parser::Json, name, args).map_err(|error| PublishError::Encode(error.to_string()))
    }

    fn send(&self, message: &Message) -> Result<(), PublishError> {
        let Shared { publisher, channel_prefix, payload_threshold, .. } = &*self.shared;
        let envelope = Envelope {
            sender: Sender::Emitter,
            namespace: &self.namespace,
            channel: &channel(channel_prefix, &self.namespace),
            threshold: *payload_threshold,
            limits: &Limits::default(),
        };
        publisher.push(envelope.command(message)?)
    }
}

impl fmt::Debug for PostgresEmitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresEmitter")
            .field("namespace", &self.namespace)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
