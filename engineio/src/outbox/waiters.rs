//! Senders that wait: for their message to be written, or for capacity.

use std::sync::MutexGuard;
use std::task::{Context, Poll, Waker};

use super::Outbox;
use super::inner::{Inner, Phase, Until, Waiter};
use crate::error::SendError;

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
            if !waiter.waker.will_wake(cx.waker()) {
                let earlier = std::mem::replace(&mut waiter.waker, cx.waker().clone());
                drop(inner);
                drop(earlier);
            }
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
        let mut inner = self.lock();
        let waiter =
            inner.waiters.iter().position(|waiter| waiter.id == id).map(|at| inner.waiters.remove(at));
        drop(inner);
        drop(waiter);
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
}

/// Wakes the waiters whose wait is over, after the lock is released: their wakers belong to the application.
#[cold]
pub(super) fn wake_ready(mut inner: MutexGuard<'_, Inner>) {
    let waiters = std::mem::take(&mut inner.waiters);
    let mut ready = Vec::new();
    for waiter in waiters {
        if inner.reached(waiter.until) || inner.is_hopeless(waiter.until) {
            ready.push(waiter.waker);
        } else {
            inner.waiters.push(waiter);
        }
    }
    drop(inner);
    ready.into_iter().for_each(Waker::wake);
}
