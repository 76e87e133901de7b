//! State of disconnected clients that may return with the same session token: rooms, metadata and user.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// Saved state of disconnected clients.
#[derive(Debug)]
pub(crate) struct Kept {
    inner: Mutex<Inner>,
    lifetime: Duration,
    max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// State by namespace and session id.
    left: HashMap<(String, String), Entry>,
    /// Keys in the order of the disconnects. If the number differs from that of the entry, the client has
    /// returned or disconnected again since.
    order: VecDeque<(u64, (String, String))>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    since: Instant,
    left: Left,
}

/// Saved state of one client.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Left {
    pub(crate) user: Option<String>,
    pub(crate) rooms: Vec<String>,
    pub(crate) metadata: Map<String, Value>,
}

impl Kept {
    /// Creates a store for up to `max` clients. A `lifetime` of zero disables it.
    pub(crate) fn new(lifetime: Duration, max: usize) -> Self {
        Self { inner: Mutex::default(), lifetime, max }
    }

    /// Whether the store is enabled.
    pub(crate) fn is_on(&self) -> bool {
        !self.lifetime.is_zero() && self.max > 0
    }

    /// Saves the state of a disconnected client. Beyond the limit the oldest state is removed.
    pub(crate) fn keep(&self, namespace: &str, session: &str, left: Left, now: Instant) {
        let key = (namespace.to_owned(), session.to_owned());
        let mut inner = self.lock();
        inner.forget(|inner, since| {
            inner.order.len() >= self.max || now.saturating_duration_since(since) > self.lifetime
        });
        let number = inner.next;
        inner.next += 1;
        inner.order.push_back((number, key.clone()));
        inner.left.insert(key, Entry { number, since: now, left });
    }

    /// State of a client that connects, with its number. The client may still be refused, so the state stays
    /// until [`forget`](Self::forget) is called with the number.
    pub(crate) fn find(&self, namespace: &str, session: &str, now: Instant) -> Option<(u64, Left)> {
        let inner = self.lock();
        let entry = inner.left.get(&(namespace.to_owned(), session.to_owned()))?;
        let is_kept = now.saturating_duration_since(entry.since) <= self.lifetime;
        is_kept.then(|| (entry.number, entry.left.clone()))
    }

    /// Removes the state of a client that has joined. State that another client of the session has saved
    /// since is kept.
    pub(crate) fn forget(&self, namespace: &str, session: &str, number: u64) {
        let key = (namespace.to_owned(), session.to_owned());
        let mut inner = self.lock();
        if inner.left.get(&key).is_some_and(|entry| entry.number == number) {
            inner.left.remove(&key);
        }
    }

    /// Locks the state. No change can be interrupted, so a poisoned lock is still consistent.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Removes the oldest entries while the condition holds for them, and stale keys in between.
    fn forget(&mut self, is_too_much: impl Fn(&Self, Instant) -> bool) {
        while let Some((number, key)) = self.order.front() {
            let own = self.left.get(key).filter(|entry| entry.number == *number).map(|entry| entry.since);
            if own.is_some_and(|since| !is_too_much(self, since)) {
                return;
            }
            if let Some((_, key)) = self.order.pop_front() {
                if own.is_some() {
                    self.left.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(room: &str) -> Left {
        Left { rooms: vec![room.to_owned()], ..Left::default() }
    }

    fn sizes(kept: &Kept) -> (usize, usize) {
        let inner = kept.lock();
        (inner.left.len(), inner.order.len())
    }

    #[test]
    fn who_comes_back_in_time_finds_it() {
        let kept = Kept::new(Duration::from_secs(60), 100);
        let now = Instant::now();
        kept.keep("/", "a", left("1"), now);
        kept.keep("/", "a", left("2"), now);
        kept.keep("/chat", "a", left("3"), now);
        let (number, found) = kept.find("/", "a", now).unwrap();
        assert_eq!(found, left("2"));
        assert!(kept.find("/", "a", now).is_some(), "it was not let in");
        kept.forget("/", "a", number);
        assert_eq!(kept.find("/", "a", now), None, "once");
        kept.keep("/", "a", left("4"), now);
        kept.forget("/", "a", number);
        assert_eq!(kept.find("/", "a", now).unwrap().1, left("4"), "this is another one");
        assert_eq!(kept.find("/chat", "a", now + Duration::from_secs(61)), None);
        assert!(!Kept::new(Duration::ZERO, 100).is_on());
    }

    #[test]
    fn memory_has_an_end() {
        let kept = Kept::new(Duration::from_secs(60), 3);
        let now = Instant::now();
        for number in 0..10 {
            kept.keep("/", &number.to_string(), left("r"), now);
        }
        assert_eq!(sizes(&kept), (3, 3));
        assert_eq!(kept.find("/", "6", now), None);
        // Clients that disconnect and return leave no stale keys behind.
        for _ in 0..1000 {
            kept.keep("/", "9", left("r"), now);
            let (number, _) = kept.find("/", "9", now).unwrap();
            kept.forget("/", "9", number);
        }
        assert!(kept.lock().order.len() <= 3);
        kept.keep("/", "late", left("r"), now + Duration::from_secs(61));
        assert_eq!(sizes(&kept), (1, 1));
    }
}
