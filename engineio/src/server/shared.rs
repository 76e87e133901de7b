//! The state that all sessions of a server share, and the waits for their end.

use std::sync::Arc;
#[cfg(feature = "peers")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::handler::Accept;
use super::metrics::stats::{Count, Tally};
use super::metrics::traffic::Meters;
use super::options::Options;
#[cfg(feature = "peers")]
use super::peers::Linked;
use super::request::extensions::KeptExtensions;
use super::session::registry::Registry;
use crate::config::Config;
use crate::outbox::budget::Budget;
use crate::protocol::prepared::share_from;
use crate::sync::Mutex;

/// The state that all sessions of a server share.
pub(crate) struct Shared {
    pub(super) config: Arc<Config>,
    pub(super) options: Options,
    pub(super) accept: Box<dyn Accept>,
    pub(super) registry: Registry,
    /// The types of the extensions that new sessions keep.
    pub(super) kept_extensions: KeptExtensions,
    pub(super) tasks: Count,
    pub(super) outboxes: Count,
    /// The memory of all outboxes.
    pub(super) budget: Arc<Budget>,
    /// The memory of received data that is incomplete or waits.
    pub(super) received: Arc<Budget>,
    pub(super) connections: Count,
    pub(super) panics: Tally,
    pub(super) meters: Meters,
    /// New sessions are refused.
    pub(super) closing: AtomicBool,
    /// The server is closed and serves no clients. `closed` notifies tasks that wait for this.
    pub(super) is_closed: AtomicBool,
    pub(super) closed: Notify,
    /// The link to other nodes. It is opened once the server exists, as it refers to it.
    #[cfg(feature = "peers")]
    pub(super) peers: OnceLock<Arc<Linked>>,
    /// The deadline of a drain, the earliest if there are several.
    drained_by: Mutex<Option<Instant>>,
}

/// The longest wait for the last close packets and close frames to be sent.
const CLOSES_TIMEOUT: Duration = Duration::from_secs(5);

impl Shared {
    pub(super) fn new(config: Config, options: Options, accept: Box<dyn Accept>) -> Self {
        if let Some(deflate) = config.per_message_deflate {
            share_from(deflate.smallest());
        }
        Self {
            config: Arc::new(config),
            budget: Arc::new(Budget::new(options.max_queued_bytes)),
            received: Arc::new(Budget::new(options.max_received_bytes)),
            options,
            accept,
            registry: Registry::default(),
            kept_extensions: KeptExtensions::default(),
            tasks: Count::default(),
            outboxes: Count::default(),
            connections: Count::default(),
            panics: Tally::default(),
            meters: Meters::default(),
            closing: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            closed: Notify::new(),
            #[cfg(feature = "peers")]
            peers: OnceLock::new(),
            drained_by: Mutex::default(),
        }
    }

    /// Whether the server refuses new sessions.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Whether the server is closed and serves no clients.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    pub(super) fn drain_by(&self, end: Instant) {
        let mut earliest = self.drained_by.lock();
        *earliest = Some(earliest.map_or(end, |other| other.min(end)));
    }

    /// The end of a wait for a peer at the end of its session: after `patience`, or at the deadline of a
    /// drain.
    pub(super) fn patience(&self, patience: Duration) -> Instant {
        let end = Instant::now() + patience;
        let earliest = *self.drained_by.lock();
        earliest.map_or(end, |other| other.min(end))
    }

    /// Waits until the close frames of the last sessions, and the responses to their polls, are sent. A
    /// process that exits before would cut them off.
    pub(super) async fn closes_sent(&self) {
        let sent = async {
            self.tasks.emptied().await;
            self.connections.emptied().await;
        };
        let _ = tokio::time::timeout_at(self.patience(CLOSES_TIMEOUT), sent).await;
    }

    /// Waits until the last session has ended.
    pub(super) async fn emptied(&self) {
        loop {
            let removed = self.registry.removed();
            if self.registry.len() == 0 {
                return;
            }
            removed.await;
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("config", &self.config)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
