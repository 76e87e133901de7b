//! The memory budget of a whole server: a limit on the sum of all outboxes.
//!
//! An outbox reports its memory to the budget when its session's task pauses, and at once when it holds
//! [`STEP`] bytes or [`STEP_MESSAGES`] messages. Most messages are written in the turn in which they were
//! queued, and cost only one read of the sum.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that an outbox may hold beyond its reported count while its session's task is busy.
pub const STEP: usize = 64 * 1024;

/// The messages that an outbox may hold beyond its reported count.
pub const STEP_MESSAGES: u64 = 512;

/// The memory that an outbox may hold without having reported it, plus a message of [`STEP`] bytes: the
/// bytes, an eighth more, and the queue entries of the messages.
const UNCOUNTED: usize = 4 * STEP;

/// The limit on the memory of all outboxes of a server together.
///
/// Three quarters of it are available to every outbox. The last quarter is reserved for outboxes that hold
/// less than an equal share of it, so that a few sessions that read nothing cannot silence all others.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// Three quarters of the limit.
    common: usize,
    /// Up to this sum, the memory that busy sessions have not reported yet fits too.
    ample: usize,
    held: AtomicUsize,
    /// The number of outboxes that have reported memory.
    holders: AtomicUsize,
    /// The number of messages that outboxes have dropped.
    dropped: AtomicUsize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let common = limit - limit / 4;
        let ample = common.saturating_sub(UNCOUNTED);
        let (held, holders, dropped) = Default::default();
        Self { limit, common, ample, held, holders, dropped }
    }

    /// The number of bytes reported.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// The number of messages that outboxes have dropped by their policies.
    pub fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a message of `len` bytes fits for any outbox. If not, [`admits`](Self::admits) decides.
    #[inline]
    pub(crate) fn has_ample_capacity(&self, len: usize) -> bool {
        len <= STEP && self.held() <= self.ample
    }

    /// Whether an outbox that has reported `counted` bytes may hold `after`.
    pub(crate) fn admits(&self, counted: usize, after: usize) -> bool {
        let all = self.held().saturating_sub(counted).saturating_add(after);
        let holders = self.holders.load(Ordering::Relaxed);
        let share = (self.limit - self.common) / (holders + 1);
        all <= self.common || (all <= self.limit && after <= share)
    }

    /// Whether an outbox with this memory holds at least its equal share of the three quarters.
    pub(crate) fn is_large(&self, held: usize) -> bool {
        held >= self.common / self.holders.load(Ordering::Relaxed).max(1)
    }

    /// Changes the reported memory of one outbox from `before` to `after`.
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
        // A third outbox gets a third of the quarter; the first two get nothing more.
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
