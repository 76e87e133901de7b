//! Channels: messages for the connections that have subscribed to them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::outbox::Outbox;
use crate::protocol::{Reply, frame};

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) id: u64,
    pub(super) outbox: Arc<Outbox>,
}

/// All subscriptions.
#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: HashMap<Bytes, HashMap<u64, Arc<Outbox>>>,
    /// The channels of each connection.
    subscribed: HashMap<u64, HashSet<Bytes>>,
    count: usize,
    next_id: u64,
}

impl Channels {
    /// A number for a new connection.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn publish(&self, channel: Bytes, payload: Bytes) {
        let Some(subscribers) = self.channels.get(&channel) else { return };
        let message = Reply::Message { channel, payload };
        let mut encoded = BytesMut::new();
        // A question has the same parts, so that it fits into a frame.
        if frame(&mut encoded, |out| message.write(out)) {
            for outbox in subscribers.values() {
                outbox.push_message(&encoded);
            }
        }
    }

    pub(super) fn subscribers(&self, channel: &Bytes) -> usize {
        self.channels.get(channel).map_or(0, HashMap::len)
    }

    /// Subscribes, unless there are too many subscriptions.
    pub(super) fn subscribe(&mut self, channel: &Bytes, subscriber: &Subscriber, max: usize) -> bool {
        let subscribed = self.subscribed.entry(subscriber.id).or_default();
        if subscribed.contains(channel) {
            return true;
        }
        if self.count >= max {
            return false;
        }
        self.count += 1;
        // A slice would keep the whole frame.
        let channel = Bytes::copy_from_slice(channel);
        subscribed.insert(channel.clone());
        self.channels.entry(channel).or_default().insert(subscriber.id, Arc::clone(&subscriber.outbox));
        true
    }

    pub(super) fn unsubscribe(&mut self, channel: &Bytes, subscriber: &Subscriber) {
        let subscribed = self.subscribed.get_mut(&subscriber.id);
        if subscribed.is_some_and(|subscribed| subscribed.remove(channel)) {
            self.take(channel, subscriber.id);
        }
    }

    /// Ends all subscriptions of a connection.
    pub(super) fn remove(&mut self, subscriber: &Subscriber) {
        for channel in self.subscribed.remove(&subscriber.id).unwrap_or_default() {
            self.take(&channel, subscriber.id);
        }
    }

    fn take(&mut self, channel: &Bytes, id: u64) {
        self.count -= 1;
        if let Some(subscribers) = self.channels.get_mut(channel) {
            subscribers.remove(&id);
            if subscribers.is_empty() {
                self.channels.remove(channel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_limited_and_end_with_their_connection() {
        let mut channels = Channels::default();
        let (first, second) = (channels.next_id(), channels.next_id());
        let subscriber = |id| Subscriber { id, outbox: Arc::new(Outbox::new(100)) };
        let (first, second) = (subscriber(first), subscriber(second));
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        assert!(channels.subscribe(&a, &first, 2));
        assert!(channels.subscribe(&a, &first, 2), "the same again");
        assert!(channels.subscribe(&a, &second, 2));
        assert!(!channels.subscribe(&b, &second, 2));
        assert_eq!((channels.subscribers(&a), channels.subscribers(&b)), (2, 0));
        channels.unsubscribe(&a, &first);
        channels.unsubscribe(&a, &first);
        channels.unsubscribe(&b, &first);
        assert!(channels.subscribe(&b, &second, 2));
        channels.remove(&second);
        channels.remove(&first);
        assert_eq!(channels.count, 0);
        assert!(channels.channels.is_empty() && channels.subscribed.is_empty());
    }
}
