//! The sending half of a session, which any task may have.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::config::SlowConsumer;
use crate::error::SendError;
use crate::outbox::{Outbox, Until};
use crate::prepared::Prepared;

/// What the sending half and the session share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) outbox: Outbox,
    closing: AtomicBool,
    begun: Instant,
    /// When the session ends unless a ping comes, in milliseconds since it began.
    heartbeat: AtomicU64,
}

impl Shared {
    pub(crate) fn new(max_buffered: usize, heartbeat: Instant) -> Self {
        let shared = Self {
            outbox: Outbox::new(max_buffered, SlowConsumer::Refuse),
            closing: AtomicBool::new(false),
            begun: Instant::now(),
            heartbeat: AtomicU64::new(0),
        };
        shared.set_heartbeat(heartbeat);
        shared
    }

    pub(crate) fn set_heartbeat(&self, heartbeat: Instant) {
        let millis = heartbeat.saturating_duration_since(self.begun).as_millis();
        self.heartbeat.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.outbox.drain();
        self.outbox.rouse();
    }
}

/// Sends on a session. Cloning it costs a reference count.
///
/// Messages leave in the order in which they were sent, while somebody waits in [`Client::recv`](super::Client::recv).
#[derive(Clone, Debug)]
pub struct Sender(pub(crate) Arc<Shared>);

impl Sender {
    /// Queues a message.
    pub fn send(&self, message: impl Into<Prepared>) -> Result<(), SendError> {
        self.0.outbox.push(message.into()).map(drop)
    }

    /// Queues a message however much waits already: for the few bytes of a protocol above that must not get lost. Without
    /// effect on a session that takes nothing more.
    pub fn send_regardless(&self, message: impl Into<Prepared>) {
        self.0.outbox.push_control(message.into());
    }

    /// Queues a message if it can leave at once: nothing else waits. `Ok(false)` says that it was dropped.
    pub fn send_volatile(&self, message: impl Into<Prepared>) -> Result<bool, SendError> {
        self.0.outbox.push_volatile(message.into())
    }

    /// Waits until there is room for a message, then queues it.
    pub async fn send_when_ready(&self, message: impl Into<Prepared>) -> Result<(), SendError> {
        let message = message.into();
        loop {
            match self.0.outbox.try_push(message.clone()) {
                Err(SendError::Full) => self.wait(Until::Room(message.wire_len())).await?,
                done => return done.map(drop),
            }
        }
    }

    /// Waits until everything that was sent so far has left.
    pub async fn flushed(&self) -> Result<(), SendError> {
        self.wait(Until::Written(self.0.outbox.last())).await
    }

    /// Closes the session when everything that was sent before has left.
    pub fn close(&self) {
        self.0.close();
    }

    /// Whether a volatile message would be sent.
    pub fn can_send_now(&self) -> bool {
        self.is_open() && self.0.outbox.can_send_now()
    }

    /// Whether messages are taken.
    pub fn is_open(&self) -> bool {
        self.0.outbox.is_open()
    }

    /// Whether the server's heartbeat is late, so that the session is about to end: as after a laptop has slept.
    pub fn is_overdue(&self) -> bool {
        self.0.begun.elapsed().as_millis() > u128::from(self.0.heartbeat.load(Ordering::Relaxed))
    }

    /// Bytes that wait for the server.
    pub fn queued_bytes(&self) -> usize {
        self.0.outbox.queued_bytes()
    }

    fn wait(&self, until: Until) -> Wait<'_> {
        Wait { outbox: &self.0.outbox, until, id: None }
    }
}

/// Waits for the outbox, and leaves nothing behind when it is dropped.
struct Wait<'a> {
    outbox: &'a Outbox,
    until: Until,
    id: Option<u64>,
}

impl Future for Wait<'_> {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.outbox.poll_until(this.until, &mut this.id, cx)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.outbox.forget(id);
        }
    }
}
