//! The numbers of messages that were dropped, for those who wait for a number.

use std::collections::VecDeque;

use crate::protocol::prepared::Prepared;

/// The numbers of dropped messages among those that are not written yet.
///
/// There are at most as many gaps as messages between them, so the gaps are bounded with the queue.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    gaps: VecDeque<Gap>,
    /// The number of messages in all gaps.
    in_gaps: u64,
    /// The number of messages ever dropped.
    total: u64,
    /// Messages that are dropped after the lock is released: their bytes may belong to the application.
    evicted: Vec<Prepared>,
}

/// A run of dropped messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    first: u64,
    len: u64,
}

impl Dropped {
    pub(super) fn in_gaps(&self) -> u64 {
        self.in_gaps
    }

    /// The number of messages ever dropped.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn count(&mut self) {
        self.total += 1;
    }

    pub(super) fn take_evicted(&mut self) -> Vec<Prepared> {
        std::mem::take(&mut self.evicted)
    }

    #[cfg(test)]
    pub(super) fn gaps(&self) -> usize {
        self.gaps.len()
    }

    /// The number of the message at a position, counted from the first one that is not written.
    pub(super) fn number(&self, written: u64, position: u64) -> u64 {
        let mut number = written + 1 + position;
        for gap in &self.gaps {
            if gap.first > number {
                break;
            }
            number += gap.len;
        }
        number
    }

    /// Notes a message as dropped.
    pub(super) fn note(&mut self, number: u64, message: Prepared) {
        self.evicted.push(message);
        let at = self.gaps.partition_point(|gap| gap.first < number);
        let joins_next = self.gaps.get(at).is_some_and(|next| next.first == number + 1);
        let previous = at
            .checked_sub(1)
            .filter(|at| self.gaps.get(*at).is_some_and(|gap| gap.first + gap.len == number));
        self.in_gaps += 1;
        match previous {
            Some(previous) => {
                let next = if joins_next { self.gaps.remove(at).map_or(0, |next| next.len) } else { 0 };
                if let Some(gap) = self.gaps.get_mut(previous) {
                    gap.len += 1 + next;
                }
            }
            None if joins_next => {
                if let Some(next) = self.gaps.get_mut(at) {
                    *next = Gap { first: number, len: next.len + 1 };
                }
            }
            None => self.gaps.insert(at, Gap { first: number, len: 1 }),
        }
    }

    /// The number up to which all messages are written or dropped, after `count` more are written.
    pub(super) fn pass(&mut self, mut written: u64, mut count: u64) -> u64 {
        loop {
            let next = self.gaps.front().copied();
            let before = next.map_or(count, |gap| (gap.first - written - 1).min(count));
            written += before;
            count -= before;
            match next.filter(|gap| gap.first == written + 1) {
                Some(gap) => {
                    written += gap.len;
                    self.in_gaps -= gap.len;
                    self.gaps.pop_front();
                }
                None => return written,
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.gaps = VecDeque::new();
        self.in_gaps = 0;
    }
}
