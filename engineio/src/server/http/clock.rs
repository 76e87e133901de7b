//! A deadline that moves often and expires seldom.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for all waits of a connection. The timer is reset only when it fires too early, so a request
/// costs two readings of the time instead of two entries in the timer wheel.
#[derive(Default)]
pub(crate) struct Clock {
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    /// Starts the deadline, `patience` from now.
    pub(crate) fn start(&mut self, patience: Duration) {
        self.deadline = Instant::now().checked_add(patience);
    }

    /// Whether the deadline has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moves_in_both_directions() {
        let started = Instant::now();
        let mut clock = Clock::default();
        clock.start(Duration::from_secs(10));
        assert!(poll_fn(|cx| Poll::Ready(clock.poll(cx))).await.is_pending());
        tokio::time::advance(Duration::from_secs(9)).await;
        clock.start(Duration::from_secs(10));
        poll_fn(|cx| clock.poll(cx)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(19));
        clock.start(Duration::from_secs(10));
        assert!(poll_fn(|cx| Poll::Ready(clock.poll(cx))).await.is_pending());
        clock.start(Duration::from_secs(1));
        poll_fn(|cx| clock.poll(cx)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(20));
    }
}
