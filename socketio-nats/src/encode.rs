//! Messages as commands.

use std::sync::Arc;

use bytes::Bytes;
use socketio_broker::PublishError;
use socketio_broker::driver::Command;
use socketio_broker::stats::{Counters, count};
use socketio_cluster::cluster::encode_msgpack;
use socketio_cluster::{Limits, Message, Sender};

use crate::driver::{BROKER, Servers, too_large};

/// Writes messages that the servers take.
#[derive(Clone)]
pub(crate) struct Encoder {
    pub(crate) servers: Arc<Servers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) limits: Limits,
}

impl Encoder {
    /// The command that publishes a message of a namespace. A message that is larger than the servers take is counted as lost
    /// at once, and not only when it has waited for its turn.
    pub(crate) fn command(
        &self,
        sender: Sender<'_>,
        namespace: &str,
        subject: String,
        message: &Message,
    ) -> Result<Command, PublishError> {
        let payload = encode_msgpack(sender, namespace, message, &self.limits)?;
        let max_payload = self.servers.max_payload();
        if payload.len() > max_payload {
            count(&self.counters.lost, 1);
            socketio_broker::trace::refused(BROKER, &too_large(payload.len(), max_payload));
            return Err(PublishError::TooLarge);
        }
        Ok(Command::Publish { channel: subject, payload: Bytes::from(payload), sharded: false })
    }
}
