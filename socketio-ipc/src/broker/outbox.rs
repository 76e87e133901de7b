//! Frames that wait to be sent on a connection of the broker.

use bytes::BytesMut;
use engineio::sync::Mutex;
use tokio::sync::Notify;

use crate::protocol::{Reply, frame};

/// Frames that wait, bounded in bytes.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// There is something to send, or the connection ends.
    pushed: Notify,
    /// Everything was taken.
    taken: Notify,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    frames: BytesMut,
    is_closed: bool,
}

impl Outbox {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { state: Mutex::default(), pushed: Notify::new(), taken: Notify::new(), max_bytes }
    }

    /// Adds a frame of a channel. If too much waits, the process does not read, and its connection is closed: it opens
    /// another one, and knows that it has missed messages.
    pub(super) fn push_message(&self, frame: &[u8]) {
        let mut state = self.state.lock();
        if state.is_closed {
            return;
        }
        if state.frames.len() + frame.len() > self.max_bytes.max(frame.len()) {
            state.is_closed = true;
            state.frames = BytesMut::new();
        } else {
            state.frames.extend_from_slice(frame);
        }
        drop(state);
        self.pushed.notify_one();
    }

    /// Adds a reply.
    pub(super) fn push_reply(&self, reply: &Reply) {
        let mut state = self.state.lock();
        if state.is_closed {
            return;
        }
        if !frame(&mut state.frames, |out| reply.write(out)) {
            let reply = Reply::Refused("the reply is too large".to_owned());
            frame(&mut state.frames, |out| reply.write(out));
        }
        drop(state);
        self.pushed.notify_one();
    }

    /// Waits until there is space for replies.
    pub(super) async fn has_space(&self) {
        loop {
            let taken = self.taken.notified();
            {
                let state = self.state.lock();
                if state.is_closed || state.frames.len() < self.max_bytes {
                    return;
                }
            }
            taken.await;
        }
    }

    /// Takes everything that waits. `None` if the connection has to be closed.
    pub(super) async fn take(&self) -> Option<BytesMut> {
        loop {
            let pushed = self.pushed.notified();
            {
                let mut state = self.state.lock();
                if state.is_closed {
                    return None;
                }
                if !state.frames.is_empty() {
                    self.taken.notify_waiters();
                    return Some(state.frames.split());
                }
            }
            pushed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_is_not_read_is_closed() {
        let outbox = Outbox::new(10);
        outbox.push_message(&[0; 100]);
        assert_eq!(outbox.take().await.unwrap().len(), 100, "one message fits always");
        outbox.push_message(&[0; 6]);
        outbox.push_message(&[0; 4]);
        outbox.push_message(&[0; 1]);
        assert!(outbox.take().await.is_none());
        outbox.push_message(&[0; 1]);
        outbox.push_reply(&Reply::Nothing);
        assert_eq!(outbox.state.lock().frames.capacity(), 0);
    }
}
