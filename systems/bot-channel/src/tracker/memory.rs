//! A tracker in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::sync::Mutex;
use serde_json::Value;

use super::{Entry, Tracker, TrackerConfig, Tracking};

/// Memory of an entry besides its JSON, in bytes: a rough figure for the limit.
const OVERHEAD: usize = 128;

/// Keeps conversations in the memory of the process, within the limits of [`TrackerConfig`].
#[derive(Debug)]
pub struct MemoryTracker {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Limits {
    conversations: usize,
    bytes: usize,
    messages: usize,
    conversation_bytes: usize,
    unheard: usize,
    idle: Duration,
}

#[derive(Debug, Default)]
struct State {
    conversations: HashMap<Arc<str>, Conversation>,
    /// The conversations in the order of their last entries.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Conversation {
    /// The key in `order`.
    number: u64,
    used: Instant,
    history: Bounded<Entry>,
    unheard: Bounded<Value>,
}

/// A queue with the sizes of its elements.
#[derive(Debug)]
struct Bounded<T> {
    queue: VecDeque<(T, usize)>,
    bytes: usize,
}

impl MemoryTracker {
    /// An empty tracker with the limits of these settings.
    pub fn new(config: &TrackerConfig) -> Self {
        let limits = Limits {
            conversations: config.max_conversations,
            bytes: config.max_bytes,
            messages: config.max_messages,
            conversation_bytes: config.max_conversation_bytes,
            unheard: config.max_unheard,
            idle: Duration::from_secs(config.idle_seconds),
        };
        Self { limits, state: Mutex::default() }
    }

    /// A value of a conversation that has not expired.
    fn read<T: Default>(&self, conversation: &str, read: impl FnOnce(&Conversation) -> T) -> T {
        let mut state = self.state.lock();
        state.expire(&self.limits, Instant::now());
        state.conversations.get(conversation).map(read).unwrap_or_default()
    }
}

impl Default for MemoryTracker {
    fn default() -> Self {
        Self::new(&TrackerConfig::default())
    }
}

impl Tracker for MemoryTracker {
    fn append<'a>(&'a self, conversation: &'a str, entry: Entry, is_heard: bool) -> Tracking<'a, usize> {
        let mut state = self.state.lock();
        let now = Instant::now();
        let mut dropped = state.expire(&self.limits, now);
        dropped += state.append(&self.limits, conversation, entry, is_heard, now);
        dropped += state.evict(&self.limits);
        Box::pin(async move { Ok(dropped) })
    }

    fn history<'a>(&'a self, conversation: &'a str) -> Tracking<'a, Vec<Entry>> {
        let history = self.read(conversation, |conversation| conversation.history.values());
        Box::pin(async move { Ok(history) })
    }

    fn unheard<'a>(&'a self, conversation: &'a str) -> Tracking<'a, Vec<Value>> {
        let unheard = self.read(conversation, |conversation| conversation.unheard.values());
        Box::pin(async move { Ok(unheard) })
    }

    fn heard<'a>(&'a self, conversation: &'a str, count: usize) -> Tracking<'a, ()> {
        let mut state = self.state.lock();
        let State { conversations, bytes, .. } = &mut *state;
        if let Some(conversation) = conversations.get_mut(conversation) {
            for _ in 0..count {
                *bytes -= conversation.unheard.remove_oldest();
            }
        }
        Box::pin(async { Ok(()) })
    }

    fn forget<'a>(&'a self, conversation: &'a str) -> Tracking<'a, ()> {
        self.state.lock().remove(conversation);
        Box::pin(async { Ok(()) })
    }
}

impl State {
    fn append(&mut self, limits: &Limits, name: &str, entry: Entry, is_heard: bool, now: Instant) -> usize {
        let number = self.next;
        self.next += 1;
        let name: Arc<str> = name.into();
        let conversation = self.conversations.entry(Arc::clone(&name)).or_insert_with(|| Conversation {
            number,
            used: now,
            history: Bounded::default(),
            unheard: Bounded::default(),
        });
        self.order.remove(&conversation.number);
        self.order.insert(number, name);
        (conversation.number, conversation.used) = (number, now);
        self.bytes -= conversation.bytes();
        let size = entry.payload.to_string().len() + OVERHEAD;
        let mut dropped = 0;
        if !is_heard {
            conversation.unheard.push(entry.payload.clone(), size);
            dropped = conversation.unheard.shrink(limits.unheard, limits.conversation_bytes);
        }
        conversation.history.push(entry, size);
        conversation.history.shrink(limits.messages, limits.conversation_bytes);
        self.bytes += conversation.bytes();
        dropped
    }

    /// Removes the conversations that have been idle for too long. Returns the number of messages that waited in them.
    fn expire(&mut self, limits: &Limits, now: Instant) -> usize {
        let mut dropped = 0;
        while let Some((_, oldest)) = self.order.first_key_value() {
            let Some(conversation) = self.conversations.get(oldest) else { break };
            if now.duration_since(conversation.used) < limits.idle {
                break;
            }
            dropped += self.remove_oldest();
        }
        dropped
    }

    /// Removes the least recently used conversations beyond the limits. Returns the number of messages that waited in
    /// them.
    fn evict(&mut self, limits: &Limits) -> usize {
        let mut dropped = 0;
        while !self.order.is_empty()
            && (self.conversations.len() > limits.conversations || self.bytes > limits.bytes)
        {
            dropped += self.remove_oldest();
        }
        dropped
    }

    fn remove_oldest(&mut self) -> usize {
        let Some((_, oldest)) = self.order.first_key_value() else { return 0 };
        let oldest = Arc::clone(oldest);
        self.remove(&oldest)
    }

    fn remove(&mut self, name: &str) -> usize {
        let Some(conversation) = self.conversations.remove(name) else { return 0 };
        self.order.remove(&conversation.number);
        self.bytes -= conversation.bytes();
        conversation.unheard.queue.len()
    }
}

impl Conversation {
    fn bytes(&self) -> usize {
        self.history.bytes + self.unheard.bytes
    }
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), bytes: 0 }
    }
}

impl<T: Clone> Bounded<T> {
    fn values(&self) -> Vec<T> {
        self.queue.iter().map(|(value, _)| value.clone()).collect()
    }

    fn push(&mut self, value: T, size: usize) {
        self.queue.push_back((value, size));
        self.bytes += size;
    }

    /// Returns the size of the removed element.
    fn remove_oldest(&mut self) -> usize {
        let size = self.queue.pop_front().map_or(0, |(_, size)| size);
        self.bytes -= size;
        size
    }

    /// Removes the oldest elements beyond the limits. Returns their number.
    fn shrink(&mut self, max: usize, max_bytes: usize) -> usize {
        let before = self.queue.len();
        while self.queue.len() > max || self.bytes > max_bytes {
            self.remove_oldest();
        }
        before - self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tracker(change: impl FnOnce(&mut TrackerConfig)) -> MemoryTracker {
        let mut config = TrackerConfig::default();
        change(&mut config);
        MemoryTracker::new(&config)
    }

    fn bot(text: &str) -> Entry {
        Entry::of_bot(json!({ "text": text }))
    }

    async fn texts(tracker: &MemoryTracker, conversation: &str) -> (Vec<String>, Vec<String>) {
        let history = tracker.history(conversation).await.unwrap();
        let history = history.iter().map(|entry| entry.text().unwrap().to_owned()).collect();
        let unheard = tracker.unheard(conversation).await.unwrap();
        (history, unheard.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect())
    }

    #[tokio::test]
    async fn messages_wait_until_they_are_heard() {
        let tracker = MemoryTracker::default();
        for (text, is_heard) in [("a", true), ("b", false), ("c", false)] {
            assert_eq!(tracker.append("one", bot(text), is_heard).await.unwrap(), 0);
        }
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(texts(&tracker, "one").await, (owned(&["a", "b", "c"]), owned(&["b", "c"])));
        tracker.heard("one", 1).await.unwrap();
        assert_eq!(texts(&tracker, "one").await.1, owned(&["c"]));
        tracker.heard("one", 9).await.unwrap();
        assert_eq!(texts(&tracker, "one").await, (owned(&["a", "b", "c"]), Vec::new()));
        tracker.forget("one").await.unwrap();
        assert_eq!(texts(&tracker, "one").await, (Vec::new(), Vec::new()));
        let state = tracker.state.lock();
        assert_eq!((state.bytes, state.order.len(), state.conversations.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_conversation_is_bounded() {
        let small = tracker(|config| (config.max_messages, config.max_unheard) = (3, 2));
        let mut dropped = 0;
        for number in 0..5 {
            dropped += small.append("one", bot(&number.to_string()), false).await.unwrap();
        }
        assert_eq!(dropped, 3);
        let (history, unheard) = texts(&small, "one").await;
        assert_eq!((history.join(""), unheard.join("")), ("234".to_owned(), "34".to_owned()));
        let small = tracker(|config| config.max_conversation_bytes = 2 * OVERHEAD);
        small.append("one", bot("a"), false).await.unwrap();
        assert_eq!(small.append("one", bot("b"), false).await.unwrap(), 1);
        assert_eq!(texts(&small, "one").await.1, ["b"]);
        // A message that alone is too large is dropped too.
        assert_eq!(small.append("one", bot(&"c".repeat(1000)), false).await.unwrap(), 2);
        assert_eq!(texts(&small, "one").await, (Vec::new(), Vec::new()));
    }

    #[tokio::test]
    async fn the_least_recently_used_conversations_are_removed_beyond_the_limits() {
        let small = tracker(|config| config.max_conversations = 2);
        for name in ["one", "two", "one"] {
            small.append(name, bot("a"), false).await.unwrap();
        }
        assert_eq!(small.append("three", bot("a"), true).await.unwrap(), 1);
        assert!(texts(&small, "two").await.0.is_empty() && texts(&small, "one").await.0.len() == 2);
        let small = tracker(|config| config.max_bytes = 3 * OVERHEAD);
        for name in ["one", "two", "three"] {
            small.append(name, bot("a"), true).await.unwrap();
        }
        assert!(texts(&small, "one").await.0.is_empty() && texts(&small, "three").await.0.len() == 1);
    }

    #[test]
    fn idle_conversations_expire() {
        let tracker = tracker(|config| config.idle_seconds = 10);
        let (limits, start) = (&tracker.limits, Instant::now());
        let mut state = tracker.state.lock();
        let at = |seconds| start + Duration::from_secs(seconds);
        state.append(limits, "one", bot("a"), false, at(0));
        state.append(limits, "two", bot("b"), true, at(9));
        assert_eq!((state.expire(limits, at(9)), state.conversations.len()), (0, 2));
        assert_eq!((state.expire(limits, at(10)), state.conversations.len()), (1, 1));
        assert_eq!((state.expire(limits, at(19)), state.bytes), (0, 0));
    }
}
