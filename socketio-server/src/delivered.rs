//! What became of a broadcast on this server.

use std::time::Duration;

/// What became of a broadcast on this server, for those who count: see
/// [`Namespace::on_broadcast`](crate::Namespace::on_broadcast).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// To how many sockets it was sent.
    pub receivers: usize,
    /// How many did not get it, since it was volatile and they could not take it at once.
    pub dropped: usize,
    /// How long it took to put it into their outboxes. Writing it comes later.
    pub took: Duration,
}
