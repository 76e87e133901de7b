//! The tasks of the subscriptions: their connection, and the probe that shows whether this node hears.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::router::Router;
use super::{Gap, Shared};
use crate::driver::Command;
use crate::driver::{Request, Sink, Subscriptions, Topic, TopicKind};
use crate::publisher::Health;
use crate::stats::count;
use crate::trace;

/// Maximum number of subscriptions that are changed together.
const BATCH: usize = 256;

/// Delay before a refused subscription is tried again.
const REFUSED_DELAY: Duration = Duration::from_secs(1);

/// Opens a connection, and keeps its subscriptions as the router wants them.
pub(super) async fn run(shared: Arc<Shared>) {
    let tuning = &shared.publisher.tuning;
    let mut backoff = shared.backoff();
    while !shared.publisher.is_stopped() {
        let sink: Arc<dyn Sink> = Arc::<Router>::clone(&shared.router);
        let open = shared.driver().subscriptions(sink);
        let opened = tokio::select! {
            opened = tokio::time::timeout(tuning.timeout, open) => opened,
            () = shared.stopped() => return,
        };
        match opened {
            Ok(Ok(mut connection)) => {
                backoff.connected();
                count(&shared.publisher.counters.connections, 1);
                trace::connected(shared.driver().broker(), "subscriptions");
                let reason = tokio::select! {
                    reason = follow(&shared, &mut *connection) => reason,
                    () = shared.stopped() => return,
                };
                drop(connection);
                shared.publisher.monitor.subscriptions(false);
                shared.router.disconnected();
                trace::disconnected(shared.driver().broker(), "subscriptions", &reason);
            }
            Ok(Err(error)) => shared.not_connected("subscriptions", &error),
            Err(_) => shared.not_connected("subscriptions", &"no answer in time"),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_delay()) => {}
            () = shared.stopped() => return,
        }
    }
}

/// Brings the connection to the wanted subscriptions. Returns why the connection is of no use any more.
async fn follow(shared: &Shared, connection: &mut dyn Subscriptions) -> String {
    loop {
        if let Some(since) = shared.router.interrupted() {
            shared.publisher.monitor.interrupted(since);
        }
        let changes = shared.router.changes(BATCH);
        if changes.is_empty() {
            shared.publisher.monitor.subscriptions(true);
            tokio::select! {
                () = shared.router.changed.notified() => {}
                () = connection.lost() => {
                    return connection.reason().unwrap_or_else(|| "the connection was closed".to_owned());
                }
                // The notification may be about the connection before this one.
                () = shared.replace.notified() => if shared.publisher.monitor.is_silent() {
                    return "no message has arrived for too long".to_owned();
                },
            }
            continue;
        }
        match tokio::time::timeout(shared.timeout(), connection.change(&changes)).await {
            Ok(Ok(accepted)) => {
                let refused = accepted.len() < changes.len() || accepted.contains(&false);
                shared.router.confirm(changes, &accepted);
                if refused {
                    trace::subscription_refused(shared.driver().broker());
                    tokio::time::sleep(REFUSED_DELAY).await;
                }
            }
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "no answer in time".to_owned(),
        }
    }
}

/// Publishes a message to this node itself, again and again, and has the connection of the subscriptions
/// replaced when they do not arrive.
pub(super) async fn probe(shared: Arc<Shared>, topic: Topic) {
    let interval = shared.publisher.tuning.probe_interval.max(Duration::from_millis(1));
    let mut health = shared.publisher.monitor.health();
    let mut ticks = tokio::time::interval(interval / 4);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_deaf = false;
    let mut tick = 0u64;
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if tick % 4 == 0 && shared.publisher.monitor.can_send() {
                    publish(&shared, &topic);
                }
                tick += 1;
            }
            () = shared.stopped() => return,
            // A node that comes back need not wait for the next turn.
            () = shared.router.confirmed.notified() => {
                publish(&shared, &topic);
                continue;
            }
            changed = health.changed() => {
                if changed.is_err() {
                    return;
                }
                // The connection for commands is open again, and it is not known yet whether the node hears. A node without
                // the connection of a stream stays deaf whatever it hears.
                let is_deaf = matches!(*health.borrow_and_update(), Health::Deaf { .. });
                if is_deaf && !std::mem::replace(&mut was_deaf, is_deaf) {
                    publish(&shared, &topic);
                }
                was_deaf = is_deaf;
            }
        }
        if shared.publisher.monitor.is_silent() {
            shared.replace.notify_one();
        }
    }
}

/// A probe is no message, so it is not counted.
fn publish(shared: &Shared, topic: &Topic) {
    let sharded = topic.kind == TopicKind::Shard;
    let probe = Request::Probe { channel: topic.name.to_string(), sharded };
    shared.publisher.queue.push_probe(Command::Request(probe));
}

/// Receives the probes, and passes on what the router has dropped.
pub(super) async fn listen(shared: Arc<Shared>, topic: Topic) {
    let mailbox = shared.router.own_mailbox();
    shared.router.subscribe([topic], &mailbox);
    let mut known = 0;
    loop {
        tokio::select! {
            arrival = mailbox.next() => {
                if arrival.is_none() { return }
                if let Some(lasted) = shared.publisher.monitor.heard() {
                    trace::gap(lasted);
                    shared.gap(Gap { lasted, lost: None });
                }
            }
            () = shared.router.overflowed() => {
                let dropped = shared.publisher.counters.dropped.load(Ordering::Relaxed);
                let lost = dropped - std::mem::replace(&mut known, dropped);
                trace::overflow(lost);
                shared.gap(Gap { lasted: Duration::ZERO, lost: Some(lost) });
            }
            () = shared.stopped() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    use bytes::Bytes;
    use engineio::sync::Mutex;

    use super::super::Medium;
    use super::*;
    use crate::driver::{BoxError, BoxFuture, Change, Commands, Driver, Reply};
    use crate::publisher::Tuning;
    use crate::stats::Counters;

    /// A broker that confirms everything, and delivers messages as long as it shall.
    #[derive(Clone, Default)]
    struct Broker(Arc<State>);

    #[derive(Default)]
    struct State {
        delivers: AtomicBool,
        /// The number of connections for subscriptions.
        opened: AtomicUsize,
        sent: AtomicUsize,
        sink: Mutex<Option<Arc<dyn Sink>>>,
    }

    impl Driver for Broker {
        fn broker(&self) -> &'static str {
            "the broker"
        }

        fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, BoxError>> {
            Box::pin(async { Ok(Box::new(self.clone()) as Box<dyn Commands>) })
        }

        fn subscriptions(
            &self,
            sink: Arc<dyn Sink>,
        ) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, BoxError>> {
            self.0.opened.fetch_add(1, Ordering::Relaxed);
            *self.0.sink.lock() = Some(sink);
            Box::pin(async { Ok(Box::new(self.clone()) as Box<dyn Subscriptions>) })
        }
    }

    impl Commands for Broker {
        fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, BoxError>> {
            for command in batch {
                // Without an end to them, the time of the test stands still.
                assert!(self.0.sent.fetch_add(1, Ordering::Relaxed) < 100, "too many commands");
                if let (Command::Request(Request::Probe { channel, .. }), Some(sink), true) =
                    (command, &*self.0.sink.lock(), self.0.delivers.load(Ordering::Relaxed))
                {
                    let name = Bytes::from(channel.clone());
                    sink.arrived(TopicKind::Channel, &name, name.clone(), Bytes::new());
                }
            }
            Box::pin(async { Ok(batch.iter().map(|_| Reply::Number(0)).collect()) })
        }

        fn lost(&self) -> BoxFuture<'_, ()> {
            Box::pin(std::future::pending())
        }
    }

    impl Subscriptions for Broker {
        fn change<'a>(&'a mut self, changes: &'a [Change]) -> BoxFuture<'a, Result<Vec<bool>, BoxError>> {
            Box::pin(async { Ok(vec![true; changes.len()]) })
        }

        fn lost(&self) -> BoxFuture<'_, ()> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_replaced_once() {
        let broker = Broker::default();
        let topic = Topic::new(TopicKind::Channel, "probe");
        broker.0.delivers.store(true, Ordering::Relaxed);
        let driver = Box::new(broker.clone());
        let medium = Medium::start(driver, Arc::new(Counters::default()), Tuning::default(), topic);
        medium.ready().await;
        broker.0.delivers.store(false, Ordering::Relaxed);
        // It is patient for 7 s since the last message, and as long with the new connection.
        for (seconds, connections) in [(6, 1), (4, 2), (4, 2), (4, 3)] {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            assert_eq!(broker.0.opened.load(Ordering::Relaxed), connections);
        }
    }

    /// A node without the connection of a stream hears its own messages, and is deaf nevertheless.
    #[tokio::test(start_paused = true)]
    async fn a_node_without_a_stream_probes_no_more_often() {
        let broker = Broker::default();
        broker.0.delivers.store(true, Ordering::Relaxed);
        let (driver, counters) = (Box::new(broker.clone()), Arc::new(Counters::default()));
        let topic = Topic::new(TopicKind::Channel, "probe");
        let medium = Medium::start(driver, counters, Tuning::default(), topic);
        medium.shared().expect_stream("stream");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(matches!(*medium.health().borrow(), Health::Deaf { .. }));
        // Every 3 s, when the commands can be sent and when the subscription is confirmed.
        assert_eq!(broker.0.sent.load(Ordering::Relaxed), 22);
    }
}
