//! The memory of incomplete data from clients, limited for the whole server.

use std::sync::Arc;

use super::budget::Budget;

/// Data of up to this many bytes is not counted, so that small messages in two reads cost nothing here.
const UNCOUNTED: usize = 4096;

/// The received bytes that one holder keeps, counted by
/// [`ServerBuilder::max_received_bytes`](crate::ServerBuilder::max_received_bytes) until it is dropped: see
/// [`Session::received_bytes`](crate::Session::received_bytes).
#[derive(Debug)]
pub struct ReceivedBytes {
    budget: Arc<Budget>,
    counted: usize,
}

impl ReceivedBytes {
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), counted: 0 }
    }

    /// Sets the number of bytes. `false` means that the server holds too much: the number does not change,
    /// and the data has to be dropped.
    #[must_use]
    pub fn set(&mut self, bytes: usize) -> bool {
        let bytes = if bytes > UNCOUNTED { bytes } else { 0 };
        if bytes > self.counted && !self.budget.admits(self.counted, bytes) {
            return false;
        }
        if bytes != self.counted {
            self.budget.change(self.counted, bytes);
            self.counted = bytes;
        }
        true
    }

    /// Sets the number of bytes if it is lower than before.
    #[inline]
    pub(crate) fn shrink(&mut self, bytes: usize) {
        if self.counted > bytes {
            // A lower number is always accepted.
            let _ = self.set(bytes);
        }
    }
}

impl Drop for ReceivedBytes {
    fn drop(&mut self) {
        self.budget.change(self.counted, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_their_holder_is_dropped() {
        let budget = Arc::new(Budget::new(100_000));
        let mut first = ReceivedBytes::new(&budget);
        assert!(first.set(UNCOUNTED) && budget.held() == 0);
        assert!(first.set(50_000) && first.set(70_000) && !first.set(80_000));
        assert_eq!(budget.held(), 70_000, "a refused number is not held");
        let mut second = ReceivedBytes::new(&budget);
        assert!(!second.set(20_000) && second.set(12_000), "the last quarter is for small holders");
        drop(first);
        assert_eq!(budget.held(), 12_000);
        assert!(second.set(0) && budget.held() == 0);
    }
}
