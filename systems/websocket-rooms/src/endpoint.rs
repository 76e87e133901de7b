//! State of a connection at both ends of the library: its phase, its outbox, and the time of the last
//! received frame.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use engineio::sync::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::message::{Farewell, Message};
use crate::state::{CloseReason, ConnectionState};
use crate::traffic::Traffic;

/// Errors of sending a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no open connection.
    #[error("the connection is not open")]
    NotOpen,
    /// The outbox exceeds its limit. The connection is closed for it.
    #[error("the other side does not take its messages")]
    SlowConsumer,
    /// The value cannot be serialized as JSON.
    #[error("the value has no form in JSON")]
    Json,
}

/// Limits and timeouts of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// Idle time after which a ping is sent. Default: 25 seconds. Cost: a frame of two bytes, and its answer.
    pub ping_interval: Duration,
    /// Timeout of a ping, and of writes that make no progress. Default: 20 seconds.
    pub ping_timeout: Duration,
    /// Timeout of the close: the queued messages are sent, and the peer answers the close frame. Default: 5
    /// seconds.
    pub close_timeout: Duration,
    /// Maximum size of a received message, in bytes. Default: 1,000,000. Cost: as much memory per connection
    /// while one arrives.
    pub max_message_bytes: usize,
    /// Maximum size of the outbox in bytes, beyond which the peer counts as too slow and the connection is
    /// closed. Default: 1,000,000. Cost: as much memory per slow connection; a broadcast is stored once for
    /// all connections.
    pub max_queued_bytes: usize,
    /// Number of messages that may wait for the handlers before reading pauses. Default: 64. Cost: the memory
    /// of as many messages per busy connection.
    pub max_unhandled: usize,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(5),
            max_message_bytes: 1_000_000,
            max_queued_bytes: 1_000_000,
            max_unhandled: 64,
        }
    }
}

/// The phases of a connection, in order; a connection never returns to an earlier one.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The connection is not open yet.
    Connecting,
    /// Messages flow in both directions.
    Open,
    /// No more messages are queued; the outbox is still written, if the reason leaves time for it.
    Closing(CloseReason),
    /// The connection has ended.
    Closed(CloseReason),
}

/// One end of a connection, as held by the application.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    phase: watch::Sender<Phase>,
    outgoing: mpsc::UnboundedSender<Message>,
    queued: Arc<AtomicUsize>,
    max_queued: usize,
    traffic: Arc<Traffic>,
    pulse: Mutex<Pulse>,
}

/// Activity of the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    /// Time of the last read.
    pub(crate) heard: Instant,
    /// Whether the connection is being read: not while the handlers have too many messages.
    pub(crate) reading: bool,
    pub(crate) pinged: Option<Instant>,
    pub(crate) latency: Option<Duration>,
}

/// The receiving end of the outbox, held by the connection's task.
pub(crate) struct Outgoing {
    messages: mpsc::UnboundedReceiver<Message>,
    queued: Arc<AtomicUsize>,
    traffic: Arc<Traffic>,
}

impl Endpoint {
    /// `traffic` counts the messages.
    pub(crate) fn new(options: &ConnectionOptions, traffic: Arc<Traffic>) -> (Self, Outgoing) {
        let (outgoing, messages) = mpsc::unbounded_channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let pulse = Pulse { heard: Instant::now(), reading: true, pinged: None, latency: None };
        let shared = Shared {
            phase: watch::Sender::new(Phase::Connecting),
            outgoing,
            queued: Arc::clone(&queued),
            max_queued: options.max_queued_bytes,
            traffic: Arc::clone(&traffic),
            pulse: Mutex::new(pulse),
        };
        (Self(Arc::new(shared)), Outgoing { messages, queued, traffic })
    }

    /// Queues a message without waiting.
    pub(crate) fn send(&self, message: Message) -> Result<(), SendError> {
        if !matches!(*self.0.phase.borrow(), Phase::Open) {
            return Err(SendError::NotOpen);
        }
        let cost = message.cost();
        // A single message of any size is accepted if the outbox is empty.
        let before = self.0.queued.fetch_add(cost, Ordering::Relaxed);
        if before > 0 && before.saturating_add(cost) > self.0.max_queued {
            self.0.queued.fetch_sub(cost, Ordering::Relaxed);
            self.close(CloseReason::SlowConsumer);
            return Err(SendError::SlowConsumer);
        }
        self.0.outgoing.send(message).map_err(|_| SendError::NotOpen)
    }

    /// Counts a received message.
    pub(crate) fn received(&self, message: &Message) {
        if !message.is_control() {
            self.0.traffic.receive(message.data().len());
        }
    }

    /// Number of bytes in the outbox.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.0.queued.load(Ordering::Relaxed)
    }

    pub(crate) fn state(&self) -> ConnectionState {
        match *self.0.phase.borrow() {
            Phase::Connecting => ConnectionState::Connecting,
            Phase::Open => ConnectionState::Open,
            Phase::Closing(_) => ConnectionState::Closing,
            Phase::Closed(_) => ConnectionState::Closed,
        }
    }

    /// Enters the phase `Open`, unless the close was requested before.
    pub(crate) fn open(&self) {
        self.0.phase.send_if_modified(|phase| {
            let connecting = matches!(phase, Phase::Connecting);
            if connecting {
                *phase = Phase::Open;
            }
            connecting
        });
    }

    /// Requests the close. The first reason counts.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.0.phase.send_if_modified(|phase| {
            let alive = matches!(phase, Phase::Connecting | Phase::Open);
            if alive {
                *phase = Phase::Closing(reason);
            }
            alive
        });
    }

    pub(crate) fn close_with(&self, code: u16, reason: &str) {
        self.close(CloseReason::Local(Farewell::new(code, reason)));
    }

    /// Enters the phase `Closed`.
    pub(crate) fn closed(&self, reason: CloseReason) {
        self.0.phase.send_replace(Phase::Closed(reason));
    }

    /// Waits until the close is requested or complete.
    pub(crate) async fn ending(&self) -> CloseReason {
        self.until(|phase| match phase {
            Phase::Closing(reason) | Phase::Closed(reason) => Some(reason.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until the connection has ended.
    pub(crate) async fn ended(&self) -> CloseReason {
        self.until(|phase| match phase {
            Phase::Closed(reason) => Some(reason.clone()),
            _ => None,
        })
        .await
    }

    async fn until(&self, pick: impl Fn(&Phase) -> Option<CloseReason>) -> CloseReason {
        let mut phases = self.0.phase.subscribe();
        loop {
            if let Some(reason) = pick(&phases.borrow_and_update()) {
                return reason;
            }
            // This struct owns the sender, so it exists.
            if phases.changed().await.is_err() {
                return CloseReason::Lost;
            }
        }
    }

    pub(crate) fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.0.pulse.lock()
    }
}

/// Waits until a flag is set, or until its sender is dropped.
pub(crate) async fn raised(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|raised| *raised).await;
}

impl Outgoing {
    /// The next message; its cost is subtracted from the outbox.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        let message = self.messages.recv().await?;
        Some(self.take(message))
    }

    pub(crate) fn try_next(&mut self) -> Option<Message> {
        let message = self.messages.try_recv().ok()?;
        Some(self.take(message))
    }

    fn take(&self, message: Message) -> Message {
        self.queued.fetch_sub(message.cost(), Ordering::Relaxed);
        if !message.is_control() {
            self.traffic.send(message.data().len());
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_state_only_advances() {
        let (endpoint, _outgoing) = Endpoint::new(&ConnectionOptions::default(), Arc::default());
        assert_eq!(
            (endpoint.state(), endpoint.send("x".into())),
            (ConnectionState::Connecting, Err(SendError::NotOpen))
        );
        endpoint.open();
        assert_eq!((endpoint.state(), endpoint.send("x".into())), (ConnectionState::Open, Ok(())));
        endpoint.close_with(4000, "first");
        endpoint.close(CloseReason::PingTimeout);
        endpoint.open();
        assert_eq!(endpoint.state(), ConnectionState::Closing);
        assert_eq!(endpoint.ending().await, CloseReason::Local(Farewell::new(4000, "first")));
        assert_eq!(endpoint.send("x".into()), Err(SendError::NotOpen));
        endpoint.closed(CloseReason::Lost);
        assert_eq!((endpoint.state(), endpoint.ended().await), (ConnectionState::Closed, CloseReason::Lost));
    }

    #[tokio::test]
    async fn queued_messages_are_bounded_in_bytes() {
        let (endpoint, mut outgoing) = Endpoint::new(
            &ConnectionOptions { max_queued_bytes: 100, ..ConnectionOptions::default() },
            Arc::default(),
        );
        endpoint.open();
        let large = Message::from(vec![0; 500]);
        endpoint.send(large.clone()).unwrap();
        assert_eq!(endpoint.queued_bytes(), 516);
        assert_eq!(outgoing.next().await, Some(large));
        endpoint.send("twenty-four bytes of it".into()).unwrap();
        endpoint.send("twenty-four bytes of it".into()).unwrap();
        assert_eq!(endpoint.send("twenty-four bytes of it".into()), Err(SendError::SlowConsumer));
        assert_eq!(endpoint.ending().await, CloseReason::SlowConsumer);
        assert!(outgoing.try_next().is_some() && outgoing.try_next().is_some());
        assert_eq!((outgoing.try_next(), endpoint.queued_bytes()), (None, 0));
    }
}
