//! What became of a broadcast on this server.

use std::time::Duration;

use engineio::SendError;

/// What became of a broadcast on this server, for those who count: see
/// [`Namespace::on_broadcast`](crate::Namespace::on_broadcast).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// To how many sockets it was sent.
    pub receivers: usize,
    /// How many did not get it, since it was volatile and they could not take it at once.
    pub dropped: usize,
    /// How many did not get it, since too much waits for them already, or on the whole server:
    /// [`SlowConsumer`](engineio::SlowConsumer) says what else comes of that.
    pub refused: usize,
    /// How long it took to put it into their outboxes. Writing it comes later.
    pub took: Duration,
}

impl Delivered {
    /// Counts what became of it for one socket.
    pub(crate) fn count(&mut self, sent: Result<bool, SendError>) {
        match sent {
            Ok(true) => self.receivers += 1,
            Ok(false) => self.dropped += 1,
            Err(SendError::Full | SendError::ServerFull) => self.refused += 1,
            // It is no receiver any more.
            Err(_) => {}
        }
    }
}
