//! The memory of an outbox, within its own limit and within the server's budget.

use super::budget::STEP;
use super::inner::Inner;

/// The overhead of a message: its entry in the queue, and the bookkeeping of its buffer.
const PER_MESSAGE: usize = 128;

/// The memory of this many messages. Allocators round a buffer up by an eighth on average.
pub(super) const fn held(bytes: usize, messages: usize) -> usize {
    bytes.saturating_add(bytes / 8).saturating_add(messages.saturating_mul(PER_MESSAGE))
}

impl Inner {
    /// A single message may exceed the limit: a large message does not make a peer slow.
    #[inline]
    pub(super) fn fits(&self, len: usize) -> bool {
        self.bytes + self.lent == 0 || self.with_message(len) <= self.limit
    }

    /// Messages pushed and neither written nor dropped.
    #[inline]
    pub(super) fn messages(&self) -> usize {
        let gaps = self.dropped.as_ref().map_or(0, |dropped| dropped.in_gaps());
        usize::try_from(self.pushed - self.written - gaps).unwrap_or(usize::MAX)
    }

    pub(super) fn holds(&self) -> usize {
        held(self.bytes + self.lent, self.messages())
    }

    /// The memory of this outbox with one more message.
    #[inline]
    fn with_message(&self, len: usize) -> usize {
        held(self.bytes + self.lent + len, self.messages() + 1)
    }

    #[inline]
    pub(super) fn is_within_budget(&self, len: usize) -> bool {
        self.budget.as_ref().is_some_and(|budget| budget.has_ample_capacity(len)) || self.is_admitted(len)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn is_admitted(&self, len: usize) -> bool {
        self.budget.as_ref().is_none_or(|budget| budget.admits(self.counted, self.with_message(len)))
    }

    /// Reports the current memory to the budget, if it is much less than before.
    #[cold]
    #[inline(never)]
    pub(super) fn settle_less(&mut self) {
        if self.counted > self.holds() + STEP {
            self.settle();
        }
    }

    /// Reports the current memory to the budget.
    #[cold]
    #[inline(never)]
    pub(super) fn settle(&mut self) {
        if let Some(budget) = &self.budget {
            let now = self.holds();
            budget.change(self.counted, now);
            self.counted = now;
        }
        self.count_at = self.bytes + STEP;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.change(self.counted, 0);
        }
    }
}
