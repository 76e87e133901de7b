//! Messages that do not fit: the policies for slow consumers.

use std::num::NonZeroU32;

use super::accounting::held;
use super::inner::{Inner, Phase};
use crate::config::SlowConsumer;
use crate::error::SendError;
use crate::protocol::prepared::Prepared;

/// Decision about a message that was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It fits now, because others were dropped.
    Fits,
    /// It is dropped.
    Dropped,
    /// The caller receives the error.
    Error,
}

impl Inner {
    /// Decides about a message that is not accepted. If the whole server is full, only sessions that hold
    /// much memory count as slow.
    #[cold]
    #[inline(never)]
    pub(super) fn refused(&mut self, error: SendError, is_kept: bool, len: usize) -> Refused {
        let is_slow = match error {
            SendError::Full => true,
            SendError::ServerFull => self.budget.as_ref().is_some_and(|budget| budget.is_large(self.holds())),
            SendError::Closed => false,
        };
        if !is_slow {
            return Refused::Error;
        }
        let policy = self.slow_consumer;
        match policy {
            SlowConsumer::Disconnect => self.overflow(),
            SlowConsumer::Refuse => {}
            SlowConsumer::DropOldest | SlowConsumer::Conflate if self.evict_for(len) => return Refused::Fits,
            SlowConsumer::DropNewest | SlowConsumer::DropOldest | SlowConsumer::Conflate => {
                if !is_kept {
                    self.count_dropped();
                    return Refused::Dropped;
                }
            }
        }
        Refused::Error
    }

    /// Drops the message with this key that waits, with [`SlowConsumer::Conflate`].
    pub(super) fn conflate(&mut self, key: NonZeroU32) {
        if self.slow_consumer != SlowConsumer::Conflate || self.phase != Phase::Open {
            return;
        }
        let waits = |message: &Prepared| message.conflation_key() == Some(key) && !message.is_kept();
        if let Some(at) = self.queue.iter().position(waits) {
            self.evict(at);
        }
    }

    /// Drops the oldest messages until one of this length is accepted. `false` if that is not possible.
    fn evict_for(&mut self, len: usize) -> bool {
        // The messages would be dropped for nothing.
        if held(self.lent + len, 1) > self.limit {
            return false;
        }
        let mut at = 0;
        while !(self.fits(len) && self.is_within_budget(len)) {
            while self.queue.get(at).is_some_and(Prepared::is_kept) {
                at += 1;
            }
            if !self.evict(at) {
                return false;
            }
        }
        true
    }

    /// Drops the message at this index of the queue.
    fn evict(&mut self, at: usize) -> bool {
        let taken = self.messages() - self.queue.len();
        let Some(message) = self.queue.remove(at) else { return false };
        self.bytes -= message.wire_len();
        let written = self.written;
        let dropped = self.dropped.get_or_insert_default();
        let number = dropped.number(written, (taken + at) as u64);
        dropped.note(number, message);
        self.written = dropped.pass(written, 0);
        self.count_dropped();
        if self.counted != 0 {
            self.settle();
        }
        // Tasks that wait for the dropped message are woken by the driver. The caller of a push may hold a
        // lock.
        self.rouse();
        true
    }

    fn count_dropped(&mut self) {
        self.dropped.get_or_insert_default().count();
        if let Some(budget) = &self.budget {
            budget.count_dropped();
        }
    }

    /// The number of messages that the policy has dropped.
    pub(super) fn dropped_messages(&self) -> u64 {
        self.dropped.as_ref().map_or(0, |dropped| dropped.total())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::outbox::budget::Budget;
    use crate::outbox::{Outbox, Until};

    /// A message of ten bytes on the wire. A mark tells it apart.
    fn message(mark: u32) -> Prepared {
        Prepared::text(&format!("{mark:07}"))
    }

    fn keyed(key: u32, mark: u32) -> Prepared {
        message(mark).conflate_by(NonZeroU32::new(key).unwrap())
    }

    /// An outbox for this many of these messages.
    fn outbox(messages: usize, policy: SlowConsumer) -> Outbox {
        Outbox::new(held(10 * messages, messages), policy)
    }

    fn marks(outbox: &Outbox) -> Vec<u32> {
        let mut taken = Vec::new();
        outbox.take(usize::MAX, &mut taken);
        taken
            .iter()
            .map(|message| String::from_utf8_lossy(&message.text_packet()[1..]).parse().unwrap())
            .collect()
    }

    #[test]
    fn the_newest_messages_are_dropped_and_counted() {
        let outbox = outbox(3, SlowConsumer::DropNewest);
        for mark in 1..=5 {
            outbox.push(message(mark)).unwrap();
        }
        assert_eq!((outbox.queued_messages(), outbox.queued_bytes(), outbox.dropped_messages()), (3, 30, 2));
        assert_eq!(outbox.push_tracked(message(6)), Err(SendError::Full));
        assert!(!outbox.attend() && outbox.is_open());
        assert_eq!(marks(&outbox), [1, 2, 3]);
    }

    #[test]
    fn the_oldest_messages_are_dropped_and_counted() {
        let outbox = outbox(4, SlowConsumer::DropOldest);
        assert_eq!(outbox.push_tracked(message(1)), Ok(1));
        let control = outbox.push_control(message(2));
        for mark in 3..=1000 {
            outbox.push(message(mark)).unwrap();
        }
        assert_eq!(
            (outbox.queued_messages(), outbox.queued_bytes(), outbox.dropped_messages()),
            (4, 40, 996)
        );
        assert_eq!(outbox.lock().dropped.as_ref().unwrap().gaps(), 1, "one gap, however many are dropped");
        // Alone it would not fit, so the others stay.
        outbox.push(Prepared::text(&"x".repeat(10_000))).unwrap();
        assert_eq!((outbox.queued_messages(), outbox.dropped_messages()), (4, 997));
        assert_eq!(marks(&outbox), [1, 2, 999, 1000]);
        // The numbers of the others are those before the drop.
        outbox.wrote(1, 10);
        assert!(outbox.has_written(1) && !outbox.has_written(control));
        outbox.wrote(1, 10);
        assert!(outbox.has_written(998) && !outbox.has_written(999));
        outbox.wrote(2, 20);
        assert!(outbox.has_written(1000));
        assert_eq!((outbox.queued_messages(), outbox.queued_bytes()), (0, 0));
    }

    #[test]
    fn messages_that_are_being_written_are_not_dropped() {
        let outbox = outbox(2, SlowConsumer::DropOldest);
        outbox.push(message(1)).unwrap();
        outbox.push(message(2)).unwrap();
        let mut writing = Vec::new();
        outbox.take(2, &mut writing);
        outbox.push(message(3)).unwrap();
        assert_eq!((outbox.queued_messages(), outbox.dropped_messages()), (2, 1), "3 itself");
        outbox.wrote(1, 10);
        outbox.push(message(4)).unwrap();
        outbox.push(message(5)).unwrap();
        assert_eq!((outbox.queued_messages(), outbox.dropped_messages()), (2, 2));
        assert_eq!(marks(&outbox), [5]);
    }

    #[test]
    fn the_latest_value_of_each_key_is_kept() {
        let outbox = outbox(6, SlowConsumer::Conflate);
        for mark in 1..=100 {
            outbox.push(keyed(1 + mark % 3, mark)).unwrap();
        }
        outbox.push(message(101)).unwrap();
        outbox.push(keyed(1, 102)).unwrap();
        assert_eq!((outbox.queued_messages(), outbox.dropped_messages()), (4, 98));
        assert!(outbox.lock().dropped.as_ref().unwrap().gaps() <= 4);
        assert_eq!(marks(&outbox), [98, 100, 101, 102], "in the order of sending");
        outbox.push(keyed(1, 103)).unwrap();
        assert_eq!(outbox.queued_messages(), 5, "one that is being written stays");
        // Without space the oldest are dropped.
        outbox.push(message(104)).unwrap();
        outbox.push(message(105)).unwrap();
        assert_eq!(marks(&outbox), [104, 105]);
        outbox.wrote(6, 60);
        assert_eq!((outbox.queued_messages(), outbox.queued_bytes()), (0, 0));
        assert!(outbox.has_written(outbox.last()));
    }

    #[test]
    fn numbers_stay_right_whatever_is_dropped() {
        let mut random = 1_u64;
        let mut next = |max: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % max
        };
        let outbox = outbox(20, SlowConsumer::Conflate);
        // The messages that are queued or taken, in order, with their numbers.
        let (mut waiting, mut taken) = (VecDeque::new(), VecDeque::new());
        for mark in 0..20_000 {
            match next(6) {
                0 => {
                    let count = next(4) as usize;
                    let mut messages = Vec::new();
                    outbox.take(count, &mut messages);
                    taken.extend(messages.iter().map(Prepared::text_packet));
                }
                1 if !taken.is_empty() => {
                    let count = next(taken.len() as u64 + 1);
                    outbox.wrote(count as usize, 10 * count as usize);
                    taken.drain(..count as usize);
                }
                kind => {
                    let new = if kind < 4 { keyed(1 + next(9) as u32, mark) } else { message(mark) };
                    let before = outbox.last();
                    let number = outbox.push(new.clone()).unwrap();
                    if number > before {
                        waiting.push_back((number, new.text_packet()));
                    }
                }
            }
            let inner = outbox.lock();
            let left: Vec<_> =
                taken.iter().cloned().chain(inner.queue.iter().map(Prepared::text_packet)).collect();
            assert!(inner.holds() <= inner.limit);
            assert_eq!((inner.messages(), inner.bytes), (left.len(), 10 * left.len()));
            let dropped = inner.dropped.as_ref();
            assert!(dropped.is_none_or(|dropped| dropped.gaps() <= left.len()));
            waiting.retain(|(_, text)| left.contains(text));
            for (position, (number, text)) in waiting.iter().enumerate() {
                assert_eq!(text, &left[position]);
                let counted = dropped.map_or(inner.written + 1 + position as u64, |dropped| {
                    dropped.number(inner.written, position as u64)
                });
                assert_eq!(counted, *number);
            }
        }
        assert!(outbox.dropped_messages() > 1000);
    }

    #[test]
    fn a_wait_for_the_queue_ends_although_messages_are_dropped() {
        let budget = Arc::new(Budget::new(1_000_000));
        let outbox = Outbox::within(8 << 20, SlowConsumer::DropOldest, Arc::clone(&budget));
        outbox.push(Prepared::text(&"x".repeat(500_000))).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut id = None;
        assert!(outbox.poll_until(Until::Written(1), &mut id, &mut cx).is_pending());
        // The server is full with this message, and without it too.
        budget.change(0, 700_000);
        assert_eq!(outbox.push(Prepared::text(&"y".repeat(500_000))), Ok(1));
        assert_eq!((outbox.queued_messages(), outbox.dropped_messages(), budget.dropped()), (0, 2, 2));
        assert_eq!(budget.held(), 700_000);
        assert!(!outbox.attend());
        assert_eq!(outbox.poll_until(Until::Written(1), &mut id, &mut cx), Poll::Ready(Ok(())));
    }
}
