//! Tables of erased handlers.
//!
//! The tables are generic over the context and know nothing of sockets.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::handler::{Call, CallFn};

/// Identifies a registered handler, to remove it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

impl HandlerId {
    /// A new id, unique in this process.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Handlers, hooks or listeners of one kind, in the order of the calls.
pub struct List<T: ?Sized>(Vec<Entry<T>>);

struct Entry<T: ?Sized> {
    id: HandlerId,
    call: Arc<T>,
    once: bool,
}

/// Handlers with the context `C`.
pub type Calls<C> = List<CallFn<C>>;

/// Handlers by event name.
pub struct Table<C> {
    events: HashMap<Box<str>, Calls<C>, BuildHasherDefault<NameHasher>>,
    /// Handlers of all events. They are called before those of the event's name.
    pub any: Calls<C>,
}

impl<T: ?Sized> List<T> {
    /// Appends a handler.
    pub fn push(&mut self, call: Arc<T>) -> HandlerId {
        self.insert(self.0.len(), call, false)
    }

    /// Prepends a handler.
    pub fn push_front(&mut self, call: Arc<T>) -> HandlerId {
        self.insert(0, call, false)
    }

    fn insert(&mut self, at: usize, call: Arc<T>, once: bool) -> HandlerId {
        let id = HandlerId::next();
        if self.0.is_empty() {
            // Most lists have one entry. The default growth of a vector would allocate four.
            self.0.reserve_exact(1);
        }
        self.0.insert(at, Entry { id, call, once });
        id
    }

    /// Removes a handler. Returns `false` if the list does not contain it.
    pub fn remove(&mut self, id: HandlerId) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| entry.id != id);
        self.0.len() < before
    }

    /// Removes all handlers.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids of the handlers, in the order of the calls.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = HandlerId> {
        self.0.iter().map(|entry| entry.id)
    }

    /// The handlers, in the order of the calls.
    pub fn calls(&self) -> impl DoubleEndedIterator<Item = &Arc<T>> + ExactSizeIterator {
        self.0.iter().map(|entry| &entry.call)
    }
}

impl<C> Table<C> {
    /// Adds a handler of an event name.
    pub fn on(&mut self, event: &str, call: Call<C>) -> HandlerId {
        self.insert(event, call, false)
    }

    /// Adds a handler of the next event with this name: see [`remove_once`](Self::remove_once).
    pub fn once(&mut self, event: &str, call: Call<C>) -> HandlerId {
        self.insert(event, call, true)
    }

    fn insert(&mut self, event: &str, call: Call<C>, once: bool) -> HandlerId {
        let list = self.events.entry(event.into()).or_default();
        list.insert(list.0.len(), call, once)
    }

    /// The handlers of an event name.
    pub fn event(&self, event: &str) -> Option<&Calls<C>> {
        self.events.get(event)
    }

    /// The handlers to call for an event: those of all events, then those of its name.
    pub fn calls(&self, event: &str) -> Vec<Call<C>> {
        self.any.calls().chain(self.event(event).into_iter().flat_map(List::calls)).cloned().collect()
    }

    /// Whether an event name has handlers for a single call.
    pub fn has_once(&self, event: &str) -> bool {
        self.event(event).is_some_and(|list| list.0.iter().any(|entry| entry.once))
    }

    /// Removes the handlers of an event name that were registered for a single call.
    pub fn remove_once(&mut self, event: &str) {
        if let Some(list) = self.events.get_mut(event) {
            list.0.retain(|entry| !entry.once);
            if list.is_empty() {
                self.events.remove(event);
            }
        }
    }

    /// Removes one handler, of any event name.
    pub fn remove(&mut self, id: HandlerId) -> bool {
        let removed = self.any.remove(id) || self.events.values_mut().any(|list| list.remove(id));
        self.events.retain(|_, list| !list.is_empty());
        removed
    }

    /// Removes all handlers of an event name.
    pub fn remove_event(&mut self, event: &str) {
        self.events.remove(event);
    }

    /// The event names that have handlers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(AsRef::as_ref)
    }
}

/// A fast hash for event names. Keys come only from the application, so a peer cannot provoke collisions.
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
        // The multiplication mixes best into the upper bits, and the hash table uses both ends.
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
        f.debug_list().entries(self.ids()).finish()
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
    use crate::handler::Called;

    fn call() -> Call<()> {
        Arc::new(|(), _| Called::Done)
    }

    #[test]
    fn handlers_of_any_event_come_first() {
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
    fn handlers_for_a_single_call_leave_nothing_behind() {
        let mut table = Table::default();
        table.once("answer 1", call());
        assert!(table.has_once("answer 1") && !table.has_once("answer 2"));
        table.remove_once("answer 1");
        assert_eq!(table.names().count(), 0);
        table.on("answer 1", call());
        table.once("answer 1", call());
        table.remove_once("answer 1");
        assert_eq!(table.calls("answer 1").len(), 1);
    }
}
