//! Subscriptions in a cluster: those of sharded channels on the servers that have their slots, all others on any server.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use redis::{Cmd, PushInfo, PushKind, Value};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::DriverError;
use super::super::address::Address;
use super::super::redis::{Connected, arrived, change_commands};
use super::nodes::Nodes;
use super::slots::{Redirection, slot};
use socketio_broker::backoff::jittered;
use socketio_broker::driver::{BoxError, BoxFuture, Change, Sink, Subscriptions, Topic, TopicKind};

/// Maximum number of times that a subscription is sent elsewhere.
const MAX_REDIRECTIONS: usize = 5;

/// The purpose of the connections.
const PURPOSE: &str = "subscribe";

/// Connections to the servers that have subscriptions.
pub(super) struct ClusterSubscriptions {
    nodes: Arc<Nodes>,
    sink: Arc<dyn Sink>,
    /// Interval of the PINGs that show whether a server is there.
    interval: Duration,
    /// The server of the channels that are not sharded, once there is one.
    home: Option<Address>,
    parts: HashMap<Address, Part>,
}

/// The subscriptions on one server.
struct Part {
    connected: Connected,
    watched: Arc<Watched>,
    _watch: JoinSet<()>,
}

/// State that the task of a connection shares.
struct Watched {
    sink: Arc<dyn Sink>,
    /// The confirmed subscriptions; `None` when the connection has ended.
    topics: Mutex<Option<HashSet<Topic>>>,
    /// The sharded channels whose subscription this node ends itself.
    leaving: Mutex<HashSet<Vec<u8>>>,
    /// The server has ended a subscription, as the slot was moved.
    moved: Notify,
    /// When the server last answered.
    alive: Mutex<Instant>,
}

impl ClusterSubscriptions {
    pub(super) fn new(nodes: &Arc<Nodes>, sink: Arc<dyn Sink>, interval: Duration) -> Self {
        Self { nodes: Arc::clone(nodes), sink, interval, home: None, parts: HashMap::new() }
    }

    async fn run(&mut self, changes: &[Change]) -> Result<Vec<bool>, DriverError> {
        let ended = self.parts.iter().filter(|(_, part)| part.connected.has_ended());
        for address in ended.map(|(address, _)| address.clone()).collect::<Vec<_>>() {
            self.end(&address);
        }
        let mut accepted = vec![false; changes.len()];
        let mut waiting: Vec<usize> = (0..changes.len()).collect();
        for _ in 0..=MAX_REDIRECTIONS {
            let mut groups = BTreeMap::<Address, Vec<usize>>::new();
            for number in std::mem::take(&mut waiting) {
                match self.place(&changes[number]).await? {
                    Some(address) => groups.entry(address).or_default().push(number),
                    // It has ended with its connection, or its slot has no owner.
                    None => accepted[number] = !changes[number].subscribe,
                }
            }
            for (address, numbers) in groups {
                let changes: Vec<&Change> = numbers.iter().map(|number| &changes[*number]).collect();
                let Some(values) = self.exchange(&address, &changes).await else {
                    if self.home.as_ref() == Some(&address) {
                        return Err(DriverError::Ended);
                    }
                    self.nodes.refresh().await;
                    continue;
                };
                for ((number, change), value) in numbers.into_iter().zip(changes).zip(values) {
                    let Value::ServerError(error) = value else {
                        accepted[number] = self.parts.get(&address).is_some_and(|part| part.note(change));
                        continue;
                    };
                    if let Some(Redirection::Moved(slot, owner)) = Redirection::read(&error, &address) {
                        self.nodes.moved(slot, &owner);
                        waiting.push(number);
                    }
                }
            }
            if waiting.is_empty() {
                break;
            }
        }
        Ok(accepted)
    }

    /// The server of a change; `None` if there is none.
    async fn place(&mut self, change: &Change) -> Result<Option<Address>, DriverError> {
        if !change.subscribe {
            let has = |part: &Part| {
                part.watched.topics.lock().as_ref().is_some_and(|topics| topics.contains(&change.topic))
            };
            return Ok(self.parts.iter().find(|(_, part)| has(part)).map(|(address, _)| address.clone()));
        }
        if change.topic.kind == TopicKind::Shard {
            return Ok(self.nodes.owner(slot(change.topic.name.as_bytes())).await.ok());
        }
        if let Some(home) = &self.home {
            return Ok(Some(home.clone()));
        }
        let watched = self.watched();
        let (address, connected) = self.nodes.open_any(PURPOSE, pushed(&watched)).await?;
        self.home = Some(address.clone());
        self.add(&address, connected, watched);
        Ok(Some(address))
    }

    /// Sends changes to a server. `None` if it cannot be reached, or gives no answer.
    async fn exchange(&mut self, address: &Address, changes: &[&Change]) -> Option<Vec<Value>> {
        if !self.parts.contains_key(address) {
            let watched = self.watched();
            let opening = self.nodes.open(address, PURPOSE, Duration::ZERO, pushed(&watched));
            let connected = opening.await.ok()?;
            self.add(address, connected, watched);
        }
        let part = self.parts.get_mut(address)?;
        let leaving =
            changes.iter().filter(|change| !change.subscribe && change.topic.kind == TopicKind::Shard);
        part.watched.leaving.lock().extend(leaving.map(|change| change.topic.name.as_bytes().to_vec()));
        let pipeline = change_commands(changes.iter().copied());
        match tokio::time::timeout(self.nodes.timeout(), part.connected.pipelined(&pipeline)).await {
            Ok(Ok(values)) => Some(values),
            Ok(Err(_)) | Err(_) => {
                self.end(address);
                None
            }
        }
    }

    fn watched(&self) -> Arc<Watched> {
        Arc::new(Watched {
            sink: Arc::clone(&self.sink),
            topics: Mutex::new(Some(HashSet::new())),
            leaving: Mutex::default(),
            moved: Notify::new(),
            alive: Mutex::new(Instant::now()),
        })
    }

    fn add(&mut self, address: &Address, connected: Connected, watched: Arc<Watched>) {
        let mut watch = JoinSet::new();
        let (timeout, interval) = (self.nodes.timeout(), self.interval);
        watch.spawn(watch_over(Arc::clone(&watched), connected.another(), timeout, interval));
        self.parts.insert(address.clone(), Part { connected, watched, _watch: watch });
    }

    /// The connection to a server is of no use any more.
    fn end(&mut self, address: &Address) {
        if let Some(part) = self.parts.remove(address) {
            part.watched.end(self.interval);
        }
    }
}

impl Part {
    /// The server has confirmed a change. `false` if the connection has ended since.
    fn note(&self, change: &Change) -> bool {
        let mut topics = self.watched.topics.lock();
        let Some(topics) = topics.as_mut() else { return false };
        if change.subscribe {
            topics.insert(change.topic.clone());
        } else {
            topics.remove(&change.topic);
        }
        true
    }
}

impl Watched {
    /// Reports the subscriptions that have ended with the connection.
    fn end(&self, interval: Duration) {
        let Some(topics) = self.topics.lock().take() else { return };
        let topics: Vec<Topic> = topics.into_iter().collect();
        // A server that hangs, or has not heard yet that it lost a slot, has passed nothing on for a while.
        let now = Instant::now();
        let since = (*self.alive.lock()).min(now.checked_sub(interval).unwrap_or(now));
        self.sink.unsubscribed(&topics, Some(since));
    }
}

/// Handling of the messages that a server sends.
fn pushed(watched: &Arc<Watched>) -> impl Fn(PushInfo) + Clone + Send + Sync + 'static + use<> {
    let watched = Arc::clone(watched);
    move |info| {
        if info.kind == PushKind::SUnsubscribe {
            let is_ours =
                |name: &Value| matches!(name, Value::BulkString(name) if watched.leaving.lock().remove(name));
            if !info.data.first().is_some_and(is_ours) {
                // The crate redis takes such a message for the reply to a command, so that the connection cannot be used
                // any more.
                watched.moved.notify_one();
            }
        } else if watched.topics.lock().is_some() {
            // What comes after the end comes on another connection again.
            arrived(&*watched.sink, info);
        }
    }
}

/// Asks a server again and again whether it is there, and ends the connection when it is not, or has moved a slot.
async fn watch_over(watched: Arc<Watched>, mut connected: Connected, timeout: Duration, interval: Duration) {
    let mut ping = Cmd::new();
    ping.arg("PING");
    loop {
        tokio::select! {
            () = tokio::time::sleep(jittered(interval)) => {}
            () = watched.moved.notified() => break,
            () = connected.ended() => break,
        }
        match tokio::time::timeout(timeout, connected.ask(&ping)).await {
            Ok(Ok(_)) => *watched.alive.lock() = Instant::now(),
            _ => break,
        }
    }
    connected.end();
    watched.end(interval);
}

impl Subscriptions for ClusterSubscriptions {
    fn change<'a>(&'a mut self, changes: &'a [Change]) -> BoxFuture<'a, Result<Vec<bool>, BoxError>> {
        Box::pin(async move { Ok(self.run(changes).await?) })
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            match self.home.as_ref().map(|home| self.parts.get(home)) {
                Some(Some(home)) => home.connected.ended().await,
                Some(None) => {}
                // The other connections are replaced one by one.
                None => std::future::pending().await,
            }
        })
    }
}
