//! Sequential processing: messages of one conversation wait for one another, those of different conversations
//! do not.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};

use engineio::sync::Mutex;
use tokio::sync::{Notify, oneshot};

/// Number of waiting messages per conversation that are answered even if their client has gone. Further ones are
/// answered only while their client is connected, so that clients that come and go cannot fill the memory.
const MAX_KEPT: usize = 100;

/// The waiting jobs of all conversations.
#[derive(Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
    /// Notified when the last conversation has become idle.
    idle: Notify,
}

#[derive(Default)]
struct State {
    /// The waiting jobs, by conversation. Idle conversations are removed.
    lines: HashMap<Arc<str>, VecDeque<Waiting>>,
    /// The conversations in which a client has had jobs beyond [`MAX_KEPT`], by client.
    held: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Whether no further jobs are taken.
    is_closed: bool,
}

struct Waiting {
    client: Arc<str>,
    job: Job,
}

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Reasons why a job is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotTaken {
    /// The line of the conversation is full, and the client has gone.
    #[error("too many messages wait for their answers")]
    TooMany,
    #[error("the server is shutting down")]
    Closed,
}

impl Turns {
    /// Runs a job of a client after all earlier ones of the conversation. The returned future completes with the
    /// job, or when the job is dropped because its client has gone.
    ///
    /// The caller bounds the jobs of a connected client: it waits for this future before it takes more.
    pub(crate) fn take(
        self: &Arc<Self>,
        conversation: &Arc<str>,
        client: &str,
        is_connected: impl FnOnce() -> bool,
        job: impl Future<Output = ()> + Send + 'static,
    ) -> Result<oneshot::Receiver<()>, NotTaken> {
        let (done, is_done) = oneshot::channel();
        let job: Job = Box::pin(async move {
            job.await;
            // The client may already be disconnected.
            let _ = done.send(());
        });
        let mut state = self.state();
        if state.is_closed {
            return Err(NotTaken::Closed);
        }
        let State { lines, held, .. } = &mut *state;
        let Some(line) = lines.get_mut(conversation) else {
            lines.insert(Arc::clone(conversation), VecDeque::new());
            tokio::spawn(Arc::clone(self).run(Arc::clone(conversation), job));
            return Ok(is_done);
        };
        let client: Arc<str> = client.into();
        if line.len() >= MAX_KEPT {
            // Under the lock: otherwise `forget` could have run before the job is there.
            if !is_connected() {
                return Err(NotTaken::TooMany);
            }
            held.entry(Arc::clone(&client)).or_default().insert(Arc::clone(conversation));
        }
        line.push_back(Waiting { client, job });
        Ok(is_done)
    }

    /// Drops the jobs beyond [`MAX_KEPT`] of a client that has gone. Returns their number.
    pub(crate) fn forget(&self, client: &str) -> usize {
        let mut state = self.state();
        let State { lines, held, .. } = &mut *state;
        let mut dropped = Vec::new();
        for conversation in held.remove(client).unwrap_or_default() {
            let Some(line) = lines.get_mut(&conversation) else { continue };
            let rest = line.split_off(line.len().min(MAX_KEPT));
            let (gone, kept): (VecDeque<_>, VecDeque<_>) =
                rest.into_iter().partition(|waiting| *waiting.client == *client);
            line.extend(kept);
            dropped.extend(gone);
        }
        drop(state);
        // Dropping a job wakes the task that waits for it.
        dropped.len()
    }

    /// Takes no further jobs.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
    }

    /// Whether no further jobs are taken.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Number of jobs that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state().lines.values().map(VecDeque::len).sum()
    }

    /// Number of jobs that run: one per conversation.
    pub(crate) fn running(&self) -> usize {
        self.state().lines.len()
    }

    /// Completes when no conversation has a job.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.state().lines.is_empty() {
                return;
            }
            notified.await;
        }
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
        let mut state = self.state();
        let next = state.lines.get_mut(conversation).and_then(VecDeque::pop_front);
        if next.is_none() {
            state.lines.remove(conversation);
            if state.lines.is_empty() {
                self.idle.notify_waiters();
            }
        }
        next.map(|waiting| waiting.job)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
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
        let here = || true;
        let (go, may_go) = oneshot::channel::<()>();
        let first = tell(1);
        turns.take(&one, "a", here, async move { (may_go.await.unwrap(), first.await).1 }).unwrap();
        turns.take(&one, "a", here, async { panic!("as asked for") }).unwrap();
        let last = turns.take(&one, "a", here, tell(2)).unwrap();
        // Another conversation does not wait.
        turns.take(&two, "a", here, tell(0)).unwrap().await.unwrap();
        go.send(()).unwrap();
        last.await.unwrap();
        assert_eq!(*told.lock(), [0, 1, 2]);
        turns.close();
        assert_eq!(turns.take(&one, "a", here, async {}).err(), Some(NotTaken::Closed));
        turns.idle().await;
        assert!(turns.state().lines.is_empty());
    }

    #[tokio::test]
    async fn waiting_turns_of_clients_that_have_gone_are_bounded() {
        let turns = Arc::new(Turns::default());
        let one: Arc<str> = "one".into();
        let (go, may_go) = oneshot::channel::<()>();
        let take = |client: &str, is_connected: bool| turns.take(&one, client, || is_connected, async {});
        turns.take(&one, "a", || true, async { drop(may_go.await) }).unwrap();
        for _ in 0..MAX_KEPT {
            take("a", false).unwrap();
        }
        assert_eq!(take("a", false).err(), Some(NotTaken::TooMany));
        // Those of clients that are there wait, in order, and go with their client.
        let (gone, mut kept) = (take("a", true).unwrap(), take("b", true).unwrap());
        take("a", true).unwrap();
        assert_eq!((turns.forget("a"), turns.forget("a"), turns.forget("c")), (2, 0, 0));
        assert!(gone.await.is_err() && kept.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        assert_eq!(turns.state().lines[&one].len(), MAX_KEPT + 1);
        go.send(()).unwrap();
        kept.await.unwrap();
        assert_eq!(turns.forget("b"), 0);
        assert!(turns.state().held.is_empty());
    }
}
