//! The send queue of one session: shared messages, bounded in memory, with one wake-up when it stops being
//! empty.
//!
//! Senders on any thread push messages; the session's driver takes and writes them. A driver in the middle of
//! its turn is *attentive*: it will check the queue before it sleeps, so a push need not wake it. A response
//! that is sent from inside a handler thus costs only a push. A broadcast costs one wake-up per session,
//! however many messages follow each other.

mod accounting;
pub mod budget;
#[cfg(feature = "server")]
pub(crate) mod received;
#[cfg(test)]
mod tests;
mod waiters;

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::sync::{Arc, MutexGuard};
use std::task::Waker;

use self::budget::{Budget, STEP, STEP_MESSAGES};
pub use self::waiters::Until;
use self::waiters::Waiter;
use crate::config::SlowConsumer;
use crate::error::SendError;
use crate::protocol::prepared::Prepared;
use crate::sync::Mutex;

/// The overhead of a message: its entry in the queue, and the bookkeeping of its buffer.
const PER_MESSAGE: usize = 128;

/// The memory of this many messages. Allocators round a buffer up by an eighth on average.
const fn held(bytes: usize, messages: usize) -> usize {
    bytes.saturating_add(bytes / 8).saturating_add(messages.saturating_mul(PER_MESSAGE))
}

/// The largest capacity of a queue that is kept for the next session.
const KEPT_CAPACITY: usize = 1024;

thread_local! {
    /// The memory of a queue that became empty. Most sessions have nothing queued most of the time, and then
    /// own no queue.
    static SPARE: Cell<VecDeque<Prepared>> = const { Cell::new(VecDeque::new()) };
}

/// The outbox of one session.
#[derive(Debug)]
pub struct Outbox {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    queue: VecDeque<Prepared>,
    /// Bytes pushed and not yet written, those that the driver has taken included.
    bytes: usize,
    /// Bytes that are written but still use memory: see [`Outbox::lend`].
    lent: usize,
    /// The number of messages ever pushed, and the number of those written.
    pushed: u64,
    written: u64,
    /// The largest memory of the queued messages.
    limit: usize,
    slow_consumer: SlowConsumer,
    /// The budget of all outboxes of the server, and the memory that this one has reported to it.
    budget: Option<Arc<Budget>>,
    counted: usize,
    /// From this number of bytes on, the memory is reported at once.
    count_at: usize,
    /// The transport accepts nothing now: volatile messages are dropped.
    blocked: bool,
    attentive: bool,
    driver: Option<Waker>,
    waiters: Vec<Waiter>,
    next_waiter: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The outbox is full and the policy is to disconnect: the driver has to end the session.
    Overflowed,
    /// New messages are refused; queued ones are still written.
    Draining,
    Closed,
}

impl Outbox {
    /// An outbox of at most `limit` bytes of memory.
    pub fn new(limit: usize, slow_consumer: SlowConsumer) -> Self {
        Self::with(limit, slow_consumer, None)
    }

    /// An outbox that also counts towards a budget.
    pub fn within(limit: usize, slow_consumer: SlowConsumer, budget: Arc<Budget>) -> Self {
        Self::with(limit, slow_consumer, Some(budget))
    }

    fn with(limit: usize, slow_consumer: SlowConsumer, budget: Option<Arc<Budget>>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                phase: Phase::Open,
                queue: VecDeque::new(),
                bytes: 0,
                lent: 0,
                pushed: 0,
                written: 0,
                limit,
                slow_consumer,
                budget,
                counted: 0,
                count_at: STEP,
                blocked: false,
                attentive: true,
                driver: None,
                waiters: Vec::new(),
                next_waiter: 0,
            }),
        }
    }

    /// Queues a message and returns its number. If it does not fit, the policy for slow consumers applies.
    pub fn push(&self, message: Prepared) -> Result<u64, SendError> {
        let mut inner = self.lock();
        let result = inner.push(message);
        if let Err(error) = result {
            inner.refused(error);
        }
        result
    }

    /// Queues a message if it fits; otherwise nothing changes.
    pub fn try_push(&self, message: Prepared) -> Result<u64, SendError> {
        self.lock().push(message)
    }

    /// Queues a control packet of the protocol, whatever the limit: it has a few bytes, and at most one of
    /// each kind is in progress. Returns its number, or 0 if the outbox accepts nothing more.
    pub fn push_control(&self, packet: Prepared) -> u64 {
        let mut inner = self.lock();
        if matches!(inner.phase, Phase::Open | Phase::Overflowed) {
            let len = packet.wire_len();
            inner.enqueue(packet, len)
        } else {
            0
        }
    }

    /// Queues a message if nothing else is queued and the transport accepts it now. `Ok(false)` means that it
    /// was dropped.
    pub fn push_volatile(&self, message: Prepared) -> Result<bool, SendError> {
        let mut inner = self.lock();
        match inner.phase {
            Phase::Open => {}
            Phase::Overflowed => return Ok(false),
            Phase::Draining | Phase::Closed => return Err(SendError::Closed),
        }
        if !inner.can_send_now() {
            return Ok(false);
        }
        let len = message.wire_len();
        if !inner.is_within_budget(len) {
            return Ok(false);
        }
        inner.enqueue(message, len);
        Ok(true)
    }

    /// Whether a volatile message would be sent now: nothing is queued, and the transport accepts more.
    pub fn can_send_now(&self) -> bool {
        self.lock().can_send_now()
    }

    /// The number of bytes that wait for the peer.
    pub fn queued_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// The number of messages that wait for the peer.
    pub fn queued_messages(&self) -> usize {
        self.lock().messages()
    }

    /// Whether messages are accepted.
    pub fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    /// The number of the last message pushed.
    pub fn last(&self) -> u64 {
        self.lock().pushed
    }

    /// Wakes the driver if it sleeps.
    pub fn rouse(&self) {
        self.lock().rouse();
    }

    /// The driver begins a turn: until [`park`](Self::park) it needs no wake-up. Returns whether the outbox
    /// overflowed.
    pub fn attend(&self) -> bool {
        let mut inner = self.lock();
        inner.attentive = true;
        inner.phase == Phase::Overflowed
    }

    /// The driver prepares to sleep. `false` means that a message to write has arrived in the meantime.
    pub fn park(&self, writable: bool, waker: &Waker) -> bool {
        let mut inner = self.lock();
        if inner.phase == Phase::Overflowed || (writable && !inner.queue.is_empty()) {
            return false;
        }
        if inner.counted != 0 || inner.bytes + inner.lent != 0 {
            inner.settle();
        }
        inner.attentive = false;
        match &mut inner.driver {
            Some(driver) => driver.clone_from(waker),
            driver @ None => *driver = Some(waker.clone()),
        }
        true
    }

    /// Moves up to `max` messages to the writer. They count as queued until [`wrote`](Self::wrote).
    pub fn take(&self, max: usize, into: &mut Vec<Prepared>) {
        let mut inner = self.lock();
        let count = max.min(inner.queue.len());
        into.extend(inner.queue.drain(..count));
        if inner.queue.is_empty() && inner.queue.capacity() > 0 {
            let spare = std::mem::take(&mut inner.queue);
            if spare.capacity() <= KEPT_CAPACITY {
                SPARE.set(spare);
            }
        }
    }

    /// Notes messages as written, and wakes the tasks that wait for that.
    pub fn wrote(&self, messages: usize, bytes: usize) {
        let mut inner = self.lock();
        inner.written += messages as u64;
        inner.bytes = inner.bytes.saturating_sub(bytes);
        if inner.counted != 0 {
            inner.settle_less();
        }
        inner.notify();
    }

    /// Counts bytes towards the limit although they are written: they stay in memory until the peer has taken
    /// them.
    pub fn lend(&self, bytes: usize) {
        self.lock().lent += bytes;
    }

    /// Ends the count of lent bytes: the peer has taken them, or never will.
    pub fn give_back(&self, bytes: usize) {
        let mut inner = self.lock();
        inner.lent = inner.lent.saturating_sub(bytes);
        inner.settle();
        inner.notify();
    }

    /// Sets whether the transport refuses more data.
    pub fn set_blocked(&self, blocked: bool) {
        self.lock().blocked = blocked;
    }

    /// Whether the transport refuses more data.
    pub fn is_blocked(&self) -> bool {
        self.lock().blocked
    }

    /// Whether the queue is empty. Messages that the writer has taken are not in the queue.
    pub fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    /// Refuses new messages from here on.
    pub fn drain(&self) {
        let mut inner = self.lock();
        // An outbox that has overflowed ends at once, whatever else was requested.
        if inner.phase == Phase::Open {
            inner.phase = Phase::Draining;
            inner.notify();
        }
    }

    /// Closes the outbox for good. Queued messages stay readable until [`clear`](Self::clear).
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.phase = Phase::Closed;
        inner.notify();
    }

    /// Drops the messages that will never be written.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.queue = VecDeque::new();
        inner.bytes = 0;
        inner.pushed = inner.written;
        inner.settle();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    /// A single message may exceed the limit: a large message does not make a peer slow.
    fn fits(&self, len: usize) -> bool {
        self.bytes + self.lent == 0 || self.with_message(len) <= self.limit
    }

    /// Messages pushed and not yet written.
    fn messages(&self) -> usize {
        usize::try_from(self.pushed - self.written).unwrap_or(usize::MAX)
    }

    fn can_send_now(&self) -> bool {
        !self.blocked && self.bytes == 0
    }

    fn push(&mut self, message: Prepared) -> Result<u64, SendError> {
        match self.phase {
            Phase::Open => {}
            Phase::Overflowed => return Err(SendError::Full),
            Phase::Draining | Phase::Closed => return Err(SendError::Closed),
        }
        let len = message.wire_len();
        if !self.fits(len) {
            return Err(SendError::Full);
        }
        if !self.is_within_budget(len) {
            return Err(SendError::ServerFull);
        }
        Ok(self.enqueue(message, len))
    }

    fn holds(&self) -> usize {
        held(self.bytes + self.lent, self.messages())
    }

    /// The memory of this outbox with one more message.
    fn with_message(&self, len: usize) -> usize {
        held(self.bytes + self.lent + len, self.messages() + 1)
    }

    #[inline]
    fn is_within_budget(&self, len: usize) -> bool {
        self.budget.as_ref().is_some_and(|budget| budget.has_ample_capacity(len)) || self.is_admitted(len)
    }

    #[inline]
    fn enqueue(&mut self, message: Prepared, len: usize) -> u64 {
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

    fn rouse(&mut self) {
        if !self.attentive {
            self.attentive = true;
            if let Some(driver) = &self.driver {
                driver.wake_by_ref();
            }
        }
    }

    /// The waiters are woken when the driver closes the outbox. The caller of a push may hold a lock.
    fn overflow(&mut self) {
        self.phase = Phase::Overflowed;
        self.rouse();
    }

    /// Waiters are rare, so this is usually only a check.
    #[inline]
    fn notify(&mut self) {
        if !self.waiters.is_empty() {
            self.wake_waiters();
        }
    }
}
