//! Emitters: events for the clients of a cluster from a process that is no server.

use std::sync::Arc;

use socketio_broker::PublishError;
use socketio_broker::driver::Command;
use socketio_broker::emitter::{self, Emitter};
use socketio_broker::publisher::Publisher;
use socketio_cluster::{Limits, Message, Sender};
use socketio_parser::Parser;

use crate::channel::{channel, table};
use crate::driver::PostgresDriver;
use crate::encode::Envelope;
use crate::settings::Postgres;

/// Options of an emitter for servers with the adapter, with the names and the format of the official
/// `@socket.io/postgres-emitter`.
///
/// Servers of both kinds read its messages. Those of the official emitter do not name their namespace, so that version 0.5 of
/// the official adapter ignores them; those of this one do.
///
/// ```no_run
/// use socketio_postgres::{Postgres, PostgresEmitter};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let postgres = Postgres::open("postgres://user:password@127.0.0.1/database")?;
/// let emitter = PostgresEmitter::new(&postgres).build();
/// emitter.to("news").except("away").emit("headline", "for the members on all servers")?;
/// emitter.of("/admin").disconnect_sockets(true)?;
/// emitter.connections().flush().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PostgresEmitter {
    postgres: Postgres,
    channel_prefix: String,
    table_name: String,
    payload_threshold: usize,
}

impl PostgresEmitter {
    /// The official defaults.
    pub fn new(postgres: &Postgres) -> Self {
        Self {
            postgres: postgres.clone(),
            channel_prefix: "socket.io".to_owned(),
            table_name: "socket_io_attachments".to_owned(),
            payload_threshold: 8000,
        }
    }

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
    pub fn build(self) -> Emitter {
        let driver = PostgresDriver::of_emitter(&self.postgres, &table(&self.table_name));
        let tuning = self.postgres.tuning().clone();
        let publisher = Publisher::start(Box::new(driver), Arc::default(), tuning, false);
        let Self { channel_prefix, payload_threshold, .. } = self;
        Emitter::new(publisher, Format { channel_prefix, payload_threshold })
    }
}

struct Format {
    channel_prefix: String,
    payload_threshold: usize,
}

impl emitter::Format for Format {
    fn parser(&self) -> Parser {
        Parser::Json
    }

    fn command(&self, namespace: &str, message: &Message) -> Result<Command, PublishError> {
        let envelope = Envelope {
            sender: Sender::Emitter,
            namespace,
            channel: &channel(&self.channel_prefix, namespace),
            threshold: self.payload_threshold,
            limits: &Limits::default(),
        };
        envelope.command(message)
    }
}
