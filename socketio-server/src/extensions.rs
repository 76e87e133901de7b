//! Application values, one per type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use engineio::sync::RwLock;

/// Application values, one per type.
#[derive(Default)]
pub struct Extensions(RwLock<Option<Box<Values>>>);

/// Behind an `Arc`, so that the application's `Clone` and `Drop` never run under the lock.
type Values = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

impl Extensions {
    /// Inserts a value and returns the previous one.
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        let before = {
            let mut map = self.0.write();
            map.get_or_insert_default().insert(TypeId::of::<T>(), value)
        };
        before.and_then(unwrap)
    }

    /// A clone of the value of this type. Large values belong behind an `Arc`.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let value = {
            let map = self.0.read();
            Arc::clone(map.as_ref()?.get(&TypeId::of::<T>())?)
        };
        value.downcast_ref().cloned()
    }

    /// Whether there is a value of this type.
    pub fn contains<T: Clone + Send + Sync + 'static>(&self) -> bool {
        self.0.read().as_ref().is_some_and(|map| map.contains_key(&TypeId::of::<T>()))
    }

    /// Removes the value of this type.
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let value = {
            let mut map = self.0.write();
            map.as_mut()?.remove(&TypeId::of::<T>())?
        };
        unwrap(value)
    }
}

fn unwrap<T: Clone + Send + Sync + 'static>(value: Arc<dyn Any + Send + Sync>) -> Option<T> {
    value.downcast().ok().map(Arc::unwrap_or_clone)
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.0.read();
        write!(f, "Extensions({})", map.as_ref().map_or(0, |map| map.len()))
    }
}
