//! Namespace `/gateway` for operators, with the current statistics in the event `stats` each second.
//!
//! Clients authenticate with an operator's key as `auth.key` or in the header `x-api-key`. While no client is
//! connected, no statistics are collected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;
use socketio_server::{ConnectError, Namespace, Server, Socket, WeakServer};

use crate::auth::operators::{self, Operators};
use crate::auth::refusal::Refusal;
use crate::config::STATS_NAMESPACE;
use crate::stats::disconnects::Disconnects;
use crate::stats::snapshot::Stats;

const INTERVAL: Duration = Duration::from_secs(1);

/// State of the namespace.
struct LiveStats {
    /// Weak, because a handler of the server holds this state.
    io: WeakServer,
    disconnects: Arc<Disconnects>,
    started: Instant,
    /// Whether the task that emits the statistics is running.
    is_running: AtomicBool,
}

/// Registers the namespace.
pub(crate) fn register(
    io: &Server,
    operators: &Arc<Operators>,
    disconnects: &Arc<Disconnects>,
    started: Instant,
) {
    let namespace = io.of(STATS_NAMESPACE);
    let operators = Arc::clone(operators);
    namespace.middleware(move |socket: Socket| {
        let is_allowed = is_operator(&operators, &socket);
        async move { if is_allowed { Ok(()) } else { Err(ConnectError::from(Refusal::KeyRequired)) } }
    });
    let live = Arc::new(LiveStats {
        io: io.downgrade(),
        disconnects: Arc::clone(disconnects),
        started,
        is_running: AtomicBool::new(false),
    });
    namespace.on_connect(move |socket: Socket, namespace: Namespace| {
        // The error of a disconnected client is ignored.
        let _ = live.stats().map(|stats| socket.emit("stats", &stats));
        if !live.is_running.swap(true, Ordering::SeqCst) {
            tokio::spawn(publish(Arc::clone(&live), namespace));
        }
        async {}
    });
}

fn is_operator(operators: &Operators, socket: &Socket) -> bool {
    #[derive(Deserialize)]
    struct Credentials {
        key: Option<String>,
    }
    let handshake = socket.handshake();
    let key = handshake.auth::<Credentials>().ok().and_then(|credentials| credentials.key);
    operators.contain(key.as_deref().or_else(|| handshake.header(operators::KEY_HEADER)))
}

/// Emits the statistics each second, until no client is connected.
async fn publish(live: Arc<LiveStats>, namespace: Namespace) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if namespace.is_empty() {
            live.is_running.store(false, Ordering::SeqCst);
            // A client may have connected before the flag was cleared, and then it started no task.
            if namespace.is_empty() || live.is_running.swap(true, Ordering::SeqCst) {
                return;
            }
        }
        let Some(stats) = live.stats() else { return };
        // The event is volatile: outdated statistics are of no use to a slow client.
        // Each node of a cluster emits to its own operators.
        if let Err(error) = namespace.local().volatile().emit("stats", &stats).await {
            tracing::debug!(%error, "statistics not sent");
        }
    }
}

impl LiveStats {
    /// `None` if the server is freed.
    fn stats(&self) -> Option<Stats> {
        Some(Stats::collect(&self.io.upgrade()?, &self.disconnects, self.started.elapsed()))
    }
}
