//! The connection for commands, and what is known of it: all that an emitter needs. It is written by one task, and
//! opened again when it is lost. Nothing here knows what messages mean.

pub(crate) mod health;
mod queue;
mod window;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
#[cfg(feature = "adapter")]
use socketio_cluster::streams::EntryId;
#[cfg(feature = "adapter")]
use tokio::sync::oneshot;
use tokio::sync::watch;

pub use self::health::Health;
use self::health::Monitor;
use self::queue::{Queue, ReplySender};
use self::window::Window;
use crate::backoff::Backoff;
use crate::driver::{Command, Driver};
#[cfg(feature = "adapter")]
use crate::driver::{Reply, Request};
use crate::error::PublishError;
use crate::stats::{Counters, Stats, count};
use crate::trace;

/// Limits and times.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tuning {
    /// Maximum size of the messages that wait to be sent; further ones fail. Default 16 MiB; unit: bytes. Cost: that memory
    /// while the broker is slow or away.
    pub max_queued_bytes: usize,
    /// Maximum size of the received messages that wait for their namespaces; further ones are dropped. Default 64 MiB; unit:
    /// bytes. Cost: that memory while this node is slower than the others.
    pub max_received_bytes: usize,
    /// Maximum wait for a connection, and for the reply to a command. Default 5 s. Cost: none.
    pub timeout: Duration,
    /// Interval of the messages of a node to itself. Default 3 s. Cost: one small message in each interval.
    pub probe_interval: Duration,
    /// Delay before a lost connection is opened again, the first time. Default 100 ms. Cost: one attempt to connect each.
    pub min_delay: Duration,
    /// The longest delay, to which it grows. Default 2 s. Cost: the time until the end of an outage is noticed.
    pub max_delay: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            max_queued_bytes: 16 << 20,
            max_received_bytes: 64 << 20,
            timeout: Duration::from_secs(5),
            probe_interval: Duration::from_secs(3),
            min_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(2),
        }
    }
}

/// The connection for commands. It is closed when the last handle is dropped.
#[derive(Clone)]
pub struct Publisher(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
}

/// What the tasks share.
pub(crate) struct Shared {
    pub(crate) driver: Box<dyn Driver>,
    pub(crate) tuning: Tuning,
    pub(crate) queue: Queue,
    window: Mutex<Window>,
    pub(crate) monitor: Monitor,
    pub(crate) counters: Arc<Counters>,
    stopped: watch::Sender<bool>,
}

impl Publisher {
    /// Starts the task that sends. `listens` is for a node that has subscriptions too.
    pub fn start(driver: Box<dyn Driver>, counters: Arc<Counters>, tuning: Tuning, listens: bool) -> Self {
        let shared = Arc::new(Shared {
            driver,
            queue: Queue::new(tuning.max_queued_bytes),
            window: Mutex::default(),
            monitor: Monitor::new(&tuning, listens),
            counters,
            stopped: watch::channel(false).0,
            tuning,
        });
        tokio::spawn(writer::run(Arc::clone(&shared)));
        Self(Arc::new(Handle { shared }))
    }

    #[cfg(feature = "adapter")]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Queues a command without a reply. Commands are sent in the order of these calls.
    pub fn push(&self, command: Command) -> Result<(), PublishError> {
        self.0.shared.push(command, None)
    }

    /// Sends a command behind those that are queued, and waits for its reply. Without a connection it fails
    /// at once.
    #[cfg(feature = "adapter")]
    pub async fn request(&self, request: Request) -> Result<Reply, PublishError> {
        let shared = &self.0.shared;
        if !shared.monitor.can_send() {
            return Err(PublishError::Down);
        }
        let (sender, reply) = oneshot::channel();
        shared.push(Command::Request(request), Some(sender))?;
        match tokio::time::timeout(shared.tuning.timeout, reply).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) | Err(_) => Err(PublishError::Down),
        }
    }

    /// Whether the broker is reached, and a node that listens hears.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.0.shared.monitor.health()
    }

    /// The counters, with the bytes of received messages that wait.
    pub fn stats(&self, received_bytes: usize) -> Stats {
        self.0.shared.counters.stats(self.0.shared.queue.bytes(), received_bytes)
    }

    /// Returns when commands can be sent, and a node that listens hears.
    pub async fn connected(&self) {
        let _ = self.health().wait_for(|health| *health == Health::Connected).await;
    }

    /// Waits until what was queued is sent.
    pub async fn flush(&self) {
        self.0.shared.queue.flushed().await;
    }
}

impl Shared {
    pub(crate) fn push(&self, command: Command, reply: Option<ReplySender>) -> Result<(), PublishError> {
        let is_message = command.is_message();
        let pushed = self.queue.push(command, reply);
        if pushed.is_err() && is_message {
            count(&self.counters.lost, 1);
        }
        pushed
    }

    /// The entries of this stream are read.
    #[cfg(feature = "adapter")]
    pub(crate) fn reads(&self, stream: &str) {
        self.window.lock().open(stream);
        self.monitor.streams(1);
    }

    /// A stream was read up to this entry.
    #[cfg(feature = "adapter")]
    pub(crate) fn has_read(&self, stream: &str, id: EntryId) {
        if self.window.lock().read(stream, id) {
            self.queue.pushed.notify_one();
        }
    }

    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.tuning.min_delay, self.tuning.max_delay)
    }

    /// A connection cannot be opened.
    pub(crate) fn not_connected(&self, purpose: &str, error: &dyn std::fmt::Display) {
        count(&self.counters.failed_connections, 1);
        trace::not_connected(self.driver.broker(), purpose, error);
    }

    /// Returns when the publisher is stopped.
    pub(crate) async fn stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.stopped.send_replace(true);
    }
}
