//! Emitters: events for the clients of a cluster from a process that is no server.

use std::sync::Arc;

use socketio_broker::PublishError;
use socketio_broker::driver::Command;
use socketio_broker::emitter::{self, Emitter};
use socketio_broker::publisher::Publisher;
use socketio_broker::stats::Counters;
use socketio_cluster::{Limits, Message, Sender};
use socketio_parser::Parser;

use crate::driver::NatsDriver;
use crate::encode::Encoder;
use crate::settings::Nats;
use crate::subject::Subjects;

/// Options of an emitter for servers with the adapter of this crate.
///
/// ```no_run
/// use socketio_nats::{Nats, NatsEmitter};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let emitter = NatsEmitter::new(&Nats::open("nats://127.0.0.1:4222")?).build();
/// emitter.to("news").except("away").emit("headline", "for the members on all servers")?;
/// emitter.of("/admin").disconnect_sockets(true)?;
/// emitter.connections().flush().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NatsEmitter {
    nats: Nats,
    subject_prefix: String,
}

impl NatsEmitter {
    /// The defaults of the adapter.
    pub fn new(nats: &Nats) -> Self {
        Self { nats: nats.clone(), subject_prefix: "socket.io".to_owned() }
    }

    /// Prefix of the subjects, as the servers have it.
    ///
    /// Default `socket.io`. Cost: its length in each message.
    #[must_use]
    pub fn subject_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.subject_prefix);
        self
    }

    /// Opens the connection. It must be called within a runtime of tokio.
    pub fn build(self) -> Emitter {
        let driver = NatsDriver::new(&self.nats);
        let counters = Arc::<Counters>::default();
        let servers = Arc::clone(driver.servers());
        let encoder = Encoder { servers, counters: Arc::clone(&counters), limits: Limits::default() };
        let publisher = Publisher::start(Box::new(driver), counters, self.nats.tuning().clone(), false);
        Emitter::new(publisher, Format { subject_prefix: self.subject_prefix, encoder })
    }
}

struct Format {
    subject_prefix: String,
    encoder: Encoder,
}

impl emitter::Format for Format {
    fn parser(&self) -> Parser {
        Parser::Msgpack
    }

    fn command(&self, namespace: &str, message: &Message) -> Result<Command, PublishError> {
        let subject = Subjects::new(&self.subject_prefix, namespace).public().to_owned();
        self.encoder.command(Sender::Emitter, namespace, subject, message)
    }
}
