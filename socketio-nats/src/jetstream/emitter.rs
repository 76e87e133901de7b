//! The emitter for servers on JetStream.

use std::sync::Arc;

use bytes::Bytes;
use socketio_broker::PublishError;
use socketio_broker::driver::Command;
use socketio_broker::emitter::{self, Emitter};
use socketio_broker::publisher::Publisher;
use socketio_broker::stats::Counters;
use socketio_cluster::streams::encode_entry;
use socketio_cluster::{Limits, Message, Sender};
use socketio_parser::Parser;

use crate::driver::NatsDriver;
use crate::settings::Nats;

/// Options of an emitter for servers with the [`JetStreamAdapter`](crate::JetStreamAdapter).
///
/// ```no_run
/// use socketio_nats::{JetStreamEmitter, Nats};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let emitter = JetStreamEmitter::new(&Nats::open("nats://127.0.0.1:4222")?).build();
/// emitter.to("news").emit("headline", "for the members on all servers, and for those that return")?;
/// emitter.connections().flush().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct JetStreamEmitter {
    nats: Nats,
    stream: String,
    max_len: u64,
}

impl JetStreamEmitter {
    /// The defaults of the adapter.
    pub fn new(nats: &Nats) -> Self {
        Self { nats: nats.clone(), stream: "socket.io".to_owned(), max_len: 10_000 }
    }

    /// Prefix of the subjects, as the servers have it.
    ///
    /// Default `socket.io`. Cost: none.
    #[must_use]
    pub fn subject_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.stream);
        self
    }

    /// Number of entries that the stream keeps, as the servers have it.
    ///
    /// Default 10 000. Cost: storage of NATS.
    #[must_use]
    pub fn max_len(mut self, entries: u64) -> Self {
        self.max_len = entries.max(1);
        self
    }

    /// Opens the connection. It must be called within a runtime of tokio.
    pub fn build(self) -> Emitter {
        let driver = NatsDriver::new(&self.nats);
        let tuning = self.nats.tuning().clone();
        let publisher = Publisher::start(Box::new(driver), Arc::<Counters>::default(), tuning, false);
        Emitter::new(publisher, Format { stream: self.stream, max_len: self.max_len })
    }
}

struct Format {
    stream: String,
    max_len: u64,
}

impl emitter::Format for Format {
    fn parser(&self) -> Parser {
        Parser::Json
    }

    fn command(&self, namespace: &str, message: &Message) -> Result<Command, PublishError> {
        let entry = encode_entry(Sender::Emitter, namespace, message, false, &Limits::default())?;
        let fields = entry.fields().map(|(name, value)| (name, Bytes::copy_from_slice(value.as_bytes())));
        let fields = fields.collect();
        Ok(Command::Append { stream: self.stream.clone(), max_len: self.max_len, fields })
    }
}
