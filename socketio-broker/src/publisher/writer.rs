//! The task that sends commands: what was queued while the previous batch was underway goes out as one
//! pipeline.

use std::sync::Arc;

use tokio::time::Instant;

use super::Shared;
use super::queue::Batch;
use crate::driver::{Command, Commands, Reply};
use crate::error::PublishError;
use crate::stats::count;
use crate::trace;

/// Maximum number of commands in a batch.
const BATCH: usize = 512;
/// A batch is not extended beyond this size.
const BATCH_BYTES: usize = 1 << 20;

/// Opens a connection, and sends until the medium is stopped.
pub(super) async fn run(shared: Arc<Shared>) {
    let tuning = &shared.tuning;
    let mut backoff = shared.backoff();
    while !shared.is_stopped() {
        let opened = tokio::select! {
            opened = tokio::time::timeout(tuning.timeout, shared.driver.commands()) => opened,
            () = shared.stopped() => return,
        };
        match opened {
            Ok(Ok(mut connection)) => {
                backoff.connected();
                count(&shared.counters.connections, 1);
                shared.monitor.commands_opened();
                trace::connected(shared.driver.broker(), "commands");
                let sent = send(&shared, &mut *connection).await;
                let since = sent.as_ref().map_or_else(|lost| lost.since, |()| Instant::now());
                shared.monitor.commands_lost(since);
                match sent {
                    Ok(()) => return,
                    Err(lost) => trace::disconnected(shared.driver.broker(), "commands", &lost.reason),
                }
            }
            Ok(Err(error)) => shared.not_connected("commands", &error),
            Err(_) => shared.not_connected("commands", &"no answer in time"),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_delay()) => {}
            () = shared.stopped() => return,
        }
    }
}

/// The loss of a connection.
struct Lost {
    reason: String,
    /// When it was asked what it did not answer.
    since: Instant,
}

/// Sends batches until the connection is lost, which is an error, or the medium is stopped and everything is
/// sent.
async fn send(shared: &Shared, connection: &mut dyn Commands) -> Result<(), Lost> {
    let mut health = shared.monitor.health();
    loop {
        let held = held_until(shared);
        let mut batch = take(shared, held.is_some());
        if batch.commands.is_empty() {
            let held = held.into_iter().chain(full_until(shared)).min();
            if shared.queue.is_closed() && held.is_none() {
                return Ok(());
            }
            let released = tokio::time::sleep_until(held.unwrap_or_else(Instant::now));
            tokio::select! {
                () = shared.queue.pushed.notified() => {}
                () = released, if held.is_some() => {}
                // It does not fail: the sender is in `shared`.
                _ = health.changed() => {}
                () = shared.stopped() => {}
                () = connection.lost() => {
                    let reason = connection.reason().unwrap_or_else(|| "the connection was closed".to_owned());
                    return Err(Lost { reason, since: Instant::now() });
                }
            }
            continue;
        }
        let commands: Vec<&Command> = batch.commands.iter().map(|queued| &queued.command).collect();
        let since = Instant::now();
        let sent = tokio::time::timeout(shared.tuning.timeout, connection.send(&commands)).await;
        let reason = match sent {
            Ok(Ok(replies)) if replies.len() == batch.commands.len() => {
                settle(shared, &mut batch, replies);
                shared.queue.settle(&batch);
                continue;
            }
            Ok(Ok(_)) => "wrong number of replies".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        fail(shared, &mut batch);
        shared.queue.settle(&batch);
        return Err(Lost { reason, since });
    }
}

/// Until when messages of pub/sub are held back, and entries that this node has read still count. A node that is being
/// closed sends everything at once.
fn held_until(shared: &Shared) -> Option<Instant> {
    if shared.is_stopped() { None } else { shared.monitor.held_until(shared.tuning.timeout) }
}

/// Until when entries wait for this node to read its own. A node that is being closed does not wait.
fn full_until(shared: &Shared) -> Option<Instant> {
    if shared.is_stopped() { None } else { shared.window.lock().full_until(shared.tuning.timeout) }
}

/// Takes commands that may be sent now.
fn take(shared: &Shared, held: bool) -> Batch {
    let is_stopped = shared.is_stopped();
    let mut window = shared.window.lock();
    window.begin(shared.tuning.timeout, held);
    shared.queue.take(BATCH, BATCH_BYTES, |command| match command {
        Command::Publish { .. } | Command::Store { .. } => !held,
        Command::Append { stream, max_len, .. } => is_stopped || window.admits(stream, *max_len),
        #[cfg(feature = "adapter")]
        Command::Request(_) => true,
    })
}

fn settle(shared: &Shared, batch: &mut Batch, replies: Vec<Reply>) {
    let mut window = shared.window.lock();
    for (queued, reply) in batch.commands.iter_mut().zip(replies) {
        if let (Command::Append { stream, .. }, Reply::Text(id)) = (&queued.command, &reply) {
            window.appended(stream, id);
        }
        match &reply {
            Reply::Refused(reason) if queued.command.is_message() => {
                count(&shared.counters.lost, 1);
                trace::refused(shared.driver.broker(), reason);
            }
            Reply::Lost if queued.command.is_message() => count(&shared.counters.unconfirmed, 1),
            _ if queued.command.is_message() => count(&shared.counters.published, 1),
            _ => {}
        }
        if let Some(sender) = queued.reply.take() {
            // The caller may have given up.
            let _ = sender.send(if reply == Reply::Lost { Err(PublishError::Down) } else { Ok(reply) });
        }
    }
}

/// The broker may have carried out the commands, so they are not repeated.
fn fail(shared: &Shared, batch: &mut Batch) {
    for queued in &mut batch.commands {
        if queued.command.is_message() {
            count(&shared.counters.unconfirmed, 1);
        }
        if let Some(sender) = queued.reply.take() {
            let _ = sender.send(Err(PublishError::Down));
        }
    }
}

#[cfg(all(test, feature = "adapter"))]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::driver::{BoxError, BoxFuture, Driver, Sink, Subscriptions};
    use crate::publisher::{Publisher, Tuning};
    use crate::stats::Counters;

    /// A broker with a stream and no reader. It counts the appended entries.
    #[derive(Clone, Default)]
    struct Broker(Arc<AtomicU64>);

    impl Driver for Broker {
        fn broker(&self) -> &'static str {
            "a broker of the test"
        }

        fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, BoxError>> {
            Box::pin(async { Ok(Box::new(self.clone()) as Box<dyn Commands>) })
        }

        fn subscriptions(&self, _: Arc<dyn Sink>) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, BoxError>> {
            Box::pin(async { Err("none".into()) })
        }
    }

    impl Commands for Broker {
        fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, BoxError>> {
            let reply = |_| Reply::Text(format!("{}-0", self.0.fetch_add(1, Ordering::Relaxed) + 1));
            let replies = batch.iter().map(reply).collect();
            Box::pin(async { Ok(replies) })
        }

        fn lost(&self) -> BoxFuture<'_, ()> {
            Box::pin(std::future::pending())
        }
    }

    /// Entries wait for the reader of their stream, but not when the node is closed.
    #[tokio::test(start_paused = true)]
    async fn a_closed_node_appends_everything_that_waits_for_its_reader() {
        let broker = Broker::default();
        let counters = Arc::new(Counters::default());
        let publisher =
            Publisher::start(Box::new(broker.clone()), Arc::clone(&counters), Tuning::default(), false);
        publisher.shared().reads("stream");
        for _ in 0..50 {
            let command = Command::Append { stream: "stream".to_owned(), max_len: 160, fields: Vec::new() };
            publisher.push(command).unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(broker.0.load(Ordering::Relaxed), 16);
        drop(publisher);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(broker.0.load(Ordering::Relaxed), 50);
        assert_eq!(counters.stats(0, 0).published, 50);
    }
}
