//! Rolling restarts of workers by SIGUSR2.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tests::raw::{Polling, soon};
use tokio::sync::watch;

use crate::cluster_balanced::Clients;
use crate::workers::{Workers, emit};

/// Opens sessions all the time, each on a connection of its own, until it is stopped. Returns their number. A connection
/// or handshake that is refused is a failure.
struct Attempts {
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Attempts {
    fn start(workers: &Workers) -> Self {
        let (stop, opened) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (addr, stopped, counted) = (workers.addr(), Arc::clone(&stop), Arc::clone(&opened));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let client = Polling::open(addr, "/socket.io/?EIO=4&transport=polling").await;
                counted.fetch_add(1, Ordering::Relaxed);
                // The worker of the session may drain already.
                client.post("1").await;
            }
        });
        Self { stop, opened, task }
    }

    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        soon(self.task).await.unwrap();
        self.opened.load(Ordering::Relaxed)
    }
}

/// Sends numbers to a room all the time, each through any worker, until it is stopped.
struct Numbers {
    stop: Arc<AtomicBool>,
    sent: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl Numbers {
    fn start(workers: &Workers, room: &str) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (sender, sent) = watch::channel(0);
        let (addr, stopped, room) = (workers.addr(), Arc::clone(&stop), room.to_owned());
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let next = *sender.borrow() + 1;
                emit(addr, &room, next).await;
                sender.send_replace(next);
            }
        });
        Self { stop, sent, task }
    }

    /// Waits until some were sent.
    async fn more(&mut self) {
        soon(self.sent.wait_for(|sent| *sent >= 10)).await.unwrap();
    }

    /// Returns the last number.
    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        soon(self.task).await.unwrap();
        *self.sent.borrow()
    }
}

/// The next generation of all workers.
async fn all_are_new(workers: &mut Workers, generation: usize) {
    for slot in 0..3 {
        assert_eq!(workers.accepts().await, format!("w-{slot}.{generation}"));
    }
    workers.served.said("all workers are new").await;
    workers.pids.retain(|node, _| node.ends_with(&format!(".{generation}")));
    workers.know_each_other().await;
}

/// Clients that are recovered get each event once, and each connection is accepted.
#[tokio::test]
async fn a_rolling_restart_loses_nothing() {
    let mut workers = Workers::start(&["server.drain_ms=3000"]).await;
    for (generation, transports) in [(1, "websocket"), (0, "polling,websocket"), (1, "polling")] {
        nothing_is_lost(&mut workers, generation, transports).await;
    }
    let mut workers = Workers::start_on_redis(&["server.drain_ms=3000"]).await;
    nothing_is_lost(&mut workers, 1, "polling,websocket").await;
}

async fn nothing_is_lost(workers: &mut Workers, generation: usize, transports: &str) {
    let mut clients = Clients::talk(workers.addr(), transports).await;
    let attempts = Attempts::start(workers);
    let mut numbers = Numbers::start(workers, &clients.room);
    numbers.more().await;
    workers.served.signal("USR2").await;
    all_are_new(workers, generation).await;
    assert!(attempts.stop().await > 0);
    let mut last = numbers.stop().await;
    last += 1;
    emit(workers.addr(), &clients.room, last).await;
    for report in clients.until(last).await {
        let what = format!("{transports}: {report:?}");
        assert_eq!(report.numbers, (1..=last).collect::<Vec<_>>(), "{what}");
        assert_eq!(report.fresh, 0, "{what}");
    }
}

/// The old worker stays where the new one fails, and a restart during another follows it once.
#[tokio::test]
async fn a_restart_that_fails_leaves_the_old_workers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, "[server]\ndrain_ms = 2000\n").unwrap();
    let mut workers = Workers::start_with(&["--config", file.to_str().unwrap()], &[]).await;
    std::fs::write(&file, "[tls]\ncertificate = \"/nonexistent.pem\"\nkey = \"/nonexistent.key\"\n").unwrap();
    workers.served.signal("USR2").await;
    workers.served.said("the rolling restart has stopped, as a new worker has failed").await;
    assert_eq!(workers.metrics().await, (workers.nodes().into_iter().map(str::to_owned).collect(), 0));

    std::fs::write(&file, "[server]\ndrain_ms = 2000\n").unwrap();
    workers.served.signal("USR2").await;
    assert_eq!(workers.accepts().await, "w-0.1");
    for _ in 0..3 {
        workers.served.signal("USR2").await;
    }
    for node in ["w-1.1", "w-2.1", "w-0.0", "w-1.0", "w-2.0"] {
        assert_eq!(workers.accepts().await, node);
    }
    workers.served.said("all workers are new").await;
    let pids: BTreeSet<u32> = workers.pids.values().copied().collect();
    workers.pids.retain(|node, _| node.ends_with(".0"));
    assert_eq!((pids.len(), workers.pids.len()), (6, 3));
    workers.know_each_other().await;
}
