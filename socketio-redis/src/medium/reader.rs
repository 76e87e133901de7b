//! The tasks of the subscriptions: their connection, and the probe that shows whether this node hears.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::router::Router;
use super::{Gap, Shared};
use crate::driver::Command;
use crate::driver::listening::{Request, Sink, Subscriptions, Topic, TopicKind};
use crate::publisher::health::Health;
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
                trace::connected("subscriptions");
                let reason = tokio::select! {
                    reason = follow(&shared, &mut *connection) => reason,
                    () = shared.stopped() => return,
                };
                drop(connection);
                shared.publisher.monitor.subscriptions(false);
                shared.router.disconnected();
                trace::disconnected("subscriptions", &reason);
            }
            Ok(Err(error)) => shared.not_connected("subscriptions", &error),
            Err(_) => shared.not_connected("subscriptions", &"no answer in time"),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next()) => {}
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
                () = connection.lost() => return "the connection was closed".to_owned(),
                () = shared.replace.notified() => return "no message has arrived for too long".to_owned(),
            }
            continue;
        }
        match tokio::time::timeout(shared.timeout(), connection.change(&changes)).await {
            Ok(Ok(accepted)) => {
                let refused = accepted.len() < changes.len() || accepted.contains(&false);
                shared.router.confirm(changes, &accepted);
                if refused {
                    trace::subscription_refused();
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
    for tick in 0u64.. {
        tokio::select! {
            _ = ticks.tick() => {}
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
                // The connection for commands is open again, and it is not known yet whether the node hears.
                if matches!(*health.borrow_and_update(), Health::Deaf { .. }) {
                    publish(&shared, &topic);
                }
            }
        }
        if tick % 4 == 0 && shared.publisher.monitor.can_send() {
            publish(&shared, &topic);
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
