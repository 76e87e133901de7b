//! The memory of incomplete data from clients, limited for the whole server.

use std::sync::Arc;

use super::budget::Budget;

/// The received bytes that one holder keeps, counted by
/// [`ServerBuilder::max_received_bytes`](crate::ServerBuilder::max_received_bytes) until it is dropped: see
/// [`Session::received_bytes`](crate::Session::received_bytes).
#[derive(Debug)]
pub struct ReceivedBytes {
    budget: Arc<Budget>,
    counted: usize,
}

impl ReceivedBytes {
    /// Data of up to this many bytes is not counted, so that small messages cost nothing here.
    pub const UNCOUNTED: usize = 4096;

    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), counted: 0 }
    }

    /// Sets the number of bytes. `false` means that the server holds too much: the number does not change,
    /// and the data has to be dropped.
    #[must_use]
    pub fn set(&mut self, bytes: usize) -> bool {
        let bytes = if bytes > Self::UNCOUNTED { bytes } else { 0 };
        if bytes > self.counted && !self.budget.admits(self.counted, bytes) {
            return false;
        }
        if bytes != self.counted {
            self.budget.change(self.counted, bytes);
            self.counted = bytes;
        }
        true
    }

    /// Whether bytes are counted.
    #[inline]
    pub(crate) fn is_counting(&self) -> bool {
        self.counted > 0
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
        assert!(first.set(ReceivedBytes::UNCOUNTED) && budget.held() == 0);
        assert!(first.set(50_000) && first.set(70_000) && !first.set(80_000));
        assert_eq!(budget.held(), 70_000, "a refused number is not held");
        let mut second = ReceivedBytes::new(&budget);
        assert!(!second.set(20_000) && second.set(12_000), "the last quarter is for small holders");
        drop(first);
        assert_eq!(budget.held(), 12_000);
        assert!(second.set(0) && budget.held() == 0);
    }
}
