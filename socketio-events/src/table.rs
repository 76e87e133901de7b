//! Tables of handlers, their arguments out of sight.
//!
//! Everything here is generic over what is called, so that it need not know what a socket is.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::handler::{Call, Called};

/// Names a registered handler, to take it out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

impl HandlerId {
    /// One that no other handler has.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Handlers, hooks or listeners of one kind, in the order in which they are called.
pub struct List<T: ?Sized>(Vec<Entry<T>>);

struct Entry<T: ?Sized> {
    id: HandlerId,
    call: Arc<T>,
    once: bool,
}

/// Handlers that are called with the context `C`.
pub type Calls<C> = List<Called<C>>;

/// Handlers by event name.
pub struct Table<C> {
    events: HashMap<Box<str>, Calls<C>, BuildHasherDefault<NameHasher>>,
    /// Those that are called for every event, before its own.
    pub any: Calls<C>,
}

impl<T: ?Sized> List<T> {
    /// Adds one behind the others.
    pub fn push(&mut self, call: Arc<T>) -> HandlerId {
        self.insert(self.0.len(), call, false)
    }

    /// Adds one before the others.
    pub fn push_front(&mut self, call: Arc<T>) -> HandlerId {
        self.insert(0, call, false)
    }

    fn insert(&mut self, at: usize, call: Arc<T>, once: bool) -> HandlerId {
        let id = HandlerId::next();
        if self.0.is_empty() {
            // Most lists have one entry, and a vector that grows by itself begins with room for four.
            self.0.reserve_exact(1);
        }
        self.0.insert(at, Entry { id, call, once });
        id
    }

    /// Takes one out. `false` if it is not there.
    pub fn remove(&mut self, id: HandlerId) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| entry.id != id);
        self.0.len() < before
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The handlers to call now.
    pub fn calls(&self) -> impl DoubleEndedIterator<Item = &Arc<T>> + ExactSizeIterator {
        self.0.iter().map(|entry| &entry.call)
    }
}

impl<C> Table<C> {
    /// Adds a handler of an event.
    pub fn on(&mut self, event: &str, call: Call<C>) -> HandlerId {
        self.insert(event, call, false)
    }

    /// Adds a handler of the next event of a name: see [`retire`](Self::retire).
    pub fn once(&mut self, event: &str, call: Call<C>) -> HandlerId {
        self.insert(event, call, true)
    }

    fn insert(&mut self, event: &str, call: Call<C>, once: bool) -> HandlerId {
        let list = self.events.entry(event.into()).or_default();
        list.insert(list.0.len(), call, once)
    }

    /// An event's own handlers.
    pub fn event(&self, event: &str) -> Option<&Calls<C>> {
        self.events.get(event)
    }

    /// The handlers to call for an event: those of any event, then its own.
    pub fn calls(&self, event: &str) -> Vec<Call<C>> {
        self.any.calls().chain(self.event(event).into_iter().flat_map(List::calls)).cloned().collect()
    }

    /// Whether one of an event's handlers wanted to be called only once.
    pub fn has_once(&self, event: &str) -> bool {
        self.event(event).is_some_and(|list| list.0.iter().any(|entry| entry.once))
    }

    /// Forgets those.
    pub fn retire(&mut self, event: &str) {
        if let Some(list) = self.events.get_mut(event) {
            list.0.retain(|entry| !entry.once);
            if list.is_empty() {
                self.events.remove(event);
            }
        }
    }

    /// Takes one handler out, whichever event it was for.
    pub fn remove(&mut self, id: HandlerId) -> bool {
        let removed = self.any.remove(id) || self.events.values_mut().any(|list| list.remove(id));
        self.events.retain(|_, list| !list.is_empty());
        removed
    }

    /// Takes all handlers of an event out.
    pub fn remove_event(&mut self, event: &str) {
        self.events.remove(event);
    }

    /// The names that have a handler.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(AsRef::as_ref)
    }
}

/// A quick hash for names. Only the application's names are ever in the table, so a peer that looks others up can make
/// nothing slow.
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

impl<T: ?Sized> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C> Default for Table<C> {
    fn default() -> Self {
        Self { events: HashMap::default(), any: List::default() }
    }
}

impl<T: ?Sized> Clone for List<T> {
    fn clone(&self) -> Self {
        Self(self.0.iter().map(Entry::clone).collect())
    }
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { id: self.id, call: Arc::clone(&self.call), once: self.once }
    }
}

impl<C> Clone for Table<C> {
    fn clone(&self) -> Self {
        Self { events: self.events.clone(), any: self.any.clone() }
    }
}

impl<T: ?Sized> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|entry| entry.id)).finish()
    }
}

impl<C> fmt::Debug for Table<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call<()> {
        Arc::new(|()| None)
    }

    #[test]
    fn those_of_any_event_come_first() {
        let mut table = Table::default();
        let (a, b, c) = (call(), call(), call());
        table.on("event", Arc::clone(&a));
        table.any.push(Arc::clone(&b));
        let front = table.any.push_front(Arc::clone(&c));
        let is = |found: &[Call<_>], wanted: &[&Call<_>]| {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(one, other)| Arc::ptr_eq(one, other))
        };
        assert!(is(&table.calls("event"), &[&c, &b, &a]));
        assert!(is(&table.calls("other"), &[&c, &b]));
        assert!(table.remove(front) && !table.remove(front));
        assert!(is(&table.calls("event"), &[&b, &a]));
    }

    #[test]
    fn nothing_is_left_of_a_name_that_was_waited_for_once() {
        let mut table = Table::default();
        table.once("answer 1", call());
        assert!(table.has_once("answer 1") && !table.has_once("answer 2"));
        table.retire("answer 1");
        assert_eq!(table.names().count(), 0);
        table.on("answer 1", call());
        table.once("answer 1", call());
        table.retire("answer 1");
        assert_eq!(table.calls("answer 1").len(), 1);
    }
}
