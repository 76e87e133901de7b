//! Changes that are carried out in their order for each key, and side by side for different ones.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::Arc;

use engineio::sync::Mutex;
use tokio::sync::Notify;

use crate::driver::{BoxFuture, Command};
use crate::error::PublishError;

/// Number of lanes. A key has always the same one.
const LANES: usize = 64;

/// Queued changes, bounded in bytes.
pub(crate) struct Lanes {
    lanes: [Mutex<Lane>; LANES],
    hasher: RandomState,
    bytes: Mutex<usize>,
    max_bytes: usize,
    emptied: Notify,
}

#[derive(Default)]
struct Lane {
    jobs: VecDeque<Job>,
    /// Whether a task carries them out.
    is_running: bool,
}

struct Job {
    change: BoxFuture<'static, ()>,
    bytes: usize,
}

impl Lanes {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            lanes: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            bytes: Mutex::new(0),
            max_bytes,
            emptied: Notify::new(),
        }
    }

    /// Adds a change of a key.
    pub(crate) fn push(
        self: &Arc<Self>,
        key: &str,
        bytes: usize,
        change: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), PublishError> {
        let bytes = bytes + Command::OVERHEAD;
        {
            let mut used = self.bytes.lock();
            if bytes > self.max_bytes {
                return Err(PublishError::TooLarge);
            }
            if used.saturating_add(bytes) > self.max_bytes {
                return Err(PublishError::Full);
            }
            *used += bytes;
        }
        // The remainder fits.
        let number = (self.hasher.hash_one(key) % LANES as u64) as usize;
        let mut lane = self.lanes[number].lock();
        lane.jobs.push_back(Job { change: Box::pin(change), bytes });
        if !std::mem::replace(&mut lane.is_running, true) {
            tokio::spawn(run(Arc::clone(self), number));
        }
        Ok(())
    }

    /// Returns when nothing waits and nothing is carried out.
    pub(crate) async fn idle(&self) {
        loop {
            let emptied = self.emptied.notified();
            if *self.bytes.lock() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn next(&self, number: usize) -> Option<Job> {
        let mut lane = self.lanes[number].lock();
        let job = lane.jobs.pop_front();
        lane.is_running = job.is_some();
        job
    }

    fn settle(&self, bytes: usize) {
        let mut used = self.bytes.lock();
        *used = used.saturating_sub(bytes);
        if *used == 0 {
            self.emptied.notify_waiters();
        }
    }
}

/// Carries out the changes of a lane until there is none.
async fn run(lanes: Arc<Lanes>, number: usize) {
    while let Some(Job { change, bytes }) = lanes.next(number) {
        // A panic ends neither the lane nor the count.
        let _ = tokio::spawn(change).await;
        lanes.settle(bytes);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn changes_of_a_key_are_in_order_and_bounded() {
        let lanes = Arc::new(Lanes::new(2 * (Command::OVERHEAD + 100)));
        let order = Arc::new(Mutex::new(Vec::new()));
        let (release, released) = oneshot::channel::<()>();
        let first = Arc::clone(&order);
        lanes
            .push("a", 100, async move {
                let _ = released.await;
                first.lock().push(1);
            })
            .unwrap();
        let second = Arc::clone(&order);
        lanes.push("a", 100, async move { second.lock().push(2) }).unwrap();
        assert_eq!(lanes.push("b", 0, async {}).unwrap_err(), PublishError::Full);
        assert_eq!(lanes.push("b", 500, async {}).unwrap_err(), PublishError::TooLarge);
        let idle = tokio::time::timeout(std::time::Duration::from_secs(1), lanes.idle()).await;
        assert!(idle.is_err(), "changes wait");
        release.send(()).unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(20), lanes.idle()).await.unwrap();
        assert_eq!(*order.lock(), [1, 2]);
        assert_eq!(*lanes.bytes.lock(), 0);
    }

    #[tokio::test]
    async fn a_panic_does_not_stop_a_lane() {
        let lanes = Arc::new(Lanes::new(1000));
        lanes.push("a", 0, async { panic!("expected in this test") }).unwrap();
        let (sender, receiver) = oneshot::channel();
        lanes.push("a", 0, async move { sender.send(()).unwrap() }).unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(20), receiver).await.unwrap().unwrap();
    }
}
