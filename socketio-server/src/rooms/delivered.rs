//! Delivery statistics of a broadcast.

use std::time::Duration;

use engineio::SendError;

/// Delivery statistics of a broadcast on this server: see
/// [`Namespace::on_broadcast`](crate::Namespace::on_broadcast).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// Number of sockets whose outbox accepted the event.
    pub receivers: usize,
    /// Number of sockets that were skipped, because the event was volatile and they could not take it at
    /// once.
    pub dropped: usize,
    /// Number of sockets that refused the event, because their outbox or the server's budget was full. The
    /// consequences depend on [`SlowConsumer`](engineio::SlowConsumer).
    pub refused: usize,
    /// Time to fill the outboxes. Writing to the network happens later.
    pub took: Duration,
}

impl Delivered {
    /// Counts the result of one socket.
    pub(crate) fn count(&mut self, sent: Result<bool, SendError>) {
        match sent {
            Ok(true) => self.receivers += 1,
            Ok(false) => self.dropped += 1,
            Err(SendError::Full | SendError::ServerFull) => self.refused += 1,
            // The socket has disconnected and is no receiver.
            Err(_) => {}
        }
    }
}
