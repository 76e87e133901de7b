//! The sending half of a session, which any task may use.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::config::SlowConsumer;
use crate::deflate::Plan;
use crate::error::SendError;
use crate::outbox::{Outbox, Until};
use crate::protocol::prepared::Prepared;

/// The state that the sending half and the session share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) outbox: Outbox,
    closing: AtomicBool,
    /// The compression of messages before they are queued: a [`Plan`], or 0. Messages with binary parts in another
    /// dialect are laid out later.
    plan: AtomicU32,
    is_plain: bool,
    begun: tokio::time::Instant,
    /// The end of the session unless a ping arrives, in milliseconds since its start.
    heartbeat: AtomicU64,
}

impl Shared {
    pub(crate) fn new(max_buffered: usize, is_plain: bool, heartbeat: Instant) -> Self {
        let shared = Self {
            outbox: Outbox::new(max_buffered, SlowConsumer::Refuse),
            closing: AtomicBool::new(false),
            plan: AtomicU32::new(0),
            is_plain,
            begun: tokio::time::Instant::now(),
            heartbeat: AtomicU64::new(0),
        };
        shared.set_heartbeat(heartbeat);
        shared
    }

    pub(crate) fn set_heartbeat(&self, heartbeat: Instant) {
        let millis = heartbeat.saturating_duration_since(self.begun.into_std()).as_millis();
        self.heartbeat.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Sets the compression of messages before they are queued.
    pub(crate) fn set_plan(&self, plan: Option<Plan>) {
        self.plan.store(plan.map_or(0, Plan::number), Ordering::Relaxed);
    }

    /// The compressed form of a message, if the WebSocket agreed on it.
    fn compressed(&self, message: Prepared) -> Prepared {
        match Plan::from_number(self.plan.load(Ordering::Relaxed)) {
            Some(plan) if self.is_plain || message.is_one_piece() => message.deflated(plan),
            _ => message,
        }
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

/// Sends on a session. A clone costs a reference count.
///
/// Messages are written in the order of sending, while [`Client::recv`](crate::client::Client::recv) is
/// awaited.
#[derive(Clone, Debug)]
pub struct Sender(pub(crate) Arc<Shared>);

impl Sender {
    /// Queues a message.
    pub fn send(&self, message: impl Into<Prepared>) -> Result<(), SendError> {
        self.0.outbox.push(self.0.compressed(message.into())).map(drop)
    }

    /// Queues a message regardless of the limit: for the short messages of a protocol on top that must not
    /// get lost. No effect on a session that accepts no more messages.
    pub fn send_regardless(&self, message: impl Into<Prepared>) {
        self.0.outbox.push_control(message.into());
    }

    /// Queues a message if nothing else is queued, so that it can be written at once. `Ok(false)` means that
    /// it was dropped.
    pub fn send_volatile(&self, message: impl Into<Prepared>) -> Result<bool, SendError> {
        // A message that will be dropped is not compressed.
        if self.0.outbox.is_open() && !self.0.outbox.can_send_now() {
            return Ok(false);
        }
        self.0.outbox.push_volatile(self.0.compressed(message.into()))
    }

    /// Waits until a message fits into the outbox, then queues it.
    pub async fn send_when_ready(&self, message: impl Into<Prepared>) -> Result<(), SendError> {
        let message = self.0.compressed(message.into());
        loop {
            match self.0.outbox.try_push(message.clone()) {
                Err(SendError::Full) => self.wait(Until::Room(message.wire_len())).await?,
                done => return done.map(drop),
            }
        }
    }

    /// Waits until all messages sent so far are written.
    pub async fn flushed(&self) -> Result<(), SendError> {
        self.wait(Until::Written(self.0.outbox.last())).await
    }

    /// Closes the session when all messages sent before are written.
    pub fn close(&self) {
        self.0.close();
    }

    /// Whether a volatile message would be sent.
    pub fn can_send_now(&self) -> bool {
        self.is_open() && self.0.outbox.can_send_now()
    }

    /// Whether messages are accepted.
    pub fn is_open(&self) -> bool {
        self.0.outbox.is_open()
    }

    /// Whether the server's heartbeat is overdue, so that the session is about to end, such as after a
    /// suspend.
    pub fn is_overdue(&self) -> bool {
        self.0.begun.elapsed().as_millis() > u128::from(self.0.heartbeat.load(Ordering::Relaxed))
    }

    /// The number of bytes that wait for the server.
    pub fn queued_bytes(&self) -> usize {
        self.0.outbox.queued_bytes()
    }

    fn wait(&self, until: Until) -> Wait<'_> {
        Wait { outbox: &self.0.outbox, until, id: None }
    }
}

/// Waits for the outbox, and removes its waiter on drop.
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
