//! The connection that publishes. A batch is confirmed by the answer to a question behind it.

use std::sync::Arc;

#[cfg(feature = "adapter")]
use socketio_broker::driver::Request;
use socketio_broker::driver::{BoxError, BoxFuture, Command, Commands, Reply};

use super::connection::Connection;
use super::servers::Servers;
use crate::protocol::{Frame, Permission};

/// A connection that publishes.
pub(super) struct Publishing {
    pub(super) connection: Connection,
    pub(super) servers: Arc<Servers>,
}

impl Publishing {
    async fn carry_out(&mut self, batch: &[&Command]) -> Result<Vec<Reply>, BoxError> {
        let mut frames = Vec::with_capacity(batch.len());
        let mut replies = Vec::with_capacity(batch.len());
        let max_payload = self.servers.max_payload();
        for command in batch {
            replies.push(match frame(command) {
                // The server would close the connection.
                Ok(Frame { payload: Some(payload), .. }) if payload.len() > max_payload => {
                    Reply::Refused(too_large(payload.len(), max_payload))
                }
                Ok(frame) => {
                    frames.push(frame);
                    Reply::Nothing
                }
                Err(reason) => Reply::Refused(reason.to_owned()),
            });
        }
        if frames.is_empty() {
            return Ok(replies);
        }
        let missing = self.connection.confirmed(&frames).await?;
        for (_, subject) in missing.iter().filter(|(permission, _)| *permission == Permission::Publish) {
            for (command, reply) in batch.iter().zip(&mut replies) {
                if self::subject(command) == Some(subject) {
                    *reply = Reply::Refused(format!("the user may not publish on {subject}"));
                }
            }
        }
        Ok(replies)
    }
}

impl Commands for Publishing {
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, BoxError>> {
        Box::pin(self.carry_out(batch))
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.connection.lost())
    }

    fn reason(&self) -> Option<String> {
        self.connection.reason()
    }
}

/// The error of a message that is too large.
pub(crate) fn too_large(bytes: usize, max_payload: usize) -> String {
    format!("a message has {bytes} bytes, and max_payload of the server is {max_payload}")
}

fn subject(command: &Command) -> Option<&String> {
    match command {
        Command::Publish { channel, .. } => Some(channel),
        #[cfg(feature = "adapter")]
        Command::Request(Request::Probe { channel, .. }) => Some(channel),
        _ => None,
    }
}

/// The operation of a command, or the reason why there is none.
fn frame(command: &Command) -> Result<Frame<'_>, &'static str> {
    match command {
        Command::Publish { channel, payload, sharded: false } => Ok(Frame::publish(channel, payload)),
        #[cfg(feature = "adapter")]
        Command::Request(Request::Probe { channel, sharded: false }) => Ok(Frame::publish(channel, &[])),
        _ => Err("NATS has no such command"),
    }
}
