//! Values under numbers that stay, next to each other whatever came and went: going through all of them costs what
//! they are, not what there once was, and memory for a crowd is given back when the crowd is gone.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::ops::{Index, IndexMut};

use slab::Slab;

/// Where a value can be found as long as it is there. The number is taken again afterwards.
pub(crate) type Key = u32;

#[derive(Debug)]
pub(crate) struct Dense<T> {
    values: Vec<(Key, T)>,
    /// Where in `values` the one with this key is.
    places: Slab<u32>,
}

impl<T> Default for Dense<T> {
    fn default() -> Self {
        Self { values: Vec::new(), places: Slab::new() }
    }
}

impl<T> Dense<T> {
    pub(crate) fn insert(&mut self, value: T) -> Key {
        let key = number(self.places.insert(number(self.values.len())));
        self.values.push((key, value));
        key
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.places.try_remove(key as usize)? as usize;
        let (_, value) = self.values.swap_remove(place);
        if let Some((moved, _)) = self.values.get(place) {
            self.places[*moved as usize] = number(place);
        }
        shrink(&mut self.values);
        if self.values.is_empty() {
            self.places = Slab::new();
        }
        Some(value)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let place = self.places.get(key as usize)?;
        self.values.get(*place as usize).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get(key as usize)?;
        self.values.get_mut(*place as usize).map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All of them, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.values.iter().map(|(key, value)| (*key, value))
    }

    /// No key is as large as this.
    pub(crate) fn bound(&self) -> usize {
        self.places.capacity()
    }
}

/// For keys that are known to be there.
impl<T> Index<Key> for Dense<T> {
    type Output = T;

    fn index(&self, key: Key) -> &T {
        &self.values[self.places[key as usize] as usize].1
    }
}

impl<T> IndexMut<Key> for Dense<T> {
    fn index_mut(&mut self, key: Key) -> &mut T {
        &mut self.values[self.places[key as usize] as usize].1
    }
}

/// Numbers take 32 bits, which is half the memory of a seat in a room; four billion of anything do not fit into a
/// process.
pub(crate) fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Gives back the memory of a vector that is less than a quarter full. Half of what is left must go before the next
/// time, so on average a removal costs the same.
pub(crate) fn shrink<T>(values: &mut Vec<T>) {
    if values.len() < values.capacity() / 4 {
        values.shrink_to(values.len() * 2);
    }
}

/// The same for a map.
pub(crate) fn shrink_map<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.len() < map.capacity() / 4 {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_and_values_move_together() {
        let mut dense = Dense::default();
        let keys: Vec<Key> = (0..10).map(|value| dense.insert(value)).collect();
        for gone in [0, 9, 4] {
            assert_eq!(dense.remove(keys[gone]), Some(gone));
            assert_eq!(dense.remove(keys[gone]), None);
        }
        for left in [1, 2, 3, 5, 6, 7, 8] {
            assert_eq!(dense[keys[left]], left);
            assert!((keys[left] as usize) < dense.bound());
        }
        assert_eq!(dense.iter().map(|(_, value)| *value).sum::<usize>(), 32);
        let key = dense.insert(40);
        assert!(keys.contains(&key), "a free number is taken again");
        assert_eq!((dense.get(key), dense.len()), (Some(&40), 8));
    }

    #[test]
    fn a_crowd_that_is_gone_takes_no_memory() {
        let mut dense = Dense::default();
        let keys: Vec<Key> = (0..10_000).map(|value| dense.insert(value)).collect();
        let mut map: HashMap<Key, ()> = keys.iter().map(|key| (*key, ())).collect();
        for key in &keys[5..] {
            dense.remove(*key);
            map.remove(key);
            shrink_map(&mut map);
        }
        assert!(dense.values.capacity() < 64 && map.capacity() < 64);
        for key in &keys[..5] {
            dense.remove(*key);
        }
        assert_eq!((dense.values.capacity(), dense.bound()), (0, 0));
    }
}
