//! Queue of unread events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use engineio::sync::Mutex;

/// Queue between the connection's task and one reader.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    max: usize,
    /// Number of full queues of the connection, which is not read while there is one.
    full_inboxes: Arc<AtomicUsize>,
    queue: Mutex<Queue<T>>,
}

#[derive(Debug)]
struct Queue<T> {
    /// Unread items. `None` is the end of one connection; items of the next may follow.
    items: VecDeque<Option<T>>,
    reader: Option<Waker>,
    /// Whether the queue counts as full if it is.
    is_current: bool,
}

impl<T> Inbox<T> {
    /// Creates a queue that counts in `full_inboxes` from `max` items on. It still accepts more: the writer
    /// has to check the number.
    pub(crate) fn new(max: usize, full_inboxes: Arc<AtomicUsize>) -> Self {
        let queue = Queue { items: VecDeque::new(), reader: None, is_current: true };
        Self { max: max.max(1), full_inboxes, queue: Mutex::new(queue) }
    }

    pub(crate) fn push(&self, item: Option<T>) {
        let reader = {
            let mut queue = self.queue.lock();
            queue.items.push_back(item);
            if queue.is_current && queue.items.len() == self.max {
                self.full_inboxes.fetch_add(1, Ordering::Relaxed);
            }
            queue.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Ends the count of a queue that another one replaces, or that has no reader any more.
    pub(crate) fn detach(&self) {
        let mut queue = self.queue.lock();
        if std::mem::take(&mut queue.is_current) && queue.items.len() >= self.max {
            self.full_inboxes.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Next item or end, and whether the queue was full before.
    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<(Option<T>, bool)> {
        // Cloned before, and replaced wakers dropped after the lock: they may belong to an executor of the
        // application.
        let reader = cx.waker().clone();
        let mut queue = self.queue.lock();
        let was_full = queue.items.len() >= self.max;
        match queue.items.pop_front() {
            Some(item) => {
                if queue.is_current && was_full && queue.items.len() < self.max {
                    self.full_inboxes.fetch_sub(1, Ordering::Relaxed);
                }
                Poll::Ready((item, was_full))
            }
            None => {
                let previous = queue.reader.replace(reader);
                drop(queue);
                drop(previous);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_counts_as_full_until_it_is_read_or_detached() {
        let full = Arc::new(AtomicUsize::new(0));
        let count = || full.load(Ordering::Relaxed);
        let mut cx = Context::from_waker(Waker::noop());
        let inbox = Inbox::new(2, Arc::clone(&full));
        inbox.push(Some(1));
        assert_eq!(count(), 0);
        inbox.push(Some(2));
        inbox.push(Some(3));
        assert_eq!(count(), 1);
        assert_eq!(inbox.poll_pop(&mut cx), Poll::Ready((Some(1), true)));
        assert_eq!(count(), 1, "two items are left");
        assert_eq!(inbox.poll_pop(&mut cx), Poll::Ready((Some(2), true)));
        assert_eq!(count(), 0);
        inbox.push(None);
        assert_eq!(count(), 1);
        inbox.detach();
        inbox.detach();
        assert_eq!(count(), 0);
        assert_eq!(inbox.poll_pop(&mut cx), Poll::Ready((Some(3), true)));
        inbox.push(None);
        assert_eq!(count(), 0);
    }
}
