//! Wake-ups of session tasks, kept back while the thread holds a lock.
//!
//! A waker is code of an executor. It may take locks of its own, and it may start the task on another core,
//! which then waits for the lock that the waking thread still holds. So a task is woken after the lock is
//! released. A thread that sends to many sessions under one lock keeps its wake-ups back with
//! [`hold_wakeups`].

use std::cell::{Cell, RefCell};
use std::task::Waker;

/// The largest capacity of the list that a thread keeps for the next time.
const KEPT_CAPACITY: usize = 1024;

thread_local! {
    /// The number of [`HeldWakeups`] of this thread.
    static HOLDS: Cell<usize> = const { Cell::new(0) };
    static WOKEN: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// Keeps back the wake-ups of session tasks by this thread until the guard is dropped. Guards can be nested;
/// the last one wakes the tasks.
///
/// The guard is created before the lock is taken, so that it is dropped after the lock is released.
#[must_use = "the wake-ups are kept back until the guard is dropped"]
pub fn hold_wakeups() -> HeldWakeups {
    HOLDS.set(HOLDS.get() + 1);
    HeldWakeups { _not_send: std::marker::PhantomData }
}

/// The guard of [`hold_wakeups`].
#[derive(Debug)]
pub struct HeldWakeups {
    /// The guard counts in its own thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Drop for HeldWakeups {
    fn drop(&mut self) {
        let holds = HOLDS.get() - 1;
        HOLDS.set(holds);
        if holds == 0 {
            wake_all();
        }
    }
}

/// Wakes a task, now or when the thread no longer keeps back its wake-ups.
#[inline]
pub(crate) fn wake(task: Waker) {
    if HOLDS.get() == 0 {
        task.wake();
    } else {
        WOKEN.with_borrow_mut(|woken| woken.push(task));
    }
}

/// The list is taken out of the thread first, because a waker may send messages.
fn wake_all() {
    let mut woken = WOKEN.take();
    if woken.capacity() == 0 {
        return;
    }
    woken.drain(..).for_each(Waker::wake);
    if woken.capacity() <= KEPT_CAPACITY {
        WOKEN.set(woken);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn wake_ups_are_kept_back_until_the_last_guard_is_dropped() {
        let count = Arc::new(Count::default());
        let woken = || count.0.load(Ordering::Relaxed);
        wake(Waker::from(Arc::clone(&count)));
        assert_eq!(woken(), 1);
        let outer = hold_wakeups();
        {
            let _inner = hold_wakeups();
            wake(Waker::from(Arc::clone(&count)));
        }
        wake(Waker::from(Arc::clone(&count)));
        assert_eq!(woken(), 1);
        drop(outer);
        assert_eq!(woken(), 3);
        wake(Waker::from(Arc::clone(&count)));
        assert_eq!(woken(), 4);
    }

    struct Nested(Arc<Count>);

    impl Wake for Nested {
        fn wake(self: Arc<Self>) {
            let _held = hold_wakeups();
            wake(Waker::from(Arc::clone(&self.0)));
        }
    }

    #[test]
    fn a_waker_may_wake_other_tasks() {
        let count = Arc::new(Count::default());
        let held = hold_wakeups();
        wake(Waker::from(Arc::new(Nested(Arc::clone(&count)))));
        wake(Waker::from(Arc::clone(&count)));
        drop(held);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
