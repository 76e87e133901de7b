//! Lists of hooks that can change while they are called.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engineio::sync::RwLock;
use socketio_events::table::{HandlerId, List};

/// Hooks of one kind. All of them are called, in the order of registration, and never under a lock.
pub(crate) struct Hooks<T: ?Sized> {
    list: RwLock<Arc<List<T>>>,
    /// Whether the list has entries. Set only by [`change`](Self::change). Without
    /// hooks a call takes no lock.
    has_hooks: AtomicBool,
}

impl<T: ?Sized> Hooks<T> {
    /// Adds a hook after the others.
    pub(crate) fn add(&self, hook: Arc<T>) -> HandlerId {
        self.change(|list| list.push(hook))
    }

    /// Removes a hook. Returns `false` if it is not in the list.
    pub(crate) fn remove(&self, id: HandlerId) -> bool {
        self.change(|list| list.remove(id))
    }

    /// Removes all hooks.
    pub(crate) fn clear(&self) {
        self.change(List::clear);
    }

    /// Replaces the list with that of another namespace.
    pub(crate) fn copy_from(&self, other: &Self) {
        if let Some(hooks) = other.current() {
            self.change(|list| list.clone_from(&hooks));
        }
    }

    /// The current hooks; `None` if there are none.
    pub(crate) fn current(&self) -> Option<Arc<List<T>>> {
        if !self.has_hooks.load(Ordering::Acquire) {
            return None;
        }
        Some(Arc::clone(&self.list.read()))
    }

    fn change<R>(&self, change: impl FnOnce(&mut List<T>) -> R) -> R {
        let mut list = self.list.write();
        let mut next = (**list).clone();
        let result = change(&mut next);
        self.has_hooks.store(!next.is_empty(), Ordering::Release);
        let before = std::mem::replace(&mut *list, Arc::new(next));
        drop(list);
        // A removed hook is dropped after the lock is released, because its `Drop` may use the namespace.
        drop(before);
        result
    }
}

impl<T: ?Sized> Default for Hooks<T> {
    fn default() -> Self {
        Self { list: RwLock::default(), has_hooks: AtomicBool::new(false) }
    }
}

impl<T: ?Sized> fmt::Debug for Hooks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hooks").field(&self.current()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    type Hook = dyn Fn(u32) + Send + Sync;

    fn call(hooks: &Hooks<Hook>, value: u32) {
        if let Some(current) = hooks.current() {
            current.calls().for_each(|hook| hook(value));
        }
    }

    #[test]
    fn all_hooks_are_called_in_order_until_they_are_removed() {
        let hooks: Hooks<Hook> = Hooks::default();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let add = |factor| {
            let calls = Arc::clone(&calls);
            hooks.add(Arc::new(move |value| calls.lock().unwrap().push(factor * value)))
        };
        assert!(hooks.current().is_none());
        let first = add(1);
        add(10);
        call(&hooks, 2);
        assert!(hooks.remove(first) && !hooks.remove(first));
        call(&hooks, 3);
        assert_eq!(*calls.lock().unwrap(), [2, 20, 30]);
    }

    /// Calls a hook when it is dropped.
    struct Reenter(Arc<Hooks<Hook>>);

    impl Drop for Reenter {
        fn drop(&mut self) {
            self.0.add(Arc::new(|_| {}));
        }
    }

    #[test]
    fn a_removed_hook_is_dropped_without_a_lock() {
        let hooks: Arc<Hooks<Hook>> = Arc::default();
        let reenter = Reenter(Arc::clone(&hooks));
        let id = hooks.add(Arc::new(move |_| {
            let _ = &reenter;
        }));
        assert!(hooks.remove(id));
        assert!(hooks.current().is_some(), "added by the destructor");
    }
}
