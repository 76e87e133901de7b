//! The connections that all namespaces of an adapter share: those of its publisher, and one for subscriptions, which is
//! opened again when it is lost. Nothing here knows what messages mean.

pub(crate) mod mailbox;
mod reader;
pub(crate) mod router;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socketio_cluster::streams::EntryId;
use tokio::sync::{Notify, broadcast, oneshot, watch};

use self::router::Router;
use crate::backoff::Backoff;
use crate::driver::listening::{Request, Topic, TopicKind};
use crate::driver::{Command, Driver, Reply};
use crate::error::PublishError;
use crate::publisher::health::Health;
use crate::publisher::{self, Publisher, Tuning};
use crate::stats::{Counters, Stats, count};

/// The connections of an adapter. They are closed when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct Medium {
    publisher: Publisher,
    shared: Arc<Shared>,
}

/// What the tasks share.
pub(crate) struct Shared {
    publisher: Arc<publisher::Shared>,
    pub(crate) router: Arc<Router>,
    gaps: broadcast::Sender<Gap>,
    /// The subscriptions should get a new connection.
    replace: Notify,
}

/// A time in which this node may have missed messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) lasted: Duration,
    /// The number of lost messages, if it is known.
    pub(crate) lost: Option<u64>,
}

impl Medium {
    /// Starts the tasks. The node sends messages to itself on the topic of the probe.
    pub(crate) fn start(
        driver: Box<dyn Driver>,
        counters: Arc<Counters>,
        tuning: Tuning,
        probe: Topic,
    ) -> Self {
        let max_received_bytes = tuning.max_received_bytes;
        let publisher = Publisher::start(driver, Arc::clone(&counters), tuning, true);
        let shared = Arc::new(Shared {
            publisher: Arc::clone(publisher.shared()),
            router: Arc::new(Router::new(max_received_bytes, counters)),
            gaps: broadcast::channel(16).0,
            replace: Notify::new(),
        });
        tokio::spawn(reader::run(Arc::clone(&shared)));
        tokio::spawn(reader::listen(Arc::clone(&shared), probe.clone()));
        tokio::spawn(reader::probe(Arc::clone(&shared), probe));
        Self { publisher, shared }
    }

    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn router(&self) -> &Arc<Router> {
        &self.shared.router
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
        self.publisher.push(command)
    }

    /// Queues a message as soon as the future is polled, and waits until Redis has taken it. The wait has no
    /// limit.
    pub(crate) async fn push_confirmed(&self, command: Command) -> Result<(), PublishError> {
        let (sender, reply) = oneshot::channel();
        self.shared.publisher.push(command, Some(sender))?;
        match reply.await.unwrap_or(Err(PublishError::Down))? {
            Reply::Refused(reason) => Err(PublishError::Refused(reason)),
            _ => Ok(()),
        }
    }

    /// Sends a command behind those that are queued, and waits for its reply. Without a connection it fails
    /// at once.
    pub(crate) async fn request(&self, request: Request) -> Result<Reply, PublishError> {
        self.publisher.request(request).await
    }

    /// The number of subscribers of a channel.
    async fn subscribers(&self, channel: &str, sharded: bool) -> Result<usize, PublishError> {
        match self.request(Request::Subscribers { channel: channel.to_owned(), sharded }).await? {
            Reply::Number(number) => Ok(number.try_into().unwrap_or(usize::MAX)),
            Reply::Refused(reason) => Err(PublishError::Refused(reason)),
            _ => Ok(0),
        }
    }

    /// The number of subscribers of a topic of this node, this node included, and whether it is counted
    /// already.
    pub(crate) async fn subscribers_of(&self, topic: &Topic) -> Result<(usize, bool), PublishError> {
        let count = self.subscribers(&topic.name, topic.kind == TopicKind::Shard).await?;
        Ok((count, self.router().is_confirmed(topic)))
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.publisher.health()
    }

    pub(crate) fn gaps(&self) -> broadcast::Receiver<Gap> {
        self.shared.gaps.subscribe()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.publisher.stats(self.router().waiting_bytes())
    }

    /// A received message could not be read.
    pub(crate) fn count_bad(&self) {
        count(&self.shared.publisher.counters.bad_messages, 1);
    }

    /// Returns when the node hears the others: every subscription is confirmed, and its own message has come
    /// back.
    pub(crate) async fn ready(&self) {
        let mut health = self.health();
        loop {
            let confirmed = self.router().confirmed.notified();
            tokio::pin!(confirmed);
            confirmed.as_mut().enable();
            let connected = *health.borrow_and_update() == Health::Connected;
            if connected && self.router().is_settled() {
                return;
            }
            tokio::select! {
                () = confirmed => {}
                changed = health.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Waits until what was queued is sent, but not for longer than Redis may take for a reply.
    pub(crate) async fn flush_in_time(&self) {
        let timeout = self.shared.publisher.tuning.timeout;
        let _ = tokio::time::timeout(timeout, self.publisher.flush()).await;
    }
}

impl Shared {
    pub(crate) fn gap(&self, gap: Gap) {
        count(&self.publisher.counters.gaps, 1);
        // Nobody may be interested.
        let _ = self.gaps.send(gap);
    }

    /// The node reads one more stream, to whose connection it has yet to come.
    pub(crate) fn expect_stream(&self, stream: &str) {
        self.publisher.reads(stream);
    }

    /// A stream was read up to this entry.
    pub(crate) fn has_read(&self, stream: &str, id: EntryId) {
        self.publisher.has_read(stream, id);
    }

    /// The connection of a stream is open, or is lost.
    pub(crate) fn stream(&self, open: bool) {
        if open {
            count(&self.publisher.counters.connections, 1);
        }
        self.publisher.monitor.streams(if open { -1 } else { 1 });
    }

    /// A connection cannot be opened.
    pub(crate) fn not_connected(&self, purpose: &str, error: &dyn std::fmt::Display) {
        self.publisher.not_connected(purpose, error);
    }

    pub(crate) fn driver(&self) -> &dyn Driver {
        &*self.publisher.driver
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.publisher.tuning.timeout
    }

    pub(crate) fn backoff(&self) -> Backoff {
        self.publisher.backoff()
    }

    /// Returns when the medium is stopped.
    pub(crate) async fn stopped(&self) {
        self.publisher.stopped().await;
    }
}

/// A topic for the messages of this node to itself.
pub(crate) fn probe_topic(prefix: &str, kind: TopicKind) -> Topic {
    let id = socketio_cluster::NodeId::random();
    Topic::new(kind, &format!("{prefix}-probe#{id}#"))
}
