//! The frames that wait for one node.

use bytes::BytesMut;
use tokio::sync::Notify;

use super::super::PeerMessage;
use super::frame;
use crate::sync::Mutex;

/// The frames that wait for one node. What is queued during a write goes out with the next one.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    max_bytes: usize,
    max_frame: usize,
}

#[derive(Default)]
struct State {
    bytes: BytesMut,
    /// Size of the frames that are being written.
    underway: usize,
    is_closed: bool,
    /// A message did not fit. Those behind it would be out of order, so the connection ends.
    has_overflowed: bool,
}

impl Queue {
    pub(super) fn new(max_bytes: usize, max_frame: usize) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), max_bytes, max_frame }
    }

    /// Queues a message.
    pub(super) fn push(&self, message: &PeerMessage) {
        {
            let mut state = self.state.lock();
            if state.is_closed || state.has_overflowed {
                return;
            }
            let fits = frame::encode(message, self.max_frame, &mut state.bytes);
            state.has_overflowed = !fits || state.bytes.len() + state.underway > self.max_bytes;
        }
        self.changed.notify_one();
    }

    /// Queues a frame that shows that this node is alive.
    pub(super) fn push_alive(&self) {
        frame::alive(&mut self.state.lock().bytes);
    }

    /// Nothing more is queued. What is queued is still written.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for frames. `None` if the queue is closed and empty. Call it again when the frames are written.
    pub(super) async fn next(&self) -> Result<Option<BytesMut>, Overflow> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state.lock();
                state.underway = 0;
                if state.has_overflowed {
                    return Err(Overflow);
                }
                if !state.bytes.is_empty() {
                    let bytes = std::mem::take(&mut state.bytes);
                    state.underway = bytes.len();
                    return Ok(Some(bytes));
                }
                if state.is_closed {
                    return Ok(None);
                }
            }
            changed.await;
        }
    }
}

/// More waits for the node than is allowed, or a message is longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::packet::Packet;
    use crate::protocol::sid::Sid;

    /// A message whose frame has this number of bytes.
    fn message(size: usize) -> PeerMessage {
        let packet = Packet::Message(vec![0; size - 15].into());
        PeerMessage::Packet { sid: Sid::from("a"), packet }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_limited_with_what_is_being_written() {
        let queue = Queue::new(1000, 1000);
        queue.push(&message(600));
        assert_eq!(queue.next().await.unwrap().unwrap().len(), 600);
        queue.push(&message(400));
        assert_eq!(queue.next().await.unwrap().unwrap().len(), 400);
        queue.push(&message(300));
        queue.push(&message(300));
        queue.push(&message(300));
        assert_eq!(queue.next().await, Err(Overflow));
        // Nothing is kept for a connection that ends.
        queue.push(&message(100));
        assert_eq!(queue.state.lock().bytes.len(), 900);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_message_ends_the_connection() {
        let queue = Queue::new(1000, 500);
        queue.push(&message(504));
        assert_eq!(queue.next().await.unwrap().unwrap().len(), 504);
        queue.push(&message(505));
        assert_eq!(queue.next().await, Err(Overflow));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_queue_is_emptied() {
        let queue = Queue::new(1000, 1000);
        queue.push(&message(100));
        queue.close();
        queue.push(&message(100));
        assert_eq!(queue.next().await.unwrap().unwrap().len(), 100);
        assert_eq!(queue.next().await, Ok(None));
    }
}
