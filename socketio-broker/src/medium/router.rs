//! Received messages: from the topic of a subscription to the mailbox of a namespace.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::mailbox::{Arrival, Load, Mailbox};
use crate::driver::{Change, Sink, Topic, TopicKind};
use crate::stats::{Counters, count};
use engineio::sync::Mutex;

/// Subscriptions with their mailboxes. The set of subscriptions is what the connection should have; the
/// reader brings the connection there.
#[derive(Debug)]
pub struct Router {
    routes: Mutex<Routes>,
    /// A subscription was added, removed or refused.
    pub(super) changed: Notify,
    /// A subscription was confirmed.
    pub(super) confirmed: Notify,
    load: Arc<Load>,
    counters: Arc<Counters>,
    /// Called when a message is dropped because too many wait.
    overflow: Notify,
}

#[derive(Debug, Default)]
struct Routes {
    channels: HashMap<Arc<str>, Arc<Mailbox>>,
    patterns: HashMap<Arc<str>, Arc<Mailbox>>,
    shards: HashMap<Arc<str>, Arc<Mailbox>>,
    /// The topics that the server has confirmed on the current connection.
    confirmed: HashSet<Topic>,
    /// The topics for which wanted and confirmed subscriptions may differ.
    dirty: HashSet<Topic>,
    /// Since when messages for some of them may have been missed.
    interrupted: Option<Instant>,
}

impl Routes {
    fn of(&self, kind: TopicKind) -> &HashMap<Arc<str>, Arc<Mailbox>> {
        match kind {
            TopicKind::Channel => &self.channels,
            TopicKind::Pattern => &self.patterns,
            TopicKind::Shard => &self.shards,
        }
    }

    fn of_mut(&mut self, kind: TopicKind) -> &mut HashMap<Arc<str>, Arc<Mailbox>> {
        match kind {
            TopicKind::Channel => &mut self.channels,
            TopicKind::Pattern => &mut self.patterns,
            TopicKind::Shard => &mut self.shards,
        }
    }

    fn is_wanted(&self, topic: &Topic) -> bool {
        self.of(topic.kind).contains_key(&topic.name)
    }

    fn wanted(&self) -> impl Iterator<Item = Topic> {
        [TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard]
            .into_iter()
            .flat_map(|kind| self.of(kind).keys().map(move |name| Topic { kind, name: Arc::clone(name) }))
    }
}

impl Router {
    pub(super) fn new(max_bytes: usize, counters: Arc<Counters>) -> Self {
        Self {
            routes: Mutex::default(),
            changed: Notify::new(),
            confirmed: Notify::new(),
            load: Arc::new(Load::new(max_bytes)),
            counters,
            overflow: Notify::new(),
        }
    }

    /// A mailbox for a namespace.
    pub fn mailbox(&self) -> Arc<Mailbox> {
        Arc::new(Mailbox::new(&self.load, false))
    }

    /// A mailbox for probes. With full mailboxes a node would otherwise seem deaf.
    pub(super) fn own_mailbox(&self) -> Arc<Mailbox> {
        Arc::new(Mailbox::new(&self.load, true))
    }

    /// The bytes of waiting messages.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.load.bytes()
    }

    /// Whether there is space for further messages, for a reader that can wait.
    pub fn has_space(&self) -> bool {
        self.load.has_space()
    }

    /// Returns when a message was dropped.
    pub(super) async fn overflowed(&self) {
        self.overflow.notified().await;
    }

    /// Adds subscriptions.
    pub fn subscribe(&self, topics: impl IntoIterator<Item = Topic>, mailbox: &Arc<Mailbox>) {
        let mut routes = self.routes.lock();
        for topic in topics {
            routes.of_mut(topic.kind).insert(Arc::clone(&topic.name), Arc::clone(mailbox));
            routes.dirty.insert(topic);
        }
        drop(routes);
        self.changed.notify_one();
    }

    /// Removes subscriptions.
    pub fn unsubscribe(&self, topics: impl IntoIterator<Item = Topic>) {
        let mut routes = self.routes.lock();
        for topic in topics {
            routes.of_mut(topic.kind).remove(&topic.name);
            routes.dirty.insert(topic);
        }
        drop(routes);
        self.changed.notify_one();
    }

    /// Removes all subscriptions of a mailbox, and closes it.
    pub fn remove(&self, mailbox: &Arc<Mailbox>) {
        let topics: Vec<Topic> = {
            let routes = self.routes.lock();
            let owned = |topic: &Topic| {
                routes.of(topic.kind).get(&topic.name).is_some_and(|owner| Arc::ptr_eq(owner, mailbox))
            };
            routes.wanted().filter(owned).collect()
        };
        self.unsubscribe(topics);
        mailbox.close();
    }

    /// Whether the server has confirmed the subscription.
    pub fn is_confirmed(&self, topic: &Topic) -> bool {
        self.routes.lock().confirmed.contains(topic)
    }

    /// Whether the server has confirmed all subscriptions.
    pub(super) fn is_settled(&self) -> bool {
        let routes = self.routes.lock();
        routes.wanted().all(|topic| routes.confirmed.contains(&topic))
    }

    /// Since when messages may have been missed, as subscriptions have ended.
    pub(super) fn interrupted(&self) -> Option<Instant> {
        self.routes.lock().interrupted.take()
    }

    /// Up to `most` changes that the connection needs.
    pub(super) fn changes(&self, most: usize) -> Vec<Change> {
        let mut routes = self.routes.lock();
        let mut changes = Vec::new();
        while changes.len() < most {
            let topics: Vec<Topic> = routes.dirty.iter().take(most - changes.len()).cloned().collect();
            if topics.is_empty() {
                break;
            }
            for topic in topics {
                routes.dirty.remove(&topic);
                let subscribe = routes.is_wanted(&topic);
                if subscribe != routes.confirmed.contains(&topic) {
                    changes.push(Change { topic, subscribe });
                }
            }
        }
        changes
    }

    /// Changes were accepted by the server, or refused.
    pub(super) fn confirm(&self, changes: Vec<Change>, accepted: &[bool]) {
        let mut routes = self.routes.lock();
        for (number, change) in changes.into_iter().enumerate() {
            if !accepted.get(number).copied().unwrap_or_default() {
                routes.dirty.insert(change.topic);
            } else if change.subscribe {
                routes.confirmed.insert(change.topic);
            } else {
                routes.confirmed.remove(&change.topic);
            }
        }
        drop(routes);
        self.confirmed.notify_waiters();
    }

    /// The connection is lost, and its subscriptions with it.
    pub(super) fn disconnected(&self) {
        let mut routes = self.routes.lock();
        routes.confirmed.clear();
        routes.dirty = routes.wanted().collect();
        routes.interrupted = None;
    }

    /// An entry of a stream has arrived, for this mailbox if there is one.
    pub fn entry_arrived(&self, mailbox: Option<&Mailbox>, id: String, fields: Vec<(Bytes, Bytes)>) {
        count(&self.counters.received, 1);
        if let Some(mailbox) = mailbox {
            self.push(mailbox, Arrival { kind: None, channel: id.into(), payload: Bytes::new(), fields });
        }
    }

    fn push(&self, mailbox: &Mailbox, arrival: Arrival) {
        if !mailbox.push(arrival) {
            self.drop_one();
        }
    }

    fn drop_one(&self) {
        count(&self.counters.dropped, 1);
        self.overflow.notify_one();
    }
}

impl Sink for Router {
    fn arrived(&self, kind: TopicKind, topic: &[u8], channel: Bytes, payload: Bytes) {
        count(&self.counters.received, 1);
        // Our topics are text.
        let Ok(name) = std::str::from_utf8(topic) else { return };
        let mailbox = self.routes.lock().of(kind).get(name).cloned();
        let Some(mailbox) = mailbox else { return };
        self.push(&mailbox, Arrival { kind: Some(kind), channel, payload, fields: Vec::new() });
    }

    fn skipped(&self) {
        count(&self.counters.received, 1);
        self.drop_one();
    }

    fn unsubscribed(&self, topics: &[Topic], since: Option<Instant>) {
        let mut routes = self.routes.lock();
        let mut has_changed = false;
        for topic in topics {
            if routes.confirmed.remove(topic) && routes.is_wanted(topic) {
                routes.dirty.insert(topic.clone());
                has_changed = true;
            }
        }
        if has_changed {
            // The earliest time counts.
            routes.interrupted = [routes.interrupted, since].into_iter().flatten().min();
            drop(routes);
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mailbox::OVERHEAD;
    use super::*;

    fn router(max_bytes: usize) -> (Router, Arc<Counters>) {
        let counters = Arc::<Counters>::default();
        (Router::new(max_bytes, Arc::clone(&counters)), counters)
    }

    #[tokio::test]
    async fn waiting_messages_are_bounded_and_dropped_ones_are_counted() {
        let (router, counters) = router(10 * (OVERHEAD + 1 + 100));
        let topic = Topic::new(TopicKind::Channel, "a");
        let mailbox = router.mailbox();
        router.subscribe([topic], &mailbox);
        for number in 0..15u8 {
            router.arrived(TopicKind::Channel, b"a", "a".into(), vec![number; 100].into());
        }
        assert_eq!(router.waiting_bytes(), 10 * (OVERHEAD + 101));
        let stats = counters.stats(0, 0);
        assert_eq!((stats.received, stats.dropped), (15, 5));
        tokio::time::timeout(std::time::Duration::from_secs(20), router.overflowed()).await.unwrap();
        for number in 0..10 {
            assert_eq!(mailbox.next().await.unwrap().payload[0], number);
        }
        assert_eq!(router.waiting_bytes(), 0);
        router.arrived(TopicKind::Channel, b"a", "a".into(), Bytes::new());
        mailbox.close();
        assert!(mailbox.next().await.is_none());
        assert_eq!(router.waiting_bytes(), 0);
    }

    #[tokio::test]
    async fn messages_that_a_driver_has_skipped_are_counted_as_dropped() {
        let (router, counters) = router(1000);
        router.skipped();
        let stats = counters.stats(0, 0);
        assert_eq!((stats.received, stats.dropped, router.waiting_bytes()), (1, 1, 0));
        tokio::time::timeout(std::time::Duration::from_secs(20), router.overflowed()).await.unwrap();
    }

    /// The row of a message takes space until it is handled.
    #[test]
    fn held_bytes_count_until_they_are_released() {
        let (router, counters) = router(1000);
        let mailbox = router.mailbox();
        router.subscribe([Topic::new(TopicKind::Channel, "a")], &mailbox);
        let arrive = || {
            router.arrived(TopicKind::Channel, b"a", "a".into(), vec![0; 100].into());
            counters.stats(0, 0).dropped
        };
        let held = mailbox.hold(2000);
        assert_eq!((arrive(), router.waiting_bytes()), (1, 2000));
        drop(held);
        assert_eq!((arrive(), router.waiting_bytes()), (1, OVERHEAD + 101));
    }

    #[test]
    fn subscriptions_follow_what_is_wanted() {
        let (router, _) = router(1000);
        let (a, b) = (Topic::new(TopicKind::Channel, "a"), Topic::new(TopicKind::Pattern, "b"));
        let mailbox = router.mailbox();
        router.subscribe([a.clone(), b.clone()], &mailbox);
        let changes = router.changes(10);
        assert_eq!(changes.len(), 2);
        assert!(!router.is_settled());
        let refused: Vec<bool> = changes.iter().map(|change| change.topic == a).collect();
        router.confirm(changes, &refused);
        let changes = router.changes(10);
        assert_eq!((changes.len(), &changes[0].topic), (1, &b), "a refused one is tried again");
        router.confirm(changes, &[true]);
        assert!(router.is_settled() && router.changes(10).is_empty());
        router.unsubscribe([a.clone()]);
        let changes = router.changes(10);
        assert_eq!((changes.len(), changes[0].subscribe, &changes[0].topic), (1, false, &a));
        // Wanted again before the server has answered.
        router.subscribe([a.clone()], &mailbox);
        router.confirm(changes, &[true]);
        let changes = router.changes(10);
        assert_eq!((changes.len(), changes[0].subscribe), (1, true));
        router.confirm(changes, &[true]);
        router.unsubscribe([a.clone()]);
        let changes = router.changes(10);
        router.confirm(changes, &[true]);
        // A new connection has none of them.
        router.disconnected();
        assert!(router.changes(10).iter().all(|change| change.subscribe && change.topic == b));
        router.remove(&mailbox);
        assert!(router.changes(10).is_empty());
    }
}
