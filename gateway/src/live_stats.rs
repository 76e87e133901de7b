//! Namespace `/gateway` for operators, with the current statistics in the event `stats` each second.
//!
//! In a cluster they are those of all nodes together. Clients authenticate with an operator's key as `auth.key` or in the header `x-api-key`. While no client is
//! connected, no statistics are collected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use socketio_server::{ConnectError, Namespace, Server, Socket, WeakServer};

use crate::auth::operators::{self, Operators};
use crate::auth::refusal::Refusal;
use crate::cluster::{Answered, Cluster, NodeStats, Partial, Question, Sharing};
use crate::config::STATS_NAMESPACE;
use crate::node::listing;
use crate::stats::disconnects::Disconnects;
use crate::stats::snapshot::Stats;

const INTERVAL: Duration = Duration::from_secs(1);

/// Statistics of all nodes together.
#[derive(Serialize)]
struct ClusterStats {
    #[serde(flatten)]
    stats: Stats,
    /// The nodes of a cluster; empty without one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<NodeConnections>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<Partial>,
}

/// A node, with the number of its connections.
#[derive(Serialize)]
struct NodeConnections {
    node: String,
    connections: usize,
    /// The sessions that it shares with others, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    peers: Option<Sharing>,
}

/// State of the namespace.
struct LiveStats {
    /// Weak, because a handler of the server holds this state.
    io: WeakServer,
    disconnects: Arc<Disconnects>,
    cluster: Cluster,
    started: Instant,
    /// Whether the task that emits the statistics is running.
    is_running: AtomicBool,
}

/// Registers the namespace.
pub(crate) fn register(
    io: &Server,
    operators: &Arc<Operators>,
    disconnects: &Arc<Disconnects>,
    cluster: &Cluster,
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
        cluster: cluster.clone(),
        started,
        is_running: AtomicBool::new(false),
    });
    namespace.on_connect(move |socket: Socket, namespace: Namespace| {
        if !live.is_running.swap(true, Ordering::SeqCst) {
            tokio::spawn(publish(Arc::clone(&live), namespace));
        }
        let live = Arc::clone(&live);
        async move {
            // The error of a disconnected client is ignored.
            let _ = live.stats().await.map(|stats| socket.emit("stats", &stats));
        }
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
        let Some(stats) = live.stats().await else { return };
        // The event is volatile: outdated statistics are of no use to a slow client.
        // Each node of a cluster emits to its own operators.
        if let Err(error) = namespace.local().volatile().emit("stats", &stats).await {
            tracing::debug!(%error, "statistics not sent");
        }
    }
}

impl LiveStats {
    /// `None` if the server is freed.
    async fn stats(&self) -> Option<ClusterStats> {
        let io = self.io.upgrade()?;
        let mut stats = Stats::collect(&io, &self.disconnects, self.started.elapsed());
        let Some(node) = self.cluster.node() else {
            return Some(ClusterStats { stats, nodes: Vec::new(), partial: None });
        };
        let asked = self.cluster.ask::<NodeStats>(&io, &Question::Stats).await;
        let mut rooms = listing::room_names(&io);
        let peers = self.cluster.sharing(&io);
        let mut nodes =
            vec![NodeConnections { node: node.to_owned(), connections: stats.connected(), peers }];
        for Answered { node, answer, .. } in asked.answers {
            let (connections, peers) = (answer.stats.connected(), answer.sharing);
            nodes.push(NodeConnections { node, connections, peers });
            stats.add(answer.stats);
            rooms.add(answer.rooms);
        }
        stats.room_count = rooms.count();
        nodes.sort_by(|a, b| a.node.cmp(&b.node));
        Some(ClusterStats { stats, nodes, partial: asked.partial })
    }
}
