//! What waits to be asked for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A queue between the connection's task and one reader.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    max: usize,
    queue: Mutex<Queue<T>>,
}

#[derive(Debug)]
struct Queue<T> {
    /// `None` is an end, behind which more may come.
    waiting: VecDeque<Option<T>>,
    reader: Option<Waker>,
}

impl<T> Inbox<T> {
    /// A queue that is full with so many; it takes more, but nobody should put them in.
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(1), queue: Mutex::new(Queue { waiting: VecDeque::new(), reader: None }) }
    }

    pub(crate) fn push(&self, item: Option<T>) {
        let reader = {
            let mut queue = self.lock();
            queue.waiting.push_back(item);
            queue.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lock().waiting.len() >= self.max
    }

    /// The next item or end, and whether the queue was full before.
    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<(Option<T>, bool)> {
        let mut queue = self.lock();
        let was_full = queue.waiting.len() >= self.max;
        match queue.waiting.pop_front() {
            Some(item) => Poll::Ready((item, was_full)),
            None => {
                queue.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
