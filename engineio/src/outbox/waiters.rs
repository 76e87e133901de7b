//! Senders that wait: for their message to be written, or for capacity.

use std::task::{Context, Poll, Waker};

use super::{Inner, Outbox, Phase};
use crate::error::SendError;

/// The condition that a sender waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The message with this number is written.
    Written(u64),
    /// This many more bytes fit.
    Room(usize),
}

#[derive(Debug)]
pub(super) struct Waiter {
    id: u64,
    until: Until,
    waker: Waker,
}

impl Outbox {
    /// Whether the message with this number is written.
    pub fn has_written(&self, number: u64) -> bool {
        self.lock().reached(Until::Written(number))
    }

    /// Polls for `until`. `id` identifies the waiter of one future between polls.
    pub fn poll_until(
        &self,
        until: Until,
        id: &mut Option<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        let mut inner = self.lock();
        if inner.reached(until) {
            return Poll::Ready(Ok(()));
        }
        if inner.is_hopeless(until) {
            return Poll::Ready(Err(SendError::Closed));
        }
        if let Some(waiter) = id.and_then(|id| inner.waiters.iter_mut().find(|waiter| waiter.id == id)) {
            waiter.waker.clone_from(cx.waker());
        } else {
            let new = inner.next_waiter;
            inner.next_waiter += 1;
            inner.waiters.push(Waiter { id: new, until, waker: cx.waker().clone() });
            *id = Some(new);
        }
        Poll::Pending
    }

    /// Removes the waiter of a dropped future.
    pub fn forget(&self, id: u64) {
        self.lock().waiters.retain(|waiter| waiter.id != id);
    }
}

impl Inner {
    pub(super) fn reached(&self, until: Until) -> bool {
        match until {
            Until::Written(number) => self.written >= number,
            Until::Room(len) => self.phase == Phase::Open && self.fits(len),
        }
    }

    /// Whether the condition can no longer come true: taken messages may still be written, but no capacity is
    /// freed.
    fn is_hopeless(&self, until: Until) -> bool {
        match until {
            Until::Written(_) => self.phase == Phase::Closed,
            Until::Room(_) => self.phase != Phase::Open,
        }
    }

    #[cold]
    pub(super) fn wake_waiters(&mut self) {
        let waiters = std::mem::take(&mut self.waiters);
        for waiter in waiters {
            if self.reached(waiter.until) || self.is_hopeless(waiter.until) {
                waiter.waker.wake();
            } else {
                self.waiters.push(waiter);
            }
        }
    }
}
