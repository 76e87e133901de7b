//! The state of an outbox, behind its lock.

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::task::Waker;

use super::budget::{Budget, STEP, STEP_MESSAGES};
use super::gaps::Dropped;
use crate::config::SlowConsumer;
use crate::error::SendError;
use crate::protocol::prepared::Prepared;

/// The largest capacity of a queue that is kept for the next session.
const KEPT_CAPACITY: usize = 1024;

thread_local! {
    /// The memory of a queue that became empty. Most sessions have nothing queued most of the time, and then
    /// own no queue.
    static SPARE: Cell<VecDeque<Prepared>> = const { Cell::new(VecDeque::new()) };
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) phase: Phase,
    pub(super) queue: VecDeque<Prepared>,
    /// Bytes pushed and not yet written, those that the driver has taken included.
    pub(super) bytes: usize,
    /// Bytes that are written but still use memory: see `Outbox::lend`.
    pub(super) lent: usize,
    /// The number of the last message pushed, and the number up to which all are written or dropped.
    pub(super) pushed: u64,
    pub(super) written: u64,
    /// `None` until the first message is dropped.
    pub(super) dropped: Option<Box<Dropped>>,
    /// The largest memory of the queued messages.
    pub(super) limit: usize,
    pub(super) slow_consumer: SlowConsumer,
    /// The budget of all outboxes of the server, and the memory that this one has reported to it.
    pub(super) budget: Option<Arc<Budget>>,
    pub(super) counted: usize,
    /// From this number of bytes on, the memory is reported at once.
    pub(super) count_at: usize,
    /// The transport accepts nothing now: volatile messages are dropped.
    pub(super) blocked: bool,
    pub(super) attention: Attention,
    pub(super) driver: Option<Waker>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) next_waiter: u64,
}

/// Attention of the driver to the queue: whether a push has to wake it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    /// It checks the queue before it sleeps.
    Awake,
    /// It needs a wake-up.
    Asleep,
    /// It is woken when the lock is released.
    Due,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The outbox is full and the policy is to disconnect: the driver has to end the session.
    Overflowed,
    /// New messages are refused; queued ones are still written.
    Draining,
    Closed,
}

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
    pub(super) id: u64,
    pub(super) until: Until,
    pub(super) waker: Waker,
}

impl Inner {
    pub(super) fn new(limit: usize, slow_consumer: SlowConsumer, budget: Option<Arc<Budget>>) -> Self {
        Self {
            phase: Phase::Open,
            queue: VecDeque::new(),
            bytes: 0,
            lent: 0,
            pushed: 0,
            written: 0,
            dropped: None,
            limit,
            slow_consumer,
            budget,
            counted: 0,
            count_at: STEP,
            blocked: false,
            attention: Attention::Awake,
            driver: None,
            waiters: Vec::new(),
            next_waiter: 0,
        }
    }

    /// Moves up to `max` messages to the writer.
    pub(super) fn take(&mut self, max: usize, into: &mut Vec<Prepared>) {
        // Usually one message is queued; a `drain` costs more than it.
        for _ in 0..max {
            let Some(message) = self.queue.pop_front() else { break };
            into.push(message);
        }
        if self.queue.is_empty() && self.queue.capacity() > 0 {
            let spare = std::mem::take(&mut self.queue);
            if spare.capacity() <= KEPT_CAPACITY {
                SPARE.set(spare);
            }
        }
    }

    pub(super) fn can_send_now(&self) -> bool {
        !self.blocked && self.bytes == 0
    }

    /// Whether a message of this length fits.
    #[inline]
    pub(super) fn admit(&self, len: usize) -> Result<(), SendError> {
        match self.phase {
            Phase::Open if !self.fits(len) => Err(SendError::Full),
            Phase::Open if !self.is_within_budget(len) => Err(SendError::ServerFull),
            Phase::Open => Ok(()),
            Phase::Overflowed => Err(SendError::Full),
            Phase::Draining | Phase::Closed => Err(SendError::Closed),
        }
    }

    #[inline]
    pub(super) fn enqueue(&mut self, message: Prepared, len: usize) -> u64 {
        if self.queue.capacity() == 0 {
            // The old queue has no memory, so there is nothing to drop; the compiler cannot know this.
            let _ = ManuallyDrop::new(std::mem::replace(&mut self.queue, SPARE.take()));
        }
        self.queue.push_back(message);
        self.bytes += len;
        self.pushed += 1;
        if self.bytes > self.count_at || self.pushed % STEP_MESSAGES == 0 {
            self.settle();
        }
        self.rouse();
        self.pushed
    }

    /// Has the driver woken when the lock is released.
    pub(super) fn rouse(&mut self) {
        if self.attention == Attention::Asleep {
            self.attention = Attention::Due;
        }
    }

    /// The waiters are woken when the driver closes the outbox. The caller of a push may hold a lock.
    pub(super) fn overflow(&mut self) {
        self.phase = Phase::Overflowed;
        self.rouse();
    }
}
