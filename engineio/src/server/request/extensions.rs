//! The extensions of requests that sessions keep.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use http::Extensions;

use crate::sync::RwLock;

/// The types of the extensions that a session keeps from the request that opened it.
///
/// Frameworks add extensions of their own, some of which hold a read buffer of 16 KiB in memory. A session lives
/// much longer than a request, so it keeps only what the application asks for.
#[derive(Default)]
pub(crate) struct KeptExtensions(RwLock<Vec<Kept>>);

#[derive(Clone, Copy)]
struct Kept {
    id: TypeId,
    copy: fn(&Extensions, &mut Extensions),
}

impl KeptExtensions {
    /// Adds a type.
    pub(crate) fn keep<T: Clone + Send + Sync + 'static>(&self) {
        let id = TypeId::of::<T>();
        let mut kept = self.0.write();
        if !kept.iter().any(|kept| kept.id == id) {
            kept.push(Kept { id, copy: copy::<T> });
        }
    }

    /// Copies the extensions of these types. `None` if the request has none.
    pub(crate) fn copy(&self, extensions: &Extensions) -> Option<Arc<Extensions>> {
        if extensions.is_empty() {
            return None;
        }
        // A copy of the list, because the application's `Clone` must not run under the lock.
        let kept = self.0.read().clone();
        let mut copied = Extensions::new();
        for Kept { copy, .. } in kept {
            copy(extensions, &mut copied);
        }
        (!copied.is_empty()).then(|| Arc::new(copied))
    }
}

fn copy<T: Clone + Send + Sync + 'static>(from: &Extensions, to: &mut Extensions) {
    if let Some(value) = from.get::<T>() {
        to.insert(value.clone());
    }
}

impl fmt::Debug for KeptExtensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptExtensions({})", self.0.read().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_types_that_were_asked_for_are_kept() {
        let kept = KeptExtensions::default();
        let mut extensions = Extensions::new();
        extensions.insert(1_u8);
        extensions.insert("text");
        assert!(kept.copy(&extensions).is_none());
        kept.keep::<u8>();
        kept.keep::<u8>();
        kept.keep::<u16>();
        let copied = kept.copy(&extensions).unwrap();
        assert_eq!((copied.len(), copied.get::<u8>()), (1, Some(&1)));
        assert!(kept.copy(&Extensions::new()).is_none());
    }
}
