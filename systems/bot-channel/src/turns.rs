//! Sequential processing: messages of one conversation wait for one another, those of different conversations
//! do not.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};

use engineio::sync::Mutex;
use tokio::sync::oneshot;

/// Maximum number of waiting messages per conversation. A client that sends more does not wait for answers.
const MAX_WAITING: usize = 100;

/// The waiting jobs, by conversation. Idle conversations are removed.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Arc<str>, VecDeque<Job>>>);

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The queue of the conversation is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many messages wait for their answers")]
pub(crate) struct TooMany;

impl Turns {
    /// Runs a job after all earlier ones of the conversation, even if the caller is dropped. The returned
    /// future completes with the job.
    pub(crate) fn take(
        self: &Arc<Self>,
        conversation: &Arc<str>,
        job: impl Future<Output = ()> + Send + 'static,
    ) -> Result<oneshot::Receiver<()>, TooMany> {
        let (done, is_done) = oneshot::channel();
        let job: Job = Box::pin(async move {
            job.await;
            // The client may already be disconnected.
            let _ = done.send(());
        });
        let mut waiting = self.waiting();
        if let Some(line) = waiting.get_mut(conversation) {
            if line.len() >= MAX_WAITING {
                return Err(TooMany);
            }
            line.push_back(job);
        } else {
            waiting.insert(Arc::clone(conversation), VecDeque::new());
            tokio::spawn(Arc::clone(self).run(Arc::clone(conversation), job));
        }
        Ok(is_done)
    }

    async fn run(self: Arc<Self>, conversation: Arc<str>, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            // A task of its own, so that a panic does not affect the following jobs.
            let _ = tokio::spawn(job).await;
            next = self.next(&conversation);
        }
    }

    fn next(&self, conversation: &Arc<str>) -> Option<Job> {
        let mut waiting = self.waiting();
        let job = waiting.get_mut(conversation).and_then(VecDeque::pop_front);
        if job.is_none() {
            waiting.remove(conversation);
        }
        job
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Arc<str>, VecDeque<Job>>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_keep_their_order_and_free_their_state() {
        let turns = Arc::new(Turns::default());
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let told: Arc<Mutex<Vec<u8>>> = Arc::default();
        let tell = |what: u8| {
            let told = Arc::clone(&told);
            async move { told.lock().push(what) }
        };
        let (go, may_go) = oneshot::channel::<()>();
        let first = tell(1);
        turns.take(&one, async move { (may_go.await.unwrap(), first.await).1 }).unwrap();
        turns.take(&one, async { panic!("as asked for") }).unwrap();
        let last = turns.take(&one, tell(2)).unwrap();
        // Another conversation does not wait.
        turns.take(&two, tell(0)).unwrap().await.unwrap();
        go.send(()).unwrap();
        last.await.unwrap();
        assert_eq!(*told.lock(), [0, 1, 2]);
        while !turns.waiting().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn waiting_turns_are_bounded() {
        let turns = Arc::new(Turns::default());
        let one: Arc<str> = "one".into();
        let (_go, may_go) = oneshot::channel::<()>();
        turns.take(&one, async { drop(may_go.await) }).unwrap();
        for _ in 0..MAX_WAITING {
            turns.take(&one, async {}).unwrap();
        }
        assert_eq!(turns.take(&one, async {}).err(), Some(TooMany));
        turns.take(&"two".into(), async {}).unwrap().await.unwrap();
    }
}
