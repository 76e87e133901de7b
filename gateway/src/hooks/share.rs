//! What one socket may have waiting for the backend, so that nobody fills memory alone.

use std::sync::{Mutex, PoisonError};

use super::line::Held;

/// The events of a socket that wait or are handled, and their limit.
#[derive(Debug)]
pub(super) struct Share {
    held: Mutex<Held>,
    limit: Held,
}

/// An event's part of the share. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Part<'a> {
    share: &'a Share,
    bytes: usize,
}

impl Share {
    pub(super) fn new(limit: Held) -> Self {
        Self { held: Mutex::default(), limit }
    }

    /// A part for an event of so many bytes, if there is room.
    pub(super) fn take(&self, bytes: usize) -> Option<Part<'_>> {
        self.change(|held| held.take(bytes, self.limit)).then(|| Part { share: self, bytes })
    }

    /// Every change of it is whole, so a panic elsewhere is no reason to stop.
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
