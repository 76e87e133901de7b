//! The send queue of one session: shared messages, bounded in memory, with one wake-up when it stops being
//! empty.
//!
//! Senders on any thread push messages; the session's driver takes and writes them. A driver in the middle of
//! its turn is *attentive*: it will check the queue before it sleeps, so a push need not wake it. A response
//! that is sent from inside a handler thus costs only a push. A broadcast costs one wake-up per session,
//! however many messages follow each other.

mod accounting;
pub mod budget;
mod eviction;
mod gaps;
mod inner;
#[cfg(feature = "server")]
pub(crate) mod received;
#[cfg(test)]
mod tests;
mod waiters;

use std::sync::{Arc, MutexGuard};
use std::task::Waker;

use self::budget::Budget;
use self::eviction::Refused;
pub use self::inner::Until;
use self::inner::{Attention, Inner, Phase};

use crate::config::SlowConsumer;
use crate::error::SendError;
use crate::protocol::prepared::Prepared;
use crate::sync::{self, Mutex};

/// The outbox of one session.
#[derive(Debug)]
pub struct Outbox {
    inner: Mutex<Inner>,
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
        Self { inner: Mutex::new(Inner::new(limit, slow_consumer, budget)) }
    }

    /// Queues a message and returns its number. If it does not fit, the policy for slow consumers applies. A
    /// message that the policy drops has the number of the last one that is queued.
    ///
    /// Here and below a refused message is dropped after the lock is released: its bytes may belong to the
    /// application.
    pub fn push(&self, message: Prepared) -> Result<u64, SendError> {
        let len = message.wire_len();
        let mut inner = self.lock();
        if let Some(key) = message.conflation_key() {
            inner.conflate(key);
        }
        let pushed = match inner.admit(len) {
            Ok(()) => Ok(inner.enqueue(message, len)),
            Err(error) => match inner.refused(error, message.is_kept(), len) {
                Refused::Fits => Ok(inner.enqueue(message, len)),
                Refused::Dropped => Ok(inner.pushed),
                Refused::Error => Err(error),
            },
        };
        release(inner);
        pushed
    }

    /// Queues a message that no policy drops: it is written, or refused with an error.
    pub fn push_tracked(&self, message: Prepared) -> Result<u64, SendError> {
        self.push(message.keep())
    }

    /// Queues a message if it fits; otherwise nothing changes.
    pub fn try_push(&self, message: Prepared) -> Result<u64, SendError> {
        let len = message.wire_len();
        let mut inner = self.lock();
        inner.admit(len)?;
        let number = inner.enqueue(message, len);
        release(inner);
        Ok(number)
    }

    /// Queues a control packet of the protocol, whatever the limit: it has a few bytes, and at most one of
    /// each kind is in progress. Returns its number, or 0 if the outbox accepts nothing more.
    pub fn push_control(&self, packet: Prepared) -> u64 {
        let len = packet.wire_len();
        let mut inner = self.lock();
        if !matches!(inner.phase, Phase::Open | Phase::Overflowed) {
            return 0;
        }
        let number = inner.enqueue(packet.keep(), len);
        release(inner);
        number
    }

    /// Queues a message if nothing else is queued and the transport accepts it now. `Ok(false)` means that it
    /// was dropped.
    pub fn push_volatile(&self, message: Prepared) -> Result<bool, SendError> {
        let len = message.wire_len();
        let mut inner = self.lock();
        match inner.phase {
            Phase::Open => {}
            Phase::Overflowed => return Ok(false),
            Phase::Draining | Phase::Closed => return Err(SendError::Closed),
        }
        if !inner.can_send_now() || !inner.is_within_budget(len) {
            return Ok(false);
        }
        inner.enqueue(message, len);
        release(inner);
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

    /// The number of messages that the policy has dropped.
    pub fn dropped_messages(&self) -> u64 {
        self.lock().dropped_messages()
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
        let mut inner = self.lock();
        inner.rouse();
        release(inner);
    }

    /// The driver begins a turn: until [`park`](Self::park) it needs no wake-up. Returns whether the outbox
    /// overflowed.
    pub fn attend(&self) -> bool {
        let mut inner = self.lock();
        inner.attention = Attention::Awake;
        let has_overflowed = inner.phase == Phase::Overflowed;
        if inner.dropped.is_some() {
            notify(inner);
        }
        has_overflowed
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
        inner.attention = Attention::Asleep;
        // The waker of an earlier turn is dropped after the lock is released.
        let earlier = match &inner.driver {
            Some(driver) if driver.will_wake(waker) => None,
            _ => inner.driver.replace(waker.clone()),
        };
        drop(inner);
        drop(earlier);
        true
    }

    /// Moves up to `max` messages to the writer. They count as queued until [`wrote`](Self::wrote).
    pub fn take(&self, max: usize, into: &mut Vec<Prepared>) {
        self.lock().take(max, into);
    }

    /// Notes messages as written, and wakes the tasks that wait for that.
    pub fn wrote(&self, messages: usize, bytes: usize) {
        let mut inner = self.lock();
        let written = inner.written;
        inner.written = match &mut inner.dropped {
            None => written + messages as u64,
            Some(dropped) => dropped.pass(written, messages as u64),
        };
        inner.bytes = inner.bytes.saturating_sub(bytes);
        if inner.counted != 0 {
            inner.settle_less();
        }
        notify(inner);
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
        notify(inner);
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
        }
        notify(inner);
    }

    /// Closes the outbox for good. Queued messages stay readable until [`clear`](Self::clear).
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.phase = Phase::Closed;
        notify(inner);
    }

    /// Drops the messages that will never be written.
    pub fn clear(&self) {
        let mut inner = self.lock();
        let dropped = std::mem::take(&mut inner.queue);
        inner.bytes = 0;
        inner.pushed = inner.written;
        if let Some(dropped) = &mut inner.dropped {
            dropped.clear();
        }
        inner.settle();
        drop(inner);
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

/// Releases the lock, and then drops the messages that a policy dropped, and wakes the driver if the change
/// requires it.
#[inline(always)]
fn release(inner: MutexGuard<'_, Inner>) {
    if inner.attention == Attention::Due || inner.dropped.is_some() {
        release_and_wake(inner);
    }
}

/// The part of [`release`] that few changes need: an awake driver is not woken.
#[inline(never)]
fn release_and_wake(mut inner: MutexGuard<'_, Inner>) {
    let driver = match inner.attention {
        Attention::Due => {
            inner.attention = Attention::Awake;
            inner.driver.take()
        }
        Attention::Awake | Attention::Asleep => None,
    };
    if inner.dropped.is_some() {
        release_evicted(inner);
    } else {
        drop(inner);
    }
    if let Some(driver) = driver {
        sync::wake(driver);
    }
}

/// Releases the lock, and then drops the messages.
#[cold]
fn release_evicted(mut inner: MutexGuard<'_, Inner>) {
    let evicted = inner.dropped.as_mut().map(|dropped| dropped.take_evicted());
    drop(inner);
    drop(evicted);
}

/// Releases the lock, and then wakes the waiters whose wait is over. Waiters are rare, so this is usually
/// only a check.
#[inline]
fn notify(inner: MutexGuard<'_, Inner>) {
    if !inner.waiters.is_empty() {
        waiters::wake_ready(inner);
    }
}
