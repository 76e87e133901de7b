//! A dense vector with stable keys. Iteration costs the current number of values, not the historic maximum,
//! and memory is freed when values are removed.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::ops::{Index, IndexMut};

use slab::Slab;

/// Key of a value, stable while the value exists. Keys are reused afterwards.
pub(crate) type Key = u32;

#[derive(Debug)]
pub(crate) struct Dense<T> {
    values: Vec<(Key, T)>,
    /// Index in `values` by key.
    positions: Slab<u32>,
}

impl<T> Default for Dense<T> {
    fn default() -> Self {
        Self { values: Vec::new(), positions: Slab::new() }
    }
}

impl<T> Dense<T> {
    pub(crate) fn insert(&mut self, value: T) -> Key {
        let key = number(self.positions.insert(number(self.values.len())));
        self.values.push((key, value));
        key
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let position = self.positions.try_remove(key as usize)? as usize;
        let (_, value) = self.values.swap_remove(position);
        if let Some((moved, _)) = self.values.get(position) {
            self.positions[*moved as usize] = number(position);
        }
        shrink(&mut self.values);
        if self.values.is_empty() {
            self.positions = Slab::new();
        }
        Some(value)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let position = self.positions.get(key as usize)?;
        self.values.get(*position as usize).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let position = self.positions.get(key as usize)?;
        self.values.get_mut(*position as usize).map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All values, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.values.iter().map(|(key, value)| (*key, value))
    }

    /// Exclusive upper bound of all keys.
    pub(crate) fn bound(&self) -> usize {
        self.positions.capacity()
    }
}

/// Access by keys that must exist.
impl<T> Index<Key> for Dense<T> {
    type Output = T;

    fn index(&self, key: Key) -> &T {
        &self.values[self.positions[key as usize] as usize].1
    }
}

impl<T> IndexMut<Key> for Dense<T> {
    fn index_mut(&mut self, key: Key) -> &mut T {
        &mut self.values[self.positions[key as usize] as usize].1
    }
}

/// Indices have 32 bits, which halves the memory of a room entry. Four billion entries do not fit into a
/// process.
pub(crate) fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Shrinks a vector that is less than a quarter full. The next shrink requires that half of the remaining
/// values are removed, so the amortized cost of a removal is constant.
pub(crate) fn shrink<T>(values: &mut Vec<T>) {
    if values.len() < values.capacity() / 4 {
        values.shrink_to(values.len() * 2);
    }
}

/// Shrinks a map in the same way.
pub(crate) fn shrink_map<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.len() < map.capacity() / 4 {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_stable_and_values_are_dense() {
        let mut dense = Dense::default();
        let keys: Vec<Key> = (0..10).map(|value| dense.insert(value)).collect();
        for removed in [0, 9, 4] {
            assert_eq!(dense.remove(keys[removed]), Some(removed));
            assert_eq!(dense.remove(keys[removed]), None);
        }
        for left in [1, 2, 3, 5, 6, 7, 8] {
            assert_eq!(dense[keys[left]], left);
            assert!((keys[left] as usize) < dense.bound());
        }
        assert_eq!(dense.iter().map(|(_, value)| *value).sum::<usize>(), 32);
        let key = dense.insert(40);
        assert!(keys.contains(&key), "a free key is reused");
        assert_eq!((dense.get(key), dense.len()), (Some(&40), 8));
    }

    #[test]
    fn removed_values_take_no_memory() {
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
