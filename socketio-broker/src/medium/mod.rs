//! The connections that all namespaces of an adapter share: those of its publisher, and one for subscriptions, which is
//! opened again when it is lost. Nothing here knows what messages mean.

mod lanes;
mod mailbox;
mod reader;
mod router;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socketio_cluster::streams::EntryId;
use tokio::sync::{Notify, broadcast, oneshot, watch};

pub(crate) use self::lanes::Lanes;
pub use self::mailbox::{Arrival, Held, Mailbox};
pub use self::router::Router;
use crate::backoff::Backoff;
use crate::driver::{Command, Driver, Reply};
use crate::driver::{Request, Topic, TopicKind};
use crate::error::PublishError;
use crate::publisher::{self, Health, Publisher, Tuning};
use crate::stats::{Counters, Stats, count};

/// The connections of an adapter. They are closed when the last handle is dropped.
#[derive(Clone)]
pub struct Medium {
    publisher: Publisher,
    shared: Arc<Shared>,
}

/// The state that the tasks of a medium share. It holds no `Publisher`, so it keeps no connection open.
pub struct Shared {
    publisher: Arc<publisher::Shared>,
    router: Arc<Router>,
    gaps: broadcast::Sender<Gap>,
    /// The subscriptions should get a new connection.
    replace: Notify,
    lanes: Arc<Lanes>,
}

/// A time in which this node may have missed messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// For how long, if it is known; otherwise zero.
    pub lasted: Duration,
    /// The number of lost messages, if it is known.
    pub lost: Option<u64>,
}

impl Medium {
    /// Starts the tasks. The node sends messages to itself on the topic of the probe.
    pub fn start(driver: Box<dyn Driver>, counters: Arc<Counters>, tuning: Tuning, probe: Topic) -> Self {
        let max_received_bytes = tuning.max_received_bytes;
        let lanes = Arc::new(Lanes::new(tuning.max_queued_bytes));
        let publisher = Publisher::start(driver, Arc::clone(&counters), tuning, true);
        let shared = Arc::new(Shared {
            publisher: Arc::clone(publisher.shared()),
            router: Arc::new(Router::new(max_received_bytes, counters)),
            gaps: broadcast::channel(16).0,
            replace: Notify::new(),
            lanes,
        });
        tokio::spawn(reader::run(Arc::clone(&shared)));
        tokio::spawn(reader::listen(Arc::clone(&shared), probe.clone()));
        tokio::spawn(reader::probe(Arc::clone(&shared), probe));
        Self { publisher, shared }
    }

    /// The connection for commands.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// The shared state, for tasks of a format: unlike the medium it keeps no connection open.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The subscriptions.
    pub fn router(&self) -> &Arc<Router> {
        &self.shared.router
    }

    /// Queues a message. It is sent in the order of these calls.
    pub fn publish(&self, channel: String, payload: Vec<u8>, sharded: bool) -> Result<(), PublishError> {
        self.push(Command::Publish { channel, payload: Bytes::from(payload), sharded })
    }

    /// Queues a command without a reply.
    pub fn push(&self, command: Command) -> Result<(), PublishError> {
        self.publisher.push(command)
    }

    /// Queues a message as soon as the future is polled, and waits until the broker has taken it. The wait has no
    /// limit.
    pub async fn push_confirmed(&self, command: Command) -> Result<(), PublishError> {
        let (sender, reply) = oneshot::channel();
        self.shared.publisher.push(command, Some(sender))?;
        match reply.await.unwrap_or(Err(PublishError::Down))? {
            Reply::Refused(reason) => Err(PublishError::Refused(reason)),
            _ => Ok(()),
        }
    }

    /// Sends a command behind those that are queued, and waits for its reply. Without a connection it fails
    /// at once.
    pub async fn request(&self, request: Request) -> Result<Reply, PublishError> {
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
    pub async fn subscribers_of(&self, topic: &Topic) -> Result<(usize, bool), PublishError> {
        let count = self.subscribers(&topic.name, topic.kind == TopicKind::Shard).await?;
        Ok((count, self.router().is_confirmed(topic)))
    }

    /// Whether the broker is reached, and this node hears.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.publisher.health()
    }

    /// Times in which this node may have missed messages, from now on.
    pub fn gaps(&self) -> broadcast::Receiver<Gap> {
        self.shared.gaps.subscribe()
    }

    /// The counters, and the current load.
    pub fn stats(&self) -> Stats {
        self.publisher.stats(self.router().waiting_bytes())
    }

    /// The name of the broker.
    pub(crate) fn broker(&self) -> &'static str {
        self.shared.publisher.driver.broker()
    }

    /// A received message could not be read.
    pub fn count_bad(&self) {
        count(&self.shared.publisher.counters.bad_messages, 1);
    }

    /// Returns when the node hears the others: every subscription is confirmed, and its own message has come
    /// back.
    pub async fn ready(&self) {
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

    /// Waits until what was queued is sent, but not for longer than the broker may take for a reply.
    pub async fn flush_in_time(&self) {
        let timeout = self.shared.publisher.tuning.timeout;
        let flushed = async {
            self.shared.lanes.idle().await;
            self.publisher.flush().await;
        };
        let _ = tokio::time::timeout(timeout, flushed).await;
    }
}

impl Shared {
    /// The subscriptions.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Counts a gap, and passes it to the namespaces.
    pub fn gap(&self, gap: Gap) {
        count(&self.publisher.counters.gaps, 1);
        // Nobody may be interested.
        let _ = self.gaps.send(gap);
    }

    /// Changes of values that wait.
    pub(crate) fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// The node reads one more stream, to whose connection it has yet to come.
    pub fn expect_stream(&self, stream: &str) {
        self.publisher.reads(stream);
    }

    /// A stream was read up to this entry.
    pub fn has_read(&self, stream: &str, id: EntryId) {
        self.publisher.has_read(stream, id);
    }

    /// The connection of a stream is open, or is lost.
    pub fn stream(&self, open: bool) {
        if open {
            count(&self.publisher.counters.connections, 1);
        }
        self.publisher.monitor.streams(if open { -1 } else { 1 });
    }

    /// A connection cannot be opened.
    pub fn not_connected(&self, purpose: &str, error: &dyn std::fmt::Display) {
        self.publisher.not_connected(purpose, error);
    }

    /// The driver.
    pub fn driver(&self) -> &dyn Driver {
        &*self.publisher.driver
    }

    /// Maximum wait for a connection or a reply.
    pub fn timeout(&self) -> Duration {
        self.publisher.tuning.timeout
    }

    /// The delays between attempts to connect.
    pub fn backoff(&self) -> Backoff {
        self.publisher.backoff()
    }

    /// Returns when the medium is stopped.
    pub async fn stopped(&self) {
        self.publisher.stopped().await;
    }
}

/// A topic for the messages of this node to itself.
pub fn probe_topic(prefix: &str, kind: TopicKind) -> Topic {
    let id = socketio_cluster::NodeId::random();
    Topic::new(kind, &format!("{prefix}-probe#{id}#"))
}
