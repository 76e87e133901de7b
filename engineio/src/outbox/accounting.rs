//! The memory of an outbox as the server's budget sees it, and what follows from a refused message.

use super::budget::STEP;
use super::inner::Inner;
use crate::config::SlowConsumer;
use crate::error::SendError;

impl Inner {
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

    /// Handles a refused message. If the whole server is full, only sessions that hold much memory count as
    /// slow.
    #[cold]
    pub(super) fn refused(&mut self, error: SendError) {
        let is_slow = match error {
            SendError::Full => true,
            SendError::ServerFull => self.budget.as_ref().is_some_and(|budget| budget.is_large(self.holds())),
            SendError::Closed => false,
        };
        if is_slow && self.slow_consumer == SlowConsumer::Disconnect {
            self.overflow();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.change(self.counted, 0);
        }
    }
}
