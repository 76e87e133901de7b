//! What may wait on a whole server: the sum of its outboxes, bounded in memory.
//!
//! An outbox counts here what it holds when its session's task pauses, and at once from [`STEP`] bytes or
//! [`STEP_MESSAGES`] messages on. What is written in the turn that it came in, as most of what is sent is, costs no more
//! than a look at the sum.

use std::sync::atomic::{AtomicUsize, Ordering};

/// An outbox may hold so many bytes more than it has counted here, for as long as its session's task is busy.
pub const STEP: usize = 64 * 1024;

/// The same for messages.
pub const STEP_MESSAGES: u64 = 512;

/// The memory that an outbox may hold and not have counted, with a message of [`STEP`] bytes to come: the bytes with an
/// eighth more, and the places of messages.
const UNCOUNTED: usize = 4 * STEP;

/// The memory that all outboxes of a server may hold together.
///
/// Up to three quarters of it are for whoever needs them. The last quarter is for outboxes that hold less than an equal
/// share of it, so that few sessions who take nothing cannot silence all others.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// Three quarters of the limit.
    common: usize,
    /// While no more is held, whatever a busy session has not counted yet fits too.
    ample: usize,
    held: AtomicUsize,
    /// Outboxes that have counted something.
    holders: AtomicUsize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        let common = limit - limit / 4;
        let ample = common.saturating_sub(UNCOUNTED);
        Self { limit, common, ample, held: AtomicUsize::new(0), holders: AtomicUsize::new(0) }
    }

    /// How many bytes are counted.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether there is room for a message of so many bytes in any outbox. Otherwise [`admits`](Self::admits) knows.
    #[inline]
    pub(crate) fn has_ample_room(&self, len: usize) -> bool {
        len <= STEP && self.held() <= self.ample
    }

    /// Whether an outbox that has counted `counted` here may hold `after`.
    pub(crate) fn admits(&self, counted: usize, after: usize) -> bool {
        let all = self.held().saturating_sub(counted).saturating_add(after);
        let holders = self.holders.load(Ordering::Relaxed);
        let share = (self.limit - self.common) / (holders + 1);
        all <= self.common || (all <= self.limit && after <= share)
    }

    /// Whether an outbox that holds so much has no less than its equal share of what is for all.
    pub(crate) fn is_large(&self, held: usize) -> bool {
        held >= self.common / self.holders.load(Ordering::Relaxed).max(1)
    }

    /// An outbox that had counted `before` counts `after` now.
    pub(crate) fn change(&self, before: usize, after: usize) {
        if after > before {
            self.held.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.held.fetch_sub(before - after, Ordering::Relaxed);
        }
        match (before, after) {
            (0, 0) | (1.., 1..) => {}
            (0, 1..) => {
                self.holders.fetch_add(1, Ordering::Relaxed);
            }
            (1.., 0) => {
                self.holders.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_quarter_is_for_those_who_hold_little() {
        let budget = Budget::new(1000);
        assert!(budget.admits(0, 750) && !budget.admits(0, 751));
        budget.change(0, 350);
        budget.change(0, 400);
        assert_eq!(budget.held(), 750);
        // A third one gets a third of the quarter, the two nothing more.
        assert!(budget.admits(0, 83) && !budget.admits(0, 84));
        assert!(!budget.admits(350, 351));
        assert!(budget.is_large(400) && !budget.is_large(350));
        budget.change(0, 83);
        budget.change(400, 0);
        assert_eq!(budget.held(), 433);
        assert!(budget.admits(350, 667) && !budget.admits(350, 668));
    }

    #[test]
    fn never_more_than_the_limit_is_admitted() {
        let budget = Budget::new(1000);
        budget.change(0, 750);
        let mut admitted = 750;
        for size in (1..=125).rev().cycle().take(10_000) {
            if budget.admits(0, size) {
                budget.change(0, size);
                admitted += size;
            }
        }
        assert_eq!(budget.held(), admitted);
        assert!(admitted <= 1000);
    }
}
