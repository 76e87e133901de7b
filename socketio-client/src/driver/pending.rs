//! Set of pending futures.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, Stream};

/// Set of pending futures. It allocates with the first one: most connections never have a handler that waits.
pub(super) struct PendingFutures<F>(Option<FuturesUnordered<F>>);

impl<F: Future> PendingFutures<F> {
    pub(super) fn push(&mut self, future: F) {
        self.0.get_or_insert_default().push(future);
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, FuturesUnordered::len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(FuturesUnordered::is_empty)
    }

    /// Drops all futures.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Output of the next completed future. `None` if the set is empty.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        match &mut self.0 {
            Some(futures) => Pin::new(futures).poll_next(cx),
            None => Poll::Ready(None),
        }
    }
}

impl<F> Default for PendingFutures<F> {
    fn default() -> Self {
        Self(None)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn futures_are_returned_in_the_order_of_completion() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut pending = PendingFutures::default();
        assert!(pending.is_empty() && pending.poll_next(&mut cx) == Poll::Ready(None));
        let (_one, receiver) = oneshot::channel();
        pending.push(receiver);
        let (two, receiver) = oneshot::channel();
        pending.push(receiver);
        assert_eq!((pending.poll_next(&mut cx), pending.len()), (Poll::Pending, 2));
        two.send(2).unwrap();
        assert_eq!((pending.poll_next(&mut cx), pending.len()), (Poll::Ready(Some(Ok(2))), 1));
        pending.clear();
        assert!(pending.is_empty() && pending.poll_next(&mut cx) == Poll::Ready(None));
    }
}
