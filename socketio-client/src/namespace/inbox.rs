//! Queue of unread events.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use engineio::sync::Mutex;

/// Queue between the connection's task and one reader.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    max: usize,
    queue: Mutex<Queue<T>>,
}

#[derive(Debug)]
struct Queue<T> {
    /// Unread items. `None` is the end of one connection; items of the next may follow.
    items: VecDeque<Option<T>>,
    reader: Option<Waker>,
}

impl<T> Inbox<T> {
    /// Creates a queue that reports itself as full with `max` items. It still accepts more: the writer has to
    /// check [`is_full`](Self::is_full).
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(1), queue: Mutex::new(Queue { items: VecDeque::new(), reader: None }) }
    }

    pub(crate) fn push(&self, item: Option<T>) {
        let reader = {
            let mut queue = self.queue.lock();
            queue.items.push_back(item);
            queue.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.queue.lock().items.len() >= self.max
    }

    /// Next item or end, and whether the queue was full before.
    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<(Option<T>, bool)> {
        // Cloned before, and replaced wakers dropped after the lock: they may belong to an executor of the
        // application.
        let reader = cx.waker().clone();
        let mut queue = self.queue.lock();
        let was_full = queue.items.len() >= self.max;
        match queue.items.pop_front() {
            Some(item) => Poll::Ready((item, was_full)),
            None => {
                let previous = queue.reader.replace(reader);
                drop(queue);
                drop(previous);
                Poll::Pending
            }
        }
    }
}
