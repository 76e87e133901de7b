//! Tables of handlers, and what a handler is once its arguments are out of sight.
//!
//! Everything here is generic over the context that a handler is called with, so that it need not know what a
//! socket is.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasherDefault, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a handler has begun.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A handler. `None` says that it could not be called, which has been reported.
pub(crate) type Call<C> = Arc<dyn Fn(C) -> Option<Work> + Send + Sync>;

/// Names a registered handler, to take it out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

impl HandlerId {
    /// One that no other handler has.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Handlers of one kind, in the order in which they are called.
pub(crate) struct List<C>(Vec<Entry<C>>);

struct Entry<C> {
    id: HandlerId,
    call: Call<C>,
    once: bool,
}

/// Handlers by event name.
pub(crate) struct Table<C> {
    events: HashMap<Box<str>, List<C>, BuildHasherDefault<NameHasher>>,
    pub(crate) any: List<C>,
}

impl<C> List<C> {
    pub(crate) fn push(&mut self, call: Call<C>) -> HandlerId {
        self.insert(self.0.len(), call, false)
    }

    pub(crate) fn push_once(&mut self, call: Call<C>) -> HandlerId {
        self.insert(self.0.len(), call, true)
    }

    pub(crate) fn push_front(&mut self, call: Call<C>) -> HandlerId {
        self.insert(0, call, false)
    }

    fn insert(&mut self, at: usize, call: Call<C>, once: bool) -> HandlerId {
        let id = HandlerId::next();
        self.0.insert(at, Entry { id, call, once });
        id
    }

    pub(crate) fn remove(&mut self, id: HandlerId) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| entry.id != id);
        self.0.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has_once(&self) -> bool {
        self.0.iter().any(|entry| entry.once)
    }

    /// The handlers to call now.
    pub(crate) fn calls(&self) -> impl DoubleEndedIterator<Item = &Call<C>> + ExactSizeIterator {
        self.0.iter().map(|entry| &entry.call)
    }

    /// Forgets the handlers that wanted to be called only once.
    pub(crate) fn retire(&mut self) {
        self.0.retain(|entry| !entry.once);
    }
}

impl<C> Table<C> {
    pub(crate) fn on(&mut self, event: &str, call: Call<C>) -> HandlerId {
        self.list(event).push(call)
    }

    pub(crate) fn once(&mut self, event: &str, call: Call<C>) -> HandlerId {
        self.list(event).push_once(call)
    }

    fn list(&mut self, event: &str) -> &mut List<C> {
        self.events.entry(event.into()).or_default()
    }

    pub(crate) fn event(&self, event: &str) -> Option<&List<C>> {
        self.events.get(event)
    }

    pub(crate) fn event_mut(&mut self, event: &str) -> Option<&mut List<C>> {
        self.events.get_mut(event)
    }

    /// Takes one handler out, whichever event it was for.
    pub(crate) fn remove(&mut self, id: HandlerId) -> bool {
        let removed = self.any.remove(id) || self.events.values_mut().any(|list| list.remove(id));
        self.events.retain(|_, list| !list.is_empty());
        removed
    }

    /// Takes all handlers of an event out.
    pub(crate) fn remove_event(&mut self, event: &str) {
        self.events.remove(event);
    }

    /// The names that have a handler.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(AsRef::as_ref)
    }
}

/// A quick hash for names. Only the application's names are ever in the table, so a client that looks others up can
/// make nothing slow.
#[derive(Default)]
struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }

    fn finish(&self) -> u64 {
        // The multiplication leaves the best bits on top, and the table looks at both ends.
        self.0.rotate_left(26)
    }
}

impl<C> Default for List<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C> Default for Table<C> {
    fn default() -> Self {
        Self { events: HashMap::default(), any: List::default() }
    }
}

impl<C> Clone for List<C> {
    fn clone(&self) -> Self {
        Self(
            self.0
                .iter()
                .map(|entry| Entry { id: entry.id, call: Arc::clone(&entry.call), once: entry.once })
                .collect(),
        )
    }
}

impl<C> Clone for Table<C> {
    fn clone(&self) -> Self {
        Self { events: self.events.clone(), any: self.any.clone() }
    }
}

impl<C> fmt::Debug for Table<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
