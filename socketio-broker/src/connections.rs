//! The public handle of the connections of an adapter or emitter.

use std::fmt;

use tokio::sync::watch;

#[cfg(feature = "adapter")]
use crate::medium::Medium;
pub use crate::publisher::Health;
use crate::publisher::Publisher;
pub use crate::stats::Stats;

/// The connections of an adapter or an emitter: their state and their counters. While a handle exists they
/// stay open.
#[derive(Clone)]
pub struct Connections {
    publisher: Publisher,
    #[cfg(feature = "adapter")]
    medium: Option<Medium>,
}

impl Connections {
    /// Those of an emitter.
    pub fn of_emitter(publisher: Publisher) -> Self {
        Self {
            publisher,
            #[cfg(feature = "adapter")]
            medium: None,
        }
    }

    /// Those of an adapter.
    #[cfg(feature = "adapter")]
    pub fn of_adapter(medium: &Medium) -> Self {
        Self { publisher: medium.publisher().clone(), medium: Some(medium.clone()) }
    }

    /// Waits until this server hears the others in each namespace that exists now; of an emitter, until it is connected.
    /// Without this call clients and events are served at once, and events of other servers may be missed in the first
    /// moments.
    pub async fn ready(&self) {
        #[cfg(feature = "adapter")]
        if let Some(medium) = &self.medium {
            return medium.ready().await;
        }
        self.publisher.connected().await;
    }

    /// Waits until the messages that are queued have been sent, or have failed.
    pub async fn flush(&self) {
        #[cfg(feature = "adapter")]
        if let Some(medium) = &self.medium {
            medium.shared().lanes().idle().await;
        }
        self.publisher.flush().await;
    }

    /// Whether the broker is reached, and a server hears. An emitter need not hear.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.publisher.health()
    }

    /// Counters of messages, and the current load.
    pub fn stats(&self) -> Stats {
        #[cfg(feature = "adapter")]
        if let Some(medium) = &self.medium {
            return medium.stats();
        }
        self.publisher.stats(0)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
