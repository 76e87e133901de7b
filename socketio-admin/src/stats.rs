//! The statistics of this server, in the event `server_stats` each two seconds.

use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use socketio_server::{Server, WeakServer};

use crate::shows::Shows;
use crate::trace;
use crate::traffic::{AggregatedEvent, Traffic};

const INTERVAL: Duration = Duration::from_secs(2);

/// Sender of the statistics.
pub(crate) struct Publisher {
    pub(crate) io: WeakServer,
    pub(crate) namespace: String,
    pub(crate) server_id: String,
    pub(crate) hostname: String,
    pub(crate) started: Instant,
    pub(crate) traffic: Traffic,
    /// Which namespaces are shown.
    pub(crate) shows: Shows,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServerStats<'a> {
    server_id: &'a str,
    hostname: &'a str,
    pid: u32,
    /// In seconds.
    uptime: f64,
    clients_count: usize,
    polling_clients_count: usize,
    aggregated_events: Vec<AggregatedEvent>,
    namespaces: Vec<NamespaceDetails>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NamespaceDetails {
    name: String,
    sockets_count: usize,
}

impl Publisher {
    /// Emits the statistics until the server is freed.
    pub(crate) async fn run(self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(io) = self.io.upgrade() else { return };
            // Taken in any case, so that the page shows no burst of what happened before it came.
            let events = self.traffic.take(milliseconds(SystemTime::now()));
            let Some(namespace) = io.namespace(&self.namespace) else { return };
            if namespace.is_empty() && !io.is_clustered() {
                continue;
            }
            let stats = self.stats(&io, events);
            drop(io);
            if let Err(error) = namespace.volatile().emit("server_stats", &stats).await {
                trace::not_sent("server_stats", &error);
            }
        }
    }

    fn stats(&self, io: &Server, aggregated_events: Vec<AggregatedEvent>) -> ServerStats<'_> {
        let names = io.namespaces().into_iter().filter(|name| (self.shows)(name));
        let namespaces = names
            .filter_map(|name| {
                let sockets_count = io.namespace(&name)?.len();
                Some(NamespaceDetails { name, sockets_count })
            })
            .collect();
        ServerStats {
            server_id: &self.server_id,
            hostname: &self.hostname,
            pid: std::process::id(),
            uptime: self.started.elapsed().as_secs_f64(),
            clients_count: io.engine().stats().sessions,
            polling_clients_count: self.traffic.polling(),
            aggregated_events,
            namespaces,
        }
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // The page groups events by full seconds.
    since.as_secs() * 1000
}
