//! Application values, one per type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// Application values, one per type.
#[derive(Default)]
pub struct Extensions(RwLock<Option<Box<Values>>>);

type Values = HashMap<TypeId, Box<dyn Any + Send + Sync>>;

impl Extensions {
    /// Inserts a value and returns the previous one.
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = map.get_or_insert_default().insert(TypeId::of::<T>(), Box::new(value));
        before.and_then(|before| before.downcast().ok()).map(|before| *before)
    }

    /// A clone of the value of this type. Large values belong behind an `Arc`.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.as_ref()?.get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }

    /// Removes the value of this type.
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        map.as_mut()?.remove(&TypeId::of::<T>())?.downcast().ok().map(|value| *value)
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Extensions({})", map.as_ref().map_or(0, |map| map.len()))
    }
}
