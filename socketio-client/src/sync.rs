//! Synchronisation between the handles of the application and the connection's task.

use std::pin::pin;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use engineio::sync::Mutex;
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// Wake-up signal for one task, sent by any thread. Unlike `tokio::sync::Notify` it is polled without a
/// future that borrows it, and a pending signal can be read.
#[derive(Debug, Default)]
pub(crate) struct Wakeup {
    pending: AtomicBool,
    task: AtomicWaker,
}

impl Wakeup {
    /// Signals the task. Signals that the task has not taken yet are merged into one.
    pub(crate) fn signal(&self) {
        self.pending.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Takes the pending signal, or registers the task.
    pub(crate) fn poll_signal(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.task.register(cx.waker());
        if self.pending.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }
}

/// Value whose changes can be awaited. It takes a tenth of the memory of `tokio::sync::watch`, which also
/// keeps a version and eight queues of waiters; a namespace has few waiters.
#[derive(Debug, Default)]
pub(crate) struct Observed<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T> Observed<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    /// Locks the value, for reads and for changes that no task waits for.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock()
    }

    /// Changes the value, then wakes the waiters without the lock.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.value.lock());
        self.changed.notify_waiters();
        result
    }

    /// Waits until `select` returns a result for the value. Intermediate values may be missed.
    pub(crate) async fn wait<R>(&self, mut select: impl FnMut(&T) -> Option<R>) -> R {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Registers before the value is read, so that no later change is missed.
            changed.as_mut().enable();
            let selected = select(&self.value.lock());
            match selected {
                Some(selected) => return selected,
                None => changed.await,
            }
        }
    }
}
