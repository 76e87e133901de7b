//! Futures that wait beside each other.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, Stream};

/// Any number of futures. It has no memory before the first: most connections never have one that waits.
pub(super) struct Crowd<F>(Option<FuturesUnordered<F>>);

impl<F: Future> Crowd<F> {
    pub(super) fn push(&mut self, future: F) {
        self.0.get_or_insert_default().push(future);
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, FuturesUnordered::len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(FuturesUnordered::is_empty)
    }

    /// Drops them.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// What the next one that is done gives. Nothing if there are none.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        match &mut self.0 {
            Some(futures) => Pin::new(futures).poll_next(cx),
            None => Poll::Ready(None),
        }
    }
}

impl<F> Default for Crowd<F> {
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
    fn whoever_is_done_first_comes_first() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut crowd = Crowd::default();
        assert!(crowd.is_empty() && crowd.poll_next(&mut cx) == Poll::Ready(None));
        let (_one, waiting) = oneshot::channel();
        crowd.push(waiting);
        let (two, waiting) = oneshot::channel();
        crowd.push(waiting);
        assert_eq!((crowd.poll_next(&mut cx), crowd.len()), (Poll::Pending, 2));
        two.send(2).unwrap();
        assert_eq!((crowd.poll_next(&mut cx), crowd.len()), (Poll::Ready(Some(Ok(2))), 1));
        crowd.clear();
        assert!(crowd.is_empty() && crowd.poll_next(&mut cx) == Poll::Ready(None));
    }
}
