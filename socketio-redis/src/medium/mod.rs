//! The connections to Redis that all namespaces share: one for commands, written by one task, and one for
//! subscriptions. Both are opened again when they are lost. Nothing here knows what messages mean.

mod backoff;
pub(crate) mod health;
pub(crate) mod mailbox;
mod queue;
mod reader;
pub(crate) mod router;
pub(crate) mod stats;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, broadcast, oneshot, watch};

use self::health::{Health, Monitor};
use self::queue::Queue;
use self::router::Router;
use self::stats::{Counters, Stats, count};
use crate::driver::{Command, Driver, Reply, Topic, TopicKind};
use crate::error::PublishError;

/// Limits and times.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    pub(crate) max_queued_bytes: usize,
    pub(crate) max_received_bytes: usize,
    pub(crate) timeout: Duration,
    pub(crate) probe_interval: Duration,
    pub(crate) min_delay: Duration,
    pub(crate) max_delay: Duration,
}

/// The connections to Redis. They are closed when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct Medium(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
}

/// What the tasks share.
pub(crate) struct Shared {
    driver: Box<dyn Driver>,
    tuning: Tuning,
    queue: Queue,
    pub(crate) router: Arc<Router>,
    monitor: Monitor,
    counters: Arc<Counters>,
    gaps: broadcast::Sender<Gap>,
    /// The subscriptions should get a new connection.
    replace: Notify,
    stopped: watch::Sender<bool>,
}

/// A time in which this node may have missed messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) lasted: Duration,
    /// The number of lost messages, if it is known.
    pub(crate) lost: Option<u64>,
}

impl Medium {
    /// Starts the tasks. With a probe channel there are subscriptions, otherwise only commands.
    pub(crate) fn start(driver: impl Driver, tuning: Tuning, probe: Option<Topic>) -> Self {
        let counters = Arc::<Counters>::default();
        let shared = Arc::new(Shared {
            driver: Box::new(driver),
            queue: Queue::new(tuning.max_queued_bytes),
            router: Arc::new(Router::new(tuning.max_received_bytes, Arc::clone(&counters))),
            // Two probes may be lost before the silence of the third counts.
            monitor: Monitor::new(tuning.probe_interval * 2 + tuning.probe_interval / 3),
            counters,
            gaps: broadcast::channel(16).0,
            replace: Notify::new(),
            stopped: watch::channel(false).0,
            tuning,
        });
        tokio::spawn(writer::run(Arc::clone(&shared)));
        if let Some(probe) = probe {
            tokio::spawn(reader::run(Arc::clone(&shared)));
            tokio::spawn(reader::listen(Arc::clone(&shared), probe.clone()));
            tokio::spawn(reader::probe(Arc::clone(&shared), probe));
        }
        Self(Arc::new(Handle { shared }))
    }

    #[cfg(feature = "adapter")]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    pub(crate) fn router(&self) -> &Arc<Router> {
        &self.0.shared.router
    }

    /// Queues a message. It is sent in the order of these calls.
    pub(crate) fn publish(
        &self,
        channel: String,
        payload: Vec<u8>,
        sharded: bool,
    ) -> Result<(), PublishError> {
        self.push(Command::Publish { channel, payload: Bytes::from(payload), sharded })
    }

    /// Queues a command without a reply.
    pub(crate) fn push(&self, command: Command) -> Result<(), PublishError> {
        self.0.shared.push(command, None)
    }

    /// Queues a message as soon as the future is polled, and waits until Redis has taken it. The wait has no
    /// limit.
    #[cfg(feature = "adapter")]
    pub(crate) async fn push_confirmed(&self, command: Command) -> Result<(), PublishError> {
        let (sender, reply) = oneshot::channel();
        self.0.shared.push(command, Some(sender))?;
        match reply.await.unwrap_or(Err(PublishError::Down))? {
            Reply::Refused(reason) => Err(PublishError::Refused(reason)),
            _ => Ok(()),
        }
    }

    /// Sends a command behind those that are queued, and waits for its reply. Without a connection it fails
    /// at once.
    pub(crate) async fn request(&self, command: Command) -> Result<Reply, PublishError> {
        let shared = &self.0.shared;
        if !shared.monitor.can_send() {
            return Err(PublishError::Down);
        }
        let (sender, reply) = oneshot::channel();
        shared.push(command, Some(sender))?;
        match tokio::time::timeout(shared.tuning.timeout, reply).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) | Err(_) => Err(PublishError::Down),
        }
    }

    /// The number of subscribers of a channel.
    pub(crate) async fn subscribers(&self, channel: &str, sharded: bool) -> Result<usize, PublishError> {
        match self.request(Command::Subscribers { channel: channel.to_owned(), sharded }).await? {
            Reply::Number(number) => Ok(number.try_into().unwrap_or(usize::MAX)),
            Reply::Refused(reason) => Err(PublishError::Refused(reason)),
            _ => Ok(0),
        }
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.0.shared.monitor.health()
    }

    pub(crate) fn gaps(&self) -> broadcast::Receiver<Gap> {
        self.0.shared.gaps.subscribe()
    }

    pub(crate) fn stats(&self) -> Stats {
        let shared = &self.0.shared;
        shared.counters.stats(shared.queue.bytes(), shared.router.waiting_bytes())
    }

    /// A received message could not be read.
    pub(crate) fn count_bad(&self) {
        count(&self.0.shared.counters.bad_messages, 1);
    }

    /// Returns when the node hears the others: every subscription is confirmed, and its own message has come
    /// back.
    pub(crate) async fn ready(&self) {
        let mut health = self.health();
        loop {
            let confirmed = self.0.shared.router.confirmed.notified();
            tokio::pin!(confirmed);
            confirmed.as_mut().enable();
            let connected = *health.borrow_and_update() == Health::Connected;
            if connected && self.0.shared.router.is_settled() {
                return;
            }
            tokio::select! {
                () = confirmed => {}
                changed = health.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Waits until what was queued is sent.
    pub(crate) async fn flush(&self) {
        self.0.shared.queue.flushed().await;
    }

    /// As [`flush`](Self::flush), but not for longer than Redis may take for a reply.
    pub(crate) async fn flush_in_time(&self) {
        let _ = tokio::time::timeout(self.0.shared.tuning.timeout, self.flush()).await;
    }

    /// The number of subscribers of a topic of this node, this node included, and whether it is counted
    /// already.
    pub(crate) async fn subscribers_of(&self, topic: &Topic) -> Result<(usize, bool), PublishError> {
        let count = self.subscribers(&topic.name, topic.kind == TopicKind::Shard).await?;
        Ok((count, self.router().is_confirmed(topic)))
    }
}

impl Shared {
    fn push(&self, command: Command, reply: Option<queue::ReplySender>) -> Result<(), PublishError> {
        let is_message = command.is_message();
        let pushed = self.queue.push(command, reply);
        if pushed.is_err() && is_message {
            count(&self.counters.lost, 1);
        }
        pushed
    }

    pub(crate) fn gap(&self, gap: Gap) {
        count(&self.counters.gaps, 1);
        // Nobody may be interested.
        let _ = self.gaps.send(gap);
    }

    /// The node reads one more stream, to whose connection it has yet to come.
    #[cfg(feature = "adapter")]
    pub(crate) fn expect_stream(&self) {
        self.monitor.streams(1);
    }

    /// The connection of a stream is open, or is lost.
    #[cfg(feature = "adapter")]
    pub(crate) fn stream(&self, open: bool) {
        if open {
            count(&self.counters.connections, 1);
        }
        self.monitor.streams(if open { -1 } else { 1 });
    }

    #[cfg(feature = "adapter")]
    pub(crate) fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    #[cfg(feature = "adapter")]
    pub(crate) fn timeout(&self) -> Duration {
        self.tuning.timeout
    }

    pub(crate) fn backoff(&self) -> backoff::Backoff {
        backoff::Backoff::new(self.tuning.min_delay, self.tuning.max_delay)
    }

    /// Returns when the medium is stopped.
    pub(crate) async fn stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.stopped.send_replace(true);
    }
}

/// A topic for the messages of this node to itself.
pub(crate) fn probe_topic(prefix: &str, kind: TopicKind) -> Topic {
    let id = socketio_cluster::NodeId::random();
    Topic::new(kind, &format!("{prefix}-probe#{id}#"))
}
