//! Commands that wait for the connection: bounded in bytes, first in, first out.

use std::collections::VecDeque;

use tokio::sync::{Notify, oneshot};

use crate::driver::{Command, Reply};
use crate::error::PublishError;
use engineio::sync::Mutex;

/// The receiver of a reply.
pub(crate) type ReplySender = oneshot::Sender<Result<Reply, PublishError>>;

/// A command that waits.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) command: Command,
    pub(crate) reply: Option<ReplySender>,
    /// Whether its memory counts. That of a probe does not.
    counts: bool,
}

/// Waiting commands. Those that are being sent count until they are answered.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    pub(crate) pushed: Notify,
    emptied: Notify,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    commands: VecDeque<Queued>,
    /// Bytes of the waiting commands and of those in flight.
    bytes: usize,
    /// A probe waits.
    probing: bool,
    closed: bool,
}

/// Commands that are sent together. Their memory counts until [`Queue::settle`].
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) commands: Vec<Queued>,
    bytes: usize,
}

impl Queue {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { state: Mutex::default(), pushed: Notify::new(), emptied: Notify::new(), max_bytes }
    }

    /// Adds a command.
    pub(crate) fn push(&self, command: Command, reply: Option<ReplySender>) -> Result<(), PublishError> {
        let bytes = command.bytes();
        let mut state = self.state.lock();
        if state.closed {
            return Err(PublishError::Closed);
        }
        if bytes > self.max_bytes {
            return Err(PublishError::TooLarge);
        }
        if state.bytes.saturating_add(bytes) > self.max_bytes {
            return Err(PublishError::Full);
        }
        state.bytes += bytes;
        state.commands.push_back(Queued { command, reply, counts: true });
        drop(state);
        self.pushed.notify_one();
        Ok(())
    }

    /// Adds a probe in front of all commands, unless one waits already. It does not count: with a full queue a
    /// node would otherwise seem deaf.
    #[cfg(feature = "adapter")]
    pub(crate) fn push_probe(&self, probe: Command) {
        let mut state = self.state.lock();
        if state.closed || std::mem::replace(&mut state.probing, true) {
            return;
        }
        state.commands.push_front(Queued { command: probe, reply: None, counts: false });
        drop(state);
        self.pushed.notify_one();
    }

    /// Takes waiting commands before the first one that may not be sent, up to a number and about this many bytes.
    pub(crate) fn take(
        &self,
        most: usize,
        about_bytes: usize,
        mut may_send: impl FnMut(&Command) -> bool,
    ) -> Batch {
        let mut batch = Batch::default();
        let mut state = self.state.lock();
        while batch.commands.len() < most && batch.bytes < about_bytes {
            if state.commands.front().is_some_and(|queued| !may_send(&queued.command)) {
                break;
            }
            let Some(queued) = state.commands.pop_front() else { break };
            if queued.counts {
                batch.bytes += queued.command.bytes();
            } else {
                state.probing = false;
            }
            batch.commands.push(queued);
        }
        batch
    }

    /// The commands of a batch are settled.
    pub(crate) fn settle(&self, batch: &Batch) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_sub(batch.bytes);
        let empty = state.bytes == 0;
        drop(state);
        if empty {
            self.emptied.notify_waiters();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Waits until every command is settled.
    pub(crate) async fn flushed(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.bytes() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Refuses further commands.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }
}

#[cfg(all(test, feature = "adapter"))]
mod tests {
    use super::*;

    fn publish(bytes: usize) -> Command {
        Command::Publish { channel: String::new(), payload: vec![0; bytes].into(), sharded: false }
    }

    #[tokio::test]
    async fn queued_bytes_are_bounded_until_they_are_settled() {
        let queue = Queue::new(1000);
        assert_eq!(queue.push(publish(1000), None).unwrap_err(), PublishError::TooLarge);
        for _ in 0..2 {
            queue.push(publish(436), None).unwrap();
        }
        assert_eq!(queue.push(publish(0), None).unwrap_err(), PublishError::Full);
        let batch = queue.take(10, 1, |_| true);
        assert_eq!((batch.commands.len(), queue.bytes()), (1, 1000));
        // A probe goes first, and only one.
        for _ in 0..2 {
            queue.push_probe(publish(5));
        }
        let probe = queue.take(1, 1, |_| true);
        assert_eq!(probe.commands[0].command.bytes(), publish(5).bytes());
        queue.settle(&probe);
        assert_eq!(queue.bytes(), 1000);
        // What is in flight still counts.
        assert_eq!(queue.push(publish(0), None).unwrap_err(), PublishError::Full);
        queue.settle(&batch);
        queue.push(publish(0), None).unwrap();
        let batch = queue.take(10, 10_000, |_| true);
        assert_eq!(batch.commands.len(), 2);
        queue.settle(&batch);
        tokio::time::timeout(std::time::Duration::from_secs(20), queue.flushed()).await.unwrap();
        queue.close();
        assert_eq!(queue.push(publish(0), None).unwrap_err(), PublishError::Closed);
    }
}
