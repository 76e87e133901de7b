//! Metrics of a node of a cluster, and of the whole cluster as this node sees it.

use std::time::Duration;

use super::page::{Kind, Page};
use crate::cluster::{Question, Sharing};
use crate::gateway::Gateway;
use crate::node::listing::Totals;

/// Maximum wait for the other nodes. Prometheus gives up ten seconds after its request.
const WAIT: Duration = Duration::from_secs(2);

/// Numbers of the whole cluster, and of this node's link to it.
pub(super) struct ClusterMetrics {
    others: usize,
    link: &'static str,
    stats: socketio_redis::Stats,
    everywhere: Option<Everywhere>,
    sharing: Option<Sharing>,
}

/// Numbers of all nodes.
struct Everywhere {
    /// Number of nodes that answered, this one included.
    nodes: usize,
    missing: usize,
    totals: Totals,
}

impl ClusterMetrics {
    /// Asks the other nodes. `None` without a cluster.
    pub(super) async fn collect(gateway: &Gateway) -> Option<Self> {
        let own = Self::own(gateway)?;
        let (io, cluster, others) = (gateway.io(), gateway.cluster(), own.others);
        let (mut nodes, mut totals) = (1, Totals::of(io));
        let asked = tokio::time::timeout(WAIT, cluster.ask::<Totals>(io, &Question::Totals)).await;
        let missing = match asked {
            Ok(asked) => {
                nodes += asked.answers.len();
                asked.answers.into_iter().for_each(|answered| totals.add(answered.answer));
                asked.partial.map_or(0, |partial| partial.missing.len())
            }
            Err(_) => others,
        };
        Some(Self { everywhere: Some(Everywhere { nodes, missing, totals }), ..own })
    }

    /// The numbers of this node alone. `None` without a cluster.
    pub(super) fn own(gateway: &Gateway) -> Option<Self> {
        let cluster = gateway.cluster();
        Some(Self {
            others: cluster.others().len(),
            link: cluster.health().unwrap_or_default(),
            stats: cluster.connections()?.stats(),
            everywhere: None,
            sharing: cluster.sharing(gateway.io()),
        })
    }

    pub(super) fn write(self, page: &mut Page) {
        let Self { others, link, stats, everywhere, sharing } = self;
        page.one("node_info", Kind::Gauge, "Name of this node in its cluster.", 1);
        let help = "Other gateways of the cluster that this one has heard of lately.";
        page.one("cluster_other_nodes", Kind::Gauge, help, others);
        if let Some(Everywhere { nodes, missing, totals }) = everywhere {
            let help = "Gateways that the numbers of the cluster are of, this one included.";
            page.one("cluster_nodes", Kind::Gauge, help, nodes);
            let help = "Gateways whose numbers are missing in those of the cluster.";
            page.one("cluster_missing_nodes", Kind::Gauge, help, missing);
            let help = "Connected sockets at all gateways of the cluster.";
            page.one("cluster_sockets", Kind::Gauge, help, totals.sockets);
            let help = "Rooms with at least one member at any gateway of the cluster.";
            page.one("cluster_rooms", Kind::Gauge, help, totals.rooms.count());
        }
        let state = match link {
            "connected" => 0,
            "deaf" => 1,
            _ => 2,
        };
        page.one(
            "cluster_link_state",
            Kind::Gauge,
            "Link to Redis or PostgreSQL: 0 connected, 1 deaf, 2 down.",
            state,
        );
        page.one(
            "cluster_queued_bytes",
            Kind::Gauge,
            "Bytes that wait for Redis or PostgreSQL.",
            stats.queued_bytes,
        );
        let help = "Bytes of received messages that wait for their namespace.";
        page.one("cluster_received_bytes", Kind::Gauge, help, stats.received_bytes);
        for (name, help, count) in [
            ("messages_published", "Messages that Redis or PostgreSQL has taken.", stats.published),
            ("messages_lost", "Messages that were not sent to other nodes.", stats.lost),
            (
                "messages_unconfirmed",
                "Messages whose connection ended before there was an answer.",
                stats.unconfirmed,
            ),
            ("messages_received", "Messages that have arrived.", stats.received),
            (
                "messages_dropped",
                "Messages that have arrived faster than they were handled, and were dropped.",
                stats.dropped,
            ),
            ("messages_invalid", "Messages that have arrived and could not be read.", stats.bad_messages),
            ("connections", "Opened connections to Redis or PostgreSQL.", stats.connections),
            (
                "failed_connections",
                "Connections to Redis or PostgreSQL that could not be opened.",
                stats.failed_connections,
            ),
            ("failovers", "Changes of the master that Sentinel has named.", stats.failovers),
            ("redirections", "Commands that a Redis Cluster has sent elsewhere.", stats.redirections),
            ("gaps", "Times in which this node may have missed messages of others.", stats.gaps),
        ] {
            page.one(&format!("cluster_{name}_total"), Kind::Counter, help, count);
        }
        if let Some(sharing) = sharing {
            self::sharing(page, &sharing);
        }
    }
}

/// Numbers of the sessions that this node shares with others.
fn sharing(page: &mut Page, sharing: &Sharing) {
    let help = "1 while there is a connection to this gateway, which shares its sessions with this one.";
    page.family("peer_connected", Kind::Gauge, help);
    for node in &sharing.nodes {
        page.sample("peer_connected", &[("peer", &node.address)], usize::from(node.connected));
    }
    let help = "Polls that wait here for sessions of other gateways, and relayed WebSockets.";
    page.one("peer_relayed", Kind::Gauge, help, sharing.relayed);
    let help = "Requests about sessions to other gateways that wait for an answer.";
    page.one("peer_open_requests", Kind::Gauge, help, sharing.open_requests);
}
