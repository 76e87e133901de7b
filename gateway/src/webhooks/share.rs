//! Limit of the events of one socket that are queued for the backend, so that one client cannot fill the
//! queue.

use std::sync::{Mutex, PoisonError};

use super::queue::Held;

/// Queued events of a socket, and their limit.
#[derive(Debug)]
pub(super) struct Share {
    held: Mutex<Held>,
    limit: Held,
}

/// Reservation for one event, freed on drop.
#[derive(Debug)]
pub(super) struct Part<'a> {
    share: &'a Share,
    bytes: usize,
}

impl Share {
    pub(super) fn new(limit: Held) -> Self {
        Self { held: Mutex::default(), limit }
    }

    /// Reserves space for an event of `bytes` bytes; `None` if the limit is exceeded.
    pub(super) fn take(&self, bytes: usize) -> Option<Part<'_>> {
        self.change(|held| held.take(bytes, self.limit)).then(|| Part { share: self, bytes })
    }

    /// Changes the locked state. No change can be interrupted, so a poisoned lock is still consistent.
    fn change<R>(&self, change: impl FnOnce(&mut Held) -> R) -> R {
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.share.change(|held| held.free(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_so_many_calls_and_bytes() {
        let share = Share::new(Held { calls: 2, bytes: 10 });
        let first = share.take(4).unwrap();
        assert!(share.take(7).is_none(), "too many bytes");
        let second = share.take(6).unwrap();
        assert!(share.take(0).is_none(), "too many calls");
        drop(first);
        assert!(share.take(4).is_some());
        drop(second);
        assert_eq!(share.change(|held| *held), Held::default());
    }
}
