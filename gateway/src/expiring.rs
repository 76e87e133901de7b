//! Map whose entries expire in the order of their insertion.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Number of outdated keys that are tolerated besides one per entry.
const SPARE_KEYS: usize = 16;

/// Map that knows its oldest entry. The owner decides how long entries live, and how many there may be; the
/// map only provides the order. `T` is the type of a point in time.
#[derive(Debug)]
pub(crate) struct Expiring<K, V, T> {
    entries: HashMap<K, Entry<V, T>>,
    /// Keys in the order of insertion. If the number differs from that of the entry, the entry was removed or
    /// replaced since.
    order: VecDeque<(u64, K)>,
    next: u64,
}

/// Entry of the map.
#[derive(Debug)]
pub(crate) struct Entry<V, T> {
    /// Unique number of the insertion.
    pub(crate) number: u64,
    /// Time of the insertion.
    pub(crate) since: T,
    pub(crate) value: V,
}

impl<K, V, T> Default for Expiring<K, V, T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), next: 0 }
    }
}

impl<K: Clone + Eq + Hash, V, T> Expiring<K, V, T> {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Inserts or replaces an entry as the newest one. Returns the number of the insertion.
    pub(crate) fn insert(&mut self, key: K, value: V, now: T) -> u64 {
        let number = self.next;
        self.next += 1;
        self.order.push_back((number, key.clone()));
        self.entries.insert(key, Entry { number, since: now, value });
        // Entries that are removed or replaced often would otherwise leave their keys behind.
        if self.order.len() > 2 * self.entries.len() + SPARE_KEYS {
            let entries = &self.entries;
            self.order.retain(|(number, key)| is_current(entries, key, *number));
        }
        number
    }

    /// Entry with this key.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&Entry<V, T>>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }

    /// Value of the entry with this key, if it is still that of the insertion.
    pub(crate) fn get_mut(&mut self, key: &K, number: u64) -> Option<&mut V> {
        self.entries.get_mut(key).filter(|entry| entry.number == number).map(|entry| &mut entry.value)
    }

    /// Removes the entry with this key, if it is still that of the insertion.
    pub(crate) fn remove(&mut self, key: &K, number: u64) -> Option<V> {
        if !is_current(&self.entries, key, number) {
            return None;
        }
        self.entries.remove(key).map(|entry| entry.value)
    }

    /// Oldest entry.
    pub(crate) fn oldest(&mut self) -> Option<&Entry<V, T>> {
        while self.order.front().is_some_and(|(number, key)| !is_current(&self.entries, key, *number)) {
            self.order.pop_front();
        }
        self.order.front().and_then(|(_, key)| self.entries.get(key))
    }

    /// Removes the oldest entry.
    pub(crate) fn remove_oldest(&mut self) -> Option<V> {
        self.oldest()?;
        let (number, key) = self.order.pop_front()?;
        self.remove(&key, number)
    }
}

fn is_current<K: Eq + Hash, V, T>(entries: &HashMap<K, Entry<V, T>>, key: &K, number: u64) -> bool {
    entries.get(key).is_some_and(|entry| entry.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_leave_in_the_order_of_insertion() {
        let mut map = Expiring::default();
        let first = map.insert("a", 1, 10);
        map.insert("b", 2, 20);
        let second = map.insert("a", 3, 30);
        assert_eq!((map.get("a").map(|entry| entry.value), map.len()), (Some(3), 2));
        assert_eq!(map.get_mut(&"a", first), None, "the entry was replaced");
        assert_eq!(map.remove(&"a", first), None, "the entry was replaced");
        assert_eq!(map.oldest().map(|entry| (entry.since, entry.value)), Some((20, 2)));
        assert_eq!((map.remove_oldest(), map.remove(&"a", second)), (Some(2), Some(3)));
        assert!(map.oldest().is_none() && map.remove_oldest().is_none() && map.order.is_empty());
    }

    #[test]
    fn replaced_and_removed_entries_leave_no_keys_behind() {
        let mut map = Expiring::default();
        map.insert("oldest", 0, 0);
        for number in 0..1000 {
            map.insert("replaced", number, 0);
            let number = map.insert("removed", number, 0);
            map.remove(&"removed", number);
        }
        assert!(map.order.len() <= 2 * map.len() + SPARE_KEYS + 1, "{}", map.order.len());
    }
}
