//! The public handle of the connections of an adapter or emitter.

use std::fmt;

use tokio::sync::watch;

use crate::medium::Medium;
pub use crate::medium::health::Health;
pub use crate::medium::stats::Stats;

/// The connections of an adapter or an emitter: their state and their counters. While a handle exists they
/// stay open.
#[derive(Clone)]
pub struct Connections {
    pub(crate) medium: Medium,
}

impl Connections {
    /// Waits until this server hears the others in each namespace that exists now. Without this call clients
    /// and events are served at once, and events of other servers may be missed in the first moments.
    pub async fn ready(&self) {
        self.medium.ready().await;
    }

    /// Waits until the messages that are queued have been sent, or have failed.
    pub async fn flush(&self) {
        self.medium.flush().await;
    }

    /// Whether Redis is reached, and this server hears. An emitter never hears: for it, only
    /// [`Down`](Health::Down) has a meaning.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.medium.health()
    }

    /// Counters of messages, and the current load.
    pub fn stats(&self) -> Stats {
        self.medium.stats()
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
