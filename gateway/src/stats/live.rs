//! Namespace `/gateway` for operators, with the current statistics in the event `numbers` each second.
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
use crate::config::WATCH;
use crate::stats::disconnects::Closes;
use crate::stats::snapshot::Numbers;

const INTERVAL: Duration = Duration::from_secs(1);

/// State of the namespace.
struct Watched {
    /// Weak, because a handler of the server holds this state.
    io: WeakServer,
    closes: Arc<Closes>,
    started: Instant,
    /// Whether the task that emits the statistics is running.
    counting: AtomicBool,
}

/// Registers the namespace.
pub(crate) fn register(io: &Server, operators: &Arc<Operators>, closes: &Arc<Closes>, started: Instant) {
    let namespace = io.of(WATCH);
    let operators = Arc::clone(operators);
    namespace.middleware(move |socket: Socket| {
        let may = may_watch(&operators, &socket);
        async move { if may { Ok(()) } else { Err(ConnectError::from(Refusal::KeyNeeded)) } }
    });
    let watched = Arc::new(Watched {
        io: io.downgrade(),
        closes: Arc::clone(closes),
        started,
        counting: AtomicBool::new(false),
    });
    namespace.on_connect(move |socket: Socket, namespace: Namespace| {
        // The error of a disconnected client is ignored.
        let _ = watched.numbers().map(|numbers| socket.emit("numbers", &numbers));
        if !watched.counting.swap(true, Ordering::SeqCst) {
            tokio::spawn(count(Arc::clone(&watched), namespace));
        }
        async {}
    });
}

fn may_watch(operators: &Operators, socket: &Socket) -> bool {
    #[derive(Deserialize)]
    struct Offered {
        key: Option<String>,
    }
    let handshake = socket.handshake();
    let key = handshake.auth::<Offered>().ok().and_then(|offered| offered.key);
    operators.include(key.as_deref().or_else(|| handshake.header(operators::KEY_HEADER)))
}

/// Emits the statistics each second, until no client is connected.
async fn count(watched: Arc<Watched>, namespace: Namespace) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if namespace.is_empty() {
            watched.counting.store(false, Ordering::SeqCst);
            // A client may have connected before the flag was cleared, and then it started no task.
            if namespace.is_empty() || watched.counting.swap(true, Ordering::SeqCst) {
                return;
            }
        }
        let Some(numbers) = watched.numbers() else { return };
        // The event is volatile: outdated statistics are of no use to a slow client.
        if let Err(error) = namespace.volatile().emit("numbers", &numbers).await {
            tracing::debug!(%error, "the numbers were not told");
        }
    }
}

impl Watched {
    /// `None` if the server is gone.
    fn numbers(&self) -> Option<Numbers> {
        Some(Numbers::now(&self.io.upgrade()?, &self.closes, self.started.elapsed()))
    }
}
